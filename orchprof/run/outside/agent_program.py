"""Agent programs: what a program in any language did, from what was seen of it outside: the log it would have left.

Its wall divides over calls of a model, children that ran its tools, and the rest, which is the program's own. Each call
and each child of a tool is a strand that the program waits for.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any, Final

import pandas as pd

from orchprof.capture import strands as rec
from orchprof.capture.log import COLUMNS, VERSION
from orchprof.run.finalize.event_logs import Journal, classified
from orchprof.run.finalize.thread_samples import RUNNING, ThreadSamples
from orchprof.run.outside.agent_waits import Wait, blocks, clipped, minus, union, waits_of
from orchprof.run.outside.model_exchanges import (
    Exchange,
    Window,
    by_sockets,
    exchanges,
    tool_windows,
    turns,
)
from orchprof.run.outside.own_time import NOBODY, own_time
from orchprof.run.outside.process_tree import Process
from orchprof.run.outside.remote_segments import STATE, row_of
from orchprof.run.outside.tool_processes import ToolProcess, tool_processes

Row = dict[str, Any]
_CLIENT_ONLY: Final = {"provenance": "client_only", "granularity": "request"}
_RETRY: Final = "retry"


@dataclass(frozen=True, slots=True)
class Root:
    """A command that left no log, and what it had used: CPU, that of reaped descendants, run delay (ns), peak bytes."""

    path: Path
    pid: int
    name: str
    window_ns: Window
    used: tuple[int, int, int, int]
    is_agent: bool = False  # it is known to be one: it uses the network for its model


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of a program: the logs of those who watched, processes and their names, samples of threads."""

    journals: Sequence[Journal]
    processes: Sequence[Process]
    samples: ThreadSamples


@dataclass(frozen=True, slots=True)
class AgentProgram:
    """A program seen from outside: the log that it would have left, and what no log says of its own strands.

    `segments`, `edges` and `spans` have columns as the run's tables of those names; `findings` are to be said of it.
    """

    journal: Journal
    segments: list[Row]
    edges: list[Row]
    spans: list[Row]
    findings: list[dict[str, str]]


@dataclass(slots=True)
class _Log:
    """The log and the tables that grow while a program is told; ids are the run's own."""

    offset: int
    rows: list[tuple[int, ...]] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    notes: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    segments: list[Row] = field(default_factory=list)
    edges: list[Row] = field(default_factory=list)
    spans: list[Row] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def strand(self, kind: str, name: str, window_ns: Window, parent: int = 0, span: int = 0) -> int:
        """Add a strand that lived in a window, and return its id."""
        strand, number = next(self.ids), len(self.names) + 1
        self.names[number] = name
        under = span - self.offset if span else 0
        by = parent - self.offset if parent else 0
        self.rows.append((rec.SPAWN | rec.KIND[kind], window_ns[0], 0, 0, 0, number, strand, under, by))
        if kind != "child":
            self.rows.append((rec.END, window_ns[1], 0, 0, 0, 0, strand, 0, 0))
        return strand + self.offset

    def reaped(self, strand: int, at_ns: int, used_ns: tuple[int, int]) -> None:
        """Add the end of a child, with its CPU and run delay."""
        self.rows.append((rec.CHILD, at_ns, *used_ns, 0, 0, strand - self.offset, 0, 0))

    def span(self, strand: int, role: str, name: str, window_ns: Window) -> int:
        """Add a span, and return its id."""
        span = next(self.ids) + self.offset
        start, end = window_ns
        row = {"span": span, "strand": strand, "role": role, "name": name, "start_ns": start, "end_ns": end}
        self.spans.append({**row, "parent": None, "error": None, "attributes": None})
        return span


def agent_program(root: Root, watched: Watched, offset: int) -> AgentProgram:
    """Return what a program did; `offset` is free to be added to its ids."""
    return _Builder(root, watched, offset).built()


class _Builder:
    """Builds the log of one program."""

    def __init__(self, root: Root, watched: Watched, offset: int) -> None:
        self.root, self.log = root, _Log(offset)
        self.names = {pid: name for one in watched.journals for _, (pid, name, _) in one.notes["process"]}
        parents = {one.pid: one.parent for one in watched.processes}
        for pid, parent in parents.items():  # one that runs no program of its own runs its parent's
            self.names.setdefault(pid, self.names.get(parent, "child"))
        self.calls = _calls(watched.journals, root)
        self.windows = tool_windows(self.calls, root.window_ns[1])
        self.tools = tool_processes(watched.journals, self.windows, root.pid, watched.processes)
        self.used = {id(one): _used(one, watched) for one in self.tools}
        theirs = {pid for one in self.tools for pid in one.below}
        self.own_processes = [one for one in watched.processes if one.pid not in theirs]
        self.samples = watched.samples
        self.own = own_time(
            root.pid, root.window_ns, self.own_processes, watched.samples, self._own_use(watched)
        )

    def _own_use(self, watched: Watched) -> tuple[int, int]:
        """Return the CPU and run delay of the program without its tools, in ns."""
        cpu, reaped, delay, _ = self.root.used
        others = [
            note for one in watched.journals for _, note in one.notes["rusage"] if note[0] != self.root.pid
        ]
        total = cpu + reaped + sum(note[1] for note in others)
        seen = cpu + sum(one.cpu_ns for one in self.own_processes if one.pid != self.root.pid)
        own = max(total - sum(used for used, _ in self.used.values()), seen)
        return own, delay + sum(one.delay_ns for one in self.own_processes if one.pid != self.root.pid)

    def built(self) -> AgentProgram:
        """Return the program."""
        log, root = self.log, self.root
        main = log.strand("thread", root.name, root.window_ns)
        windows = turns(self.calls, root.window_ns)
        if len(windows) == 1:
            self._add_task(main, root.window_ns)
        else:
            tasks = [(log.strand("task", root.name, window, main), window) for window in windows]
            for task, window in tasks:
                self._add_task(task, window)
            self._tile(main, root.window_ns, [([task], window) for task, window in tasks])
        self._sample([root.window_ns] if len(windows) == 1 else windows)
        return AgentProgram(self._journal(main), log.segments, log.edges, log.spans, self._findings())

    def _add_task(self, strand: int, window_ns: Window) -> None:
        """Add what a program's strand waited for in its window, and what it did itself."""
        spans = {
            tool.key: self.log.span(strand, "tool", tool.name, mine)
            for tool in self.windows
            if (mine := clipped(tool.window_ns, window_ns))
        }
        waits = waits_of(self.calls, self.tools, window_ns)
        waiting, last, until = [], strand, window_ns[0]
        for block in blocks(waits):
            ids = []
            for wait in block:
                # Who waits begins nothing: what begins meanwhile hangs on what is waited for the longest.
                ids.append(self._begin(wait, last if wait.window_ns[0] <= until else strand, spans))
                if wait.window_ns[1] > until:
                    last, until = ids[-1], wait.window_ns[1]
            waiting.append((ids, (block[0].window_ns[0], until)))
        for wait in waits:
            if not wait.awaited:
                self._begin(wait, strand, spans)
        self._tile(strand, window_ns, waiting, self._labels(strand, window_ns, spans))

    def _begin(self, wait: Wait, parent: int, spans: Mapping[str, int]) -> int:
        """Add the strand of a call or of a tool's process."""
        if wait.call is not None:
            strand = self.log.strand(
                "remote", wait.call.account.get("model") or "model", wait.window_ns, parent
            )
            self.log.notes["call"].append(("call", _call(wait.call, wait.window_ns, strand)))
            return strand
        tool = wait.tool
        assert tool is not None
        name = self.names.get(tool.process.pid, tool.tool.name)
        strand = self.log.strand("child", name, wait.window_ns, parent, spans.get(tool.tool.key, 0))
        self.log.notes["pid"].append(("pid", strand, tool.process.pid))
        self.log.reaped(strand, wait.window_ns[1], self._part(tool, wait.window_ns))
        return strand

    def _part(self, tool: ToolProcess, window_ns: Window) -> tuple[int, int]:
        """Return what a tool's process used in a part of its life: as much of all as it was seen running there."""
        whole = (tool.process.first_ns, tool.process.last_ns)
        course = self.samples.course(tool.below, whole)
        ran, there = (int(course.lasted_ns([each])[RUNNING]) for each in (whole, window_ns))
        share = there / ran if ran else (window_ns[1] - window_ns[0]) / max(whole[1] - whole[0], 1)
        cpu, delay = self.used[id(tool)]
        return round(cpu * share), round(delay * share)

    def _labels(
        self, strand: int, window_ns: Window, spans: Mapping[str, int]
    ) -> list[tuple[Window, str, int]]:
        """Return what the program's own time was for where that is known: windows, roles and spans."""
        with_child = {one.tool.key for one in self.tools}
        beside = union(one.window_ns for one in self.windows if one.key in with_child)
        found = [
            (part, "tool", spans[tool.key])
            for tool in self.windows
            if tool.key in spans and tool.key not in with_child
            for part in minus([tool.window_ns], beside)
        ]
        for failed, again in _retries(self.calls):
            if window := clipped((failed.end_ns, again.received_ns), window_ns):
                found.append((window, "client", self.log.span(strand, "client", _RETRY, window)))
        return found

    def _tile(
        self,
        strand: int,
        window_ns: Window,
        waiting: Sequence[tuple[Sequence[int], Window]],
        labels: Sequence[tuple[Window, str, int]] = (),
    ) -> None:
        """Add the segments of a strand: its waits, and the program's own time between them."""
        now, first = window_ns[0], True
        for strands, (start, end) in [*waiting, ((), (window_ns[1], window_ns[1]))]:
            if now < start:
                self._rest(strand, (now, start), labels, startup=first and now == self.root.window_ns[0])
            if start < end:
                self._segment(strand, (start, end), join=True, wait_state=None)
                self.log.edges += [
                    {"kind": "join", "src": one, "dst": strand, "at_ns": end} for one in strands
                ]
            now, first = end, False

    def _rest(
        self, strand: int, window_ns: Window, labels: Sequence[tuple[Window, str, int]], *, startup: bool
    ) -> None:
        """Add the program's own time in a window, as it was seen, under what it was for."""
        bounds = sorted(
            {*window_ns, *(at for window, _, _ in labels for at in window if _inside(at, window_ns))}
        )
        for start, end in pairwise(bounds):
            label = next((each for each in labels if each[0][0] <= start and end <= each[0][1]), None)
            for one in self.own.within((start, end)):
                role, span = ("framework", 0) if label is None else label[1:]
                if label is None and one.helper != NOBODY:
                    span = self._helper(strand, one.helper, one.window_ns)
                state = STATE[one.state]
                self._segment(
                    strand, one.window_ns, role=role, span=span, cpu_ns=one.cpu_ns, runq_ns=one.runq_ns,
                    cpu_state="startup" if startup else "cpu",
                    wait_state="startup" if startup and state in ("unexplained", "child") else state,
                )  # fmt: skip

    def _helper(self, strand: int, pid: int, window_ns: Window) -> int:
        """Return the span of what a helper of the program does for it."""
        name = self.names[pid]
        last = self.log.spans[-1] if self.log.spans else None
        if last and (last["strand"], last["name"], last["end_ns"]) == (strand, name, window_ns[0]):
            last["end_ns"] = window_ns[1]
            return int(last["span"])
        return self.log.span(strand, "framework", name, window_ns)

    def _segment(self, strand: int, window_ns: Window, **told: Any) -> None:
        """Add a segment; one that goes on with the same is one with the last."""
        row = row_of(strand, *window_ns, **{"role": "framework", **told})
        last = self.log.segments[-1] if self.log.segments else None
        same = ("strand", "role", "span", "join", "cpu_state", "wait_state")
        if (
            last
            and last["end_ns"] == row["start_ns"]
            and not row["join"]
            and all(last[k] == row[k] for k in same)
        ):
            last["end_ns"] = row["end_ns"]
            last["cpu_ns"] += row["cpu_ns"]
            last["runq_ns"] += row["runq_ns"]
        else:
            self.log.segments.append(row)

    def _sample(self, windows: Sequence[Window]) -> None:
        """Add what the program itself had used when each task began and ended; its children were sampled themselves.

        What it reaped is known at its end.
        """
        cpu, reaped, _, rss = self.root.used
        end = self.root.window_ns[1]
        whole = max(self.own.cpu_until(end), 1)
        for strand, window in zip(self._tasks(len(windows)), windows, strict=True):
            for at in window:
                own = cpu if at == end else round(cpu * self.own.cpu_until(at) / whole)
                self.log.rows.append((rec.SAMPLE, at, own, reaped * (at == end), 0, 0, strand, 0, rss))

    def _tasks(self, number: int) -> list[int]:
        """Return the strands of the tasks, as they stand in the log; the program's own is classified later."""
        return [0] if number == 1 else [at + 2 for at in range(number)]

    def _journal(self, main: int) -> Journal:
        rows = classified(pd.DataFrame(self.log.rows, columns=list(COLUMNS)).to_numpy(), self.log.offset)
        meta = ("meta", {"version": VERSION, "pid": self.root.pid, "ppid": 0, "main": self.root.name})
        notes: dict[str, list[Any]] = {
            "meta": [meta],
            "main": [("main", main)],
            "closed": [("closed", {"lost_frames": 0})],
        }
        return Journal(
            self.root.path, self.log.offset, rows, self.log.names, defaultdict(list, self.log.notes | notes)
        )

    def _findings(self) -> list[dict[str, str]]:
        found = []
        with_child = {one.tool.key for one in self.tools}
        alone = [one for one in self.windows if one.key not in with_child]
        if alone:
            took = sum(end - start for start, end in union(one.window_ns for one in alone)) / 1e9
            names = ", ".join(f"{name} {times}" for name, times in Counter(one.name for one in alone).items())
            found.append(
                {
                    "code": "in_process_tools",
                    "message": f"tools without a process of their own ({names}) have the {took:.2g} s from the answer "
                    "that asked for them to the request with their results: the agent's own work lies in it",
                }
            )
        return found


def _calls(journals: Sequence[Journal], root: Root) -> list[Exchange]:
    """Return the model calls of a program, as far as they lie in its life."""
    passed = [one for one in exchanges(journals) if one.wire]
    if root.is_agent and not passed:
        passed = by_sockets(journals)
    return [one for one in passed if clipped((one.received_ns, one.end_ns), root.window_ns)]


def _used(tool: ToolProcess, watched: Watched) -> tuple[int, int]:
    """Return the CPU and the run delay of a tool's process and all below it, in ns."""
    mine = [
        one for one in watched.processes if one.pid in tool.below and one.first_ns >= tool.process.first_ns
    ]
    cpu = sum(one.cpu_ns for one in mine)
    for journal in watched.journals:
        rows = journal.of(rec.SAMPLE)
        rows = rows[(rows["thread_clock"] == tool.process.pid) & (rows["wall_ns"] >= tool.process.first_ns)]
        rows = rows[rows["wall_ns"] <= tool.process.last_ns]
        if len(rows):
            cpu = max(cpu, int((rows["cpu_ns"] + rows["delay_ns"]).max()))
    return cpu, sum(one.delay_ns for one in mine)


def _retries(calls: Sequence[Exchange]) -> Iterator[tuple[Exchange, Exchange]]:
    """Yield each call that failed with the one that tried again."""
    for at, call in enumerate(calls):
        again = (
            one for one in calls[at + 1 :] if one.messages == call.messages and one.received_ns >= call.end_ns
        )
        if call.failed and (one := next(again, None)):
            yield call, one


def _call(call: Exchange, window_ns: Window, strand: int) -> Row:
    """Return a call's row of `model_calls`."""
    ends = {"sent_ns": window_ns[0], "end_ns": window_ns[1]}
    seen = {"headers_ns": call.headers_ns, "first_token_ns": call.first_token_ns}
    facts = {
        "status": call.status,
        "error": call.error,
        "stream": call.stream,
        "span": None,
        "strand": strand,
    }
    return {**_CLIENT_ONLY, **call.account, **facts, **seen, **ends}


def _inside(at: int, window_ns: Window) -> bool:
    return window_ns[0] < at < window_ns[1]
