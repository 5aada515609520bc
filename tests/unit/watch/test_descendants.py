import os
import subprocess
import sys
import time

from orchprof.run.processes import Process, by_parent, delay_below_ns
from orchprof.run.seal import read_journal
from orchprof.watch.descendants import Watch, descendants, run_delay_ns


def until(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_children_and_grandchildren_are_found_parents_first():
    with subprocess.Popen("sleep 60 & sleep 60 & wait", shell=True, start_new_session=True) as shell:
        until(lambda: len(list(descendants(shell.pid))) == 2)
        found = dict(descendants(os.getpid()))
        assert found[shell.pid] == os.getpid()
        assert [parent for pid, parent in found.items() if pid != shell.pid and parent == shell.pid] == [
            shell.pid
        ] * 2
        os.killpg(shell.pid, 9)


def test_a_process_that_is_gone_has_nothing():
    child = subprocess.Popen(["true"])
    child.wait()
    assert list(descendants(child.pid)) == []
    assert run_delay_ns(child.pid) == 0


def test_two_that_want_one_core_wait_for_it(tmp_path):
    core = min(os.sched_getaffinity(0))
    pin = f"import os, time; os.sched_setaffinity(0, {{{core}}}); t = time.monotonic()"
    spin = f"{pin}\nwhile time.monotonic() - t < 0.5: pass"
    with Watch([os.getpid()], tmp_path):
        both = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(2)]
        for child in both:
            child.wait()
    journal = read_journal(next(tmp_path.glob("*.bin")), 0)
    delays = {facts[0]: facts[4] for _, facts in journal.notes["seen"]}
    assert sum(delays[child.pid] for child in both) > 0.2e9


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
