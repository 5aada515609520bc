"""Executions: what does one thing at a time, on one thread after another: a thread's own code, a task, a job."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final


# Whoever has nobody else to wait for shares this; it stays empty.
NOBODY: Final[list[int]] = []
# Under this name whatever runs or can be waited for has its execution.
EXECUTION: Final = "_orchprof_execution"


class Execution:
    """What a strand needs to go on later, on any thread clock: its id, innermost span, task, and what it waits for.

    It also stands for the *cause* of what a thread does. There `ready_ns` says since when, if that is not now:
    the socket was readable, or the timer due, before the loop came round to it; and `others` who else was waited for
    by whoever it wakes.
    """

    __slots__ = ("closed", "late", "of", "others", "ready_ns", "request", "span", "strand", "task", "wait")

    def __init__(self, strand: int, span: int = 0, task: int = 0, ready_ns: int = 0) -> None:
        self.of: object = None  # whose strand it is: a later recording knows nothing of it
        self.closed: dict[int, int] | None = (
            None  # spans closed before those inside them: to what they were in
        )
        self.strand, self.span, self.task, self.wait, self.ready_ns = strand, span, task, 0, ready_ns
        self.others: list[int] = NOBODY
        self.late = False  # a time-out has ended what it waits for
        self.request: Any = None  # for whose reply a connection is read here

    def close(self, span: int, outer: int) -> None:
        """End a span wherever it is: the innermost gives way to the nearest one open, any other is remembered."""
        if self.span == span:
            self.span = self.nearest_open(outer)
        elif self.closed is None:
            self.closed = {span: outer}
        else:
            self.closed[span] = outer

    def nearest_open(self, span: int) -> int:
        """Return `span`, or the nearest one around it that has not been closed."""
        while self.closed and span in self.closed:
            span = self.closed.pop(span)
        return span
