"""What threads wait for, as the kernel says of real programs in known states."""

import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from watched import python, until, watch

from orchprof.capture.strands import SAMPLED_STATES
from orchprof.watch import proc
from orchprof.watch.states import blocked
from orchprof.watch.states.syscalls import CALLS, HERE, MACHINES, by_number

SAY = "import asyncio, fcntl, os, queue, select, socket, subprocess, tempfile, threading, time\n"
SAY += "print('ready', flush=True)\n"
# By state: what the one thread of a program does forever once it has said that it is ready.
KNOWN = {
    "running": "while True: pass",
    "sleep": "time.sleep(60)",
    "net": "a, b = socket.socketpair(); a.recv(1)",
    "lock": "threading.Event().wait()",
    "child": "subprocess.Popen(['sleep', '60']).wait()",
}
PAIR = "a, b = socket.socketpair()\nr, w = os.pipe()\n"
FILE = "f = tempfile.NamedTemporaryFile()\n"
VARIANTS = [
    ("sleep", "select.select([], [], [], 60)"),
    ("sleep", "select.poll().poll(60_000)"),
    ("net", "asyncio.run(asyncio.sleep(60))"),
    ("net", PAIR + "select.select([a], [], [], 60)"),
    ("net", PAIR + "p = select.poll(); p.register(r, 1); p.register(a, 1); p.poll(60_000)"),
    ("child", PAIR + "p = select.poll(); p.register(r, 1); p.poll(60_000)"),
    ("child", PAIR + "select.select([r], [], [], 60)"),
    ("child", PAIR + "os.read(r, 1)"),
    ("child", "subprocess.run(['sleep', '60'], capture_output=True)"),
    ("child", "os.execvp('sh', ['sh', '-c', 'sleep 60 & wait'])"),
    ("lock", "lock = threading.Lock(); lock.acquire(); lock.acquire()"),
    ("lock", "c = threading.Condition(); c.acquire(); c.wait(60)"),
    ("lock", "queue.Queue().get(timeout=60)"),
    ("lock", FILE + "fcntl.flock(f, fcntl.LOCK_EX); g = open(f.name); fcntl.flock(g, fcntl.LOCK_EX)"),
    ("lock", FILE + "fcntl.lockf(f, fcntl.LOCK_EX)\nif os.fork(): os.wait()\n"
                    "else: fcntl.lockf(open(f.name, 'w'), fcntl.LOCK_EX)"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "code"), [*KNOWN.items(), *VARIANTS])
def test_a_thread_in_a_known_state_is_seen_in_it(state, code, tmp_path):
    with python(SAY + code) as child:
        said = watch([child.pid], tmp_path, 0.4)
        pids = {run.pid for run in said.runs} if "fork" in code else {child.pid}
    best = max(said.share(state, pid) for pid in pids)
    assert best > 0.8, {pid: said.states(pid) for pid in pids}


def test_a_fifo_with_a_name_is_a_pipe_and_a_terminal_is_neither(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "logs").mkdir()
    code = f"import os; f = os.open({str(tmp_path / 'fifo')!r}, os.O_RDWR)\n{SAY}os.read(f, 1)"
    with python(code) as child:
        said = watch([child.pid], tmp_path / "logs", 0.3)
    assert said.share("child", child.pid) > 0.8
    ours, theirs = os.openpty()
    (tmp_path / "tty").mkdir()
    with subprocess.Popen(["cat"], stdin=theirs) as child:
        until(lambda: proc.name_of(child.pid) == "cat")
        said = watch([child.pid], tmp_path / "tty", 0.3)
        child.kill()
    os.close(ours)
    os.close(theirs)
    assert said.share("other", child.pid) > 0.6


def test_a_line_is_read_by_the_call_that_it_names():
    def say(name, *args):
        number = next(
            number[MACHINES.index(machine)]
            for calls in CALLS.values()
            for call, number in calls.items()
            if call == name
        )
        return (
            b"%d " % number
            + b" ".join(b"0x%x" % arg for arg in (*args, *[0] * (6 - len(args))))
            + b" 0x7ff 0x7fe\n"
        )

    machine = os.uname().machine
    owner = SimpleNamespace(pid=0, holds_gil=lambda address: 0x1000 <= address < 0x2000)
    told = {
        b"running\n": "running",
        b"-1 0x7ffd00 0x7fee\n": "file",  # a page fault
        b"-1 0x0 0x0\n": None,  # a zombie
        b"100000 0x0 0x0 0x0 0x0 0x0 0x0 0x7ff 0x7fe\n": "other",
        say("futex", 0x1FF8): "gil",
        say("futex", 0x2000): "lock",
        say("futex_waitv", 0x1FF8): "lock",
        say("fcntl", 3, 7): "lock",
        say("fcntl", 3, 4): "other",
        say("fsync", 3): "file",
        say("connect", 3): "net",
        say("epoll_pwait", 3): "net",
        say("io_uring_enter", 3): "file",
        say("ppoll", 0, 0): "sleep",
        say("ppoll", 0, 1): "net",  # whose list cannot be read
        say("pselect6", 0): "sleep",
        say("pselect6", 5, 1): "net",
        say("read", 3): "other",  # whose descriptor cannot be read
    }
    found = {line: blocked.state_of(line, 0, owner) for line in told}
    assert {line: None if state is None else SAMPLED_STATES[state] for line, state in found.items()} == told


def test_a_descriptor_is_told_by_where_it_leads(tmp_path):
    ends, (reads, writes) = socket.socketpair(), os.pipe()
    watching = os.pidfd_open(os.getpid())
    with (tmp_path / "file").open("w") as file, Path("/dev/null").open() as null:
        kinds = {
            ends[0].fileno(): "net",
            reads: "child",
            file.fileno(): "file",
            null.fileno(): "other",
            watching: "child",
        }
        read = next(n for n, kind in HERE.items() if kind == "descriptor")
        owner = SimpleNamespace(pid=os.getpid(), holds_gil=lambda _: False)
        for number, kind in kinds.items():
            line = b"%d 0x%x 0x0 0x0 0x0 0x0 0x0 0x7ff 0x7fe\n" % (read, number)
            assert SAMPLED_STATES[blocked.state_of(line, os.getpid(), owner)] == kind
    for end in ends:
        end.close()
    for number in (reads, writes, watching):
        os.close(number)


HEADERS = {
    "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "aarch64": "/usr/include/asm-generic/unistd.h",
}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_those_of_the_kernels_headers(machine):
    try:
        lines = Path(HEADERS[machine]).read_text().splitlines()
    except OSError:
        pytest.skip("no kernel headers here")
    words = [line.split() for line in lines if line.startswith(("#define __NR_", "#define __NR3264_"))]
    known = {
        w[1].removeprefix("__NR_").removeprefix("__NR3264_"): int(w[2])
        for w in words
        if w[2:] and w[2].isdigit()
    }
    column = MACHINES.index(machine)
    ours = {name: numbers[column] for calls in CALLS.values() for name, numbers in calls.items()}
    renamed = {"newfstatat": "fstatat"} if machine == "aarch64" else {}
    for name, number in ours.items():
        wanted = known.get(renamed.get(name, name))
        assert wanted == number or (wanted is None and number is not None and number > max(known.values())), (
            name
        )


def test_an_unknown_machine_has_no_numbers():
    assert by_number("riscv64") == {}
    assert len(by_number("x86_64")) == sum(
        n[0] is not None for calls in CALLS.values() for n in calls.values()
    )


PEERS = "import multiprocessing as mp, os, pty, socket, subprocess, time\n"
OTHER_END = {
    "pipe": "p = subprocess.Popen(['sleep', '60'], stdout=subprocess.PIPE); pid = p.pid\n{say}\np.stdout.read()",
    "socketpair": "a, b = socket.socketpair()\npid = os.fork()\n"
    "if not pid: a.close(); time.sleep(60)\nb.close()\n{say}\na.recv(1)",
    "terminal": "pid, master = pty.fork()\nif not pid: os.execvp('sleep', ['sleep', '60'])\n{say}\nos.read(master, 1)",
}


@pytest.mark.parametrize("way", OTHER_END)
def test_who_is_at_the_other_end_is_known(way, tmp_path):
    with python(PEERS + OTHER_END[way].format(say="print(pid, flush=True)")) as child:
        said = watch([child.pid], tmp_path, 0.6)
        peer = int(child.said[0])
        try:
            waited = [run for run in said.runs if run.pid == child.pid and run.owner == peer]
            assert sum(run.samples for run in waited) > 10
        finally:
            os.kill(peer, 9)


def child_of(command, **streams):
    """Return a program that starts a child, says its number, and leaves it alone."""
    pipes = "".join(f", {name}=subprocess.PIPE" for name in streams)
    start = f"p = subprocess.Popen({command!r}{pipes})"
    return f"import subprocess, sys\n{start}\nprint(p.pid, flush=True)\nsys.stdin.read()"


def test_a_child_that_waits_for_its_parent_is_seen_to(tmp_path):
    with python(child_of(["cat"], stdin=True)) as child:
        said = watch([child.pid], tmp_path, 0.6)
    cat = int(child.said[0])
    assert sum(run.samples for run in said.runs if run.pid == cat and run.owner == child.pid) > 10


def test_a_death_is_noted_with_its_status_when_it_happens(tmp_path):
    with python(child_of(["sleep", "0.3"])) as child:
        said = watch([child.pid], tmp_path, 0.8)
    pid, at_ns, status = said.notes["died"][0]
    assert (pid, status) == (int(child.said[0]), 0)
    # Nobody reaped it, and yet it is seen no more.
    assert all(run.last_ns <= at_ns + 20e6 for run in said.runs if run.pid == pid)
