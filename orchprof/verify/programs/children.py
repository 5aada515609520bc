"""Processes that a task starts or talks to: late ones, threaded ones, killed ones, shells, servers, workers."""

import contextlib
import hashlib
import json
import multiprocessing
import os
import pty
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import kit  # type: ignore[import-not-found]

LOOP = "i=0; while [ $i -lt {} ]; do i=$((i+1)); done"
# Computes on two threads that need no interpreter; says nothing, since the kernel knows what it used.
THREADED = """
import hashlib, threading, time
def crunch():
    while time.thread_time() < 0.2: hashlib.sha256(bytes(1 << 20))
threads = [threading.Thread(target=crunch) for _ in range(2)]
[t.start() for t in threads]; [t.join() for t in threads]
"""
SPINS = "import time\nwhile time.process_time() < {}: pass"


def python(code: str) -> list[str]:
    """Return the command of a child that starts fast and cannot be looked into."""
    return [sys.executable, "-I", "-S", "-c", code]


def as_tool(shape: str, work: Callable[[], object]) -> None:
    """Do something as the one tool of a task."""
    kit.task(shape, lambda: kit.use(work))


def busy(work: Callable[[], object]) -> None:
    """Do something of which a child computes all the time, and say how long it took."""
    began = time.monotonic()
    work()
    kit.did("use", "busy", time.monotonic() - began)


def by_turns(shape: str, asked: Callable[[str, float], float]) -> None:
    """Have a server that has come to rest compute, then sleep, as the tools of a task."""

    def work() -> None:
        for what in ("busy", "sleep"):
            kit.did("use", what, kit.use(lambda what=what: asked(what, 0.2)))

    asked("busy", 0.001)
    kit.task(shape, work)


def late_child() -> None:
    """A child that is over long before it is waited for."""

    def work() -> None:
        child = kit.use(lambda: subprocess.Popen(["sleep", "0.05"]))
        kit.did("agent", "cpu", kit.spin(0.25))
        child.wait()

    kit.task("late_child", work)


def own_server() -> None:
    """A server of one's own, started in the task and terminated at its end."""

    def work() -> None:
        command = [sys.executable, str(Path(__file__).with_name("server.py"))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            shared, kit.AT["model"] = kit.AT["model"], json.loads(server.stdout.readline())[1]  # type: ignore[union-attr]
            for _ in range(2):
                kit.did("model", "all", kit.ask([0, 0.12, 0]))
                kit.compute(0.06)
            kit.AT["model"] = shared
            server.terminate()

    kit.task("own_server", work)


def shell_at_pipe() -> None:
    """A shell that lives at a pipe computes, then sleeps."""
    with subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:

        def run(command: str) -> None:
            os.write(shell.stdin.fileno(), f"{command}; echo over\n".encode())  # type: ignore[union-attr]
            shell.stdout.readline()  # type: ignore[union-attr]

        def work() -> None:
            kit.use(lambda: busy(lambda: run(LOOP.format(150_000))))
            kit.use(lambda: run("sleep 0.25"))
            kit.did("use", "sleep", 0.25)

        run("true")
        kit.task("shell_at_pipe", work)
        shell.stdin.close()  # type: ignore[union-attr]


def threaded_child() -> None:
    """A child computes on two threads: its core-seconds are more than its wall."""
    as_tool("threaded_child", lambda: subprocess.run(python(THREADED), check=True))


def last_child() -> None:
    """A child is the last thing of a task."""
    command = python(SPINS.format(0.25))
    as_tool("last_child", lambda: busy(lambda: subprocess.run(command, check=True)))


def exit_forks() -> None:
    """Forks that compute and leave by os._exit."""

    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            kit.spin(0.05)
            os._exit(0)
        return pid

    def work() -> None:
        for _ in range(3):
            os.waitpid(fork(), 0)

    as_tool("exit_forks", lambda: busy(work))


def late_reaped() -> None:
    """Children that are long dead when they are reaped; nobody computes meanwhile."""

    def work() -> None:
        children = [subprocess.Popen(["true"]) for _ in range(3)]
        kit.did("use", "sleep", kit.nap(0.25))
        for child in children:
            child.wait()

    as_tool("late_reaped", work)


def late_command() -> None:
    """A command takes longer than somebody's patience."""

    def work() -> None:
        with kit.clocked() as clock, contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(["sleep", "5"], timeout=0.25, check=False)
        kit.did("use", "timeout", clock.waited)

    as_tool("late_command", work)


def left_script() -> None:
    """A thread sleeps, then kills a shell; the script below it computes on, and dies without having said so."""
    code = "import os, time\nwhile time.process_time() < 0.6: pass\nos.kill(os.getpid(), 9)"
    command = f"{shlex.join([sys.executable, '-c', code])}; true"

    def end(shell: subprocess.Popen[bytes]) -> None:
        kit.did("use", "sleep", kit.nap(0.4))
        shell.kill()

    def work() -> None:
        with subprocess.Popen(["sh", "-c", command], stdout=there) as shell:
            threading.Thread(target=end, args=(shell,)).start()

    here, there = os.pipe()
    as_tool("left_script", work)
    os.close(there)
    os.read(here, 1)  # until nobody is left who could write: what comes next must not see the script
    os.close(here)


def killed_child() -> None:
    """A child that records itself sleeps, and is killed before it has said so."""

    def work() -> None:
        code = "import os, time\ntime.sleep(0.25)\nos.kill(os.getpid(), 9)"
        subprocess.run([sys.executable, "-c", code], check=False)
        kit.did("use", "sleep", 0.25)
        kit.did("anyone", "unknown", 0.0)

    as_tool("killed_child", work)


def by_system() -> None:
    """A command by os.system."""

    def work() -> None:
        os.system("sleep 0.25")  # noqa: S605
        kit.did("use", "sleep", 0.25)

    as_tool("by_system", work)


def at_pty() -> None:
    """A shell at a terminal of its own sleeps."""
    pid, master = pty.fork()
    if pid == 0:
        os.execv("/bin/sh", ["sh"])  # noqa: S606

    def run(command: str) -> None:
        os.write(master, f"{command}; echo o''ver\n".encode())
        seen = b""
        while b"over" not in seen:
            seen += os.read(master, 1000)

    def work() -> None:
        kit.use(lambda: run("sleep 0.25"))
        kit.did("use", "sleep", 0.25)

    run("true")
    kit.task("at_pty", work)
    os.close(master)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def pipeline() -> None:
    """A pipeline of a shell whose first part sleeps."""

    def work() -> None:
        subprocess.run(["sh", "-c", "sleep 0.25 | cat | cat"], check=True)
        kit.did("use", "sleep", 0.25)

    as_tool("pipeline", work)


def node_child() -> None:
    """A child in another language computes."""
    code = "const t = process.hrtime.bigint(); while (process.hrtime.bigint() - t < 250000000n);"
    as_tool("node_child", lambda: busy(lambda: subprocess.run(["node", "-e", code], check=True)))


def serve_pipe(end: Connection) -> None:
    """Compute or sleep as told, until told nothing; answer with how long that took."""
    while (asked := end.recv()) is not None:
        end.send(served(*asked))


def served(what: str, seconds: float) -> float:
    """Compute or sleep, and return for how long, waiting for a core included where it computes."""
    with kit.clocked() as clock:
        kit.spin(seconds) if what == "busy" else kit.nap(seconds)
    took: float = clock.wall if what == "busy" else clock.waited
    return took


def worker_at_pipe() -> None:
    """A worker of multiprocessing that was made before the task computes, then sleeps."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve_pipe, args=(there,))
    process.start()

    def asked(what: str, seconds: float) -> float:
        here.send((what, seconds))
        took: float = here.recv()
        return took

    by_turns("worker_at_pipe", asked)
    here.send(None)
    process.join()


def serve_lines() -> None:
    """Be the server of `stdio_server`: a line of JSON in, a line out."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(served(*json.loads(line))) + "\n")
        sys.stdout.flush()


def stdio_server() -> None:
    """A server at its standard streams, opened before the task, computes, then sleeps."""
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def asked(what: str, seconds: float) -> float:
            server.stdin.write(json.dumps([what, seconds]) + "\n")  # type: ignore[union-attr]
            server.stdin.flush()  # type: ignore[union-attr]
            took: float = json.loads(server.stdout.readline())  # type: ignore[union-attr]
            return took

        by_turns("stdio_server", asked)
        server.stdin.close()  # type: ignore[union-attr]


def beside() -> None:
    """The agent computes while a child sleeps for less: the child is not on the path."""

    def work() -> None:
        child = kit.use(lambda: subprocess.Popen(["sleep", "0.1"]))
        kit.did("agent", "cpu", kit.spin(0.1) + kit.spin(0.1))
        kit.use(lambda: hashlib.sha256(b"x").hexdigest())
        child.wait()

    kit.task("child_beside", work)


SHAPES = {
    "late_child": late_child,
    "own_server": own_server,
    "shell_at_pipe": shell_at_pipe,
    "threaded_child": threaded_child,
    "last_child": last_child,
    "exit_forks": exit_forks,
    "late_reaped": late_reaped,
    "late_command": late_command,
    "left_script": left_script,
    "killed_child": killed_child,
    "by_system": by_system,
    "at_pty": at_pty,
    "pipeline": pipeline,
    "node_child": node_child,
    "worker_at_pipe": worker_at_pipe,
    "stdio_server": stdio_server,
    "child_beside": beside,
}

if __name__ == "__main__":
    serve_lines() if sys.argv[1:] == ["serve"] else kit.main(SHAPES)
