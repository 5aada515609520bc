"""Halving: what the CPU side costs beside the time it takes, and what halving a part would buy in time and money."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from orchprof.contract.cost import ClaimInMoney, LatencyShares
from orchprof.contract.economics import FixRow
from orchprof.contract.report import Share, Shares
from orchprof.contract.whatif import RankedPart
from orchprof.economics.bill.breakdown import Parts
from orchprof.economics.failures import PER, UNPRICED, row
from orchprof.ledger.graph.span_names import Names
from orchprof.ledger.labels import CODES
from orchprof.ledger.shares import SHARES
from orchprof.units import NS_PER_S
from orchprof.whatif.parts import Part
from orchprof.whatif.speedup import Replayable, sped_up

MONTHS: Final = 12
MODEL: Final = "model"
NO_LABELS: Final = "nothing said what is a tool and what the agent's own code"
_SERVING: Final = ("prefill", "decode")  # the states in which an accelerator works


def claim_in_money(cost: Parts, shares: Shares) -> ClaimInMoney:
    """Return what the CPU side is of a task's cost, beside what it is of its latency.

    CPU side is cores and memory, which are reserved while the task waits for the model too:
    `waiting_for_model_usd` is that part. Its share of the cost is None, with a `reason`, where cores have no price,
    or nothing on the model's side has.

    Args:
        cost: of a mean task.
        shares: of orchprof.report/1.
    """
    cpu, model = cost.held_usd, cost.model_usd
    of_latency = LatencyShares(
        not_model=_of_latency(shares.not_model),
        host=_of_latency(shares.host),
        orchestration=_of_latency(shares.orchestration),
        model=_of_latency(shares.model),
    )
    waiting, whole = of_latency.model, cost.whole_usd
    return ClaimInMoney(
        cpu_side_usd=cpu,
        model_usd=model,
        other_usd=cost.other_usd,
        cpu_side_share_of_cost=cpu / whole if whole and cpu is not None else None,
        share_of_latency=of_latency,
        waiting_for_model_usd=None if cpu is None or waiting is None else cpu * waiting,
        reason=None if whole else UNPRICED if whole is None else "it cost nothing",
    )


def _of_latency(share: Share | None) -> float | None:
    return None if share is None else share.cp


def halvings(
    tasks: Sequence[Replayable], cost: Parts, tools: Sequence[str], *, labelled: bool = True
) -> list[FixRow]:
    """Return what halving each part's time buys; see `ranked`.

    Latency is replayed, of the tasks that what-if's ranking is of: both say the same. Money follows it, of all tasks
    that are paid for: cores and memory are held for less time; halving the model's time halves its accelerator's too,
    and changes nothing of what is paid by the token or the call. `usd_saved` is per PER tasks. What cannot be told is
    None, and `reason` says why.

    Args:
        tasks: those that did not fail, then others that are paid for.
        cost: of a mean task of them all.
        tools: names of tools, to be halved one by one.
        labelled: the run tells tools and the agent's own code apart.
    """
    base_s = float(tasks[0].base_ns.mean()) / NS_PER_S
    paid_ns = sum(float(some.base_ns.sum()) for some in tasks)
    rows = []
    for what, (counted, everyone) in _saved_ns(tasks, tools).items():
        told = labelled or what == MODEL
        share = everyone / paid_ns if told else None
        usd, reason = _saved_usd(what, share, cost)
        rows.append(row(what, counted / NS_PER_S if told else None, base_s, usd, reason))
    return rows


def _saved_ns(tasks: Sequence[Replayable], tools: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return what halving each part saves the mean of the first tasks, and all tasks in sum, in ns."""
    names = next(graph.names for some in tasks for graph in some.graphs)
    parts = halved(tools, names)
    saved = [some.base_ns[:, None] - sped_up(some, list(parts.values()), (0.5,))[:, 0] for some in tasks]
    mean, total = saved[0].mean(axis=0), np.vstack(saved).sum(axis=0)
    return {what: (float(mean[at]), float(total[at])) for at, what in enumerate(parts)}


def halved(tools: Sequence[str], names: Names) -> dict[str, Part]:
    """Return the parts that are halved: orchestration, all tools, the model, and each of some tools."""
    everything = tuple(CODES.values())
    parts = {
        "orchestration": Part("orchestration", None, None, None, tuple(sorted(SHARES["orchestration"]))),
        "tools": Part("tool", "tool", None, None, _of_role("tool")),
        MODEL: Part(MODEL, MODEL, None, None, _of_role(MODEL)),
    }
    return parts | {
        f"tool {name}": Part(f"tool:{name}", "tool", name, None, everything, names.index(("tool", name)))
        for name in tools
    }


def _of_role(role: str) -> tuple[int, ...]:
    return tuple(code for (its_role, _), code in CODES.items() if its_role == role)


def ranked(rows: Sequence[FixRow], tasks_per_month: float | None = None) -> list[FixRow]:
    """Return the rows with `usd_saved_per_year`, the most money first, then the most time.

    Args:
        rows: of what could be changed.
        tasks_per_month: that are run, failed ones too, for the saving a year; None: left out.
    """
    volume = None if tasks_per_month is None else tasks_per_month * MONTHS / PER
    yearly = [None if row.usd_saved is None or volume is None else row.usd_saved * volume for row in rows]
    found = [replace(row, usd_saved_per_year=usd) for row, usd in zip(rows, yearly, strict=True)]
    return sorted(found, key=_rank)


def _rank(row: FixRow) -> tuple[float, float, str]:
    return -(row.usd_saved or 0.0), -(row.latency_saved_s or 0.0), row.what


def priced_ranking(rows: Sequence[RankedPart], base_s: float, cost: Parts) -> list[RankedPart]:
    """Return what-if's ranking with `usd_per_task_at_50pct`: a mean task's cost when a part takes half its time.

    None where cores or the model have no price, and where a part is some of the model's work, but nobody knows how
    much of its accelerator's: a client's calls, prefill, decode.

    Args:
        rows: of orchprof.whatif/1, which stay as they are.
        base_s: the mean latency as it is.
        cost: of a mean task.
    """
    return [replace(row, usd_per_task_at_50pct=_halved_usd(row, base_s, cost)) for row in rows]


def _halved_usd(row: RankedPart, base_s: float, cost: Parts) -> float | None:
    whole = cost.whole_usd
    is_model = row.role == MODEL and row.state is None and row.name is None
    is_some = (row.role == MODEL and row.state in _SERVING) or (row.role == "client" and row.name)
    if whole is None or not base_s or (is_some and cost.accelerator_usd):
        return None
    saved, _ = _saved_usd(MODEL if is_model else row.key, 1 - row.at_50pct_s / base_s, cost)
    return None if saved is None else whole - saved


def _saved_usd(what: str, share: float | None, cost: Parts) -> tuple[float | None, str | None]:
    """Return USD per task, and why there are none."""
    held, model = cost.held_usd, cost.model_usd
    if share is None:
        return None, NO_LABELS
    if held is None or (what == MODEL and model is None):
        return None, UNPRICED
    served = (cost.accelerator_usd or 0.0) / 2 if what == MODEL else 0.0
    return held * share + served, None
