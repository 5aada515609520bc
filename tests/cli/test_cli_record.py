"""`orchprof record -- CMD` as a user runs it: a process of its own, with a program that knows nothing of it."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pandas as pd
import pytest

import orchprof

RECORD = (sys.executable, "-m", "orchprof", "record")
HOME = str(Path(__file__).parents[2])
AGENT = """
    import sys, time
    def search(query):
        time.sleep(0.02)
        return query
    TOOLS = {"search": search}
    if __name__ == "__main__":
        for line in sys.stdin:
            print(TOOLS["search"](line.strip()), sys.argv[1:])
        print("to stderr", file=sys.stderr)
        sys.exit(7)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", HOME)
    return tmp_path


def program(folder, body):
    (folder / "my_agent.py").write_text(textwrap.dedent(body))
    return (sys.executable, "my_agent.py")


def finished(*arguments, given=None):
    return subprocess.run(
        [*RECORD, *arguments], input=given, capture_output=True, text=True, check=False, timeout=120
    )


def only_run(folder):
    [run] = (folder / "orchprof-runs").iterdir()
    return run


def report(run):
    done = subprocess.run(
        [sys.executable, "-m", "orchprof", "report", str(run), "--format", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_program_keeps_what_is_its_own_and_the_summary_goes_to_stderr(folder):
    done = finished(
        "--tool", "my_agent:search", "--", *program(folder, AGENT), "--out", "--quiet", given="a\nb\n"
    )
    assert done.returncode == 7
    assert done.stdout == "a ['--out', '--quiet']\nb ['--out', '--quiet']\n"
    assert done.stderr.startswith("to stderr\n")
    run = only_run(folder)
    assert done.stderr.endswith(f"Saved orchprof-runs/{run.name}\n")
    assert run.name.endswith("Z-my_agent")
    kept = json.loads((run / "run.json").read_text())
    assert (kept["exit_code"], kept["workload"]) == (7, "my_agent")
    assert kept["params"]["command"] == [Path(sys.executable).name, "my_agent.py"]
    assert kept["sealed"]
    record = report(run)
    assert [(row["name"], row["calls_per_task"]) for row in record["by_name"] if row["role"] == "tool"] == [
        ("search", 2)
    ]
    assert record["checks"]["findings"]


def test_quiet_says_nothing_and_keeps_the_run_where_it_was_asked_to(folder):
    done = finished("--quiet", "--out", "here", "--task-from", "program", "--", *program(folder, "print(1)"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert report(folder / "here")["tasks"]["n"] == 1
    again = finished("--out", "here", "--", "true")
    assert again.returncode == 2
    assert "it exists already, here @ --out" in again.stderr


def test_a_traceback_is_the_programs_and_comes_before_ours(folder):
    done = finished("--", *program(folder, "raise KeyError('gone')"))
    assert done.returncode == 1
    plain = subprocess.run([sys.executable, "my_agent.py"], capture_output=True, text=True, check=False)
    assert done.stderr.startswith(plain.stderr)


def test_the_recorder_needs_no_numpy_while_the_program_runs(folder):
    body = """
        import os
        maps = open(f"/proc/{os.getppid()}/maps").read()
        print("numpy" in maps, "python" in maps)
    """
    assert finished("--quiet", "--", *program(folder, body)).stdout == "False True\n"


def test_a_terminal_stays_one(folder):
    master, slave = os.openpty()
    command = [*RECORD, "--quiet", "--", *program(folder, "import os; print(os.isatty(0), os.isatty(1))")]
    done = subprocess.run(
        command, stdin=slave, stdout=slave, stderr=subprocess.PIPE, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert os.read(master, 100) == b"True True\r\n"
    os.close(slave)
    os.close(master)


WAITING = """
    import os, sys, time
    try:
        print(os.getpid(), flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("put away", flush=True)
        sys.exit(3)
"""


def started(folder, **how):
    command = [*RECORD, "--task-from", "program", "--", *program(folder, WAITING)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **how
    )
    return process, int(process.stdout.readline())


def test_ctrl_c_is_the_programs_to_handle(folder):
    process, _ = started(folder)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (3, "put away\n")
    assert "Saved " in err
    assert "Traceback" not in err


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_what_ends_the_recorder_ends_the_program_and_the_run_is_kept(folder, sent):
    process, _ = started(folder)
    process.send_signal(sent)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + sent
    assert "Saved " in err
    assert report(only_run(folder))["tasks"]["n"] == 1


def test_a_recorder_that_is_killed_leaves_a_run_that_opens(folder):
    process, program_pid = started(folder)
    time.sleep(1.2)
    process.kill()
    process.wait()
    os.kill(program_pid, signal.SIGKILL)
    process.communicate(timeout=60)
    record = report(only_run(folder))
    assert record["run"]["workload"] == "my_agent"


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("no-such-command", 127, "no such command, no-such-command @ --"),
        ("./no-such-file", 127, "no such command, ./no-such-file @ --"),
        ("./plain", 126, "not an executable file, ./plain @ --"),
        ("./headless", 127, "cannot start it, ./headless @ --"),
    ],
)
def test_what_cannot_be_started_leaves_nothing_behind(folder, command, code, said):
    (folder / "plain").write_text("text")
    (folder / "headless").write_text("#!/no/such/interpreter\n")
    (folder / "headless").chmod(0o755)
    done = finished("--", command)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") == 1
    assert not (folder / "orchprof-runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "no command after --, '' @ orchprof record, write `orchprof record -- python agent.py`"),
        ("--", "no command after --, '--' @ orchprof record, write `orchprof record -- python agent.py`"),
        ("python x.py",
         "no command after --, 'python x.py' @ orchprof record, write `orchprof record -- python agent.py`"),
        ("--tool search -- true",
         "not a function, 'search' @ --tool, write it as module:function or module:Class.method"),
        ("--tool a:b:c -- true",
         "not a function, 'a:b:c' @ --tool, write it as module:function or module:Class.method"),
        ("--task-from all -- true",
         "not a function, 'all' @ --task-from, write it as module:function or module:Class.method"),
    ],
)  # fmt: skip
def test_what_is_written_wrong_is_refused_before_anything_starts(run, tmp_path, arguments, said):
    result = run("record", *arguments.split())
    assert (result.code, result.out, result.err) == (2, "", f"error: {said}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [[], ["--task-from", "program"]])
@pytest.mark.parametrize(
    ("body", "ok"), [("raise KeyError('gone')", False), ("exit(3)", False), ("print(1)", None)]
)
def test_a_program_that_is_the_task_failed_if_it_says_so(folder, how, body, ok):
    finished("--quiet", "--out", "here", *how, "--", *program(folder, body))
    task = orchprof.load(folder / "here").tables["tasks"].iloc[0]
    assert (None if pd.isna(task["ok"]) else bool(task["ok"])) is ok
    assert pd.isna(task["reason"]) or task["reason"] == f"exit code {3 if '3' in body else 1}"
