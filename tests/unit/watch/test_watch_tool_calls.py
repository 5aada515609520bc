"""Calls of tools and the processes that do them, by the words of real command lines; no word of them reaches a file."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from watched import told, until

from orchprof.watch.before import Before, Outside
from orchprof.watch.tool_calls import ToolCalls, command_line
from orchprof.watch.watch import Watch

SECRET = "sleep 0.3; echo 'hush, a secret' >/dev/null"


@pytest.fixture
def pipe():
    read, write = os.pipe()
    with os.fdopen(write, "w", buffering=1) as file:
        yield read, file
    os.close(read)


def tell(file, *calls, at_ns=None):
    listed = [{"id": ident, "name": name, "command": command} for ident, name, command in calls]
    file.write(json.dumps({"calls": listed, "at_ns": at_ns or time.monotonic_ns()}) + "\n")


@contextmanager
def running(*command):
    child = subprocess.Popen(command)
    until(lambda: command_line(child.pid)[:1] == [command[0]])
    yield child.pid
    child.kill()
    child.wait()


def taken(pipe, command, *line, since_ns=0):
    """Return the id that a process with that command line is given when one call with that command is open."""
    read, file = pipe
    calls = ToolCalls(read)
    tell(file, ("call_1", "shell", command), at_ns=1)
    calls.read()
    with running(*line) as pid:
        found = calls.take(pid, since_ns or time.monotonic_ns())
    return found and found.ident


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (SECRET, ("sh", "-c", SECRET)),
        (SECRET, ("bash", "-c", f"shopt -u x; {{ {SECRET}\n}} 2>/dev/null")),
        ("sleep 5 && echo 'a b'", ("bash", "-c", "eval 'sleep 5 && echo '\\''a b'\\''' </dev/null")),
        ("sleep 5 && echo 'a b'", ("bash", "-c", "eval 'sleep 5 && echo '\"'\"'a b'\"'\"''")),
        ("sleep  5\n", ("sleep", "5")),
        ("sleep 5", ("timeout", "9", "sleep", "5")),
        ("tail -f '/dev/null'", ("tail", "-f", "/dev/null")),
    ],
)
def test_a_command_is_found_in_the_command_line_that_does_it(pipe, command, line):
    assert taken(pipe, command, *line) == "call_1"


@pytest.mark.parametrize(
    ("command", "line"),
    [("ls", ("sh", "-c", "echo false-ls; sleep 5")), ("sleep 50", ("sleep", "5")), ("", ("sleep", "5"))],
)
def test_another_command_is_not(pipe, command, line):
    assert taken(pipe, command, *line) is None


def test_who_was_there_long_before_does_nothing_that_is_asked_for_now(pipe):
    read, file = pipe
    calls = ToolCalls(read)
    with running("sleep", "5") as pid:
        tell(file, ("call_1", "shell", "sleep 5"))
        calls.read()
        assert calls.take(pid, time.monotonic_ns() - 10**9) is None


def test_equal_calls_go_to_their_processes_in_order_and_those_without_an_id_have_a_number(pipe):
    read, file = pipe
    calls = ToolCalls(read)
    file.write('{"port": 4711}\nno json\n{"calls": [{}]}\n')
    tell(file, (None, "bash", "sleep 5"), (None, "edit", None), (None, "bash", "sleep 5"))
    assert calls.read()
    assert not calls.read()
    with running("sleep", "5") as pid:
        found = [calls.take(pid, time.monotonic_ns()) for _ in range(3)]
    assert [each and each.ident for each in found] == ["bash#1", "bash#2", None]


def test_a_line_in_pieces_is_one_and_a_closed_pipe_is_left(pipe):
    read, file = pipe
    calls = ToolCalls(read)
    line = json.dumps({"calls": [{"id": "a", "name": "b", "command": "true"}], "at_ns": 1})
    file.write(line[:20])
    file.flush()
    assert not calls.read()
    file.write(line[20:] + "\n")
    assert calls.read()
    file.close()
    calls.read()
    assert calls.fileno() == -1


AGENT = """
import subprocess, sys
sys.stdin.readline()
subprocess.run(["bash", "-c", sys.argv[1]])
sys.stdin.readline()
"""


def joined(folder, pipe, command, *, early=False):
    """Have an agent run a command under a watch that is told of the call, before it starts or just after."""
    read, file = pipe
    before = Before(Outside(calls=read))
    agent = subprocess.Popen([sys.executable, "-c", AGENT, command], stdin=subprocess.PIPE, text=True)
    with Watch([agent.pid], folder, before):
        if early:
            agent.stdin.write("\n")
            agent.stdin.flush()
            time.sleep(0.05)
        tell(file, ("call_7", "shell", command))
        time.sleep(0.05)
        agent.communicate("\n\n", timeout=20)
    return told(folder).notes


@pytest.mark.parametrize("early", [False, True])
def test_the_eldest_process_of_a_call_is_noted_with_it_and_nothing_below(tmp_path, pipe, early):
    said = joined(tmp_path, pipe, f"{SECRET}; bash -c 'true; {SECRET.replace(chr(39), '')}'", early=early)
    (pid, ident, name, at_ns), *more = said["tool_process"]
    assert (ident, name, more) == ("call_7", "shell", [])
    born = [at for at, parent, child in said["fork"] if child == pid and parent == said["root"][0][0]]
    assert len(born) == 1
    assert at_ns > born[0]


def test_no_word_of_a_command_is_in_any_file(tmp_path, pipe):
    assert joined(tmp_path, pipe, SECRET)["tool_process"]
    assert b"hush" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_without_events_a_process_is_joined_when_it_is_first_seen(tmp_path, pipe, monkeypatch):
    monkeypatch.setattr("orchprof.watch.process_events.ProcessEvents._listen", lambda _: "not today")
    said = joined(tmp_path, pipe, SECRET)
    assert said["events"] == [{"source": "samples", "reason": "not today"}]
    assert [(ident, name) for _, ident, name, _ in said["tool_process"]] == [("call_7", "shell")]
