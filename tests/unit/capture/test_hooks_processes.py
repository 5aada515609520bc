"""Processes of any make: their window, their CPU, and the jobs that are carried to them. Each program is its own."""

import os
import subprocess
import sys
import textwrap

import pytest
import recorded_logs
from support import assert_tiled

from orchprof.capture.hooks import install
from orchprof.run.finalize.finalize import finalize

HEAD = """
import multiprocessing, os, sys, time
from pathlib import Path
import orchprof
from orchprof.capture import recorder

def spin(seconds=0.15):
    with orchprof.span("spinning"):
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass
    return os.getpid()

def fail():
    raise KeyError("gone")

def work():
    spin()
    raise SystemExit(3)

def main():
"""
TAIL = """
if __name__ == "__main__":
    recorder.start(Path(sys.argv[1]))
    with orchprof.task("t"), orchprof.tool("x"):
        main()
    recorder.stop()
"""


def tables_of(tmp_path, body):
    """Return the tables of a program whose `main` is `body`."""
    logs, program = tmp_path / "logs", tmp_path / "program.py"
    logs.mkdir()
    program.write_text(HEAD + textwrap.indent(textwrap.dedent(body), "    ") + TAIL)
    done = subprocess.run(
        [sys.executable, program, str(logs)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return finalize(logs.glob("*.bin"))[0]


def children(tables):
    return tables["strands"].query("kind == 'child'")


def joined(tables):
    """Return the strands that the root waited for."""
    root = tables["tasks"]["task"].iloc[0]
    return set(tables["edges"].query("kind == 'join' and dst == @root")["src"])


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_is_a_child_from_its_start_to_its_end(tmp_path, method):
    tables = tables_of(
        tmp_path,
        f"""
        process = multiprocessing.get_context("{method}").Process(target=work, name="mine")
        process.start()
        assert process.is_alive()
        process.join(0.001)
        process.join()
        assert process.exitcode == 3
        """,
    )
    child = children(tables).query("name == 'mine'").iloc[0]
    assert child["task"] == tables["tasks"]["task"].iloc[0]
    assert child["end_ns"] - child["start_ns"] > 0.15e9
    assert child["strand"] in joined(tables)
    if method != "forkserver":  # that one reaps its children itself
        mine = tables["segments"].query("strand == @child.strand")
        inside = tables["segments"][
            tables["segments"]["strand"].isin(tables["strands"].query("pid != @child.pid")["strand"])
        ]
        assert mine["cpu_ns"].sum() + inside["cpu_ns"].sum() > 0.14e9
    assert_tiled(tables)


def test_a_forked_process_records_its_spans_in_a_log_of_its_own(tmp_path):
    tables = tables_of(
        tmp_path,
        """
        process = multiprocessing.get_context("fork").Process(target=spin)
        process.start()
        process.join()
        """,
    )
    span = tables["spans"].query("name == 'spinning'").iloc[0]
    assert span["end_ns"] - span["start_ns"] >= 0.15e9
    rows = tables["segments"].query("span == @span.span")
    assert rows["cpu_ns"].sum() > 0.14e9


POOLS = {
    "map": """
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert os.getpid() not in pool.map(spin, [0.05] * 4, chunksize=2)
        """,
    "imap": """
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert len(list(pool.imap(spin, [0.05] * 4))) == 4
        """,
    "imap_unordered": """
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert len(list(pool.imap_unordered(spin, [0.05] * 4, 2))) == 4
        """,
    "apply": """
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply(spin, (0.2,)) != os.getpid()
        """,
    "executor": """
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            assert pool.submit(spin, 0.2).result() != os.getpid()
        """,
    "executor_map": """
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            assert len(list(pool.map(spin, [0.05] * 4, chunksize=2))) == 4
        """,
    "threads": """
        from multiprocessing.pool import ThreadPool
        with ThreadPool(2) as pool:
            assert pool.map(spin, [0.05] * 4) == [os.getpid()] * 4
        """,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("how", POOLS)
def test_a_job_of_a_pool_of_processes_is_waited_for_and_done_by_its_worker(tmp_path, how):
    tables = tables_of(tmp_path, POOLS[how])
    root = tables["tasks"]["task"].iloc[0]
    strands = tables["strands"]
    parent = strands.query("strand == @root")["pid"].iloc[0]
    jobs = strands.query("kind == 'job' and pid == @parent")
    assert len(jobs) == {"executor_map": 2, "threads": 5}.get(how, 1)
    assert set(jobs["name"]) == {"spin"}
    assert jobs["end_ns"].notna().all()
    assert joined(tables) & set(jobs["strand"])
    work = strands.query("kind == 'job'").set_index("strand")
    spans = tables["spans"].query("name == 'spinning'")
    assert set(spans["strand"]) <= set(work.index)
    cpu = tables["segments"][tables["segments"]["span"].isin(spans["span"])]["cpu_ns"].sum()
    assert cpu > 0.15e9
    assert (spans["task"] == root).all()
    workers = children(tables)
    assert workers["task"].isna().all()
    assert_tiled(tables)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_job_that_fails_in_its_worker_raises_as_ever_and_ends(tmp_path):
    tables = tables_of(
        tmp_path,
        """
        from concurrent.futures import ProcessPoolExecutor
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(1, context) as executor, context.Pool(1) as pool:
            for ask in (executor.submit(fail).result, pool.apply_async(fail).get):
                try:
                    ask()
                except KeyError as error:
                    assert error.args == ("gone",)
                else:
                    raise AssertionError
        """,
    )
    assert tables["strands"].query("kind == 'job'")["end_ns"].notna().all()


def test_a_worker_that_is_not_recorded_runs_the_bare_function(tmp_path):
    tables = tables_of(
        tmp_path,
        """
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.map(abs, [-1, -2]) == [1, 2]
        """,
    )
    assert tables["strands"].query("kind == 'job'")["name"].tolist() == ["abs"]


WAYS = {
    "system": "assert os.system(f'{sys.executable} -c \"{SPIN}\"') == 0",
    "popen": "assert os.popen(f'{sys.executable} -c \"{SPIN}\"').close() is None",
    "posix_spawn": """
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", SPIN], os.environ)
        assert os.waitpid(pid, 0) == (pid, 0)
        """,
    "spawnv": "assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, '-c', SPIN]) == 0",
    "fork": """
        pid = os.fork()
        if not pid:
            while time.process_time() < 0.25: pass
            os._exit(0)
        assert os.wait() == (pid, 0)
        """,
    "wait4": """
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", SPIN], os.environ)
        used = os.wait4(pid, 0)[2]
        assert used.ru_utime + used.ru_stime > 0.1
        """,
    "wait3": """
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", SPIN], os.environ)
        assert os.wait3(0)[:2] == (pid, 0)
        """,
    "polling": """
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", SPIN], os.environ)
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            time.sleep(0.005)
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass
        else:
            raise AssertionError
        """,
    "pty": """
        import pty
        os.close(0)
        assert pty.spawn([sys.executable, "-c", SPIN], lambda fd: os.read(fd, 99)) == 0
        """,
}


@pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="no posix_spawn")
@pytest.mark.parametrize("way", WAYS)
def test_a_child_started_by_hand_is_charged_with_its_cpu(tmp_path, way):
    code = "SPIN = 'import time\\nwhile time.process_time() < 0.25: pass'\n"
    if way in ("system", "popen"):  # a shell takes one line
        code = "SPIN = 'for _ in range(20000): sum(range(999))'\n"
    tables = tables_of(tmp_path, code + textwrap.dedent(WAYS[way]))
    (child,) = children(tables).itertuples()
    assert child.end_ns > child.start_ns
    assert child.task == tables["tasks"]["task"].iloc[0]
    rows = tables["segments"].query("strand == @child.strand")
    assert rows["cpu_ns"].sum() > 0.1e9
    if way != "polling":
        assert child.strand in joined(tables)
    assert_tiled(tables)


def test_a_coroutine_that_waits_for_a_pool_of_processes_joins_its_job(tmp_path):
    body = """
        import asyncio
        from concurrent.futures import ProcessPoolExecutor

        async def ask(pool):
            return await asyncio.get_running_loop().run_in_executor(pool, spin)

        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            asyncio.run(ask(pool))
    """
    tables = tables_of(tmp_path, body)
    jobs = tables["strands"].query("kind == 'job'")["strand"]
    asking = tables["strands"].query("name.str.endswith('ask')")["strand"].item()
    assert set(tables["edges"].query(f"kind == 'join' and dst == {asking}")["src"]) & set(jobs)
    waits = tables["segments"].query(f"strand == {asking} and join")
    assert (waits["end_ns"] - waits["start_ns"]).max() > 0.14e9


LIBRARIES = sorted(install._AFTER)


@pytest.mark.parametrize("first", LIBRARIES)
def test_every_hook_is_in_place_whatever_is_imported_first(tmp_path, first):
    program = f"""
import sys
from pathlib import Path
from orchprof.capture import recorder
recorder.start(Path(sys.argv[1]))
for library in ({first!r}, *{LIBRARIES!r}):
    try:
        __import__(library)
    except ImportError:
        pass
from concurrent.futures import ThreadPoolExecutor
assert hasattr(ThreadPoolExecutor.submit, "__wrapped__")
recorder.stop()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert recorded_logs.notes(tmp_path, "hook") == []


def test_whoever_asks_joblib_for_results_waits_for_its_batches(tmp_path):
    pytest.importorskip("joblib")
    body = """
        import joblib
        calls = (joblib.delayed(spin)(0.05) for _ in range(2))
        assert len(joblib.Parallel(n_jobs=2, batch_size=1)(calls)) == 2
    """
    tables = tables_of(tmp_path, body)
    jobs = tables["strands"].query("kind == 'job'")
    root = tables["tasks"]["task"].item()
    assert jobs["name"].tolist() == ["spin"] * 2
    waited = set(tables["edges"].query(f"kind == 'join' and dst == {root}")["src"])
    assert waited <= set(jobs["strand"])
    # One that was over when it was asked for was not waited for.
    assert jobs.sort_values("end_ns")["strand"].iloc[-1] in waited
    assert tables["segments"].query(f"strand == {root} and wait_state == 'sleep'").empty
