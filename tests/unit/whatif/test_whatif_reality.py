"""A prediction beside the program really changed: waits that overlap, so that neither sums nor shares would do."""

import threading
import time

import pytest
from whatif_runs import META, whatif

import orchprof
from orchprof.whatif.request import Asked


def agent(look_s, read_s):
    """Look something up while reading, twice."""

    def look():
        with orchprof.tool("look"):
            time.sleep(look_s)

    for _ in range(2):
        with orchprof.task("survey"):
            other = threading.Thread(target=look)
            other.start()
            with orchprof.tool("read"):
                time.sleep(read_s)
            other.join()


@pytest.mark.parametrize(
    ("scale", "changed"),
    [
        ([("tool:look", 3)], {"look_s": 0.6, "read_s": 0.3}),  # the look-up was hidden, and no longer is
        ([("tool:read", 0.25)], {"look_s": 0.2, "read_s": 0.075}),  # the look-up binds now
        ([("tool:look", 0.1)], {"look_s": 0.02, "read_s": 0.3}),  # it stays hidden
    ],
)
def test_a_change_does_what_was_said(recorded, tmp_path, scale, changed):
    tables = recorded(lambda: agent(look_s=0.2, read_s=0.3))
    said = whatif(tables, META, Asked(scale=scale))
    for log in tmp_path.glob("*.bin"):
        log.unlink()
    real = whatif(recorded(lambda: agent(**changed)), META)
    # Sleeps and a thread's start are all there is, so even a busy machine stays far from what a sum would say.
    assert said["predicted_s"] == pytest.approx(real["base_s"], rel=0.25)
