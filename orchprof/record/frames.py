"""Tracebacks: an error that passes through capture shows the program's frames, and none of ours.

What a hook calls is the program's, and so is the error that comes out of it: printed, logged or looked at, it must be
what it would be without a recording. So where an error leaves us, our frames are taken off its front; a bare `raise`
after that adds none.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OURS = "orchprof.record."
# The interpreter's flags of code that does not run when it is called.
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


def hide(error: BaseException) -> None:
    """Take our frames off the front of an error's traceback; `raise` it with nothing else after this."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        trace = trace.tb_next
    error.__traceback__ = trace


def hidden(function: Any) -> Any:
    """Return the function, plain or a coroutine's, with our frames hidden in what it raises."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & (_GENERATOR | _ASYNC_GENERATOR) or code.co_filename == __file__:
        return function

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except BaseException as error:
            hide(error)
            raise

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            hide(error)
            raise

    made: Any = awaited if code.co_flags & _COROUTINE else call
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(made, name, getattr(function, name))
    made.__dict__.update(function.__dict__)
    return made
