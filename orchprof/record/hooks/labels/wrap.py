"""How a library's function comes under a span: plain, coroutine, generator or asynchronous generator alike."""

import contextlib
import functools
import inspect
import types
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Final, Self

from orchprof.record.hooks.patches import Patches
from orchprof.record.spans import Span, Task
from orchprof.record.state import STATE

# Given a call's arguments, the span that it runs under; None leaves the call alone.
Make = Callable[..., Span | None]

# Role and name of the spans opened here, while they are open. Streams that nobody reads to their end must not fill
# memory with theirs.
_OPEN: Final[dict[int, tuple[str, str]]] = {}
_OPEN_LIMIT: Final = 1 << 14


def around(patches: Patches, owner: Any, name: str, make: Make) -> None:
    """Run every call of `owner.name` under the span that `make(*args, **kwargs)` returns.

    A generator is under it while it runs, not while its consumer does; only a task, the root of a ledger, goes on
    in between. A call directly inside one of the same role and name is that same call, seen through another layer of
    the framework. Nothing that goes wrong in `make` reaches the program: the call is then left alone, and the first
    such failure is complained of.

    Raises:
        AttributeError: the owner has no such function; `Patches.when_imported` turns that into a finding.
    """
    where = f"{getattr(owner, '__module__', owner.__name__)}:{owner.__name__}.{name}"
    patches.replace(owner, name, functools.partial(_under, _safe(make, where, patches)))


def _safe(make: Make, where: str, patches: Patches) -> Make:
    failed = False

    def safe(*args: Any, **kwargs: Any) -> Span | None:
        nonlocal failed
        try:
            return _unless_open(make(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - an unknown version's arguments may be anything
            if not failed:
                failed = True
                patches.complain(where, error)
            return None

    return safe


def _unless_open(span: Span | None) -> Span | None:
    carrier = STATE.here.carrier
    if span is None or carrier is None:
        return span
    return None if _OPEN.get(carrier.fiber.span) == (span.role, span.name) else span


class _Opened:
    """A span over the stretches in which its call runs; does nothing when there is none."""

    __slots__ = ("_rests", "_span")

    def __init__(self, span: Span | None) -> None:
        self._span, self._rests = span, False

    def __enter__(self) -> Self:
        span = self._span
        if span is not None:
            span.__enter__()
            number = getattr(span, "id", 0)
            if number and len(_OPEN) < _OPEN_LIMIT:
                _OPEN[number] = (span.role, span.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        span, self._span = self._span, None
        if span is not None:
            if self._rests:
                span.resume()
            _OPEN.pop(getattr(span, "id", 0), None)
            abandoned = kind is GeneratorExit
            span.__exit__(None if abandoned else kind, error, trace)

    def rest(self) -> None:
        """Somebody else runs from here on, until `go_on`."""
        if self._span is not None and not isinstance(self._span, Task):
            self._rests = self._span.suspend()

    def go_on(self) -> None:
        """The call runs again, perhaps on another strand."""
        if self._span is not None and self._rests:
            self._span.resume()
            self._rests = False


def _under(make: Make, original: Any) -> Any:
    """Return a function of the same kind as the original: frameworks look at what they are given."""
    if inspect.isasyncgenfunction(original):

        async def agenerated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            flow = _aflow(_Opened(make(*args, **kwargs)).__enter__(), original(*args, **kwargs))
            async with contextlib.aclosing(flow):
                async for item in flow:
                    yield item

        return functools.wraps(original)(agenerated)
    if inspect.iscoroutinefunction(original):

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with _Opened(make(*args, **kwargs)):
                return await original(*args, **kwargs)

        return functools.wraps(original)(awaited)
    if inspect.isgeneratorfunction(original):

        def generated(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            return (yield from _flow(_Opened(make(*args, **kwargs)).__enter__(), original(*args, **kwargs)))

        return functools.wraps(original)(generated)

    @functools.wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        opened = _Opened(make(*args, **kwargs))
        with contextlib.ExitStack() as stack:
            stack.enter_context(opened)
            result = original(*args, **kwargs)
            later = _LATER.get(type(result))
            if later is None:
                return result
            opened.rest()
            stack.pop_all()
        return later(opened, result)

    return called


async def _later(opened: _Opened, coroutine: Any) -> Any:
    opened.go_on()
    with _entered(opened):
        return await coroutine


def _flow(opened: _Opened, inner: Any) -> Generator[Any, Any, Any]:
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
                inner.close()
                raise
            except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                step, given = inner.throw, error
            opened.go_on()


async def _aflow(opened: _Opened, inner: Any) -> AsyncGenerator[Any, Any]:
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
                await inner.aclose()
                raise
            except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                step, given = inner.athrow, error
            opened.go_on()


def _entered(opened: _Opened) -> contextlib.AbstractContextManager[object]:
    """Return the end of what was entered already."""
    stack = contextlib.ExitStack()
    stack.push(opened)
    return stack


_LATER: Final[dict[type, Callable[[_Opened, Any], Any]]] = {
    types.CoroutineType: _later,
    types.GeneratorType: _flow,
    types.AsyncGeneratorType: _aflow,
}
