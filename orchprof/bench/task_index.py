"""Tickets: which task is next, shared by the worker slots of one process and by the processes of one run."""

import fcntl
import os
import threading
from pathlib import Path


class TaskIndex:
    """A counter in a file that hands out 0, 1, ... limit - 1, each once, to whoever asks first."""

    def __init__(self, path: Path, limit: int) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._limit = limit
        self._lock = threading.Lock()  # the file's lock only keeps processes apart, not threads

    def take(self) -> int | None:
        """Return the next task number, or None when all are gone."""
        with self._lock:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            try:
                taken = int.from_bytes(os.pread(self._fd, 8, 0), "little")
                if taken >= self._limit:
                    return None
                os.pwrite(self._fd, (taken + 1).to_bytes(8, "little"), 0)
                return taken
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
