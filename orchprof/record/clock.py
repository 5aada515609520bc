"""The three clocks a thread is measured with, and a fake of them for tests."""

import contextlib
import os
import time


class Clock:
    """The clocks of the thread that created it: wall, CPU, and run delay (waiting for a core).

    All in integer nanoseconds. Run delay comes from the second field of the thread's schedstat, through a
    descriptor that is kept open; `has_delay` is False where the kernel offers none, and delay is then 0.
    """

    __slots__ = ("_delay_ns", "_fd", "has_delay")

    wall_ns = staticmethod(time.monotonic_ns)
    cpu_ns = staticmethod(time.thread_time_ns)

    def __init__(self) -> None:
        self._delay_ns = 0
        try:
            self._fd = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1
        self.has_delay = self._fd >= 0

    def delay_ns(self) -> int:
        """Return how long this thread has waited for a core since it was born; what it was if it cannot be read."""
        if self._fd >= 0:
            # A program may close descriptors that are not its own: that must not reach it as an error of ours.
            with contextlib.suppress(OSError, ValueError, IndexError):
                self._delay_ns = int(os.pread(self._fd, 64, 0).split()[1])
        return self._delay_ns

    def close(self) -> None:
        """Give the descriptor back; the delay stays what it was from then on."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    __del__ = close


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
