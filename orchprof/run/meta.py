"""run.json, checked when it is read: of what every later step looks at, each value is of the kind it has to be.

A key that is not in `contract.run` is nobody's to look at; a null is "not said", whatever the key.
"""

import re
from pathlib import Path
from typing import Any, Final

import msgspec

from orchprof import files
from orchprof.contract.run import RunMeta
from orchprof.errors import UnfitRunError
from orchprof.run.schema import HISTORY

META: Final = "run.json"
_KINDS: Final = {"str": "string", "int": "integer", "bool": "boolean", "float": "number"}
_KIND: Final = re.compile(rf"\b({'|'.join(_KINDS)})\b")
_SHOWN: Final = 60  # characters of a value that cannot be
_STEP: Final = re.compile(r"(\w+)|\[(\d+)\]")


def read_meta(path: Path) -> RunMeta:
    """Return the run.json of the run at `path`.

    Raises:
        UnfitRunError: there is none, it cannot be read, its schema is unknown, or a value in it cannot be.
    """
    return typed(read_json(path), path / META)


def read_json(path: Path) -> dict[str, object]:
    """Return the run.json of the run at `path` as it lies there, of a schema that is known.

    Raises:
        UnfitRunError: there is none, it cannot be read, or its schema is unknown.
    """
    where = path / META
    if not files.is_file(where):
        raise UnfitRunError(f"no run, {path} @ RUN{_why(where)}, give a directory that orchprof wrote")
    try:
        document = files.document(where)
    except files.UnreadableError as why:
        raise UnfitRunError(
            f"unreadable {META}, {why} @ {path}, restore it or record the run again"
        ) from None
    version = document.get("schema")
    if type(version) is not int or version not in HISTORY:
        raise UnfitRunError(
            f"unknown run schema, {version!r} @ {where}, this orchprof reads {min(HISTORY)} to {max(HISTORY)}: "
            "open it with the version that wrote it"
        )
    return document


def typed(document: dict[str, object], where: Path | str = META) -> RunMeta:
    """Return a run.json as its type; a null is as if its key were not there.

    Raises:
        UnfitRunError: a value is not of the kind it has to be.
    """
    said = {key: value for key, value in document.items() if value is not None}
    try:
        return msgspec.convert(said, RunMeta)
    except msgspec.ValidationError as error:
        why, key = _told(str(error))
        raise UnfitRunError(
            f"{why}, {key} = {_short(_at(said, key))} @ {where}, restore it or record the run again"
        ) from None


def _told(error: str) -> tuple[str, str]:
    """Return what is wrong in words, and the key: of "Expected `int`, got `str` - at `$.seed`"."""
    why, _, path = error.partition(" - at `$.")
    why = _KIND.sub(
        lambda kind: _KINDS[kind[0]], why.partition(", got")[0].replace(" | null", "").replace("`", "")
    )
    return why[:1].lower() + why[1:], path.rstrip("`")


def _at(document: Any, key: str) -> Any:
    """Return the value at a key such as `params.tasks` or `findings[0].code`; None where it ends before."""
    for name, place in _STEP.findall(key):
        try:
            document = document[int(place)] if place else document[name]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _why(where: Path) -> str:
    """Return why nothing can be found at a place, where it is not just that nothing is there."""
    try:
        where.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        return f", {getattr(error, 'strerror', None) or error}"
    return f", its {META} is no file"
