"""Links: which strand of one process does what a strand of another stands for; where tasks and spans go on there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from orchprof.run.finalize.event_logs import Journal, main_strand
from orchprof.run.outside.process_tree import Process

Links = dict[int, list[int]]
_NEVER: Final = 1 << 62


def links(journals: Sequence[Journal], strands: pd.DataFrame, seen: Sequence[Process]) -> Links:
    """Return, by the strand that stands for it, the strands that do the work, in the order in which they began.

    A child process's strand stands for the main thread of every recorded process that it is, became, or started
    without anybody recorded in between; a job handed to another process for the strand that ran it there.
    """
    start = dict(zip(strands["strand"].tolist(), strands["start_ns"].tolist(), strict=True))
    ends = strands["end_ns"].fillna(_NEVER).astype("int64").tolist()
    windows = {strand: (start[strand], end) for strand, end in zip(start, ends, strict=True)}
    children: Links = {}
    for journal in journals:
        stand, main = _stand_in(journal, journals, windows, seen), main_strand(journal)
        if stand is not None and main is not None:
            children.setdefault(stand, []).append(main)
        for strand, (log, number) in journal.told("carries").items():
            sender = next((other for other in journals if other.path.name == log), None)
            if sender is not None and sender.offset + number in start:
                children.setdefault(sender.offset + number, []).append(strand)
    return {stand: sorted(done, key=lambda strand: start[strand]) for stand, done in children.items()}


def find_children(journals: Sequence[Journal], strands: pd.DataFrame, seen: Sequence[Process]) -> None:
    """Note which process each child is that nobody numbered, as those of `os.system` are: by its window, outside."""
    claimed = {pid for journal in journals for pid in journal.told("pid").values()}
    for journal in journals:
        numbered = journal.told("pid")
        mine = strands[
            (strands["log"] == journal.offset) & (strands["kind"] == "child") & strands["end_ns"].notna()
        ]
        for strand, start, end in zip(
            *(mine[name].tolist() for name in ("strand", "start_ns", "end_ns")), strict=True
        ):
            if strand not in numbered:
                fits = (one for one in seen if one.parent == journal.pid and start <= one.first_ns <= end)
                child = next((one.pid for one in fits if one.pid not in claimed), None)
                if child is not None:
                    claimed.add(child)
                    journal.notes["pid"].append(("pid", strand, child))


def _stand_in(
    journal: Journal,
    journals: Sequence[Journal],
    windows: Mapping[int, tuple[int, int]],
    seen: Sequence[Process],
) -> int | None:
    """Return the child strand that stands for a process; None where nobody recorded saw it start."""
    main = main_strand(journal)
    if main is None:
        return None
    born_ns = windows[main][0]
    children: list[tuple[int, int]] = [
        (pid, strand) for other in journals for strand, pid in other.told("pid").items()
    ]
    for pid in line_of(journal, seen):
        fits = (one for its, one in children if its == pid and windows[one][0] <= born_ns <= windows[one][1])
        # Who asked a fork server for it began before that forked.
        asked = min(fits, key=lambda one: windows[one][0], default=None)
        if asked is not None:
            return asked
        if pid != journal.pid and any(other.pid == pid for other in journals):
            return None
    return None


def line_of(journal: Journal, seen: Sequence[Process]) -> list[int]:
    """Return a process and its ancestors, the nearest first, as far as they are known."""
    parents = {one.pid: one.parent for one in seen}
    ppid = (journal.meta or {}).get("ppid")
    if isinstance(ppid, int) and ppid:
        parents[journal.pid] = ppid
    line = [journal.pid]
    while line[-1] in parents and parents[line[-1]] not in line:
        line.append(parents[line[-1]])
    return line


def has_recorded_ancestor(journal: Journal, journals: Sequence[Journal], seen: Sequence[Process]) -> bool:
    """Return whether a process above this one was recorded too."""
    recorded = {other.pid for other in journals}
    return any(pid in recorded for pid in line_of(journal, seen)[1:])


def joined_up(strands: pd.DataFrame, children: Links) -> pd.DataFrame:
    """Return the strands of all processes with their parents and tasks across them, in the order of their birth.

    What a linked strand runs under no span of its own is under the span of the strand that stands for it: `base`.
    A task that began in a process of another process's task is no task of its own. A strand whose process was
    killed ends with the strand that stands for it.
    """
    stands = {strand: stand for stand, done in children.items() for strand in done}
    table = strands.sort_values(["start_ns", "strand"], kind="stable", ignore_index=True)
    parent = table["strand"].map(stands).astype("Int64").fillna(table["parent"])
    ends = dict(zip(table["strand"], table["end_ns"], strict=True))
    killed = table["end_ns"].isna() & table["strand"].isin(list(stands))
    end = table["end_ns"].where(~killed, table["strand"].map(stands).map(ends).astype("Int64"))
    table = table.assign(parent=parent, end_ns=end)
    families = _families(table, set(stands))
    return table.assign(
        kind=[family.kind for family in families],
        task=pd.array([family.task for family in families], dtype="Int64"),
        base=[family.base for family in families],
    )


@dataclass(frozen=True, slots=True)
class _Family:
    kind: str
    task: int | None
    base: int
    is_elsewhere: bool  # it belongs to a process of another process's task


def _families(table: pd.DataFrame, crossed: set[int]) -> list[_Family]:
    """Return what each strand has from its parent, who comes before it in the table."""
    families: dict[int, _Family] = {}
    nobody = _Family("thread", None, 0, is_elsewhere=False)
    spans = dict(zip(table["strand"].tolist(), table["span"].tolist(), strict=True))
    columns = (table[name].tolist() for name in ("strand", "kind"))
    parents = table["parent"].fillna(0).astype("int64").tolist()
    for strand, kind, parent in zip(*columns, parents, strict=True):
        above = families.get(parent, nobody)
        elsewhere = above.is_elsewhere or strand in crossed
        is_root = kind == "task" and not (elsewhere and above.task is not None)
        base = spans.get(parent, 0) or above.base if strand in crossed else above.base
        families[strand] = _Family(
            "thread" if kind == "task" and not is_root else kind,
            strand if is_root else above.task,
            base,
            is_elsewhere=elsewhere and not is_root,
        )
    return list(families.values())
