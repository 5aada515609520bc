"""The headline of a bench: what would help most, and how many cores a load of it takes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from orchprof.ledger.graph import build
from orchprof.ledger.replay import Scale, network, replay
from orchprof.ledger.strands import Tables
from orchprof.units import NS_PER_S

FASTER: Final = 0.5  # multiplies the time of what is made twice as fast
RATE_PER_S: Final = 50.0
BUSY: Final = 0.7  # cores busier than this make tasks wait for them
_OURS: Final = ("framework", "tool")  # what the agent's owner can make faster
_TRIED: Final = 5  # names per run; what is less on the critical path saves less
Record = dict[str, Any]


def headline(runs: Sequence[tuple[Record, Tables]]) -> Record:
    """Return `win` and `scale`, each None where no run has what it takes.

    Args:
        runs: orchprof.report/1 and the tables of each, which stay as they are.
    """
    wins = [win for report, tables in runs for win in _wins(report, tables)]
    return {
        "win": max(wins, key=lambda win: win["gain_share"], default=None),
        "scale": _scale([report for report, _ in runs]),
    }


def _wins(report: Mapping[str, Any], tables: Tables) -> list[Record]:
    """Return by how much a run's tasks would be shorter with one name's own time halved, tasks replayed."""
    ours = [row for row in report["by_name"] if row["role"] in _OURS and row["cp_s"] > 0][:_TRIED]
    graphs = (
        [(graph, network(graph)) for graph in build(tables, failed=False) or build(tables)] if ours else []
    )
    base = sum(graph.length_ns for graph, _ in graphs)
    found = []
    for row in ours if base else ():
        scale: Scale = {(row["role"], row["name"]): FASTER}  # a name alone may be a role's, too
        replayed = sum(replay(graph, scale, events) for graph, events in graphs)
        found.append(
            {
                "run": report["run"]["id"], "workload": report["run"]["workload"], "role": row["role"],
                "name": row["name"], "scale": FASTER, "base_s": base / len(graphs) / NS_PER_S,
                "replayed_s": replayed / len(graphs) / NS_PER_S, "gain_share": 1 - replayed / base,
            }
        )  # fmt: skip
    return found


def _scale(reports: Sequence[Mapping[str, Any]]) -> Record | None:
    """Return how many cores the workload that asks most of them takes at a rate."""
    known = [report for report in reports if report["resources"]["core_s_busy"]]
    if not known:
        return None
    most = max(known, key=lambda report: report["resources"]["core_s_busy"])
    core_s = most["resources"]["core_s_busy"]
    return {
        "run": most["run"]["id"], "workload": most["run"]["workload"], "rate_per_s": RATE_PER_S,
        "busy_share": BUSY, "core_s_busy": core_s, "cores": RATE_PER_S * core_s / BUSY,
    }  # fmt: skip
