"""Spans, and the API a workload or a user calls: `task() span() tool() model()`.

Without a recorder running each of them costs one attribute read and records nothing.
"""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast, overload

from orchprof.capture import flows
from orchprof.capture.counters import cpu_ns, rss_bytes
from orchprof.capture.executions import Execution
from orchprof.capture.frames import hidden
from orchprof.capture.log import PLAIN, json_text, pack
from orchprof.capture.state import STATE, first_seen
from orchprof.capture.strands import BACK, ENTER, EXIT, FALLBACK, LEFT, ROLE, SPAN_END, ThreadClock
from orchprof.capture.yields import GENERATORS, HELD, hold, release

F = TypeVar("F", bound=Callable[..., Any])
_NOBODY: Final = Execution(0)
_RELIEVE_EVERY: Final = 0xFFF
# When a task's consumer went on, and what CPU its process and what that had reaped had used.
Left = tuple[int, int, int]
# What ends a task from outside says nothing of its answer.
_NO_FAILURES: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)


class Unnamed(str):
    """The name of a span that was given none: its kind, or, where it decorates a function, that function's name."""

    __slots__ = ()


_TASK, _SPAN, _TOOL, _MODEL = map(Unnamed, ("task", "span", "tool", "model"))


class Span:
    """A named piece of work. Use it with `with`, `async with`, or as a decorator (a fresh span per call)."""

    __slots__ = ("_execution", "_left_ns", "_outer", "attributes", "id", "name", "role")

    def __init__(self, name: str, role: str = "framework", attributes: dict[str, Any] | None = None) -> None:
        self.name, self.role, self.attributes = name, role, attributes
        self._execution = _NOBODY

    def __enter__(self) -> Self:
        thread_clock = STATE.here.thread_clock or first_seen()
        if thread_clock is not None:
            execution = self._execution = thread_clock.execution
            self._outer = execution.span
            self.id = number = execution.span = thread_clock.next_id()
            log = thread_clock.log
            thread_clock.snapshot(ENTER | ROLE[self.role], log.names.get(self.name) or log.name(self.name))
            attributes = self.attributes
            if attributes:
                plain = PLAIN.issuperset(map(type, attributes.values()))
                log.note(("attributes", number, attributes if plain else json_text(attributes)))
            if isinstance(sys.exception(), TimeoutError):
                thread_clock.say(FALLBACK, number)
            if not number & _RELIEVE_EVERY:
                log.relieve()
            frame = sys._getframe(1)
            if frame.f_code.co_flags & GENERATORS:
                hold(self, frame)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if HELD:
            release(self, kind)
        execution = self._execution
        if execution is _NOBODY:
            return
        self._execution = _NOBODY
        thread_clock = STATE.here.thread_clock or first_seen()
        if thread_clock is not None and thread_clock.execution is execution and execution.span == self.id:
            execution.span = self._outer if not execution.closed else execution.nearest_open(self._outer)
            thread_clock.snapshot(EXIT, self.id)
        else:
            self._close_elsewhere(execution)
        if kind is not None:
            _note("error", self.id, kind.__name__)

    async def __aenter__(self) -> Self:
        self.__enter__()
        outer = sys._getframe().f_back
        if outer is not None and outer.f_code.co_flags & GENERATORS:
            hold(self, outer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Return `function` with every call of it under a span of its own; it stays of its kind.

        A generator is under its span while it runs, not while its consumer does; only a task, the root of a ledger,
        goes on in between. A plain function that returns a coroutine or a generator, as client libraries make them, is
        under its span again while that runs.
        """
        if isinstance(self.name, Unnamed):
            named = self._fresh()
            named.name = _name_of(function)
            return named(function)
        return cast("F", hidden(flows.marked(self._fresh, function)))

    def suspend(self) -> bool:
        """Leave the span open but no longer innermost here; return whether it was recorded at all."""
        execution, self._execution = self._execution, _NOBODY
        thread_clock = STATE.here.thread_clock
        if thread_clock is None or thread_clock.execution is not execution:
            return False
        execution.close(self.id, self._outer)
        self._left_ns = thread_clock.snapshot()
        return True

    def resume(self) -> None:
        """Go on with a span that was left, on the strand that runs here."""
        thread_clock = STATE.here.thread_clock
        if thread_clock is not None:
            execution = self._execution = thread_clock.execution
            self._outer, execution.span = execution.span, self.id
            thread_clock.snapshot()

    def leave(self) -> bool:
        """End with the last `suspend`, if that is how this ends at all; return whether it has."""
        return False

    def left_behind(self) -> None:
        """End with the last `suspend`: nothing of it has run since."""
        thread_clock = STATE.here.thread_clock
        if self._execution is _NOBODY and thread_clock is not None:
            thread_clock.emit(pack(SPAN_END, self._left_ns, 0, 0, 0, 0, 0, self.id, 0))

    def _fresh(self) -> "Span":
        return Span(self.name, self.role, self.attributes)

    def _close_elsewhere(self, execution: Execution) -> None:
        """End a span out of order or on another strand: an abandoned generator, a stream closed late.

        It must not change what the strand that runs here is doing.
        """
        execution.close(self.id, self._outer)
        thread_clock = STATE.here.thread_clock or first_seen()
        if thread_clock is not None and thread_clock.strands is execution.of:
            thread_clock.emit(pack(SPAN_END, thread_clock.clock.wall_ns(), 0, 0, 0, 0, 0, self.id, 0))


class Task(Span):
    """One agent run from request to answer: the root of a ledger. Inside another task it is only a span."""

    __slots__ = ("_gave_way", "_left", "_resumed", "_within", "due_ns", "index", "warmup")
    # Whether it is known only in the end if it was one: what begins in it is no mere part of it.
    provisional = False

    def __init__(
        self, name: str, attributes: dict[str, Any] | None, index: int | None, *, warmup: bool
    ) -> None:
        super().__init__(name, "framework", attributes)
        self.id = 0
        self.index, self.warmup = index, warmup
        self.due_ns: int | None = None  # when an open loop means it to start, on the monotonic clock
        self._resumed: tuple[int, int] | None = None
        self._left: Left | None = None
        self._gave_way = False
        self._within = 0  # the provisional task that it began in

    def outcome(self, *, ok: bool | None, reason: str | None = None, timed_out: bool = False) -> None:
        """Judge the task's answer, after it has ended, so that judging costs it nothing; None: nobody can."""
        _note("outcome", self.id, {"ok": ok, "reason": reason, "timed_out": timed_out})

    def _fresh(self) -> "Task":
        return Task(self.name, self.attributes, self.index, warmup=self.warmup)

    def __enter__(self) -> Self:
        thread_clock = STATE.here.thread_clock or first_seen()
        if thread_clock is None:
            return self
        outer = thread_clock.strands.open_tasks.get(thread_clock.execution.task)
        if outer is not None and not outer.provisional and not outer.give_way():
            return super().__enter__()
        number = thread_clock.next_id()
        _sample(number)
        execution = self._execution = thread_clock.execution
        self._resumed = (execution.strand, execution.span)
        self._within = execution.task if outer is not None and outer.provisional else 0
        self.id = execution.strand = execution.task = number
        execution.span = 0
        thread_clock.strands.open_tasks[number] = self
        thread_clock.strands.born("task", self.name, execution, self._resumed[0], thread_clock.snapshot())
        facts = {"index": self.index, "warmup": self.warmup, "due_ns": self.due_ns}
        _note("task", self.id, facts | {"provisional": True} if self.provisional else facts)
        if self.attributes:
            _note("attributes", self.id, json_text(self.attributes))
        frame = sys._getframe(1)
        if frame.f_code.co_flags & GENERATORS:
            hold(self, frame)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if HELD:
            release(self, kind)
        if self._resumed is None:
            super().__exit__(kind, error, trace)
            return
        self._end()
        if error is not None and not isinstance(error, _NO_FAILURES):
            self.outcome(ok=False, reason=type(error).__name__)

    def suspend(self) -> bool:
        """Remember that its consumer runs from here on; a root goes on in between, as that is part of the run."""
        if self._resumed is None:
            return super().suspend()
        thread_clock = STATE.here.thread_clock
        if thread_clock is not None and thread_clock.execution is self._execution:
            self._left = (thread_clock.snapshot(), *cpu_ns())
        return self._left is not None

    def resume(self) -> None:
        """Go on after its consumer has."""
        if self._resumed is None:
            super().resume()
        elif self._gave_way:
            self._come_back()
        self._left = None

    def leave(self) -> bool:
        """End when its consumer last went on: what that has done since is no part of this run."""
        if self._resumed is None or not (self._gave_way or self._left):
            return False
        self._end()
        return True

    def over(self) -> None:
        """End now, on whatever strand that is known: what its own strand does from here on is no part of it."""
        thread_clock, execution = STATE.here.thread_clock, self._execution
        if self._resumed is None or thread_clock is None:
            return
        runs = thread_clock.execution
        if runs is not execution:  # it waits for whoever runs here
            thread_clock.strands.woken(execution, thread_clock.snapshot(), max(thread_clock.cause.strand, 0))
            thread_clock.execution = execution
            thread_clock.snapshot()
        self._end()
        if runs is not execution:
            thread_clock.execution = runs
            thread_clock.snapshot()

    def give_way(self) -> bool:
        """End with what it gave last, as its consumer begins another run; return whether it is one that can.

        Most often its stream was left. Where it is asked for more after all, the other was a part of this.
        """
        thread_clock = STATE.here.thread_clock
        if self._left is None or thread_clock is None:
            return False
        self._log_end(thread_clock)
        self._left, self._gave_way = None, True
        return True

    def _come_back(self) -> None:
        thread_clock, execution = STATE.here.thread_clock, self._execution
        if thread_clock is not None and thread_clock.execution is execution and execution.strand == self.id:
            self._gave_way = False
            execution.task = self.id
            thread_clock.strands.open_tasks[self.id] = self
            thread_clock.emit(pack(LEFT, thread_clock.snapshot(), 0, 0, 0, 0, self.id, 0, BACK))

    def _end(self) -> None:
        execution, (strand, span) = self._execution, self._resumed or (0, 0)
        if execution.strand == self.id:
            execution.strand, execution.span, execution.task = (
                strand,
                execution.nearest_open(span),
                self._within,
            )
        thread_clock = STATE.here.thread_clock or first_seen()
        # Else it was open in a recording that is over, or in the parent of this forked child.
        if thread_clock is not None and thread_clock.strands is execution.of:
            thread_clock.snapshot()
            if not self._gave_way:
                self._log_end(thread_clock)
        self._execution, self._resumed, self._left, self._gave_way = _NOBODY, None, None, False

    def _log_end(self, thread_clock: ThreadClock) -> None:
        left, (strand, span) = self._left, self._resumed or (0, 0)
        thread_clock.strands.open_tasks.pop(self.id, None)
        if left is not None:
            thread_clock.emit(pack(LEFT, left[0], 0, 0, 0, 0, self.id, span, strand))
        thread_clock.strands.end(self.id, thread_clock.wall if left is None else left[0])
        _sample(self.id, None if left is None else (*left, rss_bytes()))


def _note(kind: str, number: int, detail: Any) -> None:
    if STATE.recorder is not None:
        STATE.recorder.log.note((kind, number, detail))


def _sample(task: int, counted: tuple[int, int, int, int] | None = None) -> None:
    if STATE.recorder is not None:
        STATE.recorder.sample(task, counted)


def _bare(made: Span) -> Any:
    """Return a span; where its name is the function that it decorates without parentheses, that one under it.

    Raises:
        TypeError: the name is neither text nor a function.
    """
    named: Any = made.name
    if isinstance(named, str):
        return made
    if not callable(named):
        raise TypeError(f"a span's name is text, not {named!r}")
    made.name = _name_of(named)
    return made(named)


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


@overload
def task(name: F, /) -> F: ...
@overload
def task(
    name: str = ..., /, *, index: int | None = None, warmup: bool = False, **attributes: Any
) -> Task: ...
def task(name: Any = _TASK, /, *, index: int | None = None, warmup: bool = False, **attributes: Any) -> Any:
    """Return the task named `name`; `index` says which input it runs, `warmup` that it is not to be counted.

    Like the others, it needs no name: a decorated function's own is taken then, with parentheses or without, and
    `with task():` is called by its kind, "task".
    """
    return _bare(Task(name, attributes or None, index, warmup=warmup))


@overload
def span(name: F, /) -> F: ...
@overload
def span(name: str = ..., /, role: str = "framework", **attributes: Any) -> Span: ...
def span(name: Any = _SPAN, /, role: str = "framework", **attributes: Any) -> Any:
    """Return a span of any role: framework, client, tool, model, user (a human is waited for) or profiler.

    Raises:
        ValueError: the role is not one of these.
    """
    if role not in ROLE:
        raise ValueError(f"unknown role {role!r}, choose from {', '.join(ROLE)}")
    made = Span(name, role, attributes or None)
    return made if type(name) is str else _bare(made)


@overload
def tool(name: F, /) -> F: ...
@overload
def tool(name: str = ..., /, **attributes: Any) -> Span: ...
def tool(name: Any = _TOOL, /, **attributes: Any) -> Any:
    """Return a span for one tool call: its time, its threads' and its child processes' is the tool's."""
    made = Span(name, "tool", attributes or None)
    return made if type(name) is str else _bare(made)


@overload
def model(name: F, /) -> F: ...
@overload
def model(name: str = ..., /, **attributes: Any) -> Span: ...
def model(name: Any = _MODEL, /, **attributes: Any) -> Any:
    """Return a span for one call of a model through a client library.

    Time inside it is the client's, less the part that its HTTP request spends on the network and the server,
    which is the model's. A model that computes in this process wants `span(name, role="model")` instead.
    """
    made = Span(name, "client", attributes or None)
    return made if type(name) is str else _bare(made)
