"""How a library's function comes under a span: plain, coroutine, generator or asynchronous generator alike."""

import contextlib
import functools
import types
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable
from typing import Any, Final, Self

from orchprof.record.frames import hidden, hide
from orchprof.record.hooks.patches import Patches
from orchprof.record.spans import Span, Task
from orchprof.record.state import STATE

# Given a call's arguments, the span that it runs under; None leaves the call alone.
Make = Callable[..., Span | None]
# Module, class, names of its methods, and what makes their span.
Calls = tuple[str, str, tuple[str, ...], Make]

# Kind, role and name of the spans opened here, while they are open. Streams that nobody reads to their end must not
# fill memory with theirs.
_OPEN: Final[dict[int, tuple[type, str, str]]] = {}
_OPEN_LIMIT: Final = 1 << 14


def around(patches: Patches, owner: Any, name: str, make: Make) -> None:
    """Run every call of `owner.name` under the span that `make(*args, **kwargs)` returns.

    A generator is under it while it runs, not while its consumer does; only a task, the root of a ledger, goes on
    in between. So it is with an asynchronous context manager that the call returns, and its block. A call directly
    inside one of the same role and name is that same call, seen through another layer of the framework. Nothing that
    goes wrong in `make` reaches the program: the call is then left alone, and the first such failure is complained of.

    Raises:
        AttributeError: the owner has no such function; `Patches.when_imported` turns that into a finding.
    """
    where = f"{getattr(owner, '__module__', owner.__name__)}:{owner.__name__}.{name}"
    patches.replace(owner, name, lambda original: under(patches, where, original, make))


def under(patches: Patches, where: str, function: Any, make: Make) -> Any:
    """Return `function` with every call of it under its span; `where` is what a failure of `make` is complained of."""
    return hidden(_under(_safe(make, where, patches), function))


def around_all(patches: Patches, calls: Iterable[Calls]) -> None:
    """Run methods under their spans as soon as the program imports their modules, each entry on its own.

    An entry is (module, class, names of methods, make). "" stands for the module's own functions, "*" for every class
    that the module or package defines, where such a method may be missing.
    """
    for module, owner, names, make in calls:
        patches.when_imported(module, functools.partial(_in_module, patches, owner, names, make))


def _in_module(
    patches: Patches, owner: str, names: Iterable[str], make: Make, module: types.ModuleType
) -> None:
    if owner != "*":
        for name in names:
            around(patches, getattr(module, owner) if owner else module, name, make)
        return
    found = {one for one in vars(module).values() if isinstance(one, type)}
    for one in found:
        if f"{one.__module__}.".startswith(f"{module.__name__}."):
            for name in vars(one).keys() & set(names):
                around(patches, one, name, make)


def _safe(make: Make, where: str, patches: Patches) -> Make:
    failed = known = False

    def safe(*args: Any, **kwargs: Any) -> Span | None:
        nonlocal failed, known
        try:
            span = make(*args, **kwargs)
            if not known and _tells_apart(span) and STATE.recorder is not None:
                known = True
                STATE.recorder.log.note(("named", where))
            return _unless_open(span)
        except Exception as error:  # noqa: BLE001 - an unknown version's arguments may be anything
            if not failed:
                failed = True
                patches.complain(where, error)
            return None

    return safe


def _tells_apart(span: Span | None) -> bool:
    """Return whether a span tells tools from a framework; a task's bounds and a client library's calls do not."""
    return type(span) is Span and span.role in ("framework", "tool")


def _unless_open(span: Span | None) -> Span | None:
    carrier = STATE.here.carrier
    if span is None or carrier is None:
        return span
    fiber = carrier.fiber
    innermost = _OPEN.get(fiber.span or fiber.task)
    return None if innermost == _kind(span) else span


def _kind(span: Span) -> tuple[type, str, str]:
    return type(span), span.role, span.name


class Opened:
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
                _OPEN[number] = _kind(span)
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


# The interpreter's own flags of code: `inspect`, which knows their names, costs as much to import as all of this.
_GENERATOR: Final = 0x20
_COROUTINE: Final = 0x80
_ASYNC_GENERATOR: Final = 0x200


def _kind_of(function: Any) -> int:
    """Return the flags of the code that a function, a method or a partial call of one runs; 0 where there is none."""
    while isinstance(function, functools.partial | types.MethodType):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    return int(getattr(getattr(function, "__code__", None), "co_flags", 0))


def _under(make: Make, original: Any) -> Any:  # noqa: C901 - a kind of function after the other
    """Return a function of the same kind as the original: frameworks look at what they are given."""
    kind = _kind_of(original)
    if kind & _ASYNC_GENERATOR:

        async def agenerated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            flow = _aflow(Opened(make(*args, **kwargs)).__enter__(), original(*args, **kwargs))
            try:
                async with contextlib.aclosing(flow):
                    async for item in flow:
                        yield item
            except BaseException as error:
                hide(error)
                raise

        return functools.wraps(original)(agenerated)
    if kind & _COROUTINE:

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            opened = Opened(make(*args, **kwargs))
            with contextlib.ExitStack() as stack:
                stack.enter_context(opened)
                return _or_later(stack, opened, await original(*args, **kwargs))

        return functools.wraps(original)(awaited)
    if kind & _GENERATOR:

        def generated(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            try:
                return (
                    yield from _flow(Opened(make(*args, **kwargs)).__enter__(), original(*args, **kwargs))
                )
            except BaseException as error:
                hide(error)
                raise

        return functools.wraps(original)(generated)

    @functools.wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        opened = Opened(make(*args, **kwargs))
        with contextlib.ExitStack() as stack:
            stack.enter_context(opened)
            return _or_later(stack, opened, original(*args, **kwargs))

    return called


def _or_later(stack: contextlib.ExitStack, opened: Opened, result: Any) -> Any:
    """Return a call's result; where it is work that is still to be done, the span goes on with that."""
    later = _LATER.get(type(result))
    if later is None:
        return result
    opened.rest()
    stack.pop_all()
    return later(opened, result)


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
                await inner.aclose()
                raise
            except BaseException as error:  # noqa: BLE001 - it is the generator's to handle
                step, given = inner.athrow, error
            opened.go_on()


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
