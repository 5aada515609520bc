"""Cores that runnable threads share evenly: processor sharing in virtual time.

The kernel gives every runnable thread the same part of the cores, so c cores serve n runnable threads at the rate
min(1, c / n) each. In virtual time, which runs down at that rate, a job that enters at v and needs s seconds ends at
v - s whatever comes later: a list of these ends in order is all there is to keep, the next one is its last, and only
that needs an event. (For as many threads as machines have, an insertion into a list costs less than a heap.)

Source: Parekh and Gallager (1993), A generalized processor sharing approach to flow control, section III.
"""

from bisect import bisect_left
from math import inf
from typing import Any, Final

from orchprof.simulate.calendar import Calendar, Node

SLACK_S: Final = (
    1e-9  # what a job may have left when it ends: more than rounding, less than anything measured
)


class Cores:
    """The cores of one machine. A job is anything and a node of its own: `node.then` is told as it ends."""

    __slots__ = (
        "_armed_s", "_asked_s", "_at_s", "_book", "_ends", "_event", "_jobs", "_moment_s", "_speed", "_times",
        "_virtual_s", "size",
    )  # fmt: skip

    def __init__(self, calendar: Calendar, cores: float, speed: float) -> None:
        self.size = cores
        self._speed = speed
        self._book, self._times = calendar.at, calendar.times
        self._event = (self._fire, None, None)
        self._ends: list[float] = []  # in virtual time, the next one last
        self._jobs: list[tuple[Any, Node]] = []  # at the same places: who, and what comes after it
        self._at_s = 0.0
        self._virtual_s = 0.0
        self._armed_s = inf
        self._asked_s = 0.0  # of all jobs that came
        self._moment_s = 0.0  # of the runnable threads, as in a Level

    def enter(self, now_s: float, job: object, node: Node) -> float:
        """Let a job have a core's time for the node's seconds; return its end in virtual time."""
        if now_s != self._at_s:
            self.virtual_s(now_s)
        amount_s = node.amount
        self._asked_s += amount_s
        self._moment_s += now_s
        ends, jobs, end_s = self._ends, self._jobs, self._virtual_s - amount_s
        place = bisect_left(ends, end_s)
        ends.insert(place, end_s)
        # Whoever comes only delays the others: unless it is the first to end, the event that is set comes early
        # enough, and sets the next one when it finds nothing to do.
        if place == len(jobs):
            self._arm()
        jobs.insert(place, (job, node.then))
        return end_s

    def leave(self, now_s: float, job: object, end_s: float) -> None:
        """Take a job out that has not ended."""
        place = bisect_left(self._ends, end_s)
        while self._jobs[place][0] is not job:
            place += 1
        self._asked_s -= self.virtual_s(now_s) - end_s
        self._moment_s -= now_s
        del self._ends[place], self._jobs[place]
        if self._ends:
            self._arm()

    def virtual_s(self, now_s: float) -> float:
        """Bring the cores up to an instant; return the virtual time, less what each job has had that was there."""
        self._virtual_s = virtual_s = self._virtual_s - (now_s - self._at_s) * self._rate()
        self._at_s = now_s
        return virtual_s

    def integrals(self, now_s: float) -> tuple[float, float]:
        """Return core seconds up to now, and the seconds that threads were runnable beyond the cores there are."""
        virtual_s = self.virtual_s(now_s)
        busy_s = (self._asked_s - sum(virtual_s - end_s for end_s in self._ends)) / self._speed
        return busy_s, len(self._jobs) * now_s - self._moment_s - busy_s

    def _fire(self, now_s: float, _job: None, _node: None) -> None:
        """Let everybody go on whose end has come, and those after them as long as nothing else is due before."""
        if now_s != self._armed_s:
            return  # set before a job came that was to end sooner
        self._armed_s = -inf  # whoever comes meanwhile sets no event
        ends, jobs, times = self._ends, self._jobs, self._times
        size, speed, all_ = self.size, self._speed, self._speed * self.size
        virtual_s = self.virtual_s(now_s)
        while ends:
            end_s = ends.pop()
            left_s = virtual_s - end_s
            if left_s > SLACK_S:
                running = len(jobs)
                due_s = now_s + left_s / (speed if running <= size else all_ / running)
                if times and times[0] <= due_s:
                    ends.append(end_s)
                    self._armed_s = due_s
                    self._book(due_s, self._event)
                    return
                self._at_s = now_s = due_s
                self._virtual_s = virtual_s = end_s
            self._moment_s -= now_s
            job, then = jobs.pop()
            then.enter(now_s, job, then)
        self._armed_s = inf

    def _rate(self) -> float:
        """Return the speed at which each job is served."""
        running = len(self._ends)
        return self._speed if running <= self.size else self._speed * self.size / running

    def _arm(self) -> None:
        """Set the event for the first end, unless an earlier one is set."""
        due_s = self._at_s + (self._virtual_s - self._ends[-1]) / self._rate()
        if due_s < self._armed_s:
            self._armed_s = due_s
            self._book(due_s, self._event)
