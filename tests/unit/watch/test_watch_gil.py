"""Where an interpreter keeps its GIL, and who waits for it."""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from watched import python, told, until, watch

from orchprof.watch.states import gil
from orchprof.watch.states.gil import Runtimes, Symbol, find

ADDRESS = """
import ctypes, sys
at = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
print(at, flush=True)
sys.stdin.readline()
"""
SPIN = """
import sys, threading, time
def own_delay_s():
    return int(open(f"/proc/self/task/{threading.get_native_id()}/schedstat").read().split()[1]) / 1e9
def spin():
    began, cpu, delay = time.monotonic(), time.thread_time(), own_delay_s()
    while not stopped: pass
    wall = time.monotonic() - began
    waited = 1 - (time.thread_time() - cpu + own_delay_s() - delay) / wall
    out.append(f"{threading.get_native_id()} {waited}")
out, stopped = [], False
threads = [threading.Thread(target=spin) for _ in range(3)]
for thread in threads: thread.start()
print(*(thread.native_id for thread in threads), flush=True)
sys.stdin.readline()
stopped = True
for thread in threads: thread.join()
print(*out, flush=True)
"""
LOCKS = """
import queue, threading, time
lock, condition = threading.Lock(), threading.Condition()
def hand_on():
    while True:
        with lock: time.sleep(0.02)
def wait():
    with condition: condition.wait()
for f in (hand_on, hand_on, wait, wait, threading.Event().wait, queue.Queue().get):
    threading.Thread(target=f, daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""


def test_the_address_is_the_one_that_the_interpreter_has_itself():
    with python(ADDRESS) as child:
        found = Runtimes().range_of(child.pid)
    assert found.start == int(child.said[0])
    assert len(found) > 1000


@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm here")
def test_the_symbol_is_the_one_that_nm_finds():
    with python(ADDRESS) as child:
        files = [
            Path(p)
            for p, _ in gil._mapped(child.pid)
            if "python" in Path(p).name and "/lib-dynload/" not in p
        ]
    compared = 0
    for file in files:
        lines = subprocess.run(
            ["nm", "-D", "-S", file], capture_output=True, text=True, check=False
        ).stdout.splitlines()
        wanted = next((line.split()[:2] for line in lines if line.endswith(" _PyRuntime")), None)
        with file.open("rb") as opened:
            symbol = find(opened.fileno())
        found = None if symbol is None else [f"{symbol.start:016x}", f"{symbol.size:016x}"]
        assert found == wanted
        compared += found is not None
    assert compared


def test_a_program_without_an_interpreter_has_no_address_and_is_no_python():
    with subprocess.Popen(["sleep", "60"]) as child:
        until(lambda: not Runtimes().is_python(child.pid))
        assert Runtimes().range_of(child.pid) is None
        child.kill()
    assert Runtimes().range_of(child.pid) is None
    assert not Runtimes().is_python(child.pid)


def test_a_file_is_read_once(monkeypatch):
    read = []
    monkeypatch.setattr(gil, "find", lambda handle: read.append(os.fstat(handle).st_ino) or Symbol(8, 16, 0))
    runtimes = Runtimes()
    with python(ADDRESS) as one, python(ADDRESS) as other:
        assert runtimes.range_of(one.pid) is not None
        assert runtimes.range_of(other.pid) is not None
    assert max(Counter(read).values()) == 1


@pytest.mark.parametrize(
    "content", [b"", b"#!/bin/sh\n", b"\x7fELF\x02\x01" + b"\xff" * 200, b"\x7fELF\x01\x01" + bytes(80)]
)
def test_what_is_no_elf_file_has_no_symbol(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with (tmp_path / "file").open("rb") as file:
        assert find(file.fileno()) is None


def test_a_file_cut_short_has_no_symbol(tmp_path):
    with python(ADDRESS) as child:
        paths = [p for p, _ in gil._mapped(child.pid) if Path(p).name.startswith(("python", "libpython"))]
    for path in paths:
        whole = Path(path).read_bytes()
        for share in (0.1, 0.5, 0.99):
            (tmp_path / "cut").write_bytes(whole[: int(len(whole) * share)])
            with (tmp_path / "cut").open("rb") as file:
                assert find(file.fileno()) is None


def test_threads_that_spin_wait_for_the_gil_and_are_told_who_ran(tmp_path):
    with python(SPIN) as child:
        tids = [int(tid) for tid in child.said]
        said = watch([child.pid], tmp_path, 2)
        out, _ = child.communicate("stop\n", timeout=20)
    words = out.split()
    truth = {int(tid): float(share) for tid, share in zip(words[::2], words[1::2], strict=True)}
    measured = sum(said.share("gil", child.pid, tid) for tid in tids)
    assert 0.6 < measured / sum(truth.values()) < 1.6
    assert sum(said.share("lock", child.pid, tid) for tid in tids) < 0.02
    owners = Counter()
    for run in said.runs:
        if run.state == "gil" and run.tid in tids:
            owners[run.owner in tids and run.owner != run.tid] += run.samples
    assert owners[True] > 0.8 * owners.total()


def test_threads_that_wait_for_locks_do_not_wait_for_the_gil(tmp_path):
    with python(LOCKS) as child:
        said = watch([child.pid], tmp_path, 1)
    assert said.share("lock", child.pid) > 0.5
    assert said.share("gil", child.pid) < 0.05
    assert told(tmp_path).states(child.pid).keys() >= {"lock", "sleep"}
