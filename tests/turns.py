"""Turns: tests that look at how long something takes run by themselves, whatever the other worker does meanwhile."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What is recorded there is held to clocks: another test beside it would take the cores that it computes on.
QUIET = (
    "cli/test_cli_record_outside", "unit/capture", "unit/verify", "unit/watch", "unit/whatif/test_whatif_reality",
    "unit/whatif/test_whatif_waits",
)  # fmt: skip
_TESTS = Path(__file__).parent


def is_quiet(path: Path) -> bool:
    """Return whether the tests of a file have to run by themselves."""
    return path.relative_to(_TESTS).as_posix().startswith(QUIET)


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait for one's turn: beside others, or alone. Who waits to be alone lets nobody else begin."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        yield
        return
    with _opened(run, "gate") as gate, _opened(run, "room") as room:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(room, fcntl.LOCK_UN)  # said, for a forked child may hold it open


@contextmanager
def _opened(run: str, name: str) -> Iterator[int]:
    handle = os.open(
        Path(tempfile.gettempdir()) / f"orchprof-tests-{run}-{name}", os.O_CREAT | os.O_RDWR, 0o600
    )
    try:
        yield handle
    finally:
        os.close(handle)
