"""What was published, run again here: `python benchmarks/published` measures configurations.csv into results.csv.

Every line of configurations.csv is one published share of one benchmark on one system, with the settings that come
nearest to it. They were fixed before anything was measured. Index sizes (sizes.csv) are measured on a model that
takes no time: exact search is one pass over the index, so its seconds against gigabytes say what a larger one takes.
"""

import argparse
import csv
import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from orchprof.bench import driver
from orchprof.claim.record import claim
from orchprof.cli.report import summary
from orchprof.ledger.account import account
from orchprof.ledger.graph import build
from orchprof.run import store
from orchprof.stats.intervals import ratio_intervals

HERE: Final = Path(__file__).parent
NEAR_POINTS: Final = 10
DIMENSIONS: Final = 256  # of the embeddings that rag searches
TEXTS: Final = 10_000
INDEX_ROWS: Final = (10_000, 50_000, 200_000, 1_000_000, 4_000_000, 8_000_000)
SIZE_TASKS: Final = 15
Row = dict[str, Any]


def main() -> None:
    """Measure what is asked for, line by line, and keep each as soon as it is there."""
    parser = argparse.ArgumentParser(prog="python benchmarks/published", description=__doc__)
    parser.add_argument("ids", nargs="*", metavar="ID", help="lines of configurations.csv, or `sizes`; all")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the runs go; a new folder")
    options = parser.parse_args()
    out = options.out or store.ROOT / f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-published"
    with (HERE / "configurations.csv").open(encoding="utf-8") as file:
        configurations = list(csv.DictReader(file))
    asked = set(options.ids) or {"sizes", *(each["id"] for each in configurations)}
    for each in configurations:
        if each["id"] in asked:
            keep("results.csv", "id", measured(each, out / each["id"]))
    if "sizes" in asked:
        for rows in INDEX_ROWS:
            keep("sizes.csv", "rows", size(rows, out / f"rows-{rows}"))
    sys.stdout.write(table(configurations))


def measured(configuration: Row, out: Path) -> Row:
    """Return what a configuration gives here, beside what was published."""
    pairs = dict(pair.split("=", 1) for pair in configuration["settings"].split())
    run(configuration, pairs, out)
    record, tables = summary(out), store.open_run(out).tables
    modelled = next(row for row in claim([(record, tables)])["rows"] if row["reading"] == "not_model")
    reading, mean_s = configuration["reading"], record["latency_s"]["mean"]
    if reading == "not_model":
        share, interval, band = modelled["share"], modelled["ci95"], modelled["share_in_band"]
    else:
        share, interval = tool_share(tables, reading.removeprefix("tool:"))
        # Nothing here runs beside the model, so a tool's part of the rest is the same at any speed of it.
        band = [share / modelled["share"] * end for end in modelled["share_in_band"]]
    published = float(configuration["published_share"])
    return {
        **{key: configuration[key] for key in ("id", "benchmark", "system", "grade", "reading")},
        **{"published": published, "here": share, "points": 100 * (share - published)},
        **dict(zip(("low", "high"), interval or (None, None), strict=True)),
        **dict(zip(("band_low", "band_high"), sorted(band), strict=True)),
        **{"not_model": modelled["share"], "latency_s": mean_s, "model_s": record["shares"]["model"]["cp"] * mean_s},
        **{"tools_s": sum(row["cp_s"] for row in record["by_name"] if row["role"] == "tool")},
        **{f"published_{side}_s": configuration[f"published_{side}_s"] for side in ("tool", "model")},
        **{"output_tokens": record["model_calls"]["output_tokens"] * record["model_calls"]["n_per_task"]},
        **kept_of(record),
    }


def size(rows: int, out: Path) -> Row:
    """Return the seconds of one exact search in an index of so many rows."""
    settings = {"rows": str(TEXTS), "filler": str(rows - TEXTS), "output_tokens": "256"}
    plan = {"workload": "rag", "variant": "haystack", "model": "zero", "tasks": SIZE_TASKS, "seed": 1}
    run(plan, settings, out)
    record = summary(out)
    seconds = {row["name"]: row["cp_s"] for row in record["by_name"] if row["role"] == "tool"}
    bytes_ = rows * DIMENSIONS * 4
    return {"rows": rows, "gigabytes": bytes_ / 1e9, "search_s": seconds["search_docs"], **kept_of(record)}


def run(plan: Row, settings: dict[str, str], out: Path) -> None:
    """Run a plan, one task at a time after one warm-up, and tell on stderr where it is."""
    chosen = driver.Plan(
        workload=plan["workload"], variant=plan["variant"], model=plan["model"], tasks=int(plan["tasks"]),
        warmup=1, concurrency=1, mode="sequential", seed=int(plan["seed"]), settings=settings, quick=False,
        task_timeout_s=600.0,
    )  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    driver.run(chosen, out, lambda event: sys.stderr.write(f"\r{out.name} {event.phase} {event.done}  "))
    sys.stderr.write("\n")


def tool_share(tables: Any, name: str) -> tuple[float, tuple[float, float] | None]:
    """Return a tool's share of the critical paths of all tasks, and its 95 % interval."""
    graphs = build(tables)
    latency_ns = np.array([float(graph.length_ns) for graph in graphs])
    own_ns = np.array([_critical_ns(graph, name) for graph in graphs])
    intervals = ratio_intervals(own_ns[:, None], latency_ns)
    return float(own_ns.sum() / latency_ns.sum()), intervals[0] if intervals else None


def _critical_ns(graph: Any, name: str) -> float:
    found = account([graph])
    return sum(
        own[0] for (_, label), own in zip(found.names, found.by_name, strict=True) if label == name
    )


def kept_of(record: Row) -> Row:
    """Return what tells when, where and on how many tasks something was measured."""
    machine, tasks = record["run"]["machine"], record["tasks"]
    return {
        **{"tasks": tasks["n"], "right": tasks["ok"], "date": record["run"]["created"][:10]},
        **{key: machine[key] for key in ("cpu_model", "cores", "core_speed_before", "core_speed_after")},
        "load": machine["load_average"][0],
    }


def keep(name: str, key: str, row: Row) -> None:
    """Write a line into a table beside this file; it replaces the one of the same key."""
    path = HERE / name
    before = read(path)
    rows = {each[key]: each for each in before} | {str(row[key]): row}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({k: _short(v) for k, v in each.items()} for each in rows.values())


def read(path: Path) -> list[Row]:
    """Return a table's lines; [] where there is none yet."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _short(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def table(configurations: list[Row]) -> str:
    """Return both tables as text."""
    return "\n".join([*_compared(configurations), "", *_sizes(), ""])


def _compared(configurations: list[Row]) -> Iterator[str]:
    yield f"{'':18}{'published':>10}{'here':>7}{'95 %':>8}{'band':>9}{'points':>8}  tools s (publ.)  model s (publ.)"
    order = [each["id"] for each in configurations]
    for row in sorted(read(HERE / "results.csv"), key=lambda row: order.index(row["id"])):
        here, low, high = (100 * float(row[key]) for key in ("here", "low", "high"))
        band = f"{100 * float(row['band_low']):.0f}-{100 * float(row['band_high']):.0f}"
        far = " " if abs(float(row["points"])) <= NEAR_POINTS else "*"
        yield (
            f"{row['id']:18}{100 * float(row['published']):8.1f}{row['grade']:>2}{here:7.1f}{(high - low) / 2:8.1f}"
            f"{band:>9}{float(row['points']):+8.1f}{far} {_beside(row, 'tools_s', 'published_tool_s'):>15}"
            f"  {_beside(row, 'model_s', 'published_model_s'):>15}"
        )
    yield f"* more than {NEAR_POINTS} points from what was published"


def _beside(row: Row, here: str, published: str) -> str:
    return f"{float(row[here]):.2f} ({row[published] or '-'})"


def _sizes() -> Iterator[str]:
    rows = read(HERE / "sizes.csv")
    for row in rows:
        seconds, gigabytes = float(row["search_s"]), float(row["gigabytes"])
        yield f"{int(row['rows']):>10,} rows {gigabytes:8.3f} GB {seconds:8.4f} s {gigabytes / seconds:6.1f} GB/s"
    if len(rows) > 1:
        size_gb = np.array([float(row["gigabytes"]) for row in rows])
        seconds = np.array([float(row["search_s"]) for row in rows])
        # Least squares of relative errors, or the largest index alone would decide.
        per_gb = float((seconds / size_gb).sum() / ((seconds / size_gb) ** 2).sum()) ** -1
        yield f"{per_gb:.4f} s per GB; 100 GB: {100 * per_gb:.1f} s, EXTRAPOLATED"


if __name__ == "__main__":
    main()
