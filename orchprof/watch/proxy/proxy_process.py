"""The recording proxy as a child process: started, waited for, and ended with whoever asked for it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import orchprof
from orchprof import errors
from orchprof.watch.proxy import base_urls

_STOP_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that listens.

    Attributes:
        port: on loopback.
        pid: of its process, which is none of the agent's.
        calls_pipe_fd: where it says of each reply with tool calls what they are, a line of JSON each:
            `{"calls": [{"id", "name", "command"}], "at_ns"}`. The commands are nowhere else.
        environment_changes: what is to be set in the agent's environment.
    """

    port: int
    pid: int
    calls_pipe_fd: int
    environment_changes: dict[str, str]

    def address(self, variable: str) -> str:
        """Return what one variable is set to: for an agent that wants it by another way."""
        return base_urls.address(variable, self.port)


@contextmanager
def start(logs: Path, environment: Mapping[str, str], port: int = 0) -> Iterator[Proxy]:
    """Yield a proxy that notes into `logs` what goes through, until the block ends.

    Args:
        logs: a run's folder of logs.
        environment: of the agent; its base URLs become the proxy's upstreams.
        port: 0 takes a free one.

    Raises:
        ModelError: it does not start.
    """
    asked = {"logs": str(logs.resolve()), "upstreams": base_urls.upstreams(environment), "port": port}
    with tempfile.TemporaryFile() as stderr:
        child = _spawn(asked, environment, stderr)
        try:
            number = _port(child, stderr)
            pipe = -1 if child.stdout is None else child.stdout.fileno()
            yield Proxy(number, child.pid, pipe, base_urls.changes(environment, number))
        finally:
            _stop(child)


def _spawn(
    asked: Mapping[str, Any], environment: Mapping[str, str], stderr: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start it where its own package is: the agent's folder may hold modules of any name."""
    return subprocess.Popen(
        [sys.executable, "-m", "orchprof.watch.proxy", json.dumps(asked)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        bufsize=0,
        cwd=Path(orchprof.__file__).parents[1],
        env=dict(environment),
        start_new_session=True,  # Ctrl-C is for the agent, which may still ask
    )


def _port(child: subprocess.Popen[bytes], stderr: IO[bytes]) -> int:
    """Return the port of the line that the child prints when it listens: it does, or ends."""
    line = b"" if child.stdout is None else child.stdout.readline()
    if line:
        return int(json.loads(line)["port"])
    _stop(child)
    stderr.seek(0)
    said = (stderr.read().decode(errors="replace").strip().splitlines() or ["nothing on stderr"])[-1]
    raise errors.ModelError(f"the recording proxy did not start, {said.removeprefix('error: ')}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End it by its stdin, so that it notes what is still on its way."""
    for pipe in (child.stdin,):
        if pipe is not None:
            pipe.close()
    with suppress(subprocess.TimeoutExpired):
        child.wait(_STOP_S)
    child.kill()
    child.wait()
    if child.stdout is not None:
        child.stdout.close()
