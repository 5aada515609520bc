"""Tracebacks: an error that passes through capture shows the program's frames, and none of ours.

What a hook calls is the program's, and so is the error that comes out of it: printed, logged or looked at, it must be
what it would be without a recording. So where an error leaves us, our frames are taken off its front; a bare `raise`
after that adds none.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_OURS = "orchprof.capture."
# The interpreter's own flags of code that does not run when it is called: `inspect`, which knows their names, costs as
# much to import as all of this.
GENERATOR: Final = 0x20
COROUTINE: Final = 0x80
ASYNC_GENERATOR: Final = 0x200


def hide(error: BaseException) -> None:
    """Take our frames off the front of an error's traceback; `raise` it with nothing else after this."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        trace = trace.tb_next
    error.__traceback__ = trace


def is_ours(error: BaseException) -> bool:
    """Return whether an error is of our own making; what a signal handler raised in our midst is the program's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is None or trace.tb_frame.f_globals.get("__name__", "").startswith("orchprof.")


def hidden(function: Any) -> Any:
    """Return the function, plain or a coroutine's, with our frames hidden in what it raises."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & (GENERATOR | ASYNC_GENERATOR) or code.co_filename == __file__:
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

    made: Any = awaited if code.co_flags & COROUTINE else call
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(made, name, getattr(function, name))
    made.__dict__.update(function.__dict__)
    return made
