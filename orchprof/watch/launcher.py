"""The launcher: runs somebody's command so that its Python processes record themselves, and says which did not."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import orchprof.capture.inject.first
from orchprof.capture import recorder
from orchprof.capture.inject.asked import CUT, PYTHON, STARTED, TASK_FROM, TOOLS
from orchprof.capture.log import FLUSH_EVERY_S, read_frames
from orchprof.watch import proc
from orchprof.watch.before import Before, Outside
from orchprof.watch.orphans import adopting, children, waited
from orchprof.watch.watch import Watch

LOGS: Final = "ORCHPROF_LOGS"
Note = list[Any]  # as JSON has it: of what kind it is, and what it says
_PYTHON: Final = re.compile(r"(python|pypy)[\d.]*(t|d)?")
# How soon it is noticed that the last process of a command has ended, at most.
_LOOK_EVERY_S: Final = 0.01
_FORWARDED: Final = (signal.SIGTERM, signal.SIGHUP)
# These come from the terminal, to the program as well as to us.
_THE_PROGRAMS: Final = (signal.SIGINT, signal.SIGQUIT)

Finding = dict[str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code as a shell says it, and what of it is not in the logs."""

    code: int
    findings: list[Finding]


def launch(
    command: Sequence[str],
    logs: Path,
    tools: Sequence[str] = (),
    task_from: str = "auto",
    *,
    outside: Outside | None = None,
) -> Ended:
    """Run a command to its end, with this process's own files, terminal and process group; return how it ended.

    Args:
        command: the program and its arguments.
        logs: where every Python process of it leaves its log.
        tools: functions whose calls are a tool's, as `module:function`.
        task_from: what a task is: `auto`, `program`, `http` or a `module:function`.
        outside: how to look at a program that is no Python. What of it loses its parent comes to this process, which
            reaps it and notes what it used; what outlives the command is named and left alone.

    Raises:
        FileNotFoundError, PermissionError, OSError: it cannot be started.
    """
    environment = _environment(os.environ, logs.resolve(), tools, task_from)
    environment[STARTED] = f"{os.getpid()} {time.monotonic_ns()}"
    before = Before(outside)
    with adopting() if outside else nullcontext():
        process = _started(command, environment, before)
        with _signals_to(process), Watch([process.pid], logs, before) as watch:
            code, used = waited(process)
            if outside and used is not None:
                watch.reaped(process.pid, used)
        left = sorted(_outliving(children() - before.own)) if outside else []
        found = missing(command, process.pid, logs, tools, task_from)
    said = {finding["message"] for finding in found}
    found += [each for each in map(_still_running, left) if each["message"] not in said]
    return Ended(128 - code if code < 0 else code, found)


def _started(command: Sequence[str], environment: dict[str, str], before: Before) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(list(command), env=environment, close_fds=False)
    except OSError:
        before.events.close()
        raise


def _environment(
    present: Mapping[str, str], logs: Path, tools: Sequence[str], task_from: str
) -> dict[str, str]:
    first = str(Path(orchprof.capture.inject.first.__file__).parent)
    others = [entry for entry in (present.get("PYTHONPATH"),) if entry]
    return {
        **present,
        "PYTHONPATH": os.pathsep.join([first, *others]),
        LOGS: str(logs),
        TASK_FROM: task_from,
        TOOLS: json.dumps(list(tools)),
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


def missing(
    command: Sequence[str], pid: int, logs: Path, tools: Sequence[str], task_from: str
) -> list[Finding]:
    """Return what the logs of a command that has ended do not hold, as findings."""
    paths = sorted(logs.glob("log-*.bin"))
    notes = [note for path in paths for note in _notes(path)]
    recorded = {int(path.name.split("-")[1]) for path in paths} - {os.getpid()}
    labels = {note[1] for note in notes if note[0] == "label"}
    asked = [*tools, task_from] if ":" in task_from else tools
    return [
        *_refusals(command, pid, recorded, notes),
        *_said(notes),
        *map(_still_running, sorted(_outliving(recorded))),
        *(_not_found(place) for place in asked if place not in labels),
    ]


def _notes(path: Path) -> Iterator[Note]:
    for tag, payload in read_frames(path):
        if tag == b"NOTE":
            yield from json.loads(payload)


def _refusals(command: Sequence[str], pid: int, recorded: set[int], notes: Sequence[Note]) -> list[Finding]:
    """Return a finding per Python process that left no log."""
    ran = {pid: (name, python) for pid, name, python in (note[1] for note in notes if note[0] == "process")}
    seen = {
        pid: name for pid, (name, python) in ran.items() if python
    }  # of each, the last program that it became
    if is_python(command[0]):
        seen[pid] = shown(command)[-1]
    lost = {process: name for process, name in seen.items() if process not in recorded}
    option = refusing_option(command)
    why = f": {option} keeps the environment away from it" if option else ""
    findings = [
        _finding("not_injected", f"{name} (process {process}) left no log{why if process == pid else ''}")
        for process, name in sorted(lost.items())
    ]
    if not (findings or recorded):
        findings = [
            _finding(
                "not_python",
                f"{shown(command)[0]} ran no Python that left a log: what it did was seen from outside",
            )
        ]
    return findings


def _said(notes: Sequence[Note]) -> list[Finding]:
    """Return what processes say of themselves that were not recorded."""
    messages = {
        "python_too_old": "a process ran Python {}, which is not recorded: that takes CPython 3.11 or later",
        "not_injected": "a process could not be recorded: {}",
    }
    return [_finding(note[1], messages[note[1]].format(note[2])) for note in notes if note[0] == "finding"]


def _still_running(pid: int) -> Finding:
    name = proc.name_of(pid)
    who = f"process {pid} ({name})" if name else f"process {pid}"
    return _finding("still_running", f"{who} outlives the command: what it does later is not recorded")


def _not_found(place: str) -> Finding:
    return _finding("label_not_found", f"no process defined {place}")


def _finding(code: str, message: str) -> Finding:
    return {"code": code, "message": message}


def _outliving(pids: set[int]) -> set[int]:
    """Return those of some processes that go on. One that ends by itself at once, as helpers do, does not."""
    until = time.monotonic() + FLUSH_EVERY_S
    while (alive := set(filter(proc.runs, pids))) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
    return alive


def is_python(program: str) -> bool:
    """Return whether a program is a Python interpreter, by its name."""
    return _PYTHON.fullmatch(Path(program).name) is not None


def _options(command: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return an interpreter's own options, one letter each, and what follows them, `-c` or `-m` first if given."""
    letters: list[str] = []
    rest = list(command[1:])
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--" or word.startswith("--"):
            continue
        for at, letter in enumerate(word[1:], start=1):
            if letter in "cm":
                return letters, [f"-{letter}", *([word[at + 1 :]] if word[at + 1 :] else []), *rest]
            letters.append(letter)
            if letter in "WX":
                rest = rest if word[at + 1 :] else rest[1:]
                break
    return letters, rest


def refusing_option(command: Sequence[str]) -> str | None:
    """Return the option by which a Python command refuses to be recorded; None when there is none."""
    letters = _options(command)[0] if is_python(command[0]) else []
    return next((f"-{letter}" for letter in letters if letter in "IES"), None)


def shown(command: Sequence[str]) -> list[str]:
    """Return the part of a command that may be kept: program and script. Other arguments may hold secrets."""
    program = Path(command[0]).name
    if not is_python(program):
        return [program]
    rest = _options(command)[1]
    if rest[:1] == ["-m"]:
        return [program, *rest[:2]]
    return [program, *(Path(word).name for word in rest[:1])]


def name_of(command: Sequence[str]) -> str:
    """Return what a run of a command is called: its script's or module's name, else its program's."""
    *_, last = shown(command)
    name = Path(command[0]).name if last.startswith("-") else last.removesuffix(".py")
    return re.sub(r"[^\w.-]", "_", name) or "command"
