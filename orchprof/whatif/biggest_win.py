"""Biggest win: the part of a run that its owner would speed up first, by the ranking that `orchprof whatif` shows."""

from dataclasses import dataclass
from typing import Final

from orchprof.contract.whatif import RankedPart
from orchprof.ledger.run_graphs import reported
from orchprof.run.store import Run
from orchprof.units import NS_PER_S
from orchprof.whatif.ranking import ours, ranked

HALF: Final = 0.5  # multiplies the time of what is made twice as fast
_ROLES: Final = ("framework", "tool")


@dataclass(frozen=True, slots=True)
class BiggestWin:
    """A part of the agent and its tools, and what halving its time buys.

    Attributes:
        part: its row of the ranking.
        base_s: mean latency as recorded.
    """

    part: RankedPart
    base_s: float

    @property
    def halved_s(self) -> float:
        """Mean latency with half of its time."""
        return self.part.at_50pct_s

    @property
    def gain_share(self) -> float:
        """What halving it saves, as a share of latency."""
        return 1 - self.halved_s / self.base_s


def biggest_win(run: Run) -> BiggestWin | None:
    """Return the named part whose halving shortens the mean task most; where none has a name, the role.

    None where no task took any time, or all of it was the model's.

    Args:
        run: a finalized run.
    """
    graphs = run.of(reported)
    base_s = sum(graph.length_ns for graph in graphs) / max(len(graphs), 1) / NS_PER_S
    if not base_s:
        return None
    rows = run.of(ranked)
    part = next(iter([*ours(rows), *(row for row in rows if row.key in _ROLES)]), None)
    return None if part is None else BiggestWin(part, base_s)
