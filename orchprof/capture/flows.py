"""Flows: how calls come under a span, be they plain, coroutines, generators or asynchronous generators.

A generator is under its span while it runs, not while its consumer does; so is an asynchronous context manager that a
call returns, and not its block. Marks and frameworks' labels both stand on this.
"""

import contextlib
import functools
import types
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from typing import Any, Final, Self

from orchprof.capture.frames import ASYNC_GENERATOR, COROUTINE, GENERATOR, hide
from orchprof.capture.yields import drop

# Given a call's arguments, the span that it runs under; None leaves the call alone.
Make = Callable[..., Any]


class Opened:
    """A span over the stretches in which its call runs; does nothing when there is none."""

    __slots__ = ("_rests", "_span")

    def __init__(self, span: Any) -> None:
        self._span, self._rests = span, False

    def __enter__(self) -> Self:
        if self._span is not None:
            self._span.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        span, self._span = self._span, None
        if span is not None:
            if self._rests:
                span.resume()
            span.__exit__(None if kind is GeneratorExit else kind, error, trace)

    def handed_on(self) -> "Opened":
        """Return another holder of the span, which this one no longer ends."""
        other = type(self)(self._span)
        other._rests, self._span = self._rests, None
        return other

    def rest(self) -> None:
        """Somebody else runs from here on, until `go_on`."""
        if self._span is not None:
            self._rests = self._span.suspend()

    def go_on(self) -> None:
        """The call runs again, perhaps on another strand."""
        if self._span is not None and self._rests:
            self._span.resume()
            self._rests = False

    def abandon(self) -> None:
        """Nobody asks for more: a task has ended with what it gave last, whenever what is left to do is done."""
        if self._span is not None and self._rests and self._span.leave():
            self._rests = False
            self.__exit__(None, None, None)

    def clean_up(self) -> None:
        """What a call does that was abandoned is its own, but for a task's."""
        self.abandon()
        self.go_on()


def _kind_of(function: Any) -> int:
    """Return the flags of the code that a function, a method or a partial call of one runs; 0 where there is none."""
    while isinstance(function, functools.partial | types.MethodType):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    return int(getattr(getattr(function, "__code__", None), "co_flags", 0))


def under(make: Make, original: Any, opened: Callable[[Any], Opened] = Opened) -> Any:
    """Return a function of the same kind as the original: frameworks look at what they are given.

    Args:
        make: what each call runs under.
        original: the function.
        opened: what holds the span of a call.
    """
    kind = _kind_of(original)
    wrapper = next((wrap for flag, wrap in _WRAPPERS.items() if kind & flag), _plain)
    return functools.wraps(original)(wrapper(make, original, opened))


def marked(fresh: Callable[[], Any], function: Any) -> Any:
    """Return a function with every call of it under a span that `fresh` makes, as `under` does and for half its cost.

    Marks are what programs have many short calls of.
    """
    kind = _kind_of(function)
    if kind & (GENERATOR | ASYNC_GENERATOR):
        return under(lambda *_args, **_kwargs: fresh(), function)
    return functools.wraps(function)(
        (_marked_coroutine if kind & COROUTINE else _marked_plain)(fresh, function)
    )


def _marked_coroutine(fresh: Callable[[], Any], function: Any) -> Any:
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        span = fresh().__enter__()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            span.__exit__(type(error), error, error.__traceback__)
            raise
        return _ended(span, result)

    return awaited


def _marked_plain(fresh: Callable[[], Any], function: Any) -> Any:
    def called(*args: Any, **kwargs: Any) -> Any:
        span = fresh().__enter__()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            span.__exit__(type(error), error, error.__traceback__)
            raise
        return _ended(span, result)

    return called


def _ended(span: Any, result: Any) -> Any:
    """Return what a call returned, with its span ended, or going on with work that is still to be done."""
    later = _LATER.get(type(result))
    if later is None:
        span.__exit__(None, None, None)
        return result
    opened = Opened(span)
    opened.rest()
    return later(opened, result)


def _agenerated(make: Make, original: Any, opened: Callable[[Any], Opened]) -> Any:
    async def agenerated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        within = opened(make(*args, **kwargs)).__enter__()
        flow = _aflow(within, original(*args, **kwargs))
        try:
            async with contextlib.aclosing(flow):
                async for item in flow:
                    yield item
        except BaseException as error:
            hide(error)
            raise

    return agenerated


def _awaited(make: Make, original: Any, opened: Callable[[Any], Opened]) -> Any:
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with opened(make(*args, **kwargs)) as within:
            return _or_later(within, await original(*args, **kwargs))

    return awaited


def _generated(make: Make, original: Any, opened: Callable[[Any], Opened]) -> Any:
    def generated(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        try:
            return (yield from _flow(opened(make(*args, **kwargs)).__enter__(), original(*args, **kwargs)))
        except BaseException as error:
            hide(error)
            raise

    return generated


def _plain(make: Make, original: Any, opened: Callable[[Any], Opened]) -> Any:
    def called(*args: Any, **kwargs: Any) -> Any:
        with opened(make(*args, **kwargs)) as within:
            return _or_later(within, original(*args, **kwargs))

    return called


_WRAPPERS: Final = {ASYNC_GENERATOR: _agenerated, COROUTINE: _awaited, GENERATOR: _generated}


def _or_later(opened: Opened, result: Any) -> Any:
    """Return a call's result; where it is work that is still to be done, the span goes on with that."""
    later = _LATER.get(type(result))
    if later is None:
        return result
    opened.rest()
    return later(opened.handed_on(), result)


async def _later(opened: Opened, coroutine: Any) -> Any:
    opened.go_on()
    with _entered(opened):
        return await coroutine


def _flow(opened: Opened, inner: Any) -> Generator[Any, Any, Any]:
    """Yield what the generator `inner` yields, and hand it what the consumer sends or throws."""
    opened.go_on()
    step, given = inner.send, None
    with _entered(opened):
        while True:
            try:
                item = step(given)
            except StopIteration as end:
                return end.value
            opened.rest()
            try:
                step, given = inner.send, (yield item)
            except GeneratorExit:
                opened.clean_up()
                inner.close()
                raise
            except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                step, given = inner.throw, error
            opened.go_on()


async def _aflow(opened: Opened, inner: Any) -> AsyncGenerator[Any, Any]:
    """Yield what the asynchronous generator `inner` yields, and hand it what the consumer sends or throws."""
    opened.go_on()
    step, given = inner.asend, None
    with _entered(opened):
        while True:
            try:
                item = await step(given)
            except StopAsyncIteration:
                return
            opened.rest()
            try:
                step, given = inner.asend, (yield item)
            except GeneratorExit:
                opened.clean_up()
                await inner.aclose()
                raise
            except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                step, given = inner.athrow, error
            opened.go_on()


def abandoned(stream: Any) -> None:
    """Say that nobody holds an asynchronous generator any longer, before its cleaning up has begun.

    That is for its loop to do, later and in a task of its own: whoever left the stream may have begun another by then.
    What the stream itself reads is left with it.
    """
    frame = getattr(stream, "ag_frame", None)
    while frame is not None:
        opened = frame.f_locals.get("opened") if frame.f_code is _aflow.__code__ else None
        if isinstance(opened, Opened):
            opened.abandon()
        drop(frame)
        stream = _read_by(stream)
        frame = getattr(stream, "ag_frame", None)


def _read_by(stream: Any) -> Any:
    """Return the asynchronous generator that another one iterates over; None for none."""
    import gc

    return next((one for one in gc.get_referents(stream) if type(one) is types.AsyncGeneratorType), None)


@contextlib.asynccontextmanager
async def _within(opened: Opened, manager: Any) -> AsyncIterator[Any]:
    opened.go_on()
    with _entered(opened):
        async with manager as value:
            opened.rest()
            try:
                yield value
            finally:
                opened.go_on()


def _entered(opened: Opened) -> contextlib.AbstractContextManager[object]:
    """Return the end of what was entered already."""
    stack = contextlib.ExitStack()
    stack.push(opened)
    return stack


_LATER: Final[dict[type, Callable[[Opened, Any], Any]]] = {
    types.CoroutineType: _later,
    types.GeneratorType: _flow,
    types.AsyncGeneratorType: _aflow,
    contextlib._AsyncGeneratorContextManager: _within,
}
