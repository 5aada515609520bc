"""gevent: greenlets are not merged, and the run says what is not known of them. Each program is its own."""

import subprocess
import sys

import pytest
import recorded_logs
from support import assert_tiled

from orchprof.run.finalize.finalize import finalize

pytest.importorskip("gevent")

HEAD = """
import sys, time
from pathlib import Path
import orchprof
from orchprof.capture import recorder
recorder.start(Path(sys.argv[1]))
"""
GREENLETS = """
import gevent.monkey
gevent.monkey.patch_all()
import gevent, threading

def agent():
    with orchprof.task("agent"), orchprof.tool("nap"):
        time.sleep(0.03)

gevent.joinall([gevent.spawn(agent), gevent.spawn(agent)])
thread = threading.Thread(target=agent)
thread.start()
thread.join()
recorder.stop()
"""
BRIDGE = """
import greenlet
seen = []
bridge = greenlet.greenlet(lambda: seen.append(greenlet.getcurrent().parent.switch()))
with orchprof.task("agent"):
    bridge.switch()
    bridge.switch(7)
assert (seen, greenlet.gettrace()) == ([7], None)
recorder.stop()
"""


def run(tmp_path, body):
    done = subprocess.run(
        [sys.executable, "-c", HEAD + body, tmp_path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return finalize(tmp_path.glob("*.bin"))[0], recorded_logs.notes(tmp_path, "hook")


def test_tasks_in_greenlets_are_tasks_of_their_own_and_what_is_not_told_is_said(tmp_path):
    tables, said = run(tmp_path, GREENLETS)
    tasks = tables["tasks"]
    assert tasks["name"].tolist() == ["agent"] * 3
    assert tasks["start_ns"].iloc[1] < tasks["end_ns"].iloc[0]  # at once
    assert (tasks["end_ns"] - tasks["start_ns"] >= 30e6).all()
    assert tables["spans"]["task"].tolist() == tasks["task"].tolist()
    assert [where for where, _ in said] == ["gevent"]
    assert_tiled(tables)


def test_greenlets_of_others_are_nothing_to_speak_of(tmp_path):
    tables, said = run(tmp_path, BRIDGE)
    assert (tables["tasks"]["name"].tolist(), said) == (["agent"], [])
