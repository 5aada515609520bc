"""What the contract's types hold: the classes of a kind, and each key's type, meaning and when it is null."""

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

import msgspec

from orchprof.contract.schema.encoding import SPREAD


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a class.

    Attributes:
        name: as in JSON.
        hint: its type, without what is said of it.
        said: what its description says.
        nullable: whether it may be null.
        optional: whether it may be absent.
    """

    name: str
    hint: Any
    said: str
    nullable: bool
    optional: bool


def keys(kind: type) -> list[Key]:
    """Return the keys of a class in their order; not those that are known by name only when a record is made."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return [_key(name, hints[own]) for own, name in _names(kind) if name != SPREAD]


def is_class(kind: object) -> TypeGuard[type]:
    """Return whether a type is a class of the contract: a dataclass, or a Struct where JSON's name is a keyword."""
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct))


def _names(kind: type) -> list[tuple[str, str]]:
    """Return the fields of a class by their own names, with those that they have in JSON."""
    if issubclass(kind, msgspec.Struct):
        return [(field.name, field.encode_name) for field in msgspec.structs.fields(kind)]
    own = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    return [(field.name, field.name) for field in own]


def _key(name: str, hint: object) -> Key:
    bare, said = unwrapped(hint)
    return Key(name, bare, said, NoneType in choices(bare), msgspec.UnsetType in choices(bare))


def unwrapped(hint: object) -> tuple[Any, str]:
    """Return a type without its annotations, and what they describe it as."""
    if get_origin(hint) is not Annotated:
        return hint, ""
    bare, *notes = get_args(hint)
    told = [note.description for note in notes if isinstance(note, msgspec.Meta) and note.description]
    return bare, told[-1] if told else ""


def choices(hint: object) -> tuple[Any, ...]:
    """Return what a union is of; of any other type itself."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def classes(root: type, apart: typing.Collection[type] = ()) -> list[type]:
    """Return the classes that a root is made of, itself first.

    Args:
        root: a dataclass.
        apart: classes that are not looked into, nor returned.
    """
    kinds: dict[type, None] = {root: None}
    for kind in _within(root):
        if kind not in kinds and kind not in apart:
            kinds |= dict.fromkeys(classes(kind, {*apart, *kinds}))
    return list(kinds)


def _within(kind: type) -> Iterator[type]:
    for key in keys(kind):
        yield from _named(key.hint)


def _named(hint: object) -> Iterator[type]:
    bare, _ = unwrapped(hint)
    if is_class(bare):
        yield bare
    for inner in get_args(bare):
        yield from _named(inner)
