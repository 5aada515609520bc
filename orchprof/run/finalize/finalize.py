"""Finalizing: the event logs of a run become its tables. A pure function of the logs' frames."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from orchprof.capture import strands as rec
from orchprof.run.finalize.event_logs import CLOCKED, LOG_BITS, Finding, Journal, main_strand, read_journal
from orchprof.run.finalize.links import Links, find_children, has_recorded_ancestor, joined_up, line_of, links
from orchprof.run.finalize.lost_frames import without_lost
from orchprof.run.finalize.recording_faults import recording_faults
from orchprof.run.finalize.segmentation import tile
from orchprof.run.finalize.thread_samples import read_samples
from orchprof.run.outside.agent_program import AgentProgram, Watched
from orchprof.run.outside.background_strands import Tables as Walked
from orchprof.run.outside.background_strands import Watched as SeenOutside
from orchprof.run.outside.background_strands import elsewhere
from orchprof.run.outside.deaths import deaths, left_alive, outcomes, with_ends
from orchprof.run.outside.exec_programs import ExecProgram, cut_short, exec_programs, gone_on
from orchprof.run.outside.exec_programs import tiles as exec_segments
from orchprof.run.outside.pipe_peers import Around
from orchprof.run.outside.process_tree import Process, is_daemon
from orchprof.run.outside.remote_segments import Seen, outside
from orchprof.run.outside.root_programs import below, roots
from orchprof.run.outside.served_requests import judged_requests
from orchprof.run.outside.signalled import until_asked, waiting_for_senders
from orchprof.run.schema import COUNTERS, TABLES

Tables = dict[str, pd.DataFrame]
Findings = list[Finding]


class Finalized(NamedTuple):
    """The tables of a run, what went wrong with its logs, and which frameworks' functions named what ran."""

    tables: Tables
    findings: Findings
    labels: list[str]


_EMPTY: Final = pd.DataFrame()
_LOST: Final = "(lost)"  # the name of a span whose log lost it
_BLANK: Final = {
    name: pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in columns.items()})
    for name, columns in TABLES.items()
}
_NO_STRANDS: Final = _BLANK["strands"].drop(columns="task").assign(span=0, log=0)


def finalize(paths: Iterable[Path], *, whole_programs: bool = False) -> Finalized:
    """Return the tables of `TABLES`, what the logs say went wrong: [{"code", "message"}, ...], and who named things.

    A log without a whole frame is skipped; one of another version or without a header is a finding, and skipped.

    Args:
        paths: the logs.
        whole_programs: where no log knows of a task, take every program that no recorded one started for one.
    """
    numbered = enumerate(sorted(paths), start=1)
    journals = [read_journal(path, number << LOG_BITS) for number, path in numbered]
    findings = [complaint for journal in journals for complaint in recording_faults(journal)]
    known = [journal for journal in journals if journal.known]
    watches = [journal for journal in known if not journal.pid]
    programs = [journal for journal in known if journal.pid]
    met = [Process(*facts) for journal in watches for _, facts in journal.notes["seen"]]
    died = deaths(watches, programs)
    samples = read_samples(watches)
    watched, free = Watched(watches, met, samples), (len(journals) + 1) << LOG_BITS
    bare, agents = roots(watched, programs, died, free) if whole_programs else ([], [])
    findings += [finding for agent in agents for finding in agent.findings]
    programs += [*bare, *(agent.journal for agent in agents)]
    seen = Seen(samples, met, died, {}, _signals(programs))
    strands, children, steps = _strands_of_all(programs, seen, bare)
    strands, requests = judged_requests(strands, programs)
    if requests:
        message = f"no task was found in the code, and the program is a server: each of its {requests} requests is one"
        findings.append({"code": "served_requests", "message": message})
    whole: dict[int, str] = {}
    if whole_programs and not (strands["kind"] == "task").any():
        first = [program for program in programs if program.offset not in {step.next_log for step in steps}]
        strands, whole = _with_programs_for_tasks(strands, first, met)
    tables = _tables(programs, strands, (children, steps), seen, agents)
    sampled = [*known, *bare, *(agent.journal for agent in agents)]
    tables["samples"] = _concat([_samples(journal, tables["tasks"], seen) for journal in sampled])
    guessed = [
        name for strand, name in whole.items() if strand not in {main_strand(one.journal) for one in agents}
    ]
    if guessed:
        message = f"no task was found in the code, so each program is taken for one: {', '.join(guessed)}"
        findings.append({"code": "whole_program", "message": message})
    named = {where for journal in programs for _, where in journal.notes["named"]}
    whole_tables, lost = without_lost({name: _typed(name, tables[name]) for name in TABLES})
    return Finalized(whole_tables, findings + lost, sorted(named))


def _signals(programs: Sequence[Journal]) -> dict[int, list[tuple[int, int]]]:
    """Return when which strand sent a signal, by the process that it was for; a group is its leader."""
    sent: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for journal in programs:
        for _, strand, (pid, at_ns, _number) in journal.notes["signal"]:
            sent[abs(pid)].append((at_ns, strand))
    return sent


def _strands_of_all(
    programs: Sequence[Journal], seen: Seen, bare: Sequence[Journal]
) -> tuple[pd.DataFrame, Links, list[ExecProgram]]:
    strands = _concat([_strands(journal, seen) for journal in programs], _NO_STRANDS)
    find_children(programs, strands, seen.processes)
    children = links(programs, strands, seen.processes)
    lines = {journal.offset: line_of(journal, seen.processes) for journal in programs}
    children |= below(bare, programs, lines)
    steps = exec_programs(programs, children)
    strands = cut_short(strands, programs, children) if len(strands) else strands
    # Who was seen to die later than whoever stands for it lived on until then.
    strands = with_ends(strands, programs, seen.deaths)
    joined = joined_up(strands, {**children, **{step.strand: [step.main] for step in steps}})
    return gone_on(joined, steps), children, steps


def _tables(
    programs: Sequence[Journal],
    strands: pd.DataFrame,
    across: tuple[Links, list[ExecProgram]],
    seen: Seen,
    agents: Sequence[AgentProgram],
) -> Tables:
    """Return all tables but the samples."""
    children, steps = across
    if strands.empty:
        return dict.fromkeys(TABLES, _EMPTY)
    told = (pd.DataFrame(agent.spans) for agent in agents)
    spans = _concat([*(_spans(journal, strands) for journal in programs), *told], _BLANK["spans"])
    roles = dict(zip(spans["span"], spans["role"], strict=True))
    own = (strands[strands["log"] == journal.offset] for journal in programs)
    places = _places(programs, strands, children, seen)
    seen = replace(seen, deaths={**seen.deaths, **left_alive(programs, strands, seen.deaths)})
    parts = [
        tile(journal, mine, roles, seen, place)
        for journal, mine, place in zip(programs, own, places, strict=True)
    ]
    served = _served(part.served for part in parts)
    others, joins = outside(programs, strands, children, replace(seen, served=served))
    others = others.assign(span=others["strand"].map(strands.set_index("strand")["span"]), role=None)
    more, onward = exec_segments(strands, steps)
    apart = [pd.DataFrame(agent.segments) for agent in agents]
    segments = _filled(_concat([*(part.segments for part in parts), others, more, *apart]), strands)
    segments = _under_spans(segments, strands, roles) if len(segments) else segments
    waited = (pd.DataFrame(agent.edges) for agent in agents)
    edges = _concat([*(part.edges for part in parts), joins, onward, *waited])
    pids = {strand: pid for journal in programs for strand, pid in journal.told("pid").items()}
    if segments.empty:
        calls = _concat([_model_calls(journal, strands) for journal in programs])
        known = {"tasks": _tasks(programs, strands, seen), "strands": strands, "model_calls": calls}
        return dict.fromkeys(TABLES, _EMPTY) | known
    ran_in = dict(zip(strands["strand"], strands["pid"], strict=True))
    segments, edges = waiting_for_senders(segments, edges, seen.signals, ran_in)
    idle = set(strands.loc[strands["kind"] == "child", "strand"]) | {
        main_strand(program) or 0 for program in programs
    }
    segments, edges = until_asked(segments, edges, idle)
    walked = elsewhere(
        Walked(strands, segments, edges), children, SeenOutside(seen.samples, seen.processes, pids)
    )
    strands = walked.strands
    return {
        "tasks": _tasks(programs, strands, seen),
        "strands": strands,
        "segments": walked.segments.sort_values(["strand", "start_ns"], ignore_index=True),
        "edges": walked.edges,
        "spans": spans.assign(task=spans["strand"].map(strands.set_index("strand")["task"])),
        "model_calls": _concat([_model_calls(journal, strands) for journal in programs]),
    }


def _places(
    programs: Sequence[Journal], strands: pd.DataFrame, children: Links, seen: Seen
) -> Iterator[Around]:
    """Yield where each process stands among the others."""
    parent = dict(zip(strands["strand"], strands["parent"].fillna(0).astype("int64"), strict=True))
    stands = {strand: stand for stand, done in children.items() for strand in done}
    recorded = {journal.pid: stands.get(main_strand(journal) or 0, 0) for journal in programs}
    for journal in programs:
        line = line_of(journal, seen.processes)
        boss = int(parent.get(recorded[journal.pid], 0))
        below = {pid: stand for pid, stand in recorded.items() if stand and pid not in line}
        yield Around(
            journal.pid,
            dict.fromkeys(line[1:] if boss else [], boss) | below,
            frozenset(line[1:]),
            seen.processes,
        )


def _served(parts: Iterable[Mapping[int, Sequence[tuple[int, int]]]]) -> dict[int, list[tuple[int, int]]]:
    by_process: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for part in parts:
        for pid, windows in part.items():
            by_process[pid] += windows
    return by_process


def _filled(segments: pd.DataFrame, strands: pd.DataFrame) -> pd.DataFrame:
    """Return the segments with what a killed process did after its last word as unexplained."""
    if segments.empty:
        return segments
    last = segments.sort_values("end_ns", kind="stable").drop_duplicates("strand", keep="last")
    end = last["strand"].map(strands.set_index("strand")["end_ns"])
    cut = last[(end > last["end_ns"]).fillna(value=False).astype(bool)]
    nothing = dict.fromkeys(COUNTERS, 0)
    rest = cut.assign(
        start_ns=cut["end_ns"],
        end_ns=end[cut.index].astype("int64"),
        join=False,
        wait_state="unexplained",
        **nothing,
    )
    return _concat([segments, rest])


def _under_spans(segments: pd.DataFrame, strands: pd.DataFrame, roles: dict[int, str]) -> pd.DataFrame:
    """Return the segments with what a strand of another process does under no span of its own put under its base."""
    base = segments["strand"].map(strands.set_index("strand")["base"])
    bare = segments["span"].eq(0)
    span = segments["span"].where(~bare, base)
    told = span.map(roles).astype("object").fillna("framework")
    role = segments["role"].where(~bare & segments["role"].notna(), told)
    return segments.assign(span=span.where(span > 0), role=role).sort_values(
        ["strand", "start_ns"], ignore_index=True
    )


def _with_programs_for_tasks(
    strands: pd.DataFrame, programs: Sequence[Journal], seen: Sequence[Process]
) -> tuple[pd.DataFrame, dict[int, str]]:
    """Return the strands with the main thread of each outermost program as a task, and their names by strand."""
    mains = {
        main_strand(journal): str((journal.meta or {}).get("main") or "program")
        for journal in programs
        if not has_recorded_ancestor(journal, programs, seen)
    }
    whole = {strand: name for strand, name in mains.items() if strand is not None}
    kind = strands["kind"].where(~strands["strand"].isin(list(whole)), "task")
    named = strands["strand"].map(whole).fillna(strands["name"])
    again = joined_up(strands.assign(kind=kind, name=named), {})
    return again.assign(base=again["strand"].map(strands.set_index("strand")["base"])), whole


def _strands(journal: Journal, seen: Seen) -> pd.DataFrame:
    born = journal.of(rec.SPAWN)
    ended = journal.of(rec.END, rec.CHILD).drop_duplicates("strand").set_index("strand")["wall_ns"]
    for strand, pid in journal.told("pid").items():  # it ended when it died, whenever somebody reaped it
        if pid in seen.deaths and strand in ended.index:
            ended[strand] = min(ended[strand], seen.deaths[pid].at_ns)
    reaped = journal.of(rec.CHILD).drop_duplicates("strand").set_index("strand")["arg"]
    return pd.DataFrame(
        {
            "strand": born["strand"],
            "kind": born["state"].map(dict(enumerate(rec.KINDS))),
            "parent": born["arg"].where(born["arg"] > 0).astype("Int64"),
            "pid": journal.pid,
            "name": born["thread_clock"].map(journal.names),
            "start_ns": born["wall_ns"],
            "end_ns": born["strand"].map(ended).astype("Int64"),
            "peak_rss_bytes": born["strand"].map(reaped).astype("Int64"),
            "pool": born["cpu_ns"].where(born["cpu_ns"] > 0).astype("Int64") + journal.offset,
            "workers": born["delay_ns"].where(born["delay_ns"] > 0).astype("Int64"),
            "span": born["span"],
            "log": journal.offset,
        }
    )


def _spans(journal: Journal, strands: pd.DataFrame) -> pd.DataFrame:
    clocked = journal.of(*CLOCKED)
    # What a thread clock ran just before a span was entered was its parent span.
    before = clocked.groupby("thread_clock")["span"].shift(fill_value=0)
    entered = clocked[(clocked["kind"] == rec.ENTER) & (clocked["strand"] > 0)]
    left = journal.of(rec.EXIT).set_index("arg")["wall_ns"]
    late = journal.of(rec.SPAN_END).set_index("span")["wall_ns"]
    ended = pd.concat([left, late])
    by_strand = strands.set_index("strand")
    parent = before.loc[entered.index]
    parent = parent.where(parent > 0, entered["strand"].map(by_strand["base"]))
    attributes = {span: _json_text(given) for span, given in journal.told("attributes").items()}
    return pd.DataFrame(
        {
            "span": entered["span"],
            "parent": parent.where(parent > 0).astype("Int64"),
            "strand": entered["strand"],
            "task": entered["strand"].map(by_strand["task"]),
            "role": entered["role"].map(dict(enumerate(rec.ROLES))),
            "name": entered["arg"].map(lambda number: journal.names.get(number, _LOST)),
            "start_ns": entered["wall_ns"],
            "end_ns": entered["span"].map(ended[~ended.index.duplicated()]).astype("Int64"),
            "error": entered["span"].map(journal.told("error")).astype("object"),
            "attributes": entered["span"].map(attributes).astype("object"),
        }
    )


def _json_text(attributes: dict[str, object] | str) -> str:
    # Attributes with a value that could change were made text when the span opened.
    return attributes if isinstance(attributes, str) else json.dumps(attributes)


def _tasks(programs: Sequence[Journal], strands: pd.DataFrame, seen: Seen) -> pd.DataFrame:
    roots = strands[strands["kind"] == "task"]
    told, judged = (_all_by_strand(programs, kind) for kind in ("task", "outcome"))
    cut_off = outcomes(strands, programs, seen.deaths)
    facts = [told.get(one, {}) | cut_off.get(one, {}) | judged.get(one, {}) for one in roots["strand"]]
    return pd.DataFrame(
        {
            "task": roots["strand"],
            "name": roots["name"],
            "index": [fact.get("index") for fact in facts],
            "start_ns": roots["start_ns"],
            "due_ns": [fact.get("due_ns") for fact in facts],
            "end_ns": roots["end_ns"],
            "ok": [fact.get("ok") for fact in facts],
            "reason": [fact.get("reason") for fact in facts],
            "timed_out": [fact.get("timed_out") for fact in facts],
            "warmup": [fact.get("warmup") for fact in facts],
        }
    )


def _all_by_strand(programs: Sequence[Journal], kind: str) -> dict[int, Any]:
    return {number: detail for journal in programs for number, detail in journal.told(kind).items()}


def _model_calls(journal: Journal, strands: pd.DataFrame) -> pd.DataFrame:
    calls = pd.DataFrame([call for _, call in journal.notes["call"]])
    if calls.empty:
        return calls
    by_strand = strands.set_index("strand")
    base = calls["strand"].map(by_strand["base"])
    span = calls["span"].astype("Int64").fillna(base.where(base > 0).astype("Int64"))
    return calls.assign(task=calls["strand"].map(by_strand["task"]), span=span)


def _samples(journal: Journal, tasks: pd.DataFrame, seen: Seen) -> pd.DataFrame:
    """Return what was sampled; a process that was looked at just after its end had used the same at its end."""
    rows = journal.of(rec.SAMPLE)
    task = rows["strand"].where(rows["strand"] > 0)
    main = main_strand(journal)
    if len(rows) and len(tasks) and main in set(tasks["task"]):
        # A program that is taken for a task is sampled when it starts and when it ends, like any other.
        task.iloc[[0, -1]] = main
    parents = {one.pid: one.parent for one in seen.processes if not is_daemon(one, seen.deaths)} | {
        journal.pid: (journal.meta or {}).get("ppid")
    }
    pid = rows["thread_clock"] if not journal.pid else pd.Series(journal.pid, index=rows.index)
    ends = {one: death.at_ns for one, death in seen.deaths.items()}
    return pd.DataFrame(
        {
            "pid": pid,
            "parent": pid.map(parents).astype("Int64"),
            "at_ns": np.minimum(rows["wall_ns"], pid.map(ends).fillna(rows["wall_ns"]).astype("int64")),
            "cpu_ns": rows["cpu_ns"],
            "children_cpu_ns": rows["delay_ns"],
            "rss_bytes": rows["arg"],
            "task": task,
        }
    )


def _concat(parts: Iterable[pd.DataFrame], blank: pd.DataFrame = _EMPTY) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else blank


def _typed(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return one table of exactly the declared columns and types; a column nobody filled is null."""
    if table.empty:
        return _BLANK[name].copy()
    columns = {
        column: (table[column] if column in table else pd.Series(index=table.index, dtype=object)).astype(
            pd.api.types.pandas_dtype(kind)
        )
        for column, kind in TABLES[name].items()
    }
    return pd.DataFrame(columns, copy=False)
