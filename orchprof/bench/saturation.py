"""Saturation: does the work in flight of an open loop grow without bound? Pure; the driver looks now and then.

A system that keeps up has as many tasks in flight as rate x latency (Little's law), whatever the time. One that does
not has more and more. Two signs end the sending, each judged against how long a task takes when it is alone:

- **full**: more tasks are in flight than `HEADROOM` times what the rate asks for when nothing queues, and than 64.
- **growing**: once eight such latencies have passed, what is in flight grew over the last three quarters of the time
  by over a tenth of what arrived, and by more than chance: three standard errors of arrivals less departures; or, in
  a run too short for that, fewer than half of the tasks that were due in the first half of the time have ended.

How long a task takes alone is taken from the warm-up. Without one, only a fixed limit holds.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

HEADROOM: Final = 4.0
LEAST_LIMIT: Final = 64
MOST_IN_FLIGHT: Final = 512  # a thread each, in the worst case
_LATENCIES: Final = 8
_LEAST_SENT: Final = 10
_GROWN: Final = 0.1
_ERRORS: Final = 3.0


@dataclass(slots=True)
class Backlog:
    """What is known of an open loop while it runs; times are seconds from its start, in order.

    Attributes:
        due_s: when each task is due.
        spread: the coefficient of variation of the gaps.
        from_s: when the ramp is over.
        alone_s: how long a task takes when nothing else runs; None: not known.
        ended_s: when tasks ended.
    """

    due_s: Sequence[float]
    spread: float = 1.0
    from_s: float = 0.0
    alone_s: float | None = None
    ended_s: list[float] = field(default_factory=list)

    def in_flight(self, at_s: float) -> int:
        """Return how many tasks are due by then and have not ended."""
        return self._sent(at_s) - self._ended(at_s)

    def limit(self) -> int:
        """Return how many tasks may be in flight."""
        if self.alone_s is None or len(self.due_s) < 2:  # noqa: PLR2004
            return MOST_IN_FLIGHT
        rate = (len(self.due_s) - 1) / max(self.due_s[-1] - self.due_s[0], 1e-9)
        return min(MOST_IN_FLIGHT, max(LEAST_LIMIT, math.ceil(HEADROOM * rate * self.alone_s)))

    def saturated(self, at_s: float) -> bool:
        """Return whether tasks arrive faster than they end, for good as far as can be seen."""
        if self.in_flight(at_s) >= self.limit():
            return True
        past_s = at_s - self.from_s
        if self.alone_s is None or past_s < _LATENCIES * self.alone_s:
            return False
        return self._grew(self.from_s + past_s / 4, at_s) or self._stuck(self.from_s + past_s / 2, at_s)

    def _grew(self, since_s: float, at_s: float) -> bool:
        arrived = self._sent(at_s) - self._sent(since_s)
        grown = self.in_flight(at_s) - self.in_flight(since_s)
        chance = _ERRORS * math.sqrt((self.spread**2 + 1) * arrived)
        return arrived >= _LEAST_SENT and grown > max(_GROWN * arrived, chance)

    def _stuck(self, half_s: float, at_s: float) -> bool:
        early = self._sent(half_s)
        return early >= _LEAST_SENT and self._ended(at_s) < early / 2

    def _sent(self, at_s: float) -> int:
        return bisect_right(self.due_s, at_s)

    def _ended(self, at_s: float) -> int:
        return bisect_right(self.ended_s, at_s)
