"""The launcher: runs somebody's command so that its Python processes record themselves, and says which did not."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

import orchprof.capture.inject.first
from orchprof.capture import recorder
from orchprof.capture.inject.asked import CUT, PYTHON, STARTED, TASK_FROM, TOOLS
from orchprof.watch.agents import RECIPES, Recipe, applied, recipe_of
from orchprof.watch.before import Before, Outside
from orchprof.watch.missing import Finding, missing, outliving, still_running, unseen
from orchprof.watch.orphans import adopting, children, waited
from orchprof.watch.programs import name_of
from orchprof.watch.proxy import proxy_process
from orchprof.watch.proxy.base_urls import VARIABLES
from orchprof.watch.watch import Watch

LOGS: Final = "ORCHPROF_LOGS"
_FORWARDED: Final = (signal.SIGTERM, signal.SIGHUP)
# These come from the terminal, to the program as well as to us.
_THE_PROGRAMS: Final = (signal.SIGINT, signal.SIGQUIT)


@dataclass(frozen=True, slots=True)
class Asked:
    """How a command is to be recorded.

    Attributes:
        tools: functions whose calls are a tool's, as `module:function`.
        task_from: what a task is: `auto`, `program`, `http` or a `module:function`.
        injected: its Python processes record themselves.
        outside: the program is seen from outside: its calls, its tools' processes, and the rest. What of it loses its
            parent comes to this process, which reaps it; what outlives the command is named and left alone.
        proxied: the base-URL variables lead it through the recording proxy.
        recipe: what else leads an agent there.
    """

    tools: Sequence[str] = ()
    task_from: str = "auto"
    injected: bool = True
    outside: bool = False
    proxied: bool = False
    recipe: Recipe | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code as a shell says it, and what of it is not in the logs."""

    code: int
    findings: list[Finding]


def launch(command: Sequence[str], logs: Path, asked: Asked | None = None) -> Ended:
    """Run a command to its end, with this process's own files, terminal and process group; return how it ended.

    Args:
        command: the program and its arguments.
        logs: where every Python process of it leaves its log.
        asked: how it is to be recorded.

    Raises:
        FileNotFoundError, PermissionError, OSError: it cannot be started.
        ModelError: the recording proxy does not start.
    """
    asked = asked or Asked()
    with ExitStack() as stack:
        told, environment, outside = _led(command, logs, asked, stack)
        if asked.injected:
            environment |= _injected(environment, logs.resolve(), asked)
            environment[STARTED] = f"{os.getpid()} {time.monotonic_ns()}"
        if asked.outside:
            stack.enter_context(adopting())
        pid, code, left = _run(told, environment, logs, name_of(command), outside)
    findings = missing(command, pid, logs, asked.tools, asked.task_from) if asked.injected else []
    if asked.outside:
        findings += unseen(command, logs, proxied=asked.proxied, led=asked.recipe is not None)
    said = {finding["message"] for finding in findings}
    findings += [finding for finding in map(still_running, left) if finding["message"] not in said]
    return Ended(128 - code if code < 0 else code, findings)


def _led(
    command: Sequence[str], logs: Path, asked: Asked, stack: ExitStack
) -> tuple[Sequence[str], dict[str, str], Outside | None]:
    """Return a command and its environment, led through a proxy if that is asked for, and how it is looked at."""
    environment = dict(os.environ)
    if not asked.proxied:
        return command, environment, Outside() if asked.outside else None
    proxy = stack.enter_context(proxy_process.start(logs, environment))
    known = recipe_of(command)
    spoiled = known.spoils if known and not asked.recipe else frozenset()
    environment |= {name: to for name, to in proxy.environment_changes.items() if name not in spoiled}
    if asked.recipe:
        addresses = {name: proxy.address(name) for name in VARIABLES}
        command, more = applied(asked.recipe, command, addresses, logs)
        environment |= more
    return command, environment, Outside(proxy.calls_pipe_fd, frozenset([proxy.port]))


def _run(
    command: Sequence[str], environment: Mapping[str, str], logs: Path, name: str, outside: Outside | None
) -> tuple[int, int, list[int]]:
    """Run a command; return its process, how it ended, and which processes of it go on."""
    before = Before(outside)
    process = _started(command, environment, before)
    with _signals_to(process), Watch([process.pid], logs, before) as watch:
        if outside:
            watch.agent(process.pid, name, known=name in RECIPES)
        code, used = waited(process)
        if outside and used is not None:
            watch.reaped(process.pid, used)
    return process.pid, code, sorted(outliving(children() - before.own)) if outside else []


def _started(
    command: Sequence[str], environment: Mapping[str, str], before: Before
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(list(command), env=environment, close_fds=False)
    except OSError:
        before.events.close()
        raise


def _injected(present: Mapping[str, str], logs: Path, asked: Asked) -> dict[str, str]:
    """Return what has every Python process record itself."""
    first = str(Path(orchprof.capture.inject.first.__file__).parent)
    others = [entry for entry in (present.get("PYTHONPATH"),) if entry]
    return {
        "PYTHONPATH": os.pathsep.join([first, *others]),
        LOGS: str(logs),
        TASK_FROM: asked.task_from,
        TOOLS: json.dumps(list(asked.tools)),
        CUT: f"{PYTHON} {recorder.own_cost_ns(logs)}",
    }


@contextmanager
def _signals_to(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Live as long as the program does: what the terminal sends is the program's, what is sent to us goes to it."""

    def forward(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    def leave_it(_number: int, _frame: FrameType | None) -> None:
        pass

    handlers = dict.fromkeys(_FORWARDED, forward) | dict.fromkeys(_THE_PROGRAMS, leave_it)
    # What is ignored (nohup, a shell's background job) the program ignores too: it stays so.
    kept = {n: signal.getsignal(n) for n in handlers if signal.getsignal(n) != signal.SIG_IGN}
    for number in kept:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
