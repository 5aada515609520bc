"""How a library's function comes under a span: plain, coroutine, generator or asynchronous generator alike."""

import functools
import types
from collections.abc import Callable, Iterable
from typing import Any, Final, Self

from orchprof.capture import flows
from orchprof.capture.frames import hidden
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span
from orchprof.capture.state import STATE

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
    return hidden(flows.under(_safe(make, where, patches), function, Opened))


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
    classes = {one for one in vars(module).values() if isinstance(one, type)}
    for one in classes:
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
    thread_clock = STATE.here.thread_clock
    if span is None or thread_clock is None:
        return span
    execution = thread_clock.execution
    innermost = _OPEN.get(execution.span or execution.task)
    return None if innermost == _kind(span) else span


def _kind(span: Span) -> tuple[type, str, str]:
    return type(span), span.role, span.name


class Opened(flows.Opened):
    """A label's span, which is known while it is open."""

    __slots__ = ()

    def __enter__(self) -> Self:
        super().__enter__()
        number = getattr(self._span, "id", 0)
        if number and len(_OPEN) < _OPEN_LIMIT:
            _OPEN[number] = _kind(self._span)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        _OPEN.pop(getattr(self._span, "id", 0), None)
        super().__exit__(kind, error, trace)
