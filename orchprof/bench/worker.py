"""One process that runs a workload's tasks and records them: `python -m orchprof.bench.worker`, driven over pipes.

In, line by line: its config (JSON), then `go NS`, the common start, then perhaps `halt` or `stop`; the end of the
input means that the driver is gone, and the worker with it. Out: one JSON object per thing that happened. What the
workload prints goes to stderr.
"""

import asyncio
import functools
import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from orchprof.bench import open_loop, worker_slots
from orchprof.bench.deadline import unblocked_loop
from orchprof.bench.worker_config import Signals, WorkerConfig
from orchprof.bench.worker_slots import Worker
from orchprof.capture import recorder
from orchprof.capture.state import STATE

_STOPPED: Final = 3
_CLOSE_S: Final = 5.0


def _teller(stream: IO[str]) -> Callable[..., None]:
    lock = threading.Lock()

    def tell(**event: object) -> None:
        with lock:
            stream.write(json.dumps(event, default=str) + "\n")
            stream.flush()

    return tell


def _obey(lines: IO[str], signals: Signals) -> None:
    """Go and halt when told so; leave at once on `stop`, or when the driver is gone. What was recorded is on disk."""
    while (word := lines.readline()).startswith(("go ", "halt")):
        if word.startswith("go "):
            signals.start_ns = int(word.removeprefix("go "))
            signals.go.set()
        else:
            signals.halted = True
    state = STATE.recorder
    if state is not None:
        state.log.flush()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # the programs that its tools started go too
    os._exit(_STOPPED)


def _released(signals: Signals, tell: Callable[..., None], mode: str) -> None:
    """Say that every worker slot is warm, and wait for the word."""
    tell(event="ready", mode=mode)
    signals.go.wait()


def _set_up(config: WorkerConfig, tell: Callable[..., None]) -> Any:
    """Return the workload's agent, or None when it refused, which the driver tells the user."""
    given = (config.settings, config.seed, config.variant, config.base_url, config.model)
    try:
        return importlib.import_module(config.module).open(*given, workdir=Path(config.scratch))
    except Exception as error:  # noqa: BLE001  whatever a workload's set-up raised
        tell(event="refused", kind=type(error).__name__, message=" ".join(str(error).split()))


def _serve(lines: IO[str], tell: Callable[..., None]) -> None:
    """Set the workload up, warm up, wait for `go`, work, and say `done`."""
    config, signals = WorkerConfig(**json.loads(lines.readline())), Signals()
    threading.Thread(target=_obey, args=(lines, signals), daemon=True).start()
    agent = _set_up(config, tell)
    if agent is None:
        return
    recorder.start(Path(config.logs))
    mode = config.mode_of(agent)
    worker, released = Worker(config, agent, tell, signals), functools.partial(_released, signals, tell, mode)
    work: Any = open_loop if config.is_open else worker_slots
    try:
        if mode == "async":
            with unblocked_loop():
                # Its end would wait for threads that an agent left behind.
                asyncio.Runner().run(work.arun(worker, released))
        else:
            work.run(worker, released)
        tell(event="done")
    finally:
        recorder.stop()
        threading.Thread(target=_leave_later, daemon=True).start()
        agent.close()


def _leave_later() -> None:
    time.sleep(_CLOSE_S)
    os._exit(0)


def main() -> None:
    """Serve the driver, then leave at once: no thread that an agent left behind may keep the process alive."""
    lines, tell, status = os.fdopen(os.dup(0)), _teller(os.fdopen(os.dup(1), "w")), 1
    # A child forked while `lines` is being read would wait for ever to close a standard input that was the same file.
    with open(os.devnull) as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    try:
        _serve(lines, tell)
        status = 0
    except BaseException:  # noqa: BLE001  the driver shows the end of it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
