"""What the kernel tells of processes, against real ones of all kinds; and what happens where it does not tell."""

import os
import shutil
import socket
import subprocess
import sys
import time

import pytest
from watched import told

from orchprof.capture.log import Log
from orchprof.watch import launcher, process_events
from orchprof.watch.process_events import EXEC, EXIT, FORK, ProcessEvents
from orchprof.watch.tree import Tree

STATIC = (
    "#include <unistd.h>\nint main(){ if(!fork()){ usleep(200000); _exit(5);} usleep(400000); return 3; }"
)


@pytest.fixture
def events():
    heard = ProcessEvents()
    if heard.reason:
        pytest.skip(heard.reason)
    yield heard
    heard.close()


def ran(folder, *command):
    """Return what was noted of a command seen from outside: its notes, and its own process."""
    launcher.launch(command, folder, launcher.Asked(injected=False, outside=True))
    notes = told(folder).notes
    return notes, notes["root"][0][0]


def windows(notes):
    """Return each process's name, from birth to end, in ms; processes that were told of twice would be lost here."""
    born = {child: at for at, _, child in notes["fork"]}
    ended = {pid: at for at, pid, _ in notes["exit"]}
    assert len(born) == len(notes["fork"])
    assert born.keys() == ended.keys()
    return {pid: (ended[pid] - born[pid]) / 1e6 for pid in born}


def test_a_process_is_told_of_from_birth_to_end_and_its_threads_are_not(events):
    code = "import threading; t = threading.Thread(target=print); t.start(); t.join(); raise SystemExit(3)"
    before = time.monotonic_ns()
    child = subprocess.Popen([sys.executable, "-I", "-c", code], stdout=subprocess.DEVNULL)
    child.wait()
    after = time.monotonic_ns()
    mine = [event for event in events.drain() if event.pid == child.pid]
    assert [event.kind for event in mine] == [FORK, EXEC, EXIT]
    assert before < mine[0].at_ns < mine[1].at_ns < mine[2].at_ns < after
    assert (mine[0].other, mine[2].other) == (os.getpid(), 3 << 8)
    assert events.drain() == []


def test_a_thousand_short_processes_are_all_there(events, tmp_path):
    events.close()
    loop = "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done"
    notes, root = ran(tmp_path, "sh", "-c", loop)
    assert len(windows(notes)) == 1001
    assert sorted({parent for _, parent, _ in notes["fork"]}) == sorted({os.getpid(), root})
    assert len(notes["exec"]) == 1001
    assert len(notes["died"]) == 1001
    assert len({pid for pid, *_ in notes["seen"]}) == 1000
    assert notes["events"] == [{"source": "kernel"}]


def test_a_pipeline_a_daemon_and_who_closes_everything(events, tmp_path):
    events.close()
    daemon = "import os, time\nif os.fork(): os._exit(0)\nos.setsid(); os.closerange(0, 256); time.sleep(0.3)"
    script = f"{sys.executable} -I -c '{daemon}'; printf 'a\\nb\\n' | sort | tail -1 >/dev/null; sleep 0.6"
    notes, _ = ran(tmp_path, "sh", "-c", script)
    lived = windows(notes)
    names = [name for _, _, name in notes["exec"]]
    assert len(lived) == len({child for _, _, child in notes["fork"]}) >= 7
    assert "sleep" in names
    ended = {pid: at for at, pid, _ in notes["exit"]}
    assert [pid for _, parent, pid in notes["fork"] if ended.get(parent, ended[pid]) < ended[pid]]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_a_static_binary_and_its_child(events, tmp_path):
    events.close()
    (tmp_path / "agent.c").write_text(STATIC)
    built = subprocess.run(["gcc", "-static", "-o", tmp_path / "agent", tmp_path / "agent.c"], check=False)
    if built.returncode:
        pytest.skip("gcc has no static library")
    notes, root = ran(tmp_path, str(tmp_path / "agent"))
    status = {pid: status for _, pid, status in notes["exit"]}
    (child,) = status.keys() - {root}
    assert (status[root], status[child]) == (3 << 8, 5 << 8)
    assert len(notes["seen"]) == 1


def test_children_in_other_namespaces_are_told_of_as_well(events, tmp_path):
    events.close()
    refused = subprocess.run(["unshare", "-Ur", "--pid", "--fork", "true"], capture_output=True, check=False)
    if refused.returncode:
        pytest.skip("namespaces cannot be made here")
    notes, _ = ran(tmp_path, "unshare", "-Ur", "--pid", "--fork", "sleep", "0.2")
    assert max(lasted for lasted in windows(notes).values()) > 200
    assert [name for _, _, name in notes["exec"]].count("sleep") == 1


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="no bubblewrap")
def test_a_sandbox_is_told_of(events, tmp_path):
    events.close()
    notes, _ = ran(tmp_path, "bwrap", "--bind", "/", "/", "--unshare-pid", "sleep", "0.2")
    assert "sleep" in [name for _, _, name in notes["exec"]]


def test_another_program_in_the_same_process_is_told_with_its_name(events, tmp_path):
    events.close()
    notes, root = ran(tmp_path, "bash", "-c", "sleep 0.1; exec sleep 0.2")
    assert [name for _, pid, name in notes["exec"] if pid == root][-1] == "sleep"


@pytest.mark.parametrize("option", ["-n", "-Urp"])
def test_elsewhere_nobody_tells_and_the_reason_is_said(option):
    code = "from orchprof.watch.process_events import ProcessEvents; print(ProcessEvents().reason)"
    command = ["unshare", option, "--fork", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert "namespace" in done.stdout


def test_a_refused_socket_is_no_error(monkeypatch):
    def refuse(*_):
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(process_events.socket, "socket", refuse)
    heard = ProcessEvents()
    assert (heard.reason, heard.fileno(), heard.drain()) == ("Protocol not supported", -1, [])


def test_what_was_lost_is_said_and_looked_for(events, tmp_path, monkeypatch):
    """A storm larger than the kernel's buffer: those who live are found in /proc all the same."""
    events._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    log = Log(tmp_path)
    shell = subprocess.Popen(
        ["sh", "-c", "read x; sleep 30 & for i in 1 2 3 4 5 6 7 8 9; do /bin/true; done; read x"],
        stdin=subprocess.PIPE,
    )
    tree = Tree([shell.pid], log, launcher.Before(events=events))
    tree.sample()
    shell.stdin.write(b"\n")
    shell.stdin.flush()
    time.sleep(0.3)
    tree.sample()
    time.sleep(0.03)
    tree.sample()
    subprocess.run(["pkill", "-P", str(shell.pid)], check=False)
    shell.communicate(b"\n")
    tree.close()
    log.close()
    notes = told(tmp_path).notes
    assert {"source": "kernel", "lost": True} in notes["events"]
    assert "sleep" in [name for _, name, _ in notes["process"]]
