"""The workers of one run: started together, released together, listened to, and ended whatever happens."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from orchprof.bench.catalogue import EXTRA
from orchprof.bench.worker_config import WorkerConfig
from orchprof.errors import MissingExtraError, OrchprofError, RunError, UsageError

_LEAVE_S: Final = 5.0
_POLL_S: Final = 0.25
# The workers start their clocks together, this long after they are told to.
_LEAD_NS: Final = 20_000_000
_TAIL_LINES: Final = 3


def _own(env: dict[str, str]) -> dict[str, str]:
    """Return the environment of a worker, which records itself, also where its driver is being recorded."""
    return {name: value for name, value in os.environ.items() if name != "ORCHPROF_LOGS"} | env


class WorkerPool:
    """One process per `Orders`. They are out of the terminal's process group: Ctrl-C is the driver's to handle."""

    def __init__(self, config: list[WorkerConfig], env: dict[str, str], scratch: Path) -> None:
        self.deaths: list[str] = []
        self.start_ns: int | None = None  # the common start on the monotonic clock, once all are released
        self._said: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
        self._stderr = [scratch / f"worker-{number}.stderr" for number in range(len(config))]
        self._workers: list[subprocess.Popen[str]] = []
        try:
            for order, path in zip(config, self._stderr, strict=True):
                self._start(order, env, path)
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        for number, worker in enumerate(self._workers):
            threading.Thread(target=self._listen, args=(number, worker), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None and issubclass(kind, KeyboardInterrupt):
                self.stop()
        finally:
            self._end()

    @property
    def pids(self) -> list[int]:
        """The workers' process ids."""
        return [worker.pid for worker in self._workers]

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what the workers say until the last one has ended, releasing them when all are ready.

        While nobody says anything, a `tick` comes several times a second.

        Raises:
            UsageError: the workload refused its settings.
            MissingExtraError: it lacks a package.
            RunError: it could not be set up.
        """
        waiting, alive = set(range(len(self._workers))), set(range(len(self._workers)))
        while alive:
            number, event = self._next(alive)
            if number not in alive:
                continue
            if event is None:
                alive.discard(number)
                self._mourn(number)
            elif event["event"] == "refused":
                raise _refusal(event)
            else:
                yield event
            if waiting and (event is None or event["event"] == "ready"):
                waiting.discard(number)
                if not waiting:
                    self.start_ns = time.monotonic_ns() + _LEAD_NS
                    self._tell(f"go {self.start_ns}")

    def halt(self) -> None:
        """Have every worker start no more tasks, and end those that run."""
        self._tell("halt")

    def stop(self) -> None:
        """Have every worker write what it has and leave."""
        self._tell("stop")
        until = time.monotonic() + _LEAVE_S
        for worker in self._workers:
            try:
                worker.wait(max(until - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                continue
            _kill_group(worker)

    def _end(self) -> None:
        for worker in self._workers:
            if worker.returncode is None:
                _kill_group(worker)
                worker.wait()
            _close(worker)

    def _next(self, alive: set[int]) -> tuple[int, dict[str, Any] | None]:
        """Return what is said next, None for an end: also of a worker whose pipe a child of its holds open."""
        try:
            return self._said.get(timeout=_POLL_S)
        except queue.Empty:
            gone = next((number for number in alive if self._workers[number].poll() is not None), None)
        return (next(iter(alive)), {"event": "tick"}) if gone is None else (gone, None)

    def _start(self, order: WorkerConfig, env: dict[str, str], stderr: Path) -> None:
        with stderr.open("w") as errors:
            worker = subprocess.Popen(
                [sys.executable, "-m", "orchprof.bench.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_own(env),
                text=True,
                start_new_session=True,
            )
        self._workers.append(worker)
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(asdict(order)) + "\n")
        worker.stdin.flush()

    def _listen(self, number: int, worker: "subprocess.Popen[str]") -> None:
        assert worker.stdout is not None
        try:
            for line in worker.stdout:
                self._said.put((number, json.loads(line)))
        except ValueError:
            pass  # a line that its end tore, or a pipe that ours closed
        finally:
            self._said.put((number, None))

    def _mourn(self, number: int) -> None:
        status = self._workers[number].wait()
        _kill_group(self._workers[number])
        if status:
            how = f"signal {-status}" if status < 0 else f"exit {status}"
            tail = self._stderr[number].read_text(errors="replace").strip().splitlines()[-_TAIL_LINES:]
            self.deaths.append(f"worker {number} died ({how}): {' | '.join(tail) or 'it said nothing'}")

    def _tell(self, word: str) -> None:
        for worker in self._workers:
            try:
                assert worker.stdin is not None
                worker.stdin.write(f"{word}\n")
                worker.stdin.flush()
            except OSError:
                continue  # it is gone; its end is told by its output


def _refusal(event: dict[str, Any]) -> OrchprofError:
    """Return why a workload could not be set up; a ValueError is its own word on a setting it was given."""
    kind, message = event["kind"], event["message"]
    if kind == "ValueError":
        return UsageError(message)
    if kind in ("ImportError", "ModuleNotFoundError"):
        return MissingExtraError(f"a package is missing, {message} @ workload, run {EXTRA}")
    if kind == "PermissionError":
        return RunError(
            f"cannot write, {message} @ workload's set-up, make it writable or set XDG_CACHE_HOME"
        )
    return RunError(f"cannot set the workload up, {kind}: {message} @ its open(), see its documentation")


def _kill_group(worker: "subprocess.Popen[str]") -> None:
    """Kill a worker, or what its tools started and it left behind."""
    with contextlib.suppress(OSError):
        os.killpg(worker.pid, signal.SIGKILL)


def _close(worker: "subprocess.Popen[str]") -> None:
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue
