"""The watch as a whole: processes that come and go, what they used, and what happens where it may not look."""

import os
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from watched import python, told, until, watch

from orchprof.capture.log import Log
from orchprof.run import cgroup
from orchprof.run.outside.process_tree import Process, by_parent, delay_below_ns
from orchprof.watch import proc
from orchprof.watch import watch as watching
from orchprof.watch.proc import Kept, Line
from orchprof.watch.tree import Tree
from orchprof.watch.watch import Watch

SLEEPER = "print('ready', flush=True)\nimport time; time.sleep(60)"
NESTED = """
import subprocess
subprocess.Popen("sleep 60 & sleep 60 & wait", shell=True)
print("ready", flush=True)
import time; time.sleep(60)
"""
MANY = """
import subprocess
children = [subprocess.Popen(["sleep", "60"]) for _ in range(20)]
print("ready", flush=True)
input()
for child in children: child.kill()
for child in children: child.wait()
"""


def descriptors():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def seen(said):
    return {pid: (parent, delay_ns) for pid, parent, _, _, delay_ns, _ in said.notes["seen"]}


def test_children_and_grandchildren_are_seen_under_their_parents(tmp_path):
    with python(NESTED) as child:
        said = watch([child.pid], tmp_path, 0.5)
        subprocess.run(["pkill", "-P", str(next(iter(seen(said))))], check=False)
    below = seen(said)
    shell = next(pid for pid, (parent, _) in below.items() if parent == child.pid)
    assert sorted(parent for parent, _ in below.values()) == sorted([child.pid, shell, shell])
    assert child.pid not in below
    assert said.share("child", shell) > 0.5
    names = {pid: name for pid, name, _ in said.notes["process"]}
    assert sorted(names.values())[-2:] == ["sleep", "sleep"]
    assert [is_python for pid, _, is_python in said.notes["process"] if pid == child.pid] == [True]
    assert {is_python for pid, name, is_python in said.notes["process"] if name == "sleep"} == {False}


def test_two_that_want_one_core_wait_for_it(tmp_path):
    core = min(os.sched_getaffinity(0))
    pin = f"import os, time; os.sched_setaffinity(0, {{{core}}}); t = time.monotonic()"
    spin = f"{pin}\nwhile time.monotonic() - t < 0.5: pass"
    with Watch([os.getpid()], tmp_path):
        both = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(2)]
        for child in both:
            child.wait()
    delays = seen(told(tmp_path))
    assert sum(delays[child.pid][1] for child in both) > 0.2e9


def test_what_a_process_uses_is_sampled_unless_it_is_a_root(tmp_path):
    code = "x = bytearray(200 << 20)\nimport time; t = time.process_time()\nwhile time.process_time() - t < 1.2: pass"
    others = {each.pid for each in psutil.Process().children(recursive=True)}  # that tests before have left
    with Watch([os.getpid()], tmp_path):
        child = subprocess.Popen([sys.executable, "-c", code])
        _, _, used = os.wait4(child.pid, 0)
        child.returncode = 0
    mine = [sample for sample in told(tmp_path).samples if sample.pid == child.pid]
    assert {sample.pid for sample in told(tmp_path).samples} - others == {child.pid}
    assert max(sample.rss_bytes for sample in mine) > 200 << 20
    assert 0.7 < mine[-1].cpu_ns / (used.ru_utime + used.ru_stime) / 1e9 < 1.1
    assert all(a.wall_ns <= b.wall_ns and a.cpu_ns <= b.cpu_ns for a, b in pairwise(mine))


def test_the_cpu_of_reaped_children_is_apart_from_their_parents(tmp_path):
    inner = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.3: pass"
    code = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {inner!r}]); time.sleep(0.8)"
    with Watch([os.getpid()], tmp_path):
        child = subprocess.Popen([sys.executable, "-c", code])
        child.wait()
    last = [sample for sample in told(tmp_path).samples if sample.pid == child.pid][-1]
    assert last.children_ns >= 0.29e9 > last.cpu_ns


def test_equal_looks_are_one_row_and_a_kill_loses_a_second_at_most(tmp_path):
    with python(SLEEPER) as child:
        said = watch([child.pid], tmp_path, 2.5)
    asleep = [run for run in said.runs if run.state == "sleep"]
    assert 2 <= len(asleep) <= 4
    assert sum(run.samples for run in asleep) > 20
    assert all(run.first_ns <= run.last_ns for run in asleep)
    assert all(a.last_ns < b.first_ns for a, b in pairwise(asleep))


def test_a_program_that_becomes_another_is_noted_anew(tmp_path):
    code = "import os, time; time.sleep(0.4); os.execvp('sleep', ['sleep', '60'])"
    with Watch([os.getpid()], tmp_path):
        child = subprocess.Popen([sys.executable, "-c", code])
        until(lambda: proc.name_of(child.pid) == "sleep")
        time.sleep(0.7)
        child.kill()
        child.wait()
    said = [
        (name.startswith("python"), is_python)
        for pid, name, is_python in told(tmp_path).notes["process"]
        if pid == child.pid
    ]
    assert said[-2:] == [(True, True), (False, False)]


def test_processes_that_vanish_and_roots_that_never_were_do_no_harm(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    with Watch([os.getpid(), gone.pid], tmp_path):
        for _ in range(60):
            subprocess.run(["true"], check=True)
        threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    said = told(tmp_path)
    assert "hook" not in said.notes
    assert "watch" not in said.notes
    assert gone.pid not in seen(said)


def test_a_zombie_is_no_wait(tmp_path):
    child = subprocess.Popen(["true"])
    until(lambda: proc.read(f"/proc/{child.pid}/stat").split()[2] == b"Z")
    said = watch([os.getpid()], tmp_path, 0.3)
    assert child.pid in seen(said)
    assert not said.states(child.pid)
    child.wait()


def test_descriptors_are_given_back_and_never_more_than_allowed(tmp_path):
    before = descriptors()
    with python(NESTED) as child:
        inside = descriptors()
        log = Log(tmp_path)
        tree = Tree([child.pid], log)
        for _ in range(5):
            time.sleep(0.03)
            tree.sample()
        assert len(descriptors()) > len(inside) + 1
        tree.close()
        log.close()
        assert descriptors() == inside
    assert descriptors() <= before


def test_without_a_descriptor_to_spare_a_line_is_read_all_the_same():
    kept = Kept(1)
    first, second = Line("/proc/self/comm", kept), Line("/proc/self/comm", kept)
    assert first.read() == second.read() == proc.name_of(os.getpid()).encode() + b"\n"
    assert kept.open("/proc/self/comm") == -1
    second.close()
    first.close()
    with pytest.raises(FileNotFoundError):
        Line("/proc/0/comm", Kept(0)).read()


def test_where_the_kernel_tells_no_calls_the_rest_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("orchprof.watch.tree.HERE", {})
    with python(NESTED) as child:
        said = watch([child.pid], tmp_path, 0.3)
    assert [note["no_syscall"] for note in said.notes["watch"]] == [True]
    assert "not known" in said.notes["watch"][0]["reason"]
    assert said.runs == []
    assert len(said.notes["seen"]) == 3
    assert said.samples


def refuse(monkeypatch, path):
    real = Line.read

    def read(line):
        if line._path.endswith(path):
            raise PermissionError(1, "Operation not permitted")
        return real(line)

    monkeypatch.setattr(Line, "read", read)


def test_another_users_process_is_said_to_be_closed_once(tmp_path, monkeypatch):
    refuse(monkeypatch, "/syscall")
    with python(SLEEPER) as child:
        said = watch([child.pid], tmp_path, 0.3)
    assert said.notes["watch"] == [
        {"no_syscall": True, "reason": f"python ({child.pid}): Operation not permitted"}
    ] or said.notes["watch"][0]["reason"].endswith(f"({child.pid}): Operation not permitted")
    assert len(said.notes["watch"]) == 1
    assert said.runs == []


def test_a_hidden_proc_is_said_to_be_closed(tmp_path, monkeypatch):
    (tmp_path / "proc").mkdir()
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(proc, "FOLDER", str(tmp_path / "proc"))
    said = watch([os.getpid()], tmp_path / "logs", 0.05)
    assert len(said.notes["watch"]) == 1
    assert "cannot be read" in said.notes["watch"][0]["reason"]
    assert "hook" not in said.notes


def test_an_hour_is_survived_by_whoever_owns_the_watch(tmp_path, monkeypatch):
    monkeypatch.setattr(watching.Tree, "sample", lambda _: 1 // 0)
    with Watch([os.getpid()], tmp_path):
        time.sleep(0.05)
    said = told(tmp_path)
    assert said.notes["hook"] == [
        ["orchprof.watch", "ZeroDivisionError('integer division or modulo by zero')"]
    ]
    assert said.notes["closed"] == [{"lost_frames": 0}]


def test_throttling_of_the_watchers_own_group_is_told_by_root(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup, "throttled_us", lambda: 1234)
    said = watch([os.getpid()], tmp_path, 0.1)
    assert {(pid, held_us) for _, pid, held_us in said.notes["throttled"]} == {(os.getpid(), 1234)}
    assert len(said.notes["throttled"]) == 2  # at the first sample and at the end


def test_too_many_children_are_looked_at_in_turn_and_the_root_every_time(tmp_path, monkeypatch):
    monkeypatch.setattr("orchprof.watch.tree._TURN_NS", 0)
    with python(MANY) as child:
        log = Log(tmp_path)
        tree = Tree([child.pid], log)
        for _ in range(60):
            tree.sample()
        tree.close()
        log.close()
        child.communicate("\n", timeout=20)
    said = told(tmp_path)
    assert [said.states(pid).total() for pid in seen(said)] == [3] * 20
    assert said.states(child.pid).total() == 60


def test_run_delay_is_summed_over_the_processes_below_and_inside_the_window():
    seen = [
        Process(pid=2, parent=1, first_ns=10, last_ns=50, delay_ns=5),
        Process(pid=3, parent=2, first_ns=20, last_ns=40, delay_ns=7),
        Process(pid=4, parent=1, first_ns=60, last_ns=95, delay_ns=11),
        Process(
            pid=5, parent=1, first_ns=5, last_ns=95, delay_ns=1_000
        ),  # another life of the same parent's id
        Process(pid=6, parent=9, first_ns=20, last_ns=30, delay_ns=1_000),
    ]
    assert delay_below_ns(1, (10, 100), by_parent(seen)) == 5 + 7 + 11
    assert delay_below_ns(None, (10, 100), by_parent(seen)) == 0
