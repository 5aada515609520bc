"""The three clocks a thread is measured with, and a fake of them for tests."""

from __future__ import annotations

import os
import time

from orchprof.capture.descriptors import Held, share, words_of

_SCHEDSTAT = "/proc/thread-self/schedstat"


class Clock:
    """The clocks of the thread that created it: wall, CPU, and run delay (waiting for a core).

    All in integer nanoseconds. Run delay comes from the second field of the thread's schedstat, through a descriptor
    that is kept open while there are few of these; `has_delay` is False where the kernel offers none, and delay is
    then 0.
    """

    __slots__ = ("_delay_ns", "_held", "has_delay")

    kept = 0

    wall_ns = staticmethod(time.monotonic_ns)
    cpu_ns = staticmethod(time.thread_time_ns)

    def __init__(self) -> None:
        self._delay_ns = 0
        self._held: Held | None = None
        self.has_delay = True
        try:
            if Clock.kept < share():
                self._held = Held(_SCHEDSTAT, os.O_RDONLY)
                Clock.kept += 1
            self._read()
        except (OSError, ValueError):
            self.close()

    def delay_ns(self) -> int:
        """Return how long this thread has waited for a core since it was born; what it was if it cannot be read."""
        if self.has_delay:
            try:
                self._delay_ns = max(self._read(), self._delay_ns)
            except (OSError, ValueError):
                self._give_back()  # a program may close descriptors that are not its own; the next look opens the file
        return self._delay_ns

    def close(self) -> None:
        """Give the descriptor back; the delay stays what it was from then on."""
        self.has_delay = False
        self._give_back()

    __del__ = close

    def _read(self) -> int:
        held = self._held
        _, delay, _ = words_of(_SCHEDSTAT) if held is None else os.pread(held.number, 64, 0).split()
        return int(delay)

    def _give_back(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            Clock.kept -= 1
            held.close()


class FakeClock:
    """Three clocks that move only when a test moves them, so that expected figures are exact.

    `preempt_ns` makes the next snapshot look as if the thread had been taken off its core between two reads.
    """

    has_delay = True

    def __init__(self) -> None:
        self.wall, self.cpu, self.delay = 1_000_000_000, 0, 0
        self.preempt_ns = 0

    def wall_ns(self) -> int:
        """Return the fake wall clock."""
        return self.wall

    def cpu_ns(self) -> int:
        """Return the fake CPU clock; a pending preemption strikes right after this read."""
        cpu = self.cpu
        self.wall += self.preempt_ns
        self.delay += self.preempt_ns
        self.preempt_ns = 0
        return cpu

    def delay_ns(self) -> int:
        """Return the fake run delay."""
        return self.delay

    def close(self) -> None:
        """Do nothing: there is no descriptor."""

    def run(self, ns: int) -> None:
        """Compute for `ns`: wall and CPU move together."""
        self.wall += ns
        self.cpu += ns

    def wait(self, ns: int) -> None:
        """Be blocked for `ns`: only the wall moves."""
        self.wall += ns

    def starve(self, ns: int) -> None:
        """Be ready to run for `ns` without a core: wall and run delay move."""
        self.wall += ns
        self.delay += ns
