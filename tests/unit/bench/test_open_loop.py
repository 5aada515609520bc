"""Open loops end to end: real processes, tasks that start when they are due, rates above capacity that end."""

import dataclasses
import sys
from pathlib import Path

import pytest
from support import summarise

from orchprof.bench import catalogue, driver
from orchprof.bench.schedule import Load
from orchprof.errors import UsageError
from orchprof.run.store import open_run

sys.path.insert(0, str(Path(__file__).parent))

PLAN = driver.Plan(
    workload="null", variant=None, model="zero", tasks=None, warmup=1, concurrency=1, mode="auto", seed=0,
    settings={}, quick=False, task_timeout_s=30.0, load=Load(20.0),
)  # fmt: skip


@pytest.fixture(autouse=True)
def null(monkeypatch):
    monkeypatch.setattr(catalogue, "module_name", {"null": "null_workload"}.__getitem__)


def run(out, **changes):
    path = driver.run(dataclasses.replace(PLAN, **changes), out, lambda _event: None)
    return open_run(path)


def measured(result):
    return result.tables["tasks"].query("not warmup").sort_values("due_ns")


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({}, "async"),
        ({"variant": "blocking"}, "threads"),
        ({"variant": "blocking", "mode": "async"}, "async"),
        ({"mode": "processes", "concurrency": 2}, "processes"),
    ],
)
def test_tasks_start_when_they_are_due_while_others_run(tmp_path, changes, mode):
    # Each task sleeps for six gaps: a closed loop of one would need six times as long.
    result = run(tmp_path / "run", tasks=12, settings={"nap_s": "0.3"}, **changes)
    tasks = measured(result)
    assert tasks["ok"].all()
    assert tasks["due_ns"].diff().dropna().unique().tolist() == [50_000_000]
    assert (tasks["start_ns"] >= tasks["due_ns"]).all()
    starts, ends = tasks["start_ns"].to_numpy(), tasks["end_ns"].to_numpy()
    assert max(((starts <= at) & (ends > at)).sum() for at in starts) > 3
    assert result.meta.params.mode == mode
    record = summarise(result.tables, result.meta)
    assert (record["load"]["kind"], record["load"]["saturated"]) == ("open", False)
    assert record["response_s"]["min"] >= record["latency_s"]["min"]
    assert result.tables["strands"]["pid"].nunique() == (2 if mode == "processes" else 1)


def test_inputs_are_those_of_a_closed_loop_and_the_ramp_takes_others(tmp_path):
    result = run(tmp_path / "run", tasks=3, load=Load(20.0, ramp_s=0.4))
    assert sorted(measured(result)["index"]) == [0, 1, 2]
    warm = result.tables["tasks"].query("warmup")
    assert warm["due_ns"].isna().sum() == 1  # before the start, to warm up
    assert warm["due_ns"].notna().sum() == 4  # 20 per s x 0.4 s / 2


def test_a_rate_above_capacity_ends_by_itself_and_keeps_what_it_measured(tmp_path):
    settings = {"served_s": "0.1"}
    result = run(tmp_path / "run", variant="blocking", settings=settings, load=Load(100.0, duration_s=60.0))
    record = summarise(result.tables, result.meta)
    assert record["load"]["saturated"]
    assert "saturated" in [finding["code"] for finding in record["checks"]["findings"]]
    assert "worker_died" not in [finding["code"] for finding in record["checks"]["findings"]]
    assert 10 < record["tasks"]["ok"] < 600  # of 6000
    assert record["tasks"]["ok"] == record["tasks"]["n"]


def test_a_task_that_never_ends_does_not_hold_up_the_others(tmp_path):
    result = run(tmp_path / "run", tasks=8, variant="blocking", settings={"nap_s": "5"}, task_timeout_s=0.5)
    tasks = measured(result)
    assert len(tasks) == 8
    assert tasks["timed_out"].all()
    assert (tasks["start_ns"].max() - tasks["start_ns"].min()) < 3_000_000_000


def test_a_closed_loop_starts_nothing_after_its_duration_and_its_ramp_is_warm_up(tmp_path):
    load = Load(duration_s=0.9, ramp_s=0.5)
    result = run(tmp_path / "run", mode="threads", concurrency=4, settings={"nap_s": "0.05"}, load=load)
    tasks = result.tables["tasks"]
    warm = tasks[tasks["warmup"]]
    begin = tasks["start_ns"].sort_values().iloc[4]  # one warm-up per worker slot, then the clock starts
    late = (measured(result)["start_ns"] - begin) / 1e9
    assert late.min() >= 0.3
    assert late.max() <= 1.0
    assert len(warm) > 4 + 4
    record = summarise(result.tables, result.meta)
    assert (record["load"]["kind"], record["load"]["duration_s"], record["response_s"]) == (
        "closed",
        0.9,
        None,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "sequential"}, "tasks that are due cannot wait for each other, 'sequential' @ --mode"),
        (
            {"mode": "threads", "concurrency": 4},
            "an arrival rate sets how many are in flight, 4 @ --concurrency",
        ),
        ({"mode": "auto", "load": Load()}, "unknown mode, 'auto' @ --mode"),
        ({"load": Load(5.0, "posson")}, "unknown arrivals, 'posson'"),
        ({"load": Load(None, "trace", trace="no-such-file")}, "cannot read the trace, no-such-file"),
    ],
)
def test_a_load_that_cannot_run_is_refused_before_anything_starts(tmp_path, changes, message):
    with pytest.raises(UsageError) as refused:
        run(tmp_path / "run", **changes)
    assert message in str(refused.value)
    assert not (tmp_path / "run").exists()
