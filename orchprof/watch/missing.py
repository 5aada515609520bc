"""Missing: what of a command that has ended its logs do not hold, and what would have told more, as findings."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orchprof.capture.log import FLUSH_EVERY_S, read_frames
from orchprof.units import seconds
from orchprof.watch import proc
from orchprof.watch.agents import recipe_of
from orchprof.watch.programs import is_python, refusing_option, shown

Note = list[Any]  # as JSON has it: of what kind it is, and what it says
Finding = dict[str, str]
# How soon it is noticed that the last process of a command has ended, at most.
_LOOK_EVERY_S: Final = 0.01


def missing(
    command: Sequence[str], pid: int, logs: Path, tools: Sequence[str], task_from: str
) -> list[Finding]:
    """Return what the logs of a command that was to record itself do not hold."""
    paths = sorted(logs.glob("log-*.bin"))
    notes = [note for path in paths for note in _notes(path)]
    recorded = _loggers(logs) - {os.getpid()}
    labels = {note[1] for note in notes if note[0] == "label"}
    asked = [*tools, task_from] if ":" in task_from else tools
    return [
        *_refusals(command, pid, recorded, notes),
        *_said(notes),
        *map(still_running, sorted(outliving(recorded))),
        *(_not_found(place) for place in asked if place not in labels),
    ]


def unseen(command: Sequence[str], logs: Path, *, proxied: bool, led: bool) -> list[Finding]:
    """Return what is not known of a program that was seen from outside.

    Args:
        command: as it was given.
        logs: the run's folder of logs.
        proxied: whether the recording proxy ran.
        led: whether the agent's recipe was applied.
    """
    notes = [note for path in sorted(logs.glob("log-*.bin")) for note in _notes(path)]
    exchanges = [note[1] for note in notes if note[0] == "exchange"]
    findings = [*_unanswered(exchanges)]
    if not any(one["wire"] for one in exchanges):
        findings.append(_finding("no_model_call", _no_call(command, notes, proxied=proxied, led=led)))
    return findings


def _unanswered(exchanges: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield a finding for each way in which requests got no answer."""
    errors = Counter(one["error"] for one in exchanges if one["error"] and one["status"] is None)
    for error, times in sorted(errors.items()):
        yield _finding(
            "no_answer", f"{times} requests through the proxy got no answer: {error.replace('_', ' ')}"
        )


def _no_call(command: Sequence[str], notes: Sequence[Note], *, proxied: bool, led: bool) -> str:
    """Return why no model call is known, and what shows them."""
    sockets = [note[1] for note in notes if note[0] == "socket"]
    waited_s = seconds(sum(last - first for first, last, *_ in sockets))
    hosts = len({place for _, _, _, place, *_ in sockets})
    name, recipe = shown(command)[0], recipe_of(command)
    taken = " and are taken for its model calls, without tokens" if recipe else ""
    by_socket = (
        f"; its connections were in use for {waited_s:.2g} s, to {hosts} hosts{taken}" if sockets else ""
    )
    if not proxied:
        return f"no model call is known{by_socket}: --proxy on shows them"
    if recipe is None or not recipe.needed or led:
        return f"no model call came by the recording proxy{by_socket}: {name} made none, or reads no base-URL variable"
    return f"no model call came by the recording proxy{by_socket}: {recipe.says}: --agent {name} does that"


def _loggers(logs: Path) -> set[int]:
    return {int(path.name.split("-")[1]) for path in logs.glob("log-*.bin")}


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


def still_running(pid: int) -> Finding:
    """Return the finding of a process that outlives the command."""
    name = proc.name_of(pid)
    who = f"process {pid} ({name})" if name else f"process {pid}"
    return _finding("still_running", f"{who} outlives the command: what it does later is not recorded")


def _not_found(place: str) -> Finding:
    return _finding("label_not_found", f"no process defined {place}")


def _finding(code: str, message: str) -> Finding:
    return {"code": code, "message": message}


def outliving(pids: set[int]) -> set[int]:
    """Return those of some processes that go on. One that ends by itself at once, as helpers do, does not."""
    until = time.monotonic() + FLUSH_EVERY_S
    while (alive := set(filter(proc.runs, pids))) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
    return alive
