"""Model specs: `paced:MODEL@ACCELERATOR`, `llama:NAME`, `http://HOST/v1#MODEL`, `zero`, and their meaning."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchprof import errors, files
from orchprof.models.paced import facts

# Of all models at their published precision on one accelerator it has the most published rows.
DEFAULT_SPEC: Final = "paced:llama-3.1-8b@h100-sxm"

FORMS: Final = (
    "paced:MODEL@ACCELERATOR[xN][:PRECISION[/ENGINE]]",
    "llama:default",
    "llama:FILE.gguf",
    "http://HOST/v1#MODEL",
    "zero",
)
DEFAULT_LLAMA: Final = "default"
_WHERE: Final = "model spec"


@dataclass(frozen=True, slots=True)
class PacedSpec:
    """Accelerator time modelled; None takes the default that `explain` states."""

    text: str
    model: str
    accelerator: str
    count: int | None
    precision: str | None
    engine: str | None


@dataclass(frozen=True, slots=True)
class LlamaSpec:
    """Real compute on this machine's processors: `default`, or the path of a GGUF file."""

    text: str
    model: str


@dataclass(frozen=True, slots=True)
class HttpSpec:
    """Somebody's OpenAI-compatible server."""

    text: str
    base_url: str
    model: str


@dataclass(frozen=True, slots=True)
class ZeroSpec:
    """A model that takes no time."""

    text: str
    model: str = "zero"


Spec = PacedSpec | LlamaSpec | HttpSpec | ZeroSpec


def parse(text: str) -> Spec:
    """Return what a spec asks for.

    Raises:
        UsageError: it has none of the `FORMS`, or a name in it is not known.
    """
    kind, _, rest = text.partition(":")
    if kind not in _PARSERS:
        raise errors.unknown("model spec", text, list(FORMS), "--model")
    return _PARSERS[kind](text, rest)


def refuse_missing(spec: Spec) -> None:
    """Refuse a spec that names a file which is not there.

    Raises:
        UsageError: it does.
    """
    if isinstance(spec, LlamaSpec) and spec.model != DEFAULT_LLAMA and not files.is_file(Path(spec.model)):
        raise errors.UsageError(f"no such file, {spec.model!r} @ {_WHERE}, give a GGUF file or llama:default")


def _paced(text: str, rest: str) -> PacedSpec:
    model, at, place = rest.partition("@")
    if not at or not model or not place:
        raise errors.UsageError(f"incomplete model spec, {text!r} @ --model, write it as {FORMS[0]}")
    device, _, variant = place.lower().partition(":")
    precision, _, engine = variant.partition("/")
    accelerator, count = _devices(device, text)
    name = facts.short_name(model)
    _known("model", name, list(facts.models()), text)
    if precision:
        _known("precision", precision, list(facts.BYTES_PER_PARAMETER), text)
    if engine:
        _known("engine", engine, sorted({row.engine for row in facts.rows()}), text)
    return PacedSpec(text, name, accelerator, count, precision or None, engine or None)


def _devices(device: str, text: str) -> tuple[str, int | None]:
    """Return the accelerator and its count of `h100-sxmx4`, `h100` or `mi300x`."""
    known = [*facts.accelerators(), *facts.ALIASES]
    name, count = device, None
    if device not in known and (match := re.fullmatch(r"(.+)x([0-9]{1,6})", device)):
        name, count = match[1], int(match[2])
    _known("accelerator", name, known, text)
    if count == 0:
        raise errors.UsageError(f"no accelerators, {device!r} @ {_WHERE}, ask for x1 or more")
    return facts.ALIASES.get(name, name), count


def _known(what: str, name: str, valid: list[str], where: str) -> None:
    if name not in valid:
        raise errors.unknown(what, name, valid, where)


def _llama(text: str, rest: str) -> LlamaSpec:
    if rest != DEFAULT_LLAMA and not rest.endswith(".gguf"):
        raise errors.unknown("llama model", rest, [DEFAULT_LLAMA, "FILE.gguf"], text)
    return LlamaSpec(text, rest)


def _http(text: str, rest: str) -> HttpSpec:
    del rest
    base_url, _, model = text.partition("#")
    if not model or base_url.count("/") < 2:  # noqa: PLR2004
        raise errors.UsageError(f"incomplete model spec, {text!r} @ --model, write it as {FORMS[3]}")
    return HttpSpec(text, base_url.rstrip("/"), model)


def _zero(text: str, rest: str) -> ZeroSpec:
    if rest:
        raise errors.UsageError(f"zero takes no argument, {text!r} @ --model, write zero")
    return ZeroSpec(text)


def _torch(text: str, rest: str) -> Spec:
    del rest
    raise errors.UsageError(
        f"torch models are not in this version, {text!r} @ --model, use one of {', '.join(FORMS)}"
    )


_PARSERS: Final[dict[str, Callable[[str, str], Spec]]] = {
    "paced": _paced,
    "llama": _llama,
    "http": _http,
    "https": _http,
    "zero": _zero,
    "torch": _torch,
}
