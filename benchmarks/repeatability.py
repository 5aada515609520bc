"""Does the same bench say the same twice? `python benchmarks/repeatability.py` runs `orchprof bench`'s five twice.

The two runs of a pair have different seeds, so different tasks, and follow each other workload by workload, now one
first and now the other. A pair is marked where the machine differed, not the measurement: the calibration spins before
and after say that cores were of speeds more than 5 % apart, or tasks waited for a core for more than 5 % of a latency.
These waits are measured, so that what all but the model takes without them is told as well.
"""

import argparse
import datetime as dt
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from orchprof.bench import driver, suite
from orchprof.claim.measured import NOT_OURS
from orchprof.claim.scaled import DEFINITIONS
from orchprof.cli.report import summary
from orchprof.models.spec import DEFAULT_SPEC
from orchprof.run import store
from orchprof.stats.intervals import ratio_intervals

SPEED_LIMIT: Final = 0.05
QUEUE_LIMIT: Final = 0.05
UNQUEUED: Final = "without queue"  # not_model, waits for a core left out of it and of the latency
HALF_WIDTH_POINTS: Final = 5.0
SHARES: Final = (*DEFINITIONS, UNQUEUED)
Pair = tuple[dict[str, Any], dict[str, Any]]


def main() -> None:
    """Run the pairs and print the table as it grows."""
    parser = argparse.ArgumentParser(prog="python benchmarks/repeatability.py", description=__doc__)
    parser.add_argument("workloads", nargs="*", help="which of the five; all")
    parser.add_argument("--pairs", type=int, default=1, help="pairs per workload, each with two new seeds")
    parser.add_argument("--tasks", type=int, help="per run; the default of `orchprof bench`")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the runs go; those that are there are kept"
    )
    options = parser.parse_args()
    out = options.out or store.ROOT / f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-repeatability"
    out.mkdir(parents=True, exist_ok=True)
    pairs = []
    sys.stdout.write(HEADER)
    for number in range(options.pairs):
        for workload in options.workloads or suite.WORKLOADS:
            pairs.append(measured(workload, number, options.tasks, out))
            sys.stdout.writelines(lines(pairs[-1]))
            sys.stdout.flush()
    sys.stdout.writelines(verdict(pairs))


def measured(workload: str, number: int, tasks: int | None, out: Path) -> Pair:
    """Return the reports of a pair, by seed; every second pair is run the other way round."""
    seeds = [2 * number + 1, 2 * number + 2]
    for seed in seeds[:: -1 if (number + suite.WORKLOADS.index(workload)) % 2 else 1]:
        plan = next(
            each
            for each in suite.plans([workload], seed)
            if each.workload == workload and each.model == DEFAULT_SPEC
        )
        name = f"{workload}-{seed}"
        if not (out / name).exists():
            driver.run(replace(plan, tasks=tasks or plan.tasks), out / name, _progress(name))
    one, other = (with_unqueued(summary(out / f"{workload}-{seed}", per_task=True)) for seed in seeds)
    return one, other


def with_unqueued(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report with one more share, UNQUEUED, and how much of the latency was a wait for a core."""
    latency_s = np.array([task["latency_s"] for task in report["per_task"]])
    queued_s = np.array([_seconds(task, queued=True) for task in report["per_task"]])
    outside_s = np.array([_seconds(task, queued=False) for task in report["per_task"]])
    intervals = ratio_intervals(outside_s[:, None], latency_s - queued_s)
    share = {
        "cp": outside_s.sum() / (latency_s - queued_s).sum(),
        "ci95": intervals[0] if intervals else None,
    }
    return report | {
        "shares": report["shares"] | {UNQUEUED: share},
        "queued": float(queued_s.sum() / latency_s.sum()),
    }


def _seconds(task: dict[str, Any], *, queued: bool) -> float:
    """Return what all but the model took of a task's critical path: its waits for a core, or the rest."""
    return float(
        sum(
            row["cp_s"]
            for row in task["ledger"]
            if row["role"] not in NOT_OURS and (row["state"] == "runq") == queued
        )
    )


def _progress(name: str) -> driver.Notify:
    def notify(event: driver.Event) -> None:
        sys.stderr.write(f"\r{name} {event.phase} {event.done}  ")

    return notify


HEADER: Final = (
    f"{'':5} {'definition':14}{'one':>16}{'other':>16}  overlap  tasks for +-{HALF_WIDTH_POINTS:g}   core speed"
    "  waited for a core\n"
)


def lines(pair: Pair) -> Iterator[str]:
    """Yield a line per definition."""
    for definition in SHARES:
        one, other = (report["shares"][definition] for report in pair)
        yield (
            f"{pair[0]['run']['workload']:5} {definition:14}{_share(one):>16}{_share(other):>16}  "
            f"{'yes' if overlap(one, other) else 'NO':7}  {max(needed(report, definition) for report in pair):>12}  "
            f"{_machine(pair)}\n"
        )


def _share(share: dict[str, Any]) -> str:
    return f"{100 * share['cp']:.1f} +-{half_width(share):.1f}"


def half_width(share: dict[str, Any]) -> float:
    """Return half the length of a share's 95 % interval, in points."""
    low, high = share["ci95"]
    return float(50 * (high - low))


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two shares' 95 % intervals have a value in common."""
    return bool(one["ci95"][0] <= other["ci95"][1] and other["ci95"][0] <= one["ci95"][1])


def needed(report: dict[str, Any], definition: str) -> int:
    """Return about how many tasks give the half-width that is asked for: it falls with their root."""
    ratio = half_width(report["shares"][definition]) / HALF_WIDTH_POINTS
    return max(5, math.ceil(int(report["latency_s"]["n"]) * ratio**2))


def apart(pair: Pair) -> float:
    """Return how much faster one run's core was than the other's, as a share of the slower."""
    slow, fast = sorted(report["run"]["machine"]["core_speed"] for report in pair)
    return float(fast / slow - 1)


def disturbed(pair: Pair) -> bool:
    """Return whether the machine, not the measurement, made the difference between two runs."""
    return apart(pair) > SPEED_LIMIT or any(report["queued"] > QUEUE_LIMIT for report in pair)


def _machine(pair: Pair) -> str:
    speeds = " ".join(f"{report['run']['machine']['core_speed']:5.2f}" for report in pair)
    queued = " ".join(f"{100 * report['queued']:3.0f} %" for report in pair)
    return f"{speeds:>11} {queued:>12}{' MARKED' if disturbed(pair) else ''}"


def verdict(pairs: list[Pair]) -> Iterator[str]:
    """Yield what it comes to: over all pairs, and over those on cores of one speed."""
    for what, chosen in (
        ("all", pairs),
        ("not marked", [pair for pair in pairs if not disturbed(pair)]),
    ):
        held = [
            overlap(one["shares"][definition], other["shares"][definition])
            for one, other in chosen
            for definition in SHARES
        ]
        yield f"{what}: {sum(held)} of {len(held)} shares overlap\n"
    alone = [overlap(one["shares"][UNQUEUED], other["shares"][UNQUEUED]) for one, other in pairs]
    yield f"{UNQUEUED}: {sum(alone)} of {len(alone)} shares overlap\n"
    widest = max(
        half_width(report["shares"][definition])
        for pair in pairs
        for report in pair
        for definition in DEFINITIONS
    )
    yield f"widest half-width {widest:.1f} points, limit {HALF_WIDTH_POINTS:g}\n"


if __name__ == "__main__":
    main()
