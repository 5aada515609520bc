"""Yields: a span that a generator holds over its `yield` is left there, as its consumer is no part of it.

Where a generator yields is told by local events of `sys.monitoring`, on the code of such generators only. 3.11 has
none: there an asynchronous generator is asked at the end of every step of its loop whether it still runs; what its
consumer does in the same step, and all that a plain generator's does, counts as inside.
What `contextlib` drives is no stream but a block, and the block is inside.
"""

import contextlib
import sys
import threading
import weakref
from types import CodeType, FrameType
from typing import Any, Final

from orchprof.capture.frames import ASYNC_GENERATOR, GENERATOR

# The flags of the code of generators, asynchronous ones too.
GENERATORS: Final = GENERATOR | ASYNC_GENERATOR
_ITEM: Final = "async_generator_wrapped_value"
_BLOCKS: Final = frozenset(
    {
        contextlib._GeneratorContextManager.__enter__.__code__,
        contextlib._AsyncGeneratorContextManager.__aenter__.__code__,
    }
)
_LAST_TOOL: Final = 5

# By the identity of a generator's frame, the spans that it holds, and whether it has yielded. No frame is kept alive.
HELD: Final[dict[int, list[Any]]] = {}
_FRAMES: Final[dict[Any, int]] = {}  # by span
_LEFT: Final[set[int]] = set()
_TOOLS: Final[list[int]] = []
# By the same identity, on 3.11: an asynchronous generator, and the thread of its loop.
STREAMS: Final[dict[int, tuple[int, Any]]] = {}


def hold(span: Any, frame: FrameType) -> None:
    """Leave a span whenever the generator of this frame, where it was entered, yields to its consumer."""
    driver = frame.f_back
    if driver is None or driver.f_code not in _BLOCKS:
        HELD.setdefault(id(frame), []).append(span)
        _FRAMES[span] = id(frame)
        if sys.version_info >= (3, 12):
            _watch(frame.f_code)
        elif frame.f_code.co_flags & ASYNC_GENERATOR:
            _ask(frame)


def release(span: Any, kind: type[BaseException] | None) -> None:
    """Let go of a span that ends: after a `yield` that an exception ended nobody has said that it goes on."""
    frame = _FRAMES.pop(span, None)
    if frame is None:
        return
    spans = HELD[frame]
    spans.remove(span)
    if frame in _LEFT:
        _end_left(span, kind)
    if not spans:
        _forget(frame)


def _end_left(span: Any, kind: type[BaseException] | None) -> None:
    if kind is not GeneratorExit:
        span.resume()
    elif not span.leave():
        span.left_behind()


def _forget(frame: int) -> None:
    del HELD[frame]
    _LEFT.discard(frame)
    STREAMS.pop(frame, None)


def _ask(frame: FrameType) -> None:
    """Find the asynchronous generator of a frame, among those that its loop knows."""
    asyncio: Any = sys.modules.get("asyncio")
    streams = getattr(asyncio and asyncio._get_running_loop(), "_asyncgens", ())
    stream_of_frame = next((stream for stream in streams if stream.ag_frame is frame), None)
    if stream_of_frame is not None:
        STREAMS[id(frame)] = (threading.get_ident(), weakref.ref(stream_of_frame))


def stepped() -> None:
    """A step of a loop ends on this thread: leave what no longer runs, and go on with what it left running."""
    for frame, (thread, reference) in list(STREAMS.items()):
        stream = reference()
        if thread == threading.get_ident() and stream is not None and stream.ag_running == (frame in _LEFT):
            if stream.ag_running:
                _go_on(frame)
            else:
                _leave(frame)


def _leave(frame: int) -> None:
    _LEFT.add(frame)
    for span in reversed(HELD.get(frame, ())):
        span.suspend()


def _go_on(frame: int) -> None:
    _LEFT.discard(frame)
    for span in HELD.get(frame, ()):
        span.resume()


def drop(frame: FrameType) -> None:
    """Leave the spans of a generator that nobody holds any longer; a task has ended."""
    for span in reversed(HELD.get(id(frame), ())):
        if id(frame) not in _LEFT:
            span.suspend()
        span.leave()
    if id(frame) in HELD:
        _LEFT.add(id(frame))


def end() -> None:
    """Hold no generator any longer: recording has ended."""
    HELD.clear()
    _FRAMES.clear()
    _LEFT.clear()
    STREAMS.clear()
    if sys.version_info >= (3, 12):
        _unwatch()


if sys.version_info >= (3, 12):
    _EVENTS: Final = sys.monitoring.events.PY_YIELD | sys.monitoring.events.PY_RESUME

    def _watch(code: CodeType) -> None:
        if not _TOOLS:
            _TOOLS.extend(_registered())
        with contextlib.suppress(ValueError):  # somebody else may have given our number back
            sys.monitoring.set_local_events(_TOOLS[0] if _TOOLS else -1, code, _EVENTS)

    def _registered() -> list[int]:
        """Return the number under which events come; none where all are taken."""
        watch = sys.monitoring
        free = [number for number in range(_LAST_TOOL, -1, -1) if watch.get_tool(number) is None][:1]
        for tool in free:
            watch.use_tool_id(tool, "orchprof generators")
            watch.register_callback(tool, watch.events.PY_YIELD, _yielded)
            watch.register_callback(tool, watch.events.PY_RESUME, _resumed)
        return free

    def _unwatch() -> None:
        watch = sys.monitoring
        for tool in _TOOLS:
            for event in (watch.events.PY_YIELD, watch.events.PY_RESUME):
                watch.register_callback(tool, event, None)
            watch.free_tool_id(tool)
        _TOOLS.clear()

    def _yielded(code: CodeType, _offset: int, value: object) -> None:
        frame = id(sys._getframe(1))
        # An asynchronous generator that awaits yields, too, but no item.
        if frame in HELD and not (code.co_flags & ASYNC_GENERATOR and type(value).__name__ != _ITEM):
            _leave(frame)

    def _resumed(_code: CodeType, _offset: int) -> None:
        frame = id(sys._getframe(1))
        if frame in _LEFT:
            _go_on(frame)
