"""Served: requests to a program that turned out to be a server, and whether they are its tasks."""

from collections.abc import Sequence

import pandas as pd

from orchprof.run.finalize.event_logs import CLOCKED, Journal, main_strand
from orchprof.run.finalize.links import joined_up


def judged_requests(strands: pd.DataFrame, programs: Sequence[Journal]) -> tuple[pd.DataFrame, int]:
    """Return the strands with served requests as tasks only where nothing else is one, and how many these are.

    The program must be a server: its main thread serves them. One that an agent runs for itself, to ask it, is none.
    """
    provisional = {
        strand
        for journal in programs
        for strand, told in journal.told("task").items()
        if told.get("provisional")
    }
    tasks = set(strands.loc[strands["kind"] == "task", "strand"])
    served = {strand for journal in programs for strand in _served_by_main(journal, provisional)}
    kept = served if tasks <= provisional else set()
    gone = provisional - kept
    if not gone:
        return strands, len(kept)
    kind = strands["kind"].where(~strands["strand"].isin(gone), "thread")
    again = joined_up(strands.assign(kind=kind), {})
    return again.assign(base=again["strand"].map(strands.set_index("strand")["base"])), len(kept)


def _served_by_main(journal: Journal, requests: set[int]) -> set[int]:
    rows, main = journal.of(*CLOCKED), main_strand(journal)
    thread_clock = rows.loc[rows["strand"] == main, "thread_clock"]
    return set(rows.loc[rows["thread_clock"].isin(thread_clock.head(1)), "strand"]) & requests
