"""The background thread that writes a log twice a second, so that a killed process loses no more than that."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` stands on
import _thread

from orchprof.capture.log import FLUSH_EVERY_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from orchprof.capture.log import Log


class Flusher:
    """Flushes a log, and samples the process before each flush, from `start` to `stop`; again after another start.

    The thread is not one of `threading`: a program that counts its threads, or waits until they are gone, must not
    meet it.
    """

    def __init__(self, log: Log, sample: Callable[[], object]) -> None:
        self._log, self._sample = log, sample
        # The thread's two locks: held while it is to go on, and while it goes on. Only whole steps of a dict's change
        # this: a program's threads may fork at once.
        self._going: dict[str, tuple[_thread.LockType, _thread.LockType]] = {}

    def start(self) -> None:
        """Flush from now on; nothing happens when it does already."""
        locks = _thread.allocate_lock(), _thread.allocate_lock()
        for lock in locks:
            lock.acquire()
        if self._going.setdefault("", locks) is locks:
            # A signal that the program blocks, to wait for it, must not find a thread that takes it.
            blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
            try:
                _thread.start_new_thread(self._run, locks)
            except RuntimeError:  # there may be no further thread: nobody must wait for this one
                self._going.clear()
                raise
            finally:
                _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)

    def stop(self) -> None:
        """Ask the thread to end, and wait for it."""
        locks = self._going.pop("", None)
        if locks is not None:
            asked, ended = locks
            asked.release()
            ended.acquire()

    def _run(self, asked: _thread.LockType, ended: _thread.LockType) -> None:
        try:
            while not asked.acquire(timeout=FLUSH_EVERY_S):
                self._sample()
                self._log.flush(sync=True)
        finally:
            ended.release()
