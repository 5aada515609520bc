"""The endpoint as a child process: started, waited for, and ended with whoever asked for it."""

import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from selectors import EVENT_READ, DefaultSelector
from typing import IO, Final

import msgspec

from orchprof import errors
from orchprof.models.explain import resolve
from orchprof.models.spec import HttpSpec, PacedSpec, Spec, parse

READY_S: Final = 180.0  # writing the default llama's weights is part of it, once
REACH_S: Final = 10.0
STOP_S: Final = 3.0
_TAIL_LINES: Final = 5


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model that answers.

    Attributes:
        base_url: what OpenAI's clients call so, `/v1` included.
        model: the name to ask for.
        provenance: of its times; `reported` of somebody's server is a hope, each call's clock decides
            (`client_only` when it has none).
        band: what to multiply modelled times by, low and high; None when they are not modelled.
        pid: of the process that computes; None for somebody's server.
    """

    base_url: str
    model: str
    provenance: str
    band: tuple[float, float] | None
    pid: int | None


@dataclass(frozen=True, slots=True)
class Ready:
    """What an endpoint prints when it serves."""

    base_url: str
    model: str
    provenance: str


@contextmanager
def start(
    spec: str,
    script: str | None = None,
    settings: Mapping[str, object] | None = None,
    seed: int = 0,
    *,
    any_model: bool = False,
) -> Iterator[Endpoint]:
    """Yield the endpoint of a spec, running; for `http://` specs nothing is started, only reached for.

    Args:
        spec: any model spec.
        script: `module:function`; see `endpoint.serve`.
        settings: for the script and the time source.
        seed: for the script.
        any_model: see `endpoint.serve`.

    Raises:
        UsageError: the spec is not understood.
        ModelError: the endpoint does not start, or the server cannot be reached.
    """
    parsed = parse(spec)
    if isinstance(parsed, HttpSpec):
        _reach(parsed)
        yield Endpoint(parsed.base_url, parsed.model, "reported", None, None)
        return
    band = _band(parsed)
    asked = {
        "spec": spec,
        "script": script,
        "settings": settings or {},
        "seed": seed,
        "any_model": any_model,
        "die_with_parent": True,
    }
    with tempfile.TemporaryFile() as stderr:
        child = _spawn(asked, stderr)
        try:
            ready = _ready(child, spec, stderr)
            yield Endpoint(ready.base_url, ready.model, ready.provenance, band, child.pid)
        finally:
            _stop(child)


def _band(spec: Spec) -> tuple[float, float] | None:
    if isinstance(spec, PacedSpec):
        return resolve(spec).band
    return None


def _spawn(asked: Mapping[str, object], stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "orchprof.models.endpoint", json.dumps(asked)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,  # Ctrl-C is for whoever started it, who still needs its answers
    )


def _ready(child: subprocess.Popen[bytes], spec: str, stderr: IO[bytes]) -> Ready:
    """Return the line the child prints when it serves."""
    line = b""
    if child.stdout is not None:
        with DefaultSelector() as selector:
            selector.register(child.stdout, EVENT_READ)
            line = child.stdout.readline() if selector.select(READY_S) else b""
    if line:
        return msgspec.json.decode(line, type=Ready)
    _stop(child)
    stderr.seek(0)
    tail = stderr.read().decode(errors="replace").strip().splitlines()[-_TAIL_LINES:]
    if tail and tail[-1].startswith("error: "):
        raise errors.ModelError(tail[-1].removeprefix("error: "))
    said = " | ".join(tail) or f"nothing on stderr for {READY_S:.0f} s"
    raise errors.ModelError(f"endpoint did not start, {said} @ {spec}, run orchprof serve-model to see it")


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def _reach(spec: HttpSpec) -> None:
    """Ask the server for its models: any answer but a refusal to talk will do."""
    try:
        with urllib.request.urlopen(f"{spec.base_url}/models", timeout=REACH_S):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        error.close()  # it answers: what it wants is between it and the client's key
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise errors.ModelError(
            f"cannot reach the server, {reason} @ {spec.base_url}, start it or correct the address"
        ) from error
