"""Programs that know nothing of orchprof, recorded because their environment says so."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from recorded_logs import _notes, _rows, born, notes, spans

import orchprof
from orchprof.capture.inject import _orchprof_marker, first
from orchprof.capture.strands import CUT, STATE_SHIFT, WAITS

FIRST = Path(first.__file__).parent


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def program(tmp_path, logs):
    """Run a program of its own file with the injection; return what it said."""

    def run(body, *, tools=(), task_from="", path=(), given=None, environment=(), inject=True, arguments=()):
        file = tmp_path / "agent.py"
        file.write_text(textwrap.dedent(body))
        env = os.environ | {"ORCHPROF_TOOLS": json.dumps(tools), "ORCHPROF_TASK_FROM": task_from}
        env |= {"PYTHONPATH": os.pathsep.join([str(FIRST)] * inject + [str(p) for p in path])}
        env |= {"ORCHPROF_LOGS": str(logs)} | dict(environment)
        command = [sys.executable, "agent.py", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=env, input=given, capture_output=True, text=True, check=False
        )

    return run


def test_the_program_sees_itself_as_it_would_without(program, logs):
    body = """
        import signal, sys, threading
        print(sys.path, sys.argv, "sitecustomize" in sys.modules, threading.active_count(), sys.gettrace())
        print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
        print([thread.name for thread in threading.enumerate()])
        print([name for name in ("asyncio", "subprocess", "numpy") if name in sys.modules])
    """
    plain, recorded = program(body, inject=False), program(body)
    assert recorded.stdout == plain.stdout
    assert (recorded.returncode, recorded.stderr) == (plain.returncode, plain.stderr) == (0, "")
    meta = notes(logs, "meta")[0][0]
    assert meta["main"] == "agent.py"
    assert meta["ppid"] == os.getpid()
    assert notes(logs, "main") == [[1]]


def test_orchprof_is_there_without_the_folder_that_it_is_installed_in(program, logs):
    body = """
        import sys
        sys.path[:] = [entry for entry in sys.path if "lib/python" in entry and "site-packages" not in entry]
        import orchprof
        with orchprof.tool("x"): print(orchprof.__file__)
    """
    assert program(body).stdout == f"{orchprof.__file__}\n"
    assert spans(logs) == [("tool", "x")]


def test_the_sitecustomize_that_is_shadowed_runs_under_its_name(program, logs, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "sitecustomize.py").write_text("CHOSEN = __name__\n")
    done = program(
        "import sitecustomize\nprint(sitecustomize.CHOSEN, sitecustomize.__file__)",
        path=[tmp_path / "theirs"],
    )
    assert done.stdout == f"sitecustomize {tmp_path / 'theirs' / 'sitecustomize.py'}\n"
    assert notes(logs, "closed")


def test_one_that_fails_fails_as_it_would_without(program, logs, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "sitecustomize.py").write_text("1 / 0\n")
    plain, recorded = (program("print(1)", path=[tmp_path / "theirs"], inject=on) for on in (False, True))
    assert "ZeroDivisionError" in plain.stderr
    assert (recorded.stdout, recorded.stderr) == (plain.stdout, plain.stderr)
    assert notes(logs, "closed")


def test_a_program_runs_on_when_its_log_cannot_be_made(program, logs):
    logs.rmdir()
    done = program("print('fine')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_our_own_fault_is_left_in_a_log_and_the_program_runs_on(program, logs):
    done = program("import orchprof\nprint('fine')", environment={"ORCHPROF_TOOLS": "[broken"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")
    [[code, said]] = notes(logs, "finding")
    assert code == "not_injected"
    assert said.startswith("JSONDecodeError")


def test_a_python_that_is_too_old_says_so_and_goes_on(logs):
    code = f"""
import runpy, sys
sys.version_info = (3, 9, 2)
try:
    runpy.run_path({str(FIRST / "sitecustomize.py")!r})
except ImportError as error:
    assert error.name == "sitecustomize"
print([name for name in sys.modules if name.startswith("orchprof")], {str(FIRST.parent)!r} in sys.path)
"""
    env = os.environ | {"ORCHPROF_LOGS": str(logs)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[] False\n"
    assert [code for code, _ in notes(logs, "finding")] == ["python_too_old"]


def test_what_old_pythons_run_is_written_for_them():
    """No annotation, no f-string, no walrus: a syntax error there would be seen by the program's user."""
    import ast

    for file in (FIRST / "sitecustomize.py", Path(_orchprof_marker.__file__)):
        tree = ast.parse(file.read_text(), feature_version=(3, 4))
        assert not any(
            isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr) for node in ast.walk(tree)
        )


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])
def test_a_worker_of_multiprocessing_is_recorded_to_its_end(program, logs, way):
    done = program(
        """
        import multiprocessing, sys
        def search(x):
            return x
        def work():
            search(1)
        if __name__ == "__main__":
            worker = multiprocessing.get_context(sys.argv[1]).Process(target=work)
            worker.start()
            worker.join()
            print(worker.exitcode)
        """,
        tools=["agent:search"],
        arguments=[way],
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert spans(logs) == [("tool", "search")]
    assert len(notes(logs, "closed")) == len(notes(logs, "meta"))


def test_a_forked_child_without_a_span_is_recorded(program, logs):
    done = program(
        """
        import os, time
        child = os.fork()
        if not child:
            time.sleep(0.8)
            os._exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    assert (done.stdout, done.stderr) == ("3\n", "")
    metas = [meta for (meta,) in notes(logs, "meta")]
    assert metas[1]["ppid"] == metas[0]["pid"]


def test_a_program_that_forks_is_still_flushed_afterwards(program, logs):
    """Without a span too: its threads go on being measured."""
    done = program(
        """
        import os, threading, time
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        thread = threading.Thread(target=time.sleep, args=(0.01,), name="after the fork")
        thread.start()
        thread.join()
        time.sleep(1.2)
        os.kill(os.getpid(), 9)
        """
    )
    assert (done.returncode, done.stderr) == (-9, "")
    assert "after the fork" in born(logs, "thread")


def test_what_the_program_does_at_its_exit_is_recorded(program, logs):
    program(
        """
        import atexit, orchprof
        def bye():
            with orchprof.tool("bye"): pass
        atexit.register(bye)
        """
    )
    assert spans(logs) == [("tool", "bye")]


def test_a_crash_is_the_programs_own(program, logs):
    body = "def f():\n    raise KeyError('gone')\nf()\n"
    plain, recorded = program(body, inject=False), program(body)
    assert (recorded.returncode, recorded.stderr) == (plain.returncode, plain.stderr)
    assert recorded.returncode == 1
    assert notes(logs, "closed")


def test_waiting_for_a_person_is_the_users_time(program, logs):
    done = program("print(input('? '))", given="yes\n")
    assert done.stdout == "? yes\n"
    assert spans(logs) == [("user", "input")]


def told(log, kind):
    return [note[1:] for note in _notes(log) if note[0] == kind]


def snapshots(log):
    return [row for row, _ in _rows(log) if row[0] & 0xFF == CUT]


def test_a_forked_child_is_recorded_from_its_fork_on_as_soon_as_there_is_something(program, logs):
    body = """
        import os, time
        for does in (False, True):
            pid = os.fork()
            if not pid:
                if does:
                    began = time.process_time()
                    while time.process_time() - began < 0.05:
                        pass
                    time.sleep(0.001)
                os._exit(0)
            os.waitpid(pid, 0)
    """
    assert program(body).returncode == 0
    assert len(notes(logs, "meta")) == 2
    child = next(log for log in logs.glob("*.bin") if told(log, "meta")[0][0]["ppid"] != os.getpid())
    [_, [woke_ns, _]], *_ = told(child, "own")
    [[began_ns]] = told(child, "began")
    rows = snapshots(child)
    assert rows[0][1:4] == (began_ns, 0, 0)
    assert rows[1][1] >= woke_ns > began_ns
    assert rows[1][2] >= 50_000_000


def test_a_program_runs_from_when_it_was_started(program, logs):
    started_ns = time.monotonic_ns()
    environment = {"ORCHPROF_STARTED": f"{os.getpid()} {started_ns}"}
    program("import os, sys\nprint(os.getpid())", environment=environment)
    [log] = logs.glob("*.bin")
    first, second = snapshots(log)[:2]
    assert first[1] == started_ns < second[1]
    assert WAITS[first[0] >> STATE_SHIFT] == "startup"
    assert first[2] <= second[2]
    program("pass", environment={"ORCHPROF_STARTED": f"1 {started_ns}"})
    other = next(each for each in logs.glob("*.bin") if each != log)
    assert snapshots(other)[0][1] > started_ns


def test_a_forked_child_may_begin_with_a_job_for_a_pool_of_processes(program, logs):
    body = """
        import multiprocessing, os
        from concurrent.futures import ProcessPoolExecutor
        pid = os.fork()
        if not pid:
            with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
                print(pool.submit(abs, -3).result(), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
    """
    done = program(body)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
    assert notes(logs, "hook") == []


def test_a_forked_child_that_only_becomes_another_program_starts_no_recorder(program, logs):
    body = """
        import os
        pid = os.fork()
        if not pid:
            os.execv("/bin/sh", ["sh", "-c", ":"])
        os.waitpid(pid, 0)
    """
    assert program(body).returncode == 0
    assert len(notes(logs, "meta")) == 1
