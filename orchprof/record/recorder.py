"""The recorder, and the API a workload or a user calls: `task() span() tool() model()`.

Without a recorder running each of them costs one attribute read and records nothing.
"""

import atexit
import functools
import inspect
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

from orchprof.record import hooks
from orchprof.record.clock import Clock, FakeClock
from orchprof.record.log import VERSION, Flusher, Log, pack
from orchprof.record.strands import ENTER, EXIT, ROLE, SAMPLE, SPAN_END, Carrier, Fiber, Strands

F = TypeVar("F", bound=Callable[..., Any])
_CALIBRATION_SPANS: Final = 200


class Recorder:
    """Everything one process records, from `start()` to `stop()`."""

    def __init__(self, directory: Path, clock: type[Clock] | type[FakeClock] | None = None) -> None:
        self.directory = directory
        self.log = Log(directory)
        self.strands = Strands(self.log, clock)
        self._flusher = Flusher(self.log, self.sample)
        self._owner = os.getpid()
        self.log.note(("meta", {"version": VERSION, "pid": self._owner, "python": platform.python_version()}))

    def start(self) -> None:
        """Measure this recorder's own cost, then flush in the background until `stop`."""
        self.log.note(("cost", {"cut_ns": own_cost_ns(self.directory)}))
        self.log.note(("clock", {"has_delay": self.strands.carrier().clock.has_delay}))
        self._flusher.start()

    def stop(self) -> None:
        """Take a last sample, write everything, close the log."""
        self._flusher.stop()
        self.strands.detach()
        self.sample()
        self.log.note(("closed", {"lost_frames": self.log.lost_frames}))
        self.log.close()

    def sample(self, task: int = 0) -> None:
        """Log this process's own counters: CPU, its reaped descendants' CPU, and memory."""
        times = os.times()
        children_ns = int((times.children_user + times.children_system) * 1e9)
        row = (SAMPLE, time.monotonic_ns(), time.process_time_ns(), children_ns, 0, 0, task, 0, rss_bytes())
        self.log.emit(pack(*row))


class _State:
    """The one recorder of this process, or None. An attribute of an object is the cheapest thing to read."""

    __slots__ = ("follows_forks", "patches", "recorder")

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.patches: hooks.Patches | None = None
        self.follows_forks = False


STATE: Final = _State()


class Span:
    """A named piece of work. Use it with `with`, `async with`, or as a decorator (a fresh span per call)."""

    __slots__ = ("_fiber", "_outer", "attributes", "id", "name", "role")

    def __init__(self, name: str, role: str = "framework", attributes: dict[str, Any] | None = None) -> None:
        self.name, self.role, self.attributes = name, role, attributes
        self.id = 0
        self._fiber: Fiber | None = None
        self._outer = 0

    def __enter__(self) -> Self:
        recorder = STATE.recorder
        if recorder is not None:
            self._open(recorder, recorder.strands.carrier())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        recorder = STATE.recorder
        if recorder is None or self._fiber is None:
            return
        if kind is not None:
            recorder.log.note(("error", self.id, kind.__name__))
        self._close(recorder, recorder.strands.carrier())

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Return `function` with every call of it under a span of its own; coroutine functions stay so."""
        fresh = functools.partial(type(self), self.name, self.role, self.attributes)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with fresh():
                    return await function(*args, **kwargs)

            return cast("F", awaited)

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with fresh():
                return function(*args, **kwargs)

        return cast("F", called)

    def _open(self, recorder: Recorder, carrier: Carrier) -> None:
        fiber = self._fiber = carrier.fiber
        self._outer = fiber.span
        self.id = fiber.span = recorder.strands.next_id()
        log = recorder.log
        carrier.cut(ENTER | ROLE[self.role], log.name(self.name))
        if self.attributes:
            log.note(("attributes", self.id, self.attributes))

    def _close(self, recorder: Recorder, carrier: Carrier) -> None:
        fiber, self._fiber = self._fiber, None
        if fiber is carrier.fiber and fiber.span == self.id:
            fiber.span = self._outer
            carrier.cut(EXIT, self.id)
        else:
            # Closed elsewhere or out of order (an abandoned generator, a stream closed late): it ends, but it
            # must not change what the strand that runs here is doing.
            recorder.log.emit(pack(SPAN_END, carrier.clock.wall_ns(), 0, 0, 0, 0, 0, self.id, 0))
        if recorder.log.full():
            recorder.log.flush()


class Task(Span):
    """One agent run from request to answer: the root of a ledger. Inside another task it is only a span."""

    __slots__ = ("_resumed", "index", "warmup")

    def __init__(
        self, name: str, role: str = "framework", attributes: dict[str, Any] | None = None, *, index: int | None = None,
        warmup: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(name, role, attributes)
        self.index, self.warmup = index, warmup
        self._resumed: tuple[int, int] | None = None

    def outcome(self, *, ok: bool, reason: str | None = None, timed_out: bool = False) -> None:
        """Judge the task's answer, after it has ended, so that judging costs the task nothing."""
        recorder = STATE.recorder
        if recorder is not None:
            recorder.log.note(("outcome", self.id, {"ok": ok, "reason": reason, "timed_out": timed_out}))

    def _open(self, recorder: Recorder, carrier: Carrier) -> None:
        fiber = carrier.fiber
        if fiber.task:
            super()._open(recorder, carrier)
            return
        recorder.sample()
        self._fiber, self._resumed = fiber, (fiber.strand, fiber.span)
        self.id = fiber.strand = fiber.task = recorder.strands.next_id()
        fiber.span = 0
        recorder.strands.born("task", self.name, fiber, self._resumed[0], carrier.cut())
        recorder.log.note(("task", self.id, {"index": self.index, "warmup": self.warmup}))
        if self.attributes:
            recorder.log.note(("attributes", self.id, self.attributes))

    def _close(self, recorder: Recorder, carrier: Carrier) -> None:
        if self._resumed is None:
            super()._close(recorder, carrier)
            return
        fiber, self._fiber = cast("Fiber", self._fiber), None
        fiber.strand, fiber.span = self._resumed
        fiber.task, self._resumed = 0, None
        recorder.strands.end(self.id, carrier.cut())
        recorder.sample(self.id)


def task(name: str, *, index: int | None = None, warmup: bool = False, **attributes: Any) -> Task:
    """Return the task named `name`; `index` says which input it runs, `warmup` that it is not to be counted."""
    return Task(name, "framework", attributes or None, index=index, warmup=warmup)


def span(name: str, role: str = "framework", **attributes: Any) -> Span:
    """Return a span of any role: framework, client, tool, model, user (a human is waited for) or profiler.

    Raises:
        ValueError: the role is not one of these.
    """
    if role not in ROLE:
        raise ValueError(f"unknown role {role!r}, choose from {', '.join(ROLE)}")
    return Span(name, role, attributes or None)


def tool(name: str, **attributes: Any) -> Span:
    """Return a span for one tool call: its time, its threads' and its child processes' is the tool's."""
    return Span(name, "tool", attributes or None)


def model(name: str, **attributes: Any) -> Span:
    """Return a span for one call of a model through a client library.

    Time inside it is the client's, less the part that its HTTP request spends on the network and the server,
    which is the model's. A model that computes in this process wants `span(name, role="model")` instead.
    """
    return Span(name, "client", attributes or None)


def start(directory: Path, clock: type[Clock] | type[FakeClock] | None = None) -> Recorder:
    """Start recording this process into a new log in `directory`, and return the recorder.

    Raises:
        RuntimeError: this process is recording already.
    """
    if STATE.recorder is not None:
        raise RuntimeError("this process is recording already")
    recorder = Recorder(directory, clock)
    STATE.recorder = recorder
    recorder.start()
    STATE.patches = hooks.install(recorder.strands)
    _follow_forks()
    atexit.register(stop)
    return recorder


def stop() -> None:
    """Stop recording and close the log; nothing happens when nothing is recorded."""
    recorder, STATE.recorder = STATE.recorder, None
    if recorder is not None:
        atexit.unregister(stop)
        _unhook()
        recorder.stop()


def own_cost_ns(directory: Path) -> int:
    """Return what one cut costs here, from opening and closing spans on a log that is thrown away."""
    kept, scratch = STATE.recorder, Recorder(directory)
    STATE.recorder = scratch
    try:
        times = [_time_spans() for _ in range(3)]
    finally:
        STATE.recorder = kept
        scratch.log.abandon()
        scratch.log.path.unlink()
    return min(times) // (2 * _CALIBRATION_SPANS)


def _time_spans() -> int:
    began = time.thread_time_ns()
    for _ in range(_CALIBRATION_SPANS):
        with Span("calibration"):
            pass
    return time.thread_time_ns() - began


def rss_bytes() -> int:
    """Return this process's resident memory; its peak where the current figure cannot be read."""
    try:
        with Path("/proc/self/statm").open("rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _unhook() -> None:
    patches, STATE.patches = STATE.patches, None
    if patches is not None:
        patches.undo()


def _follow_forks() -> None:
    if hasattr(os, "register_at_fork") and not STATE.follows_forks:
        STATE.follows_forks = True
        os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)


def _before_fork() -> None:
    if STATE.recorder is not None:
        STATE.recorder.log.flush()


def _after_fork_in_child() -> None:
    # The child's copies of buffers, descriptors and threads are its parent's; it begins a log of its own.
    parent, STATE.recorder = STATE.recorder, None
    if parent is not None:
        _unhook()
        parent.log.abandon()
        start(parent.directory)
