"""Commands that are launched: how they end, what they are told, and what is said of those that left no log."""

import os
import signal
import sys
import textwrap

import pytest
from recorded_logs import born, notes, spans

from orchprof.watch import launcher, programs

PYTHON = sys.executable


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def launch(tmp_path, logs, monkeypatch):
    """Run a program of its own file; return how it ended."""
    monkeypatch.chdir(tmp_path)

    def run(body, *options, **asked):
        (tmp_path / "agent.py").write_text(textwrap.dedent(body))
        return launcher.launch([PYTHON, *options, "agent.py"], logs, launcher.Asked(**asked))

    return run


def codes(ended):
    return [finding["code"] for finding in ended.findings]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(7)", 7),
        ("1 / 0", 1),
        ("import os; os.kill(os.getpid(), 9)", 128 + 9),
        ("import os; os._exit(5)", 5),
    ],
)
def test_a_program_ends_as_it_would_and_is_recorded(launch, logs, body, code, capfd):
    ended = launch(body)
    assert (ended.code, ended.findings) == (code, [])
    assert [meta["main"] for (meta,) in notes(logs, "meta") if meta["pid"]] == ["agent.py"]
    assert ("ZeroDivisionError" in capfd.readouterr().err) == (body == "1 / 0")


def test_what_was_on_pythonpath_stays_there(launch, monkeypatch, tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "helper.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    assert launch("import helper").code == 0


def test_tools_and_tasks_that_were_asked_for(launch, logs):
    body = """
        def answer(): return search()
        def search(): return 1
        answer()
    """
    ended = launch(body, tools=["agent:search", "agent:serach"], task_from="agent:answer")
    assert (born(logs, "task"), spans(logs)) == (["answer"], [("tool", "search")])
    assert codes(ended) == ["label_not_found"]
    assert "agent:serach" in ended.findings[0]["message"]


@pytest.mark.parametrize("option", ["-I", "-E", "-S", "-BI"])
def test_a_program_that_refuses_is_named_with_the_option(launch, option):
    ended = launch("pass", option)
    assert codes(ended) == ["not_injected"]
    assert "agent.py" in ended.findings[0]["message"]
    assert f"-{option[-1]}" in ended.findings[0]["message"]


def test_a_child_that_refuses_is_named(launch):
    ended = launch(
        f"""
        import subprocess
        subprocess.run([{PYTHON!r}, "-I", "-c", "import time; time.sleep(0.6)"])
        """
    )
    assert codes(ended) == ["not_injected"]


def test_a_command_without_python_says_so(logs):
    ended = launcher.launch(["true"], logs)
    assert (ended.code, codes(ended)) == (0, ["not_python"])


def test_a_process_that_stays_behind_is_left_alone_and_told_of(launch, logs):
    ended = launch(
        """
        import os, time
        read, write = os.pipe()
        if not os.fork():
            os.setsid()
            os.write(write, b"1")
            time.sleep(60)
            os._exit(0)
        os.read(read, 1)
        """
    )
    _, daemon = [meta["pid"] for (meta,) in notes(logs, "meta") if meta["pid"]]
    os.kill(daemon, signal.SIGKILL)
    assert (ended.code, codes(ended)) == (0, ["still_running"])
    assert str(daemon) in ended.findings[0]["message"]


def test_another_folder_other_files_and_no_logs_any_more(launch, logs):
    """A program may do as it likes: it is recorded as far as that goes, and never fails for it."""
    ended = launch(
        f"""
        import os, shutil, subprocess, sys
        os.chdir("/")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        print("nobody reads this")
        subprocess.run([{PYTHON!r}, "-c", "import orchprof\\nwith orchprof.tool('inside'): pass"], check=True)
        os.rename({str(logs)!r}, {str(logs) + "-gone"!r})
        done = subprocess.run([{PYTHON!r}, "-c", "import orchprof\\nwith orchprof.tool('lost'): pass"],
                              capture_output=True)
        os.rename({str(logs) + "-gone"!r}, {str(logs)!r})
        sys.exit(len(done.stderr))
        """
    )
    assert ended.code == 0
    assert spans(logs) == [("tool", "inside")]


def test_two_hundred_children(launch, logs):
    launch("import subprocess\nfor _ in range(200): subprocess.run(['true'])")
    assert born(logs, "child") == ["true"] * 200


def test_a_command_that_is_not_there(logs):
    with pytest.raises(FileNotFoundError):
        launcher.launch(["no-such-command"], logs)


@pytest.mark.parametrize(
    ("command", "shown", "name", "refuses"),
    [
        ("python agent.py --key secret", "python agent.py", "agent", None),
        ("/usr/bin/python3.12 -W error -X dev dir/agent.py", "python3.12 agent.py", "agent", None),
        ("python -m my.agent secret", "python -m my.agent", "my.agent", None),
        ("python -mmy.agent", "python -m my.agent", "my.agent", None),
        ("python -c print('secret')", "python -c", "python", None),
        ("python -IBc print('secret')", "python -c", "python", "-I"),
        ("python -B -E agent.py -I", "python agent.py", "agent", "-E"),
        ("python -Werror -S agent.py", "python agent.py", "agent", "-S"),
        ("python - secret", "python -", "python", None),
        ("python", "python", "python", None),
        ("./bin/agent -I secret", "agent", "agent", None),
        ("uv run agent.py", "uv", "uv", None),
    ],
)
def test_what_is_kept_of_a_command_and_whether_it_refuses(command, shown, name, refuses):
    words = command.split(" ")
    assert programs.shown(words) == shown.split(" ")
    assert programs.name_of(words) == name
    assert programs.refusing_option(words) == refuses


def test_a_child_that_is_seen_before_it_becomes_another_program_is_no_python(launch):
    ended = launch(
        """
        import os, time
        pid = os.fork()
        if not pid:
            time.sleep(0.3)
            os.execv("/bin/sh", ["sh", "-c", ":"])
        os.waitpid(pid, 0)
        """
    )
    assert (ended.code, codes(ended)) == (0, [])


def test_a_copy_of_a_python_that_was_not_recorded_is_told_of_with_it(logs):
    code = "import os, time\nif not os.fork(): time.sleep(0.3), os.execv('/bin/true', ['true'])\nos.wait()"
    ended = launcher.launch([PYTHON, "-I", "-c", code], logs)
    assert codes(ended) == ["not_injected"]


def test_a_helper_that_ends_by_itself_at_once_is_not_told_of(launch):
    ended = launch(
        """
        import os, time
        if not os.fork():
            time.sleep(0.2)
            os._exit(0)
        """
    )
    assert (ended.code, codes(ended)) == (0, [])
