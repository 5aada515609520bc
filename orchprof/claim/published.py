"""What was published about the same workloads: shares of latency outside the model, each with its source."""

import csv
from functools import cache
from importlib import resources

from msgspec import convert

from orchprof.contract.claim import PublishedShare, PublishedSize


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    path = resources.files("orchprof.claim") / "data" / name
    with path.open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def published(workload: str | None) -> list[PublishedShare]:
    """Return the published shares of a workload; [] where none was published.

    All count waits on the network as the tool's.
    """
    return [
        convert(row, PublishedShare, strict=False)
        for row in _rows("published.csv")
        if row["workload"] == workload
    ]


def published_size(workload: str | None) -> PublishedSize | None:
    """Return how large the published workload's data were, and on how many threads a query was served."""
    sizes = (row for row in _rows("sizes.csv") if row["workload"] == workload)
    return next((convert(row, PublishedSize, strict=False) for row in sizes), None)
