"""Processes that lose their parent come to whoever looks on: what they used is known, and no other child is touched."""

import os
import signal
import subprocess
import sys
import time

from watched import told, until

from orchprof.watch import launcher, proc
from orchprof.watch.orphans import adopting, children

BURN = "t = time.process_time()\nwhile time.process_time() - t < 0.2: pass"
# A double fork: the grandchild leaves its session and is nobody's child.
DAEMON = f"""
import os, time
if not os.fork():
    os.setsid()
    if os.fork(): os._exit(0)
    {BURN.replace(chr(10), chr(10) + "    ")}
    os._exit(0)
time.sleep(0.6)
"""


def launch(folder, *command):
    return launcher.launch(command, folder, launcher.Asked(injected=False, outside=True))


def rusage(folder):
    return {pid: (cpu_ns, rss) for pid, cpu_ns, rss, _ in told(folder).notes["rusage"]}


def test_a_daemons_cpu_is_known_when_it_is_reaped_here(tmp_path):
    ended = launch(tmp_path, sys.executable, "-I", "-c", DAEMON)
    said = told(tmp_path).notes
    used = rusage(tmp_path)
    (root, _), *_ = said["root"]
    daemon = said["fork"][-1][2]
    assert ended.code == 0
    assert root in used
    assert 0.2e9 < used[daemon][0] < 0.4e9
    assert used[daemon][1] > 1 << 20
    assert "still_running" not in [finding["code"] for finding in ended.findings]


def test_a_zombie_that_its_parent_never_reaped_is_reaped_when_that_ends(tmp_path):
    launch(tmp_path, "sh", "-c", "(sh -c 'sleep 0.1 & exec sleep 0.4'); sleep 0.2")
    assert len(rusage(tmp_path)) == 2  # the first sleep, and the command


def test_what_outlives_the_command_is_named_and_left_alone(tmp_path):
    began = time.monotonic()
    ended = launch(tmp_path, "sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & sleep 0.1; exit 3")
    (found,) = [each for each in ended.findings if each["code"] == "still_running"]
    pid = int(found["message"].split()[1])
    try:
        assert (ended.code, proc.name_of(pid)) == (3, "sleep")
        assert "(sleep)" in found["message"]
        assert time.monotonic() - began < 30
    finally:
        os.kill(pid, signal.SIGKILL)


def test_other_children_are_nobodys_business(tmp_path):
    own = subprocess.Popen(["sh", "-c", "exit 7"])
    until(lambda: not proc.runs(own.pid))
    launch(tmp_path, "true")
    assert own.wait() == 7
    assert own.pid not in rusage(tmp_path)


def test_orphans_go_to_the_first_process_again_afterwards():
    with adopting():
        pass
    before = children()
    subprocess.run(["sh", "-c", "sleep 0.3 & exit 0"], check=True)
    assert children() <= before


def test_a_signal_ends_a_program_seen_from_outside_as_any_other(tmp_path):
    assert launch(tmp_path, "sh", "-c", "kill -9 $$").code == 128 + 9
