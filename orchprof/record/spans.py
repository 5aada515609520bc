"""Spans, and the API a workload or a user calls: `task() span() tool() model()`.

Without a recorder running each of them costs one attribute read and records nothing.
"""

import functools
from collections.abc import Callable, Coroutine
from types import CoroutineType, TracebackType
from typing import Any, Final, Self, TypeVar, cast, overload

from orchprof.record.frames import hidden
from orchprof.record.log import PLAIN, json_text, pack
from orchprof.record.state import STATE, first_seen
from orchprof.record.strands import ENTER, EXIT, ROLE, SPAN_END, Fiber

F = TypeVar("F", bound=Callable[..., Any])
_NOBODY: Final = Fiber(0)
_RELIEVE_EVERY: Final = 0xFFF
# What ends a task from outside says nothing of its answer.
_NO_FAILURES: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)


class Unnamed(str):
    """The name of a span that was given none: its kind, or, where it decorates a function, that function's name."""

    __slots__ = ()


_TASK, _SPAN, _TOOL, _MODEL = map(Unnamed, ("task", "span", "tool", "model"))


class Span:
    """A named piece of work. Use it with `with`, `async with`, or as a decorator (a fresh span per call)."""

    __slots__ = ("_fiber", "_outer", "attributes", "id", "name", "role")

    def __init__(self, name: str, role: str = "framework", attributes: dict[str, Any] | None = None) -> None:
        self.name, self.role, self.attributes = name, role, attributes
        self._fiber = _NOBODY

    def __enter__(self) -> Self:
        carrier = STATE.here.carrier or first_seen()
        if carrier is not None:
            fiber = self._fiber = carrier.fiber
            self._outer = fiber.span
            self.id = number = fiber.span = carrier.next_id()
            log = carrier.log
            carrier.cut(ENTER | ROLE[self.role], log.names.get(self.name) or log.name(self.name))
            attributes = self.attributes
            if attributes:
                plain = PLAIN.issuperset(map(type, attributes.values()))
                log.note(("attributes", number, attributes if plain else json_text(attributes)))
            if not number & _RELIEVE_EVERY:
                log.relieve()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fiber = self._fiber
        if fiber is _NOBODY:
            return
        self._fiber = _NOBODY
        carrier = STATE.here.carrier or first_seen()
        if carrier is not None and carrier.fiber is fiber and fiber.span == self.id:
            fiber.span = self._outer if not fiber.closed else fiber.nearest_open(self._outer)
            carrier.cut(EXIT, self.id)
        else:
            self._close_elsewhere(fiber)
        if kind is not None:
            _note("error", self.id, kind.__name__)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Return `function` with every call of it under a span of its own; coroutine functions stay so.

        A plain function that returns a coroutine, as client libraries make them, is under its span again while that
        is awaited. A generator's span lasts for its call only: what it does later is its consumer's.
        """
        if isinstance(self.name, Unnamed):
            named = self._fresh()
            named.name = _name_of(function)
            return named(function)
        import inspect  # a program that decorates nothing is spared it

        fresh = self._fresh
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with fresh():
                    return await function(*args, **kwargs)

            return cast("F", hidden(awaited))

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            span = fresh()
            with span:
                result = function(*args, **kwargs)
                if not isinstance(result, CoroutineType) or not span.suspend():
                    return result
            return span._awaited(result)

        return cast("F", hidden(called))

    def suspend(self) -> bool:
        """Leave the span open but no longer innermost here; return whether it was recorded at all."""
        fiber, self._fiber = self._fiber, _NOBODY
        carrier = STATE.here.carrier
        if carrier is None or carrier.fiber is not fiber:
            return False
        fiber.close(self.id, self._outer)
        carrier.cut()
        return True

    def resume(self) -> None:
        """Go on with a span that was left, on the strand that runs here."""
        carrier = STATE.here.carrier
        if carrier is not None:
            fiber = self._fiber = carrier.fiber
            self._outer, fiber.span = fiber.span, self.id
            carrier.cut()

    async def _awaited(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        self.resume()
        try:
            result = await coroutine
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        self.__exit__(None, None, None)
        return result

    def _fresh(self) -> "Span":
        return Span(self.name, self.role, self.attributes)

    def _close_elsewhere(self, fiber: Fiber) -> None:
        """End a span out of order or on another strand: an abandoned generator, a stream closed late.

        It must not change what the strand that runs here is doing.
        """
        fiber.close(self.id, self._outer)
        carrier = STATE.here.carrier or first_seen()
        if carrier is not None and carrier.strands is fiber.of:
            carrier.emit(pack(SPAN_END, carrier.clock.wall_ns(), 0, 0, 0, 0, 0, self.id, 0))


class Task(Span):
    """One agent run from request to answer: the root of a ledger. Inside another task it is only a span."""

    __slots__ = ("_resumed", "due_ns", "index", "warmup")

    def __init__(
        self, name: str, attributes: dict[str, Any] | None, index: int | None, *, warmup: bool
    ) -> None:
        super().__init__(name, "framework", attributes)
        self.id = 0
        self.index, self.warmup = index, warmup
        self.due_ns: int | None = None  # when an open loop means it to start, on the monotonic clock
        self._resumed: tuple[int, int] | None = None

    def outcome(self, *, ok: bool | None, reason: str | None = None, timed_out: bool = False) -> None:
        """Judge the task's answer, after it has ended, so that judging costs it nothing; None: nobody can."""
        _note("outcome", self.id, {"ok": ok, "reason": reason, "timed_out": timed_out})

    def _fresh(self) -> "Task":
        return Task(self.name, self.attributes, self.index, warmup=self.warmup)

    def __enter__(self) -> Self:
        carrier = STATE.here.carrier or first_seen()
        if carrier is None or carrier.fiber.task in carrier.strands.open_tasks:
            return super().__enter__()
        number = carrier.next_id()
        _sample(number)
        fiber = self._fiber = carrier.fiber
        self._resumed = (fiber.strand, fiber.span)
        self.id = fiber.strand = fiber.task = number
        fiber.span = 0
        carrier.strands.open_tasks.add(number)
        carrier.strands.born("task", self.name, fiber, self._resumed[0], carrier.cut())
        _note("task", self.id, {"index": self.index, "warmup": self.warmup, "due_ns": self.due_ns})
        if self.attributes:
            _note("attributes", self.id, json_text(self.attributes))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._resumed is None:
            super().__exit__(kind, error, trace)
            return
        fiber, (strand, span) = self._fiber, self._resumed
        self._fiber, self._resumed = _NOBODY, None
        fiber.strand, fiber.span, fiber.task = strand, fiber.nearest_open(span), 0
        carrier = STATE.here.carrier or first_seen()
        if carrier is None or carrier.strands is not fiber.of:
            return  # it was open in a recording that is over, or in the parent of this forked child
        carrier.strands.open_tasks.discard(self.id)
        carrier.strands.end(self.id, carrier.cut())
        _sample(self.id)
        if error is not None and not isinstance(error, _NO_FAILURES):
            self.outcome(ok=False, reason=type(error).__name__)


def _note(kind: str, number: int, detail: Any) -> None:
    if STATE.recorder is not None:
        STATE.recorder.log.note((kind, number, detail))


def _sample(task: int) -> None:
    if STATE.recorder is not None:
        STATE.recorder.sample(task)


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
