"""The recorder as a fixture: with the real clocks, or with one that only the test moves."""

import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pandas as pd
import pytest
from turns import is_quiet, turn

from orchprof.capture import recorder
from orchprof.capture.clock import FakeClock
from orchprof.run.finalize.finalize import finalize

Tables = dict[str, pd.DataFrame]

# A shell's background job ignores Ctrl-C, one under nohup a hangup, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test, with what is made for it, in its turn."""
    with turn(alone=is_quiet(item.path)):
        return (yield)


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Tables]:
    """Return a function that runs `code()` under the recorder and returns the tables of what it recorded."""

    def record(code: Callable[[], object], clock: type | None = None) -> Tables:
        recorder.start(tmp_path, clock)
        try:
            code()
        finally:
            recorder.stop()
        return finalize(tmp_path.glob("*.bin"))[0]

    return record


@pytest.fixture
def fake_clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Return the one fake clock that every thread clock of the test shares."""
    clock = FakeClock()
    monkeypatch.setattr("orchprof.capture.strands.Clock", lambda: clock)
    monkeypatch.setattr("orchprof.capture.recorder.own_cost_ns", lambda _directory: 0)
    return clock
