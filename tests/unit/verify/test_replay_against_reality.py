"""Replay against really re-running the changed program, interleaved. By itself, this file prints the errors."""

import sys
import tempfile
from pathlib import Path

from orchprof.verify.changes import changes
from orchprof.verify.measurement import server


def measured(folder, rounds):
    with server() as (_, model_port):
        return changes(Path(folder), model_port, rounds)


def test_replay_says_what_really_happens(tmp_path):
    found = measured(tmp_path, rounds=3)
    assert len(found) >= 5
    assert {one.name: one.error for one in found if abs(one.error) > 0.25} == {}
    # Each of them makes a difference, in the direction that was predicted.
    assert all((one.predicted > 1) == ("slower" in one.name) for one in found)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as here:
        for one in measured(here, int(sys.argv[1])):
            line = f"{one.name:30} x{one.predicted:.3f} predicted, x{one.real:.3f} real, {one.error:+.1%}"
            sys.stdout.write(f"{line}\n")
