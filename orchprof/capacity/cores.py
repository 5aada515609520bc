"""Cores that runnable threads share evenly: processor sharing in virtual time.

The kernel gives every runnable thread the same part of the cores, so c cores serve n runnable threads at the rate
min(1, c / n) each. In virtual time, which runs at that rate, a job that enters at v and needs s seconds ends at v + s
whatever comes later: a heap of these ends is all there is to keep, and only the first of them needs an event.

Source: Parekh and Gallager (1993), A generalized processor sharing approach to flow control, section III.
"""

from heapq import heappop, heappush
from math import inf, nextafter
from typing import Any, Final

from orchprof.capacity.events import Calendar, Node

SLACK_S: Final = (
    1e-9  # what a job may have left when it ends: more than rounding, less than anything measured
)


class Cores:
    """The cores of one machine. A job is anything and a node of its own: `node.then` is told as it ends."""

    __slots__ = (
        "_armed_s", "_at_s", "_book", "_due", "_ends", "_event", "_jobs", "_moment_s", "_rate", "_running", "_served_s",
        "_speed", "_times", "_virtual_s", "size",
    )  # fmt: skip

    def __init__(self, calendar: Calendar, cores: float, speed: float) -> None:
        self.size = cores
        self._speed = speed
        self._book, self._due, self._times = calendar.at, calendar.due, calendar.times
        self._event = (self._fire, None, None)
        self._ends: list[float] = []  # a heap; an end without a job belonged to one that left
        self._jobs: dict[float, tuple[Any, Node]] = {}
        self._running = 0
        self._rate = speed
        self._virtual_s = 0.0
        self._at_s = 0.0
        self._armed_s = inf
        self._served_s = 0.0
        self._moment_s = 0.0  # of the runnable threads, as in a Level

    def enter(self, now_s: float, job: Any, node: Node) -> float:
        """Let a job have a core's time for the node's seconds; return its end in virtual time, which names it."""
        virtual_s = self._virtual_s + (now_s - self._at_s) * self._rate
        self._at_s, self._virtual_s = now_s, virtual_s
        self._moment_s += now_s
        self._running = running = self._running + 1
        if running > self.size:
            self._rate = self._speed * self.size / running
        end_s = virtual_s + node.amount
        jobs, ends = self._jobs, self._ends
        while end_s in jobs:
            end_s = nextafter(end_s, inf)
        jobs[end_s] = job, node
        heappush(ends, end_s)
        # Whoever comes only delays the others: unless it is the first to end, the event that is set comes early
        # enough, and sets the next one when it finds nothing to do.
        if ends[0] == end_s:
            self._arm()
        return end_s

    def leave(self, now_s: float, end_s: float) -> None:
        """Take a job out that has not ended."""
        self.virtual_s(now_s)
        _, node = self._jobs.pop(end_s)
        self._served_s += node.amount - (end_s - self._virtual_s)
        self._moment_s -= now_s
        self._running = running = self._running - 1
        self._rate = self._speed if running <= self.size else self._speed * self.size / running
        if running:
            self._arm()

    def virtual_s(self, now_s: float) -> float:
        """Bring the cores up to an instant; return the virtual time, what each job has had that was always there."""
        self._virtual_s += (now_s - self._at_s) * self._rate
        self._at_s = now_s
        return self._virtual_s

    def integrals(self, now_s: float) -> tuple[float, float]:
        """Return core seconds up to now, and the seconds that threads were runnable beyond the cores there are."""
        virtual_s = self.virtual_s(now_s)
        had_s = sum(node.amount - (end_s - virtual_s) for end_s, (_, node) in self._jobs.items())
        busy_s = (self._served_s + had_s) / self._speed
        return busy_s, self._running * now_s - self._moment_s - busy_s

    def _fire(self, now_s: float, _job: None, _node: None) -> None:
        """Let everybody go on whose end has come."""
        if now_s != self._armed_s:
            return  # set before a job came that was to end sooner
        self._armed_s = inf
        self._virtual_s = virtual_s = self._virtual_s + (now_s - self._at_s) * self._rate
        self._at_s = now_s
        last_s = virtual_s + SLACK_S
        ends, jobs = self._ends, self._jobs
        while ends and ends[0] <= last_s:
            entry = jobs.pop(heappop(ends), None)
            if entry:
                job, node = entry
                self._served_s += node.amount
                self._moment_s -= now_s
                self._running = running = self._running - 1
                self._rate = self._speed if running <= self.size else self._speed * self.size / running
                then = node.then
                then.enter(now_s, job, then)
        if ends:
            self._arm()

    def _arm(self) -> None:
        """Set the event for the first end, unless an earlier one is set."""
        due_s = self._at_s + (self._ends[0] - self._virtual_s) / self._rate
        if due_s < self._armed_s:
            self._armed_s = due_s
            if due_s in self._due:
                self._book(due_s, self._event)
            else:  # what the calendar would do: this is where most of its events come from
                self._due[due_s] = self._event
                heappush(self._times, due_s)
