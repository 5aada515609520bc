"""What fails in recording itself: the program never hears of it, whatever it was doing."""

import asyncio
import concurrent.futures
import functools
import gc
import multiprocessing
import operator
import os
import queue
import subprocess
import sys
import threading
import time

import pytest
from recorded_logs import notes
from support import recording

import orchprof
from orchprof.capture import strands
from orchprof.capture.hooks import locks, threads
from orchprof.capture.hooks.children import reaping
from orchprof.capture.hooks.loops import asyncio_loops
from orchprof.capture.log import Log
from orchprof.capture.state import STATE
from orchprof.run.finalize.finalize import finalize


def by_thread():
    found = []
    thread = threading.Thread(target=found.append, args=(1,))
    thread.start()
    thread.join()
    return found


def by_pool():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waited = concurrent.futures.wait([pool.submit(abs, -2)]).done
        return [*pool.map(abs, [-1]), pool.submit(abs, -3).result(), *(one.result() for one in waited)]


def by_queue():
    things = queue.Queue(1)
    threading.Timer(0.001, things.put, (5,)).start()
    return things.get(timeout=5)


def by_sleep():
    return time.sleep(0.001)


def by_child():
    return subprocess.run(["echo", "hi"], capture_output=True, check=True).stdout


def by_polled_child():
    with subprocess.Popen(["true"]) as process:
        while process.poll() is None:
            time.sleep(0.001)
        return process.returncode


def by_hand():
    pid = os.posix_spawn("/bin/true", ["true"], os.environ)
    return os.waitpid(pid, 0)[1], os.system("true")


def by_process():
    process = multiprocessing.get_context("fork").Process(target=abs, args=(1,))
    process.start()
    process.join()
    return process.exitcode


def by_process_pool():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.map(abs, [-1, -2]), pool.apply(abs, (-3,)), list(pool.imap(abs, [-4]))


def by_process_executor():
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        return pool.submit(abs, -1).result(), list(pool.map(abs, [-2]))


def by_loop():
    async def program():
        asyncio.get_running_loop().call_soon(int)
        child = await asyncio.create_subprocess_exec("true")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        gathered = await asyncio.gather(asyncio.sleep(0, 1), asyncio.to_thread(abs, -2))
        return await child.wait(), gathered

    return asyncio.run(program())


def by_eager_loop():
    async def program():
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))
        return await asyncio.create_task(asyncio.sleep(0, 1))

    return asyncio.run(program())


def by_spans():
    with orchprof.task("t"), orchprof.tool("x", k=object()):
        return gc.collect() >= 0


PROGRAMS = [value for name, value in sorted(globals().items()) if name.startswith("by_")]

# C functions called with what they cannot take: the error then comes out of our own frame, as a fault of ours would.
_FAILS = operator.index


class Broken:
    """Stands for anything of ours; whatever is done with it is an error."""

    __slots__ = ()


def break_rows(monkeypatch):
    for module in (strands, sys.modules["orchprof.capture.spans"]):
        monkeypatch.setattr(module, "pack", _FAILS)


def break_births(monkeypatch):
    monkeypatch.setattr(STATE.recorder.log, "names", Broken())
    monkeypatch.setattr(Log, "name", _FAILS)


def break_clocks(monkeypatch):
    thread_clock = STATE.recorder.strands.thread_clock()
    monkeypatch.setattr(thread_clock, "_wall_ns", _FAILS)
    monkeypatch.setattr(STATE.recorder.strands, "_new_clock", _FAILS)


def break_names(monkeypatch):
    for module, name in ((threads, "name_of"), (asyncio_loops, "_name"), (reaping, "command_name")):
        monkeypatch.setattr(module, name, _FAILS)


def break_accounts(monkeypatch):
    monkeypatch.setattr(reaping, "_account", _FAILS)
    monkeypatch.setattr(reaping, "started", _FAILS)
    monkeypatch.setattr(locks, "_release", _FAILS)
    monkeypatch.setattr(asyncio_loops, "_io", _FAILS)


FAULTS = [break_rows, break_births, break_clocks, break_names, break_accounts]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("fault", [None, *FAULTS], ids=lambda fault: getattr(fault, "__name__", "none"))
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_fault_of_recording_changes_nothing(tmp_path, monkeypatch, program, fault):
    expected = program()
    with monkeypatch.context() as patched, recording(tmp_path):
        program()  # imports what it needs, so that its hooks are in place
        if fault is not None:
            fault(patched)
        assert program() == expected
        patched.undo()
    assert program() == expected


def test_a_fault_is_noted_once_and_the_thread_recorded_no_further(tmp_path):
    with recording(tmp_path):
        thread_clock = STATE.recorder.strands.thread_clock()
        thread_clock.emit = functools.partial(_FAILS, "no row")
        for _ in range(3):
            with orchprof.span("lost"):
                pass
        assert STATE.recorder.strands.thread_clock() is not thread_clock
    assert "lost" not in finalize(tmp_path.glob("*.bin"))[0]["spans"]["name"].tolist()
    (note,) = [log for log in tmp_path.glob("*.bin") if b'"hook","strands","TypeError' in log.read_bytes()]
    assert note.read_bytes().count(b'"hook","strands"') == 1


def test_an_exception_of_the_programs_own_that_strikes_in_our_midst_reaches_the_program(tmp_path):
    class AlarmError(Exception):
        pass

    def handler(_row):
        raise AlarmError  # as a signal handler would, from the program's own frame

    with recording(tmp_path):
        thread_clock = STATE.recorder.strands.thread_clock()
        kept, thread_clock.emit = thread_clock.emit, handler
        with pytest.raises(AlarmError):
            time.sleep(0.001)
        thread_clock.emit = kept
        assert thread_clock.execution.wait == 0


def test_whatever_pool_is_imported_first_all_of_them_are_followed(tmp_path):
    code = f"""
import sys
from orchprof.capture import recorder
recorder.start({str(tmp_path)!r})
import multiprocessing.pool, concurrent.futures.thread, concurrent.futures.process
recorder.stop()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert notes(tmp_path, "hook") == []


def test_a_fault_in_a_forked_child_that_sleeps_reaches_nobody(tmp_path):
    sleeping = strands.Strands(Log(tmp_path))
    sleeping.log.close()
    woken = []
    sleeping.sleep(lambda: woken.append(True))
    sleeping.fail(ValueError("ours"))
    assert not woken
    assert sleeping.thread_clock() is not None
    assert woken
