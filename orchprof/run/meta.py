"""run.json, checked when it is read: of what every later step looks at, each value is of the kind it has to be.

A key that is not here is nobody's to look at; a null is "not said", whatever the key.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from orchprof import files
from orchprof.errors import UnfitRunError
from orchprof.run.schema import HISTORY, PROVENANCES

META: Final = "run.json"
LARGEST: Final = 1e15  # of bytes, cores, seconds, speeds: what is larger is no measurement


class Kind(NamedTuple):
    """What a value has to be, in words, and whether one is."""

    says: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_band(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):  # noqa: PLR2004
        return False
    return bool(0 < value[0] <= value[1])


def _is_finding(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return (
        isinstance(value, dict)
        and isinstance(value.get("code"), str)
        and isinstance(value.get("message"), str | None)
    )


def _is_metered(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("part"), str)
        and isinstance(value.get("tier"), str)
        and _is_number(value.get("joules"))
        and value["joules"] >= 0
    )


def _list_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


TEXT: Final = Kind("a text", _is_text)
TEXTS: Final = Kind("a list of texts", _list_of(_is_text))
TRUTH: Final = Kind("true or false", lambda value: isinstance(value, bool))
WHOLE: Final = Kind("a whole number", _is_whole)
COUNT: Final = Kind("a whole number of 0 or more", lambda value: _is_whole(value) and 0 <= value <= LARGEST)
PID: Final = Kind("a process's number", lambda value: _is_whole(value) and 0 <= value < 1 << 31)
FROM_1: Final = Kind("a whole number of 1 or more", lambda value: _is_whole(value) and 1 <= value <= LARGEST)
FROM_0: Final = Kind("a number of 0 or more", lambda value: _is_number(value) and value >= 0)
ABOVE_0: Final = Kind("a number above 0", lambda value: _is_number(value) and value > 0)
NUMBERS: Final = Kind("a list of numbers", _list_of(_is_number))
OBJECT: Final = Kind("an object", lambda value: isinstance(value, dict))
BAND: Final = Kind("two numbers above 0, the smaller first", _is_band)
FINDINGS: Final = Kind("a list of findings, each with a code", _list_of(_is_finding))
METERED: Final = Kind("a list of part, joules and tier", _list_of(_is_metered))
PROVENANCE: Final = Kind(f"one of {', '.join(PROVENANCES)}", lambda value: value in PROVENANCES)

Kinds = Mapping[str, "Kind | Kinds"]
KINDS: Final[Kinds] = {
    "id": TEXT, "bench_id": TEXT, "created": TEXT, "workload": TEXT, "variant": TEXT, "task_from": TEXT,
    "sealed": TRUTH, "complete": TRUTH, "interrupted": TRUTH, "labelled": TRUTH,
    "seed": WHOLE, "order": WHOLE, "exit_code": WHOLE, "findings": FINDINGS, "labels": TEXTS,
    "recorder": {"pid": PID, "started": FROM_0},
    "metered": {"endpoint_core_s": FROM_0, "energy": METERED, "energy_reason": TEXT},
    "params": {
        "cores_per_worker": ABOVE_0, "mode": TEXT, "concurrency": FROM_1, "tasks": COUNT, "warmup": COUNT,
        "arrivals": TEXT, "rate_per_s": ABOVE_0, "burstiness": ABOVE_0, "trace": TEXT, "duration_s": ABOVE_0,
        "ramp_s": FROM_0, "settings": OBJECT, "quick": TRUTH, "task_timeout_s": ABOVE_0, "task_from": TEXT,
        "tools": TEXTS, "command": TEXTS,
    },
    "model": {
        "spec": TEXT, "name": TEXT, "provenance": PROVENANCE, "band": BAND, "decisions": TEXT, "regime": TEXT,
    },
    "machine": {
        "cpu_model": TEXT, "architecture": TEXT, "system": TEXT, "kernel": TEXT, "python": TEXT,
        "implementation": TEXT, "cores": ABOVE_0, "cores_host": ABOVE_0, "cores_affinity": ABOVE_0,
        "cores_quota": ABOVE_0, "memory_bytes": ABOVE_0, "memory_host_bytes": ABOVE_0, "core_speed": ABOVE_0,
        "core_speed_before": ABOVE_0, "core_speed_after": ABOVE_0, "load_average": NUMBERS, "packages": OBJECT,
        "git": OBJECT, "clocks": OBJECT,
    },
}  # fmt: skip


def read_meta(path: Path) -> dict[str, Any]:
    """Return the run.json of the run at `path`.

    Raises:
        UnfitRunError: there is none, it cannot be read, its schema is unknown, or a value in it cannot be.
    """
    where = path / META
    if not files.is_file(where):
        raise UnfitRunError(f"no run, {path} @ RUN{_why(where)}, give a directory that orchprof wrote")
    try:
        meta = files.document(where)
    except files.UnreadableError as why:
        raise UnfitRunError(
            f"unreadable {META}, {why} @ {path}, restore it or record the run again"
        ) from None
    version = meta.get("schema")
    if type(version) is not int or version not in HISTORY:
        raise UnfitRunError(
            f"unknown run schema, {version!r} @ {where}, this orchprof reads {min(HISTORY)} to {max(HISTORY)}: "
            "open it with the version that wrote it"
        )
    for key, value, kind in _wrong(meta, KINDS):
        raise UnfitRunError(
            f"not {kind}, {key} = {_short(value)} @ {where}, restore it or record the run again"
        )
    return meta


def _wrong(meta: Mapping[str, Any], kinds: Kinds, inside: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield where a value is not of its kind, the value, and what it has to be."""
    for name, kind in kinds.items():
        value, key = meta.get(name), f"{inside}{name}"
        if value is None:
            continue
        if isinstance(kind, Kind):
            if not kind.holds(value):
                yield key, value, kind.says
        elif isinstance(value, dict):
            yield from _wrong(value, kind, f"{key}.")
        else:
            yield key, value, OBJECT.says


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."  # noqa: PLR2004


def _why(where: Path) -> str:
    """Return why nothing can be found at a place, where it is not just that nothing is there."""
    try:
        where.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        return f", {getattr(error, 'strerror', None) or error}"
    return f", its {META} is no file"
