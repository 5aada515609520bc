"""The recorder's life: started, killed, forked, stopped, started again."""

import asyncio
import signal
import subprocess
import sys
import textwrap

import pytest

import orchprof
from orchprof.capture import recorder
from orchprof.run.finalize.finalize import finalize


def test_without_a_recorder_everything_works_and_nothing_is_recorded():
    with orchprof.task("t") as task, orchprof.tool("x"):
        pass
    task.outcome(ok=True)
    assert orchprof.model("m")(lambda: 3)() == 3


def test_a_process_records_once_at_a_time(tmp_path):
    recorder.start(tmp_path)
    with pytest.raises(RuntimeError, match="already"):
        recorder.start(tmp_path)
    recorder.stop()
    recorder.stop()


def test_own_cost_is_taken_out_as_the_profilers(recorded):
    def program():
        with orchprof.task("t"):
            for _ in range(100):
                with orchprof.span("s"):
                    pass

    segments = recorded(program)["segments"]
    assert segments["profiler_ns"].sum() > 0
    assert (segments["profiler_ns"] <= segments["cpu_ns"]).all()


PROGRAM = """
    import os, sys, time
    from pathlib import Path
    import orchprof
    from orchprof.capture import recorder
    recorder.start(Path(sys.argv[1]))
"""


def run_program(tmp_path, body):
    code = textwrap.dedent(PROGRAM) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    return done, finalize(tmp_path.glob("*.bin"))[0]


def test_a_killed_process_keeps_all_but_its_last_second(tmp_path):
    done, tables = run_program(
        tmp_path,
        """
        with orchprof.task("kept"):
            pass
        time.sleep(1.2)
        with orchprof.task("lost"):
            os.kill(os.getpid(), 9)
        """,
    )
    assert done.returncode == -signal.SIGKILL
    assert "kept" in tables["tasks"]["name"].tolist()


def test_a_program_that_never_stops_the_recorder_is_flushed_at_exit(tmp_path):
    done, tables = run_program(tmp_path, "with orchprof.task('t'): pass\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert tables["tasks"]["end_ns"].notna().tolist() == [True]


def test_a_forked_child_writes_a_log_of_its_own(tmp_path):
    done, tables = run_program(
        tmp_path,
        """
        with orchprof.task("parent"):
            pid = os.fork()
            if not pid:
                with orchprof.task("child"):
                    pass
                recorder.stop()
                os._exit(0)
            os.waitpid(pid, 0)
        time.sleep(1.2)
        with orchprof.task("after"):
            pass
        time.sleep(1.2)
        os.kill(os.getpid(), 9)
        """,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    # What a child does that was forked in a task is that task's.
    assert sorted(tables["tasks"]["name"]) == ["after", "parent"]
    assert tables["strands"]["pid"].nunique() == 2
    assert tables["strands"]["strand"].is_unique


def test_hooks_are_taken_out_again(tmp_path):
    import threading

    before = (threading.Thread.start, subprocess.Popen.__init__, asyncio.events.Handle, len(sys.meta_path))
    recorder.start(tmp_path)
    assert threading.Thread.start is not before[0]
    recorder.stop()
    after = (threading.Thread.start, subprocess.Popen.__init__, asyncio.events.Handle, len(sys.meta_path))
    assert after == before


def test_a_loop_that_outlives_a_recording_goes_on_in_the_next(tmp_path):
    async def worker(go):
        await go.wait()
        with orchprof.span("s"):
            await asyncio.sleep(0)

    async def program():
        go = asyncio.Event()
        recorder.start(tmp_path / "a")
        task = asyncio.create_task(worker(go))
        await asyncio.sleep(0)
        recorder.stop()
        recorder.start(tmp_path / "b")
        go.set()
        await task
        recorder.stop()

    for name in "ab":
        (tmp_path / name).mkdir()
    asyncio.run(program())
    tables, findings, _ = finalize((tmp_path / "b").glob("*.bin"))
    assert findings == []
    assert tables["spans"]["name"].tolist() == ["s"]
    assert set(tables["segments"]["strand"]) <= set(tables["strands"]["strand"])


def test_a_forked_child_that_opens_no_span_starts_no_recorder(tmp_path):
    done, _ = run_program(
        tmp_path,
        """
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
        recorder.stop()
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.glob("*.bin"))) == 1


def test_asking_whether_a_library_is_there_does_not_lose_its_hook(tmp_path):
    done, _ = run_program(
        tmp_path,
        """
        import importlib.util
        importlib.util.find_spec("httpx")
        import httpx
        import httpcore
        assert hasattr(httpcore.HTTPConnection.handle_request, "__wrapped__") or hasattr(
            httpcore.ConnectionPool.handle_request, "__wrapped__"
        )
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
