"""Runs whose cost is known by hand, and the command that says it."""

import json
import sys
from pathlib import Path

from msgspec import convert
from support import KINDS, plain

from orchprof import report
from orchprof.run import store

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "ledger"))

from ledger_tables import Run

S = 1_000_000_000


GIB = 2**30


PACED = {"spec": "paced:llama-3.1-8b@h100-sxm", "provenance": "modelled", "band": [0.5, 2.0]}


HOSTED = {"spec": "https://api.openai.com/v1#gpt-5", "provenance": "client_only"}


# 1e-5 USD a core-second, 1e-6 a GiB-second, 1e-3 an accelerator-second
PRICES = ("--price", "core=0.036", "--price", "memory=0.0036", "--price", "accelerator/h100-sxm=3.6")


TERMS = ("--price-per-task", "0.05", "--fixed-per-month", "20000")


def keep(path, tasks=6, *, ok=True, calls=True, model=PACED, provenance="modelled", sampled=True):
    """Store tasks of 3 s: 1 s of a tool at work on a core, then 2 s of a model that takes 1 s of an accelerator."""
    run = Run()
    for task in range(1, tasks + 1):
        at = [(task * 4 + each) * S for each in (0, 1, 3)]
        run.task(task, at[0], at[2], ok=ok if isinstance(ok, bool | None) else ok[task - 1])
        run.strand(task, at[0], at[2], task=task)
        run.span(500 + task, "tool", "search", strand=task, task=task)
        run.segment(task, at[0], at[1], "tool", cpu=S, span=500 + task)
        if sampled:
            run.sample(7, at[0], task * S, rss=GIB, task=task)
            run.sample(7, at[2], (task + 1) * S, rss=GIB, task=task)
        run.wait(task, at[1], at[2], [100 + task] if calls else [], "model")
        if calls:
            run.strand(100 + task, at[1], at[2], kind="remote", parent=task, task=task)
            spent = {"accelerator": S, "decode": S} if model is PACED else {}
            run.call(
                100 + task, at[1], at[2], task=task, provenance=provenance, model="gpt-5",
                input_tokens=1000, output_tokens=100, cached_tokens=0, **spent,
            )  # fmt: skip
    meta = {
        "id": path.name, "workload": "rag", "variant": None, "model": model, "params": {"cores_per_worker": 1},
        "machine": {"cpu_model": "a", "architecture": "x86_64", "cores": 2},
    }  # fmt: skip
    store.create(path, meta)
    for name, table in run.tables().items():
        table.to_parquet(path / f"{name}.parquet")
    store.update(path, sealed=True)
    return path


def costed(run, *arguments):
    said = run("cost", *arguments, "--format", "json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    report.validate(record)
    assert plain(convert(record, KINDS[record["schema"]])) == record  # every key has its place in the type
    return record
