"""Back-tests: loads chosen from the demand, predictions made first, measures taken alike, errors told."""

import json

import numpy as np
import pytest
from plan_runs import MS, Rows, made
from support import plain, render, some

from orchprof import report
from orchprof.bench import driver
from orchprof.contract.env import Fingerprint
from orchprof.contract.run import Params, RunMeta
from orchprof.errors import RunError, UsageError
from orchprof.plan.backtest import background_load, backtest
from orchprof.plan.backtest.background_load import Between, Onlooker
from orchprof.plan.backtest.backtest import Bed, capacity_per_s, figures, measured, predict
from orchprof.plan.demand import demand
from orchprof.plan.plan import backtest_only
from orchprof.run import machine, store
from orchprof.simulate.interval import Prediction

HOSTED = "http://localhost:1/v1#m"


def bed(mode="processes", **times):
    run = made(**({"cpu": 50, "net": 50, "model": HOSTED} | times))
    return Bed(demand(run), mode, 2.0, 1.0, backtest._cpu_ns(run))


def test_the_capacity_is_that_of_what_binds():
    # 60 ms of CPU in the mean: two cores end 33 a second; under one interpreter lock half of that.
    assert capacity_per_s(bed()) == pytest.approx(2 / 0.06, rel=0.05)
    assert capacity_per_s(bed("threads")) == pytest.approx(1 / 0.06, rel=0.05)
    # What a child computes needs no lock of ours.
    assert capacity_per_s(bed("threads", cpu=10, child=40)) == pytest.approx(2 / 0.06, rel=0.05)


def test_loads_below_at_and_beyond_what_fills_the_machine():
    run = made(cpu=50, net=50, model=HOSTED)
    plans = list(backtest._plans(run, bed(), 7))
    crowds = [plan.concurrency for plan in plans if not plan.load.is_open]
    rates = [plan.load.rate_per_s for plan in plans if plan.load.is_open]
    assert crowds == [2, 4, 8]  # 33/s x 120 ms are four in flight
    assert rates == pytest.approx([13.3, 20, 26.7], rel=0.06)
    assert {plan.seed for plan in plans if plan.load.is_open} == {7}
    assert all(plan.mode == "processes" for plan in plans)


def test_a_closed_load_is_predicted():
    here = bed()
    plans = list(backtest._plans(made(cpu=50, net=50, model=HOSTED), here, 0))
    light, heavy = (next(plan for plan in plans if plan.concurrency == crowd) for crowd in (2, 8))
    alone, crowd = predict(here, light), predict(here, heavy)
    # Two tasks on two cores do not meet; eight do, and wait for each other as Little's law says.
    assert alone["p50_s"].value == pytest.approx(0.12, rel=0.1)
    assert crowd["throughput_per_s"].value == pytest.approx(2 / 0.06, rel=0.07)
    assert crowd["p50_s"].value == pytest.approx(8 * 0.06 / 2, rel=0.15)
    assert alone["p50_s"].interval[0] <= alone["p50_s"].value <= alone["p50_s"].interval[1]


def test_figures_of_known_arrivals():
    found = figures(np.array([1.0, 3.0, 1.0]), np.array([0.0, 1.0, 2.0]), 99.0)
    assert found == {"throughput_per_s": pytest.approx(3 / 4), "p50_s": 1.0, "p95_s": pytest.approx(2.8)}
    assert figures(np.array([1.0, 3.0]), None, 99.0)["throughput_per_s"] == 99.0


def open_run(due=(0, 10, 20), start=(0, 30, 60), length=30, arrivals="constant"):
    rows = Rows()
    for task, (at, begins) in enumerate(zip(due, start, strict=True), start=1):
        rows.task(task, begins * MS, (begins + length) * MS, due_ns=rows.at(at * MS))
    return store.Run(None, RunMeta(params=Params(arrivals=arrivals)), rows.tables())


def test_an_open_load_is_measured_from_when_tasks_were_due():
    # Ends at 30, 60 and 90 ms: responses of 30, 50 and 70 ms, three tasks in 90 ms.
    found = measured(open_run())
    assert found["p50_s"] == pytest.approx(0.05)
    assert found["throughput_per_s"] == pytest.approx(3 / 0.09)
    assert found["p95_s"] is None  # of three tasks nobody knows


def test_a_closed_load_is_measured_while_tasks_start():
    run = open_run(start=(0, 30, 60), arrivals=None)
    # Two of three have ended by the last start, at 60 ms.
    assert measured(run)["throughput_per_s"] == pytest.approx(2 / 0.06)


def test_what_lies_between_tasks():
    run = made(cpu=10, net=5)
    found = background_load.between(run.tables, run.meta.params)
    assert found.gap_s == pytest.approx(0.001)
    assert background_load.between(run.tables, Params(concurrency=4)) == Between(0.0, 0.0)


def test_an_onlooker_tells_the_endpoints_cpu_from_the_drivers(monkeypatch):
    seen = Onlooker([(0.0, 1, 1.0, 5.0), (10.0, 11, 2.0, 5.5)])
    assert seen.serving_s(calls=2.0) == pytest.approx(1.0 / 20)
    assert seen.driver_cores() == pytest.approx(0.05)
    nothing = Onlooker()
    assert (nothing.serving_s(1.0), nothing.driver_cores()) == (0.0, 0.0)
    nothing(driver.Event("made", "warmup", 1, 1, 0))
    nothing(driver.Event("made", "tasks", 1, 2, 0))
    assert [look[1:3] for look in nothing.samples] == [(1, 0.0)]  # no endpoint runs here


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        ({"workload": None}, "no bench made it"),
        ({"params": {"mode": None}}, "no bench made it"),
        ({"machine": {"cpu_model": "another"}}, "of another machine, 'another'"),
    ],
)
def test_runs_that_nothing_can_be_measured_beside(meta, says):
    with pytest.raises(RunError, match=says):
        backtest.backtest(made(meta=meta), None, 0, lambda event: None)


def test_modes_that_cannot_be():
    with pytest.raises(UsageError, match="no mode to run tasks side by side"):
        backtest.backtest(made(), "sequential", 0, lambda event: None)
    with pytest.raises(UsageError, match="record RUN with --concurrency 1 --mode async"):
        backtest.backtest(made(), "async", 0, lambda event: None)


def test_what_a_core_is_worth_now_is_told_by_the_same_tasks(monkeypatch, tmp_path):
    ours = some(Fingerprint, cpu_model="ours", cores=4.0)
    runs = {"alone": made(cpu=40, net=0, model=HOSTED), "crowd": made(cpu=50, net=0, model=HOSTED)}
    asked = []
    monkeypatch.setattr(driver, "run", lambda plan, out, notify: asked.append((plan.concurrency, plan.tasks)))
    monkeypatch.setattr(backtest.store, "open_run", lambda path: runs[path.name])
    monkeypatch.setattr(backtest.machine, "fingerprint", lambda: ours)
    found = backtest._bed(made(cpu=80, net=0, model=HOSTED), "processes", tmp_path, lambda event: None)
    assert asked == [(1, 12), (8, 12)]
    # 80 ms then are 40 now; and with all cores at work 50, as if there were fewer of them.
    assert found.speed == pytest.approx(2.0)
    assert found.cores == pytest.approx(4.0 * 40 / 50)


def test_the_whole_with_a_driver_that_only_pretends(monkeypatch, tmp_path):
    """Every load is predicted before it is measured, and the errors are those of the two."""
    ours = {"cpu_model": machine.fingerprint().cpu_model, "core_speed": 10.0}
    run = made(meta={"machine": ours}, cpu=50, net=50, model=HOSTED)
    order = []

    def pretend(plan, out, notify):
        order.append(("run", plan.concurrency, plan.load.rate_per_s))
        return out

    def told(here, plan):
        order.append(("predict", plan.concurrency, plan.load.rate_per_s))
        return {name: Prediction(1.1, (1.0, 1.2)) for name in backtest.LIMITS}

    monkeypatch.setattr(driver, "run", pretend)
    monkeypatch.setattr(backtest, "predict", told)
    monkeypatch.setattr(backtest.store, "open_run", lambda path: run)
    monkeypatch.setattr(
        backtest, "measured", lambda run: {"throughput_per_s": 1.0, "p50_s": 1.05, "p95_s": None}
    )
    record = backtest_only(backtest.backtest(run, None, 0, lambda event: None))
    document = plain(record)
    report.validate(document)
    found = document["backtest"]
    assert [kind for kind, *_ in order] == ["run", "run", *["predict", "run"] * 6]
    row = found["loads"][0]
    assert row["error"] == {
        "throughput_per_s": pytest.approx(0.1),
        "p50_s": pytest.approx(1.1 / 1.05 - 1),
        "p95_s": None,
    }
    assert row["core_s_ratio"] == pytest.approx(1.0)
    assert not row["held"]
    assert not found["held"]
    said = report.render(record, "console")
    assert "MISSED" in said
    document["backtest"]["loads"][1]["core_s_ratio"] = 1.17
    assert "a task took 17% more CPU than one at a time just before" in " ".join(
        render(document, "console").split()
    )
    assert max(map(len, said.splitlines())) <= 80
    assert json.loads(report.render(record, "json"))["machines"] == []
