"""The JSON Schema of a kind of record, from its types."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from orchprof.contract.schema import shape
from orchprof.contract.schema.kinds import KINDS

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_INSIDE: Final = "#/$defs/{name}"


def urn(name: str) -> str:
    """Return the `$id` of a kind: `urn:orchprof:report:1` of `orchprof.report/1`."""
    return f"urn:{name.replace('.', ':').replace('/', ':')}"


def schema(name: str) -> dict[str, object]:
    """Return the schema of a kind that has a type; a record of another kind in it is referred to.

    Raises:
        ValueError: two classes of the kind have one name.
    """
    root = KINDS[name]
    others = {kind: urn(other) for other, kind in KINDS.items() if kind is not root}
    parts = shape.classes(root, others)
    names = [kind.__name__ for kind in parts]
    if len(set(names)) < len(names):
        raise ValueError(f"two classes of one name, {sorted(names)} @ {name}, call one of them otherwise")
    _, made = msgspec.json.schema_components([root], ref_template=_INSIDE)
    moved = {_INSIDE.format(name=kind.__name__): target for kind, target in others.items()}
    defined = {kind.__name__: _class(kind, made[kind.__name__], moved) for kind in parts}
    top = defined.pop(root.__name__)
    top["properties"]["schema"] = {"const": name}
    top["required"].insert(0, "schema")
    return {"$schema": DRAFT, "$id": urn(name)} | top | {"title": name, "$defs": defined}


def _class(kind: type, made: Mapping[str, Any], moved: Mapping[str, str]) -> dict[str, Any]:
    """Return a class's schema with its keys in their order: msgspec puts those with a default last."""
    order = [key.name for key in shape.keys(kind)]
    properties = {name: _referred(made["properties"][name], moved) for name in order}
    required = [name for name in order if name in made["required"]]
    return {**made, "required": required, "properties": properties}


def _referred(value: object, moved: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _referred(item, moved) for key, item in value.items()}
    if isinstance(value, list):
        return [_referred(item, moved) for item in value]
    return moved.get(value, value) if isinstance(value, str) else value
