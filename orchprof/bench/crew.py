"""The workers of one run: started together, released together, listened to, and ended whatever happens."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from orchprof.bench.catalogue import EXTRA
from orchprof.bench.worker import Orders
from orchprof.errors import MissingExtraError, OrchprofError, RunError, UsageError

_LEAVE_S: Final = 5.0
_TAIL_LINES: Final = 3


class Crew:
    """One process per `Orders`. They are out of the terminal's process group: Ctrl-C is the driver's to handle."""

    def __init__(self, orders: list[Orders], env: dict[str, str], scratch: Path) -> None:
        self.deaths: list[str] = []
        self.measured = 0
        self._said: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
        self._stderr = [scratch / f"worker-{number}.stderr" for number in range(len(orders))]
        self._workers = [
            self._start(order, env, path) for order, path in zip(orders, self._stderr, strict=True)
        ]

    def __enter__(self) -> Self:
        for number, worker in enumerate(self._workers):
            threading.Thread(target=self._listen, args=(number, worker), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
            _close(worker)

    @property
    def pids(self) -> list[int]:
        """The workers' process ids."""
        return [worker.pid for worker in self._workers]

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what the workers say until the last one has ended, releasing them when all are ready.

        Raises:
            UsageError: the workload refused its settings.
            MissingExtraError: it lacks a package.
            RunError: it could not be set up.
        """
        waiting, alive = set(range(len(self._workers))), set(range(len(self._workers)))
        while alive:
            number, event = self._said.get()
            if event is None:
                alive.discard(number)
                self._mourn(number)
            elif event["event"] == "refused":
                raise _refusal(event)
            else:
                self.measured += event["event"] == "task" and not event["warmup"]
                yield event
            if waiting and (event is None or event["event"] == "ready"):
                waiting.discard(number)
                if not waiting:
                    self._tell("go")

    def stop(self) -> None:
        """Have every worker write what it has and leave."""
        self._tell("stop")
        for worker in self._workers:
            try:
                worker.wait(_LEAVE_S)
            except subprocess.TimeoutExpired:
                worker.kill()

    def _start(self, order: Orders, env: dict[str, str], stderr: Path) -> "subprocess.Popen[str]":
        with stderr.open("w") as errors:
            worker = subprocess.Popen(
                [sys.executable, "-m", "orchprof.bench.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | env,
                text=True,
                start_new_session=True,
            )
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(asdict(order)) + "\n")
        worker.stdin.flush()
        return worker

    def _listen(self, number: int, worker: "subprocess.Popen[str]") -> None:
        assert worker.stdout is not None
        for line in worker.stdout:
            self._said.put((number, json.loads(line)))
        self._said.put((number, None))

    def _mourn(self, number: int) -> None:
        status = self._workers[number].wait()
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


def _close(worker: "subprocess.Popen[str]") -> None:
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue
