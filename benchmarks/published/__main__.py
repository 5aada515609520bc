"""What was published, run again here: `python benchmarks/published` measures configurations.csv into results.csv.

Every line of configurations.csv is one published share of one benchmark on one system, with the settings that come
nearest to it; they were fixed before anything was measured. variations.csv (into varied.csv) changes one of them where
the answer was far off, to see what it hangs on; bubble.py is what the published agent's shell really ran. Index sizes
(sizes.csv) are measured on a model that takes no time: exact search is one pass over the index, so its seconds against
gigabytes say what a larger one takes.
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
from orchprof.claim.claim import claim
from orchprof.cli.report import summary
from orchprof.ledger.account import account
from orchprof.ledger.graph.task_graph import build
from orchprof.run import store
from orchprof.stats.intervals import ratio_intervals

HERE: Final = Path(__file__).parent
NEAR_POINTS: Final = 10
DIMENSIONS: Final = 256  # of the embeddings that rag searches
TEXTS: Final = 10_000
CACHE_GB: Final = 0.1  # smaller indexes lie in the processor's caches and follow another law
PUBLISHED_GB: Final = 100
INDEX_ROWS: Final = (10_000, 50_000, 200_000, 1_000_000, 4_000_000, 8_010_000)
INDEX_GB: Final = INDEX_ROWS[-1] * DIMENSIONS * 4 / 1e9  # of the rag lines
SIZE_TASKS: Final = 15
Row = dict[str, Any]


def main() -> None:
    """Measure what is asked for, line by line, and keep each as soon as it is there."""
    parser = argparse.ArgumentParser(prog="python benchmarks/published", description=__doc__)
    parser.add_argument("ids", nargs="*", metavar="ID", help="lines of the two files, or `sizes`; all")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the runs go; a new folder")
    options = parser.parse_args()
    out = options.out or store.ROOT / f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-published"
    lines = {"results.csv": read(HERE / "configurations.csv"), "varied.csv": variations()}
    asked = set(options.ids) or {"sizes", *(each["id"] for kind in lines.values() for each in kind)}
    for name, configurations in lines.items():
        for each in configurations:
            if each["id"] in asked:
                keep(name, "id", measured(each, out / each["id"]))
    if "sizes" in asked:
        for rows in INDEX_ROWS:
            keep("sizes.csv", "rows", size(rows, out / f"rows-{rows}"))
    sys.stdout.write(table())


def variations() -> list[Row]:
    """Return the lines of variations.csv, each filled up from the configuration that it is a variation of."""
    known = {each["id"]: each for each in read(HERE / "configurations.csv")}
    return [
        known[each["of"]]
        | {key: each[key] for key in ("id", "tasks")}
        | {"settings": f"{known[each['of']]['settings']} {each['settings']}"}
        for each in read(HERE / "variations.csv")
    ]


def measured(configuration: Row, out: Path) -> Row:
    """Return what a configuration gives here, beside what was published."""
    pairs = dict(pair.split("=", 1) for pair in configuration["settings"].split())
    run(configuration, pairs, out)
    opened = store.open_run(out)
    record, tables = summary(opened), opened.tables
    modelled = next(row for row in claim([(record, opened)]).rows if row.reading == "not_model")
    reading, mean_s = configuration["reading"], record.latency_s.mean
    if reading == "not_model":
        share, interval, band = modelled.share, modelled.ci95, modelled.share_in_band
    else:
        share, interval = tool_share(tables, reading.removeprefix("tool:"))
        # Nothing here runs beside the model, so a tool's part of the rest is the same at any speed of it.
        band = [share / modelled.share * end for end in modelled.share_in_band]
    published = float(configuration["published_share"])
    return {
        **{key: configuration[key] for key in ("id", "benchmark", "system", "grade", "reading")},
        "published": published,
        "here": share,
        "points": 100 * (share - published),
        **dict(zip(("low", "high"), interval or (None, None), strict=True)),
        **dict(zip(("band_low", "band_high"), sorted(band), strict=True)),
        "not_model": modelled["share"],
        "latency_s": mean_s,
        "model_s": record["shares"]["model"]["cp"] * mean_s,
        "tools_s": sum(row["cp_s"] for row in record["by_name"] if row["role"] == "tool"),
        **{f"published_{side}_s": configuration[f"published_{side}_s"] for side in ("tool", "model")},
        **unqueued(record, share),
        "output_tokens": record["model_calls"]["output_tokens"] * record["model_calls"]["n_per_task"],
        **kept_of(record),
    }


def unqueued(record: Row, share: float) -> Row:
    """Return the mean seconds that tasks waited for a core, and the share that is left without this wait.

    Others' work on the same cores makes a run longer by waits that are measured; tasks do one thing at a time here,
    so that taking them out of the whole and of its part says what a machine of one's own would have shown.
    """
    mean_s = record.latency_s.mean
    waits_s = {
        row["role"]: row["cp_s"]
        for row in record["ledger"]
        if row["state"] == "runq" and row["role"] != "model"
    }
    queued_s = sum(waits_s.values())
    return {"runq_s": queued_s, "unqueued": (share * mean_s - queued_s) / (mean_s - queued_s)}


def size(rows: int, out: Path) -> Row:
    """Return the seconds of one exact search in an index of so many rows."""
    settings = {"rows": str(TEXTS), "filler": str(rows - TEXTS), "output_tokens": "256"}
    plan = {"workload": "rag", "variant": "haystack", "model": "zero", "tasks": SIZE_TASKS, "seed": 1}
    run(plan, settings, out)
    record = summary(out)
    found = next(row for row in record["by_name"] if row["name"] == "search_docs")
    searched = {"rows": rows, "gigabytes": rows * DIMENSIONS * 4 / 1e9, "search_s": found["cp_s"]}
    return searched | {"search_core_s": found["core_s"], **kept_of(record)}


def run(plan: Row, settings: dict[str, str], out: Path) -> None:
    """Run a plan, one task at a time after one warm-up, and tell on stderr where it is; a run that is there is kept."""
    if out.exists():
        return
    chosen = driver.Plan(
        workload=plan["workload"], variant=plan["variant"], model=plan["model"], tasks=int(plan["tasks"]),
        warmup=1, concurrency=1, mode="sequential", seed=int(plan["seed"]), settings=settings, quick=False,
        task_timeout_s=600.0,
    )  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    driver.run(chosen, out, _progress(out.name))
    sys.stderr.write("\n")


def _progress(name: str) -> driver.Notify:
    def notify(event: driver.Event) -> None:
        sys.stderr.write(f"\r{name} {event.phase} {event.done}  ")

    return notify


def tool_share(tables: Any, name: str) -> tuple[float, tuple[float, float] | None]:
    """Return a tool's share of the critical paths of all tasks, and its 95 % interval."""
    graphs = build(tables)
    latency_ns = np.array([float(graph.length_ns) for graph in graphs])
    own_ns = np.array([_critical_ns(graph, name) for graph in graphs])
    intervals = ratio_intervals(own_ns[:, None], latency_ns)
    return float(own_ns.sum() / latency_ns.sum()), intervals[0] if intervals else None


def _critical_ns(graph: Any, name: str) -> float:
    found = account([graph])
    own = [ns for (_, label), (ns, *_) in zip(found.names, found.by_name, strict=True) if label == name]
    return float(sum(own))


def kept_of(record: Row) -> Row:
    """Return what tells when, where and on how many tasks something was measured."""
    machine, tasks = record["run"]["machine"], record["tasks"]
    return {
        "tasks": tasks["n"],
        "right": tasks["ok"],
        "date": record["run"]["created"][:10],
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


def table() -> str:
    """Return what was measured as text."""
    return "\n".join([*_compared(), "", *_sizes(), ""])


def _compared() -> Iterator[str]:
    yield (
        f"{'':22}{'published':>10}{'here':>7}{'95 %':>7}{'no queue':>9}{'band':>8}{'points':>8}  "
        f"{'tools s (publ.)':>15} {'model s (publ.)':>15}"
    )
    for row in [*read(HERE / "results.csv"), *read(HERE / "varied.csv")]:
        published, here, low, high, alone = (
            100 * float(row[key]) for key in ("published", "here", "low", "high", "unqueued")
        )
        band = f"{100 * float(row['band_low']):.0f}-{100 * float(row['band_high']):.0f}"
        yield (
            f"{row['id']:22}{published:8.1f}{row['grade']:>2}{here:7.1f}{(high - low) / 2:7.1f}{alone:9.1f}{band:>8}"
            f"{here - published:+8.1f}{'*' if abs(here - published) > NEAR_POINTS else ' '} "
            f"{_beside(row, 'tools_s', 'published_tool_s'):>15} {_beside(row, 'model_s', 'published_model_s'):>15}"
        )
    yield f"* more than {NEAR_POINTS} points from what was published; no queue: without waiting for a core"


def _beside(row: Row, here: str, published: str) -> str:
    return f"{float(row[here]):.2f} ({row[published] or '-'})"


def _sizes() -> Iterator[str]:
    rows = read(HERE / "sizes.csv")
    for row in rows:
        seconds, core_s, gigabytes = (float(row[key]) for key in ("search_s", "search_core_s", "gigabytes"))
        yield (
            f"{int(row['rows']):>10,} rows {gigabytes:8.3f} GB {seconds:8.4f} s, {core_s:8.4f} s of a core, "
            f"{gigabytes / core_s:6.1f} GB per core second"
        )
    law = _core_s_per_gb(rows)
    if law:
        per_gb, worst = law
        yield f"{per_gb:.4f} core seconds per GB above {CACHE_GB:g} GB, off by {100 * worst:.0f} % at most"
        yield f"{PUBLISHED_GB} GB: {PUBLISHED_GB * per_gb:.1f} core seconds EXTRAPOLATED"
        yield from (
            _at_scale(row, per_gb) for row in read(HERE / "results.csv") if row["id"].startswith("rag-")
        )


def _core_s_per_gb(rows: list[Row]) -> tuple[float, float] | None:
    """Return the slope of the line through 0 and how far it misses the worst of its points; None without points.

    It is fitted by least squares of the relative errors, or the largest index alone would decide.
    """
    inverse = np.array([
        float(row["gigabytes"]) / float(row["search_core_s"]) for row in rows if float(row["gigabytes"]) > CACHE_GB
    ])  # fmt: skip
    if not inverse.size:
        return None
    per_gb = float(inverse.sum() / (inverse**2).sum())
    return per_gb, float(np.abs(per_gb * inverse - 1).max())


def _at_scale(row: Row, per_gb: float) -> str:
    """Return what a rag line's share would be with an index of the published size, waits for a core left out."""
    alone_s = float(row["latency_s"]) - float(row["runq_s"])
    outside_s = float(row["unqueued"]) * alone_s + (PUBLISHED_GB - INDEX_GB) * per_gb
    model_s = (1 - float(row["unqueued"])) * alone_s
    share = 100 * outside_s / (outside_s + model_s)
    return f"{row['id']:14}{share:6.1f} % EXTRAPOLATED, published {100 * float(row['published']):.1f}"


if __name__ == "__main__":
    main()
