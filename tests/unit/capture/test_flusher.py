"""The background thread: who ends one waits for that one, and not for one that never began."""

import _thread
import threading

import pytest

from orchprof.capture.flusher import Flusher
from orchprof.capture.log import Log


def test_a_thread_that_could_not_be_started_is_not_waited_for(tmp_path, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    flusher = Flusher(Log(tmp_path), lambda: None)
    with monkeypatch.context() as patched:
        patched.setattr(_thread, "start_new_thread", refuse)
        with pytest.raises(RuntimeError):
            flusher.start()
    for end in (flusher.stop, flusher.start, flusher.stop):
        end()


def test_whoever_ends_one_does_not_wait_for_the_next(tmp_path, monkeypatch):
    """A thread is started again while somebody waits for the last write of the one before."""
    monkeypatch.setattr("orchprof.capture.flusher.FLUSH_EVERY_S", 0.001)
    writes, goes_on = threading.Event(), threading.Event()

    def sample():
        writes.set()
        goes_on.wait()

    flusher = Flusher(Log(tmp_path), sample)
    flusher.start()
    writes.wait()
    ends = threading.Thread(target=flusher.stop)
    ends.start()
    while flusher._going:
        pass
    flusher.start()
    goes_on.set()
    ends.join(30)
    assert not ends.is_alive()
    flusher.stop()
