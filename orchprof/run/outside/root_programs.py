"""Roots: a command that is no Python is a program all the same, seen from outside; the Python below it is its own."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pandas as pd

from orchprof.capture import strands as rec
from orchprof.capture.log import COLUMNS, VERSION
from orchprof.run.finalize.event_logs import Journal, classified, main_strand
from orchprof.run.finalize.links import Links
from orchprof.run.outside.agent_program import AgentProgram, Root, Watched, agent_program
from orchprof.run.outside.process_tree import ProcessEnd

_STRAND = 1


def roots(
    watched: Watched, programs: Sequence[Journal], died: dict[int, ProcessEnd], offset: int
) -> tuple[list[Journal], list[AgentProgram]]:
    """Return, for each command that left no log and was seen to its end, the log that it would have left.

    That of an agent program says what it waited for; of any other, one strand, of which only the two ends are known.
    Returned too: the agent programs.

    Args:
        watched: what was seen from outside.
        programs: the logs of processes.
        died: how processes ended.
        offset: what is free to be added to its ids.
    """
    recorded = {journal.pid for journal in programs}
    made, agents = [], []
    for watch in watched.journals:
        names = {pid: name for _, (pid, name, _) in reversed(watch.notes["process"])}
        apart = {pid: (name, known) for _, (pid, name, known) in watch.notes["agent"]}
        for _, (pid, start_ns) in watch.notes["root"]:
            window = (start_ns, died[pid].at_ns) if pid in died else None
            if pid in recorded or window is None:
                continue
            if pid in apart:
                agents.append(agent_program(_root(watch, pid, apart[pid], window), watched, offset))
            elif pid in names:
                made.append(_journal(watch, (pid, names[pid]), window, offset))
    return made, agents


def _root(watch: Journal, pid: int, told: tuple[str, bool], window_ns: tuple[int, int]) -> Root:
    used = [of[1:] for _, of in watch.notes["root_used"] if of[0] == pid]
    cpu, reaped, delay, rss = used[-1] if used else (0, 0, 0, 0)
    return Root(watch.path, pid, told[0], window_ns, (cpu, reaped, delay, rss), told[1])


def _journal(watch: Journal, who: tuple[int, str], window_ns: tuple[int, int], offset: int) -> Journal:
    (pid, name), (start_ns, end_ns) = who, window_ns
    born = (rec.SPAWN | rec.KIND["thread"], start_ns, 0, 0, 0, 1, _STRAND, 0, 0)
    ended = (rec.END, end_ns, 0, 0, 0, 0, _STRAND, 0, 0)
    used = [("root_used", told) for _, told in watch.notes["root_used"] if told[0] == pid]
    samples = [
        (rec.SAMPLE, at, cpu * times, children * times, 0, 0, 0, 0, rss)
        for _, (_, cpu, children, _, rss) in used
        for times, at in enumerate(window_ns)
    ]
    rows = classified(pd.DataFrame([born, *samples, ended], columns=list(COLUMNS)).to_numpy(), offset)
    meta = ("meta", {"version": VERSION, "pid": pid, "ppid": 0, "main": name})
    notes: dict[str, list[Any]] = {
        "meta": [meta],
        "main": [("main", _STRAND + offset)],
        "closed": [("closed", {"lost_frames": 0})],
    }
    return Journal(watch.path, offset, rows, {1: name}, defaultdict(list, notes | {"root_used": used}))


def below(roots: Sequence[Journal], programs: Sequence[Journal], lines: dict[int, list[int]]) -> Links:
    """Return, by the strand of each such command, the main threads of the programs below it, eldest first.

    Args:
        roots: from `roots`.
        programs: the logs of processes.
        lines: by a program's offset, its process and those above it.
    """
    children: Links = {}
    for root in roots:
        under = (journal for journal in programs if root.pid in lines[journal.offset][1:])
        mains = [main for journal in under if (main := main_strand(journal)) is not None]
        if mains:
            children[root.offset + _STRAND] = mains
    return children
