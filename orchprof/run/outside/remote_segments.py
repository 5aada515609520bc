"""Outside: the segments of strands that ran in another process, or on somebody's server.

A child's whole use is known from its end: CPU with its descendants', run delay. While a recorded process ran under
it, the child waited for that one, which knows better; of the rest, samples say what it did and when. While it waited
for the process that started it, and from a signal back to the last thing it did, it waited for whoever that was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchprof.capture import strands as rec
from orchprof.run.finalize.event_logs import Journal, main_strand
from orchprof.run.finalize.links import Links
from orchprof.run.finalize.thread_samples import (
    CHILD,
    IDLE,
    OTHER,
    RUNNING,
    UNSEEN,
    Course,
    ThreadSamples,
    subtree,
)
from orchprof.run.finalize.timeline import Ints
from orchprof.run.outside.process_tree import Process, ProcessEnd, by_parent, delay_below_ns
from orchprof.run.outside.signalled import STUB_NS, Row
from orchprof.run.schema import COUNTERS

_UNTOLD: Final = "unexplained"
# What the rest of a stretch is, beyond its CPU and run delay.
STATE: Final = {
    **dict(enumerate((*rec.SAMPLED_STATES[:OTHER], "off"))),
    RUNNING: "child",
    UNSEEN: _UNTOLD,
    IDLE: None,
}

Window = tuple[int, int]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the watch and the processes themselves say of each other.

    Attributes:
        samples: of threads.
        processes: that were met.
        deaths: by process.
        served: by process, when a recorded thread waited at its pipe: what it did then is that thread's.
        signals: by process, when one was sent, and the sender's strand.
    """

    samples: ThreadSamples
    processes: Sequence[Process]
    deaths: Mapping[int, ProcessEnd]
    served: Mapping[int, Sequence[Window]]
    signals: Mapping[int, Sequence[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Child:
    """A child process or job that has ended: its strand and window, its processes, and what it used in all."""

    strand: int
    window_ns: Window
    is_job: bool
    pid: int | None
    parent: int  # the strand that started it
    parent_pid: int
    cpu_ns: int
    delay_ns: int


@dataclass(frozen=True, slots=True)
class Work:
    """A recorded process or strand under a child: its window, its CPU with its children's, and that at its start.

    `own_ns` of what it had used at its start was the loading of its recording. It `said_end` if its end is its own
    word: that of others is at most when they no longer count.
    """

    strand: int
    window_ns: Window
    said_end: bool
    cpu_ns: int
    startup_ns: int
    own_ns: int


def outside(
    journals: Sequence[Journal], strands: pd.DataFrame, children: Links, seen: Seen
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the segments of children, of jobs of other processes and of requests that are no model calls.

    Returned too: the `src, dst, at_ns` of their joins. Spans and roles are for the caller to fill in.
    """
    used = _usage(journals)
    said = {strand for journal in journals for strand in journal.of(rec.END)["strand"].tolist()}
    ends = strands["end_ns"].fillna(strands["start_ns"]).astype("int64").tolist()
    starts = strands["start_ns"].tolist()
    windows = dict(zip(strands["strand"].tolist(), zip(starts, ends, strict=True), strict=True))
    rows: list[Row] = []
    for child in _children(journals, strands, children, by_parent(seen.processes)):
        work = [
            Work(one, windows[one], one in said, *used.get(one, (0, 0, 0)))
            for one in children.get(child.strand, ())
        ]
        rows += _around(child, work, seen) if work else _alone(child, seen)
    rows += _requests(journals, strands)
    table = pd.DataFrame(rows, columns=list(row_of(0, 0, 0)))
    joins = table[table["target"] > 0]
    edges = pd.DataFrame(
        {"kind": "join", "src": joins["target"], "dst": joins["strand"], "at_ns": joins["end_ns"]}
    )
    return table.drop(columns="target"), edges


def _requests(journals: Sequence[Journal], strands: pd.DataFrame) -> Iterator[Row]:
    models = {call["strand"] for journal in journals for _, call in journal.notes["call"]}
    remote = (strands["kind"] == "remote") & strands["end_ns"].notna() & ~strands["strand"].isin(models)
    columns = (strands.loc[remote, name].tolist() for name in ("strand", "start_ns", "end_ns"))
    for strand, start, end in zip(*columns, strict=True):
        yield row_of(strand, start, end, wait_state="net")


def row_of(strand: int, start_ns: int, end_ns: int, **told: object) -> Row:
    """Return a row of segments with what is told of it; the rest of its wall is unexplained."""
    blank = {"span": 0, "join": False, "target": 0, "cpu_state": "cpu", "wait_state": _UNTOLD}
    return {
        "strand": strand,
        "start_ns": start_ns,
        "end_ns": end_ns,
        **blank,
        **dict.fromkeys(COUNTERS, 0),
        **told,
    }


def _children(
    journals: Sequence[Journal],
    strands: pd.DataFrame,
    recorded: Links,
    below: Mapping[int, list[Process]],
) -> Iterator[Child]:
    pids = {strand: pid for journal in journals for strand, pid in journal.told("pid").items()}
    use = child_use(journals)
    roots = {
        main: told
        for journal in journals
        for _, told in journal.notes["root_used"]
        if (main := main_strand(journal)) is not None
    }
    pids |= {main: told[0] for main, told in roots.items()}
    use |= {main: (told[1] + told[2], told[3]) for main, told in roots.items()}
    jobs = (strands["kind"] == "job") & strands["strand"].isin(list(recorded))
    elsewhere = (strands["kind"] == "child") | jobs | strands["strand"].isin(list(roots))
    ended = strands[elsewhere & strands["end_ns"].notna()]
    parents = ended["parent"].fillna(0).astype("int64").tolist()
    columns = (ended[name].tolist() for name in ("strand", "start_ns", "end_ns", "kind", "pid"))
    for parent, strand, start, end, kind, parent_pid in zip(parents, *columns, strict=True):
        pid = pids.get(strand)
        cpu, delay = use.get(strand, (0, 0))
        delay += delay_below_ns(pid, (start, end), below)
        yield Child(strand, (start, end), kind == "job", pid, parent, parent_pid, cpu, delay)


def child_use(journals: Sequence[Journal]) -> dict[int, tuple[int, int]]:
    """Return, by the strand of each child that was reaped, its CPU with its descendants' and its run delay, in ns."""
    reaped = pd.concat([journal.of(rec.CHILD) for journal in journals])
    columns = (reaped[name].tolist() for name in ("strand", "cpu_ns", "delay_ns"))
    return {strand: (cpu, delay) for strand, cpu, delay in zip(*columns, strict=True)}


def _usage(journals: Sequence[Journal]) -> dict[int, tuple[int, int, int]]:
    """Return, by the strand of each process's main thread, the figures of a `Work`."""
    used = {}
    for journal in journals:
        samples, main = journal.of(rec.SAMPLE), main_strand(journal)
        if main is not None and len(samples):
            total = int(samples["cpu_ns"].max() + samples["delay_ns"].max())
            used[main] = (total, int(samples["cpu_ns"].iloc[0]), journal.loading[1])
    return used


def _around(child: Child, work: Sequence[Work], seen: Seen) -> list[Row]:
    """Return the rows of a child under which recorded ones ran: it waited for them, one after the other."""
    rows: list[Row] = []
    start_ns, end_ns = child.window_ns
    now = start_ns
    for one in work:
        start, end = max(now, one.window_ns[0]), min(one.window_ns[1], end_ns)
        if start > now:
            rows.append(row_of(child.strand, now, start))
        if end > start:
            rows += _waited(child, one, (start, end), seen)
        now = max(now, end, rows[-1]["end_ns"] if rows else start_ns)
    if now < end_ns:
        rows.append(row_of(child.strand, now, end_ns))
    own = [row for row in rows if row["wait_state"] == _UNTOLD]
    if own and own[0]["start_ns"] == start_ns:
        first = own.pop(0)
        first |= {"cpu_state": "startup", "wait_state": "pool_wait" if child.is_job else "startup"}
        first["cpu_ns"] = 0 if child.is_job else min(work[0].startup_ns, first["end_ns"] - first["start_ns"])
        first["profiler_ns"] = min(work[0].own_ns, first["cpu_ns"])
    for row in own:
        row["wait_state"] = _main_state(child, seen, (row["start_ns"], row["end_ns"]))
    _spread(own, max(child.cpu_ns - sum(one.cpu_ns for one in work), 0))
    return rows


def _waited(child: Child, one: Work, window_ns: Window, seen: Seen) -> Iterator[Row]:
    """Yield the rows of a child's wait for a recorded one; when a signal ended it first, for the sender.

    Of one that did not say when it ended only this is known: it lived on, or the same signal was its end too.
    """
    start, end = window_ns
    sent = [signal for signal in seen.signals.get(child.pid or 0, ()) if _within(signal[0], window_ns)]
    came_first = one.said_end and one.window_ns[1] <= child.window_ns[1]
    at, target = end, one.strand
    if sent and not came_first:
        (at, target), end = sent[-1], child.window_ns[1]
    yield row_of(child.strand, start, at, join=True, target=target, wait_state=None)
    if at < end:
        yield row_of(child.strand, at, end, wait_state="wakeup")


def _main_state(child: Child, seen: Seen, window_ns: Window) -> str:
    """Return what a child mostly waited for within a window."""
    lasted = _course(child, seen, window_ns).lasted_ns([window_ns])
    lasted[[RUNNING, IDLE, UNSEEN]] = 0
    return str(STATE[int(lasted.argmax())]) if lasted.any() else _UNTOLD


def _spread(rows: list[Row], cpu_ns: int) -> None:
    """Divide CPU over rows by their length."""
    total = sum(row["end_ns"] - row["start_ns"] for row in rows)
    for row in rows:
        length = row["end_ns"] - row["start_ns"]
        row["cpu_ns"] = min(length, cpu_ns * length // total) if total else 0


def _course(child: Child, seen: Seen, window_ns: Window) -> Course:
    pids = [] if child.pid is None else subtree(child.pid, window_ns, seen.processes)
    return seen.samples.course(pids, window_ns, child.parent_pid)


def _alone(child: Child, seen: Seen) -> list[Row]:
    """Return the rows of a child that nobody recorded, in the order of what was seen of it."""
    course = _course(child, seen, child.window_ns)
    served = seen.served.get(child.pid or 0, ())
    signals = [one for one in seen.signals.get(child.pid or 0, ()) if _within(one[0], child.window_ns)]
    if seen.samples.watched and (course.state == UNSEEN).all():
        course.state[:] = CHILD  # it was shorter than the pause between two samples, and was waited for
    bounds, state = _refined(course, child.window_ns, served, [at for at, _ in signals])
    target = np.where(_inside(bounds, served) | (state == IDLE), child.parent, 0)
    for at, sender in signals:
        _wait_for_sender(bounds, state, target, at, sender)
    cpu, runq = divided(
        (child.cpu_ns, child.delay_ns), (bounds, state, bool(course.parallel.any())), target == 0
    )
    return _merged(child, bounds, state, target, (cpu, runq))


def _within(at: int, window_ns: Window) -> bool:
    return window_ns[0] < at <= window_ns[1]


def _refined(
    course: Course, window_ns: Window, served: Sequence[Window], at: Sequence[int]
) -> tuple[Ints, Ints]:
    """Return finer bounds, and the state between each two."""
    more = [bound for window in served for bound in window] + [
        bound for one in at for bound in (one - STUB_NS, one)
    ]
    bounds = np.unique(np.concatenate([course.bounds, np.clip(np.array(more, np.int64), *window_ns)]))
    return bounds, course.state[np.searchsorted(course.bounds, bounds[:-1], "right") - 1]


def _inside(bounds: Ints, windows: Sequence[Window]) -> Flags:
    middle = (bounds[:-1] + bounds[1:]) // 2
    inside = np.zeros(len(middle), bool)
    for start, end in windows:
        inside |= (start <= middle) & (middle < end)
    return inside


def _wait_for_sender(bounds: Ints, state: Ints, target: Ints, at: int, sender: int) -> None:
    """Have what a signal ended wait for its sender: all that was no work, back from the signal."""
    last = int(np.searchsorted(bounds, at)) - 1
    if last < 0:
        return
    target[last] = sender
    while last > 0 and state[last - 1] not in (RUNNING, UNSEEN) and not target[last - 1]:
        last -= 1
        target[last] = sender


def divided(used_ns: tuple[int, int], seen: tuple[Ints, Ints, bool], shown: Flags) -> tuple[Ints, Ints]:
    """Return the CPU and the run delay of each stretch, in ns.

    What was seen running is both; what is left of them goes to what was not seen, then to the rest. Of a child that
    was seen to use several cores the CPU may exceed its wall.

    Args:
        used_ns: CPU and run delay, of all that was seen.
        seen: bounds, states, and whether several threads were seen running at once.
        shown: which stretches are its own: its use divides over those and the others as what was seen running does.
    """
    bounds, state, parallel = seen
    length = np.diff(bounds).astype(np.float64)
    running = np.where(state == RUNNING, length, 0)
    own = _ratio(running[shown].sum(), running.sum(), float(shown.any()))
    cpu, delay = used_ns[0] * own, used_ns[1] * own
    busy = cpu + delay
    room = np.where(shown, running, 0)
    if not parallel:
        for more in ((state == UNSEEN) & shown, shown):
            left = min(
                max(busy - room.sum(), 0), np.where(more, length, 0).sum() - np.where(more, room, 0).sum()
            )
            free = np.where(more, length - room, 0)
            room = room + free * _ratio(left, free.sum())
    weight = room if room.any() else np.where(shown, length, 0)
    share = weight * _ratio(1.0, weight.sum())
    spent = share * cpu
    # What is ready to run and did not use a core was waiting for one, whether or not anybody counted that.
    ready = np.where((state == RUNNING) & shown, length, share * delay)
    waited = np.clip(np.where(state == RUNNING, ready - spent, ready), 0, np.maximum(length - spent, 0))
    return np.rint(spent).astype(np.int64), np.rint(waited).astype(np.int64)


def _ratio(part: float, whole: float, otherwise: float = 0.0) -> float:
    return part / whole if whole else otherwise


def _merged(child: Child, bounds: Ints, state: Ints, target: Ints, use: tuple[Ints, Ints]) -> list[Row]:
    """Return a row for each stretch; those that follow each other and say the same are one."""
    if not len(state):
        return []
    change = np.flatnonzero((np.diff(target) != 0) | ((np.diff(state) != 0) & (target[1:] == 0))) + 1
    first = np.concatenate(([0], change))
    last = np.concatenate((change, [len(state)]))
    rows = []
    for low, high in zip(first.tolist(), last.tolist(), strict=True):
        row = row_of(child.strand, int(bounds[low]), int(bounds[high]), wait_state=STATE[int(state[low])])
        if target[low]:
            row |= {"join": True, "target": int(target[low]), "wait_state": None}
        else:
            row |= {"cpu_ns": int(use[0][low:high].sum()), "runq_ns": int(use[1][low:high].sum())}
        rows.append(row)
    if len(rows) > 1 and state[0] == UNSEEN and not target[0]:
        rows[0]["wait_state"] = "startup"
    return rows
