"""What was published about the same workloads: shares of latency outside the model, each with its source."""

import csv
from functools import cache
from importlib import resources
from typing import Any


@cache
def _rows() -> tuple[dict[str, str], ...]:
    path = resources.files("orchprof.claim") / "data" / "published.csv"
    with path.open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def published(workload: str) -> list[dict[str, Any]]:
    """Return the published figures of a workload, shares from 0 to 1; [] for one nobody published.

    `derivation` says what was counted: one tool, a sum of tools, or all but the model. `grade` is P for primary,
    F for read off a figure, S for second-hand. All count waits on the network as the tool's.
    """
    return [
        {key: float(value) if key == "value" else value for key, value in row.items() if key != "workload"}
        for row in _rows()
        if row["workload"] == workload
    ]
