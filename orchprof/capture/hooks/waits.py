"""Waits: how every hook says that the current strand waits, and for what. What waits inside a wait is part of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final

    from orchprof.capture.strands import Strands, ThreadClock


# A server's group of tasks may never end: of those that it has waited for, so many at most are remembered.
OTHERS_KEPT: Final = 1 << 16


def add_other(others: list[int], strand: int) -> None:
    """Remember one more who was waited for; of too many, the newest half."""
    others.append(strand)
    if len(others) > OTHERS_KEPT:
        del others[: OTHERS_KEPT // 2]


def wait_for(
    strands: Strands,
    targets: Iterable[int],
    block: Callable[[], Any],
    is_over: Callable[[], bool] | None = None,
) -> Any:
    """Return `block()`, during which the current strand waits for the strands `targets`.

    Args:
        strands: the recording's strands.
        targets: read when the wait has ended, so that `block` may find out whom it waited for.
        block: what the program called.
        is_over: whether what was waited for had happened when the wait ended; else it was a time-out.
    """
    thread_clock = strands.thread_clock()
    if thread_clock.execution.wait:
        return block()
    try:
        thread_clock.wait("join")
        return block()
    finally:
        thread_clock.joined(targets)
        # Asked now, as it may have happened while this was written down: whoever asks next waits no more.
        if is_over is not None and strands.safely(is_over) is False:
            thread_clock.expired()


def end_wait(thread_clock: ThreadClock, targets: Iterable[int] | None) -> None:
    """End the wait of the thread clock's strand for others; None says that it timed out."""
    thread_clock.joined(targets or [])
    if targets is None:
        thread_clock.expired()


def wait_as(strands: Strands, state: str, block: Callable[[], Any]) -> Any:
    """Return `block()`, recording that the current strand waits in `state` while it runs."""
    thread_clock = strands.thread_clock()
    if thread_clock.execution.wait:
        return block()
    try:
        thread_clock.wait(state)
        return block()
    finally:
        thread_clock.joined([])


def awake(strands: Strands, owner: Any, name: str) -> Any:
    """Return `owner.name` of the recording that begins now, in a forked child that slept.

    What has begun before that, a child or a thread, would be followed by nobody.
    """
    strands.thread_clock()
    return getattr(owner, name)
