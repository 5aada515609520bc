"""Reruns on some cores, by hand: who shares what, how the speed is fitted, and what cannot be known."""

import numpy as np
import pytest
from support import run_meta
from whatif_runs import MACHINE, META, MS, PACED, forked, side_by_side, whatif

from orchprof import report
from orchprof.errors import OrchprofError
from orchprof.ledger.graph.task_graph import build
from orchprof.whatif.core_fit import fit, recorded_ns, rerun
from orchprof.whatif.core_sharing import Load, Machine, latencies, script
from orchprof.whatif.request import Asked


def scripts(tables, process=0):
    return [
        script(
            graph,
            graph.pieces.ns.sum(axis=1).astype(float),
            np.zeros(len(graph.pieces.ns)),
            np.full(len(graph.strands.id), process),
        )
        for graph in build(tables)
    ]


def took_ms(works, load, machine):
    return (latencies(scripts(side_by_side(works)), load, machine) / MS).tolist()


ALL_AT_ONCE = Load(2, (0.0, 0.0))


@pytest.mark.parametrize(
    ("works", "load", "machine", "expected"),
    [
        ([10, 10], ALL_AT_ONCE, Machine(2), [10, 10]),
        ([10, 10], ALL_AT_ONCE, Machine(1), [20, 20]),
        ([10, 30], ALL_AT_ONCE, Machine(1), [20, 40]),  # alone from 20 on
        ([10, 10], ALL_AT_ONCE, Machine(1.5), [pytest.approx(40 / 3)] * 2),
        ([10], Load(1), Machine(4, speed=0.5), [20]),
        ([10, 20], Load(1), Machine(1), [10, 20]),  # one after the other
        ([10, 20], Load(2), Machine(1), [20, 30]),
        ([10, 10], Load(2, (0.0, 5.0 * MS)), Machine(1), [15, 15]),
        ([10, 10], ALL_AT_ONCE, Machine(2, turns=True), [10, 20]),  # the second waits for the process
        ([10, 10, 10], Load(2), Machine(4, turns=True), [10, 20, 20]),
    ],
)
def test_shared(works, load, machine, expected):
    assert took_ms(works, load, machine) == pytest.approx(expected)


def test_processes_of_their_own_take_no_turns():
    one, other = scripts(side_by_side([10]), process=1), scripts(side_by_side([10]), process=2)
    found = latencies(one + other, ALL_AT_ONCE, Machine(2, turns=True))
    assert (found / MS).tolist() == [10, 10]


def test_waits_need_no_core():
    fitted = fit(build(forked()), forked(), run_meta(**META))
    assert fitted.effective == pytest.approx(2)
    assert fitted.error == pytest.approx(0)
    # the tool's 30 ms of CPU and 30 ms of network lie beside the model's 70 ms
    assert rerun(fitted, forked(), recorded_ns, cores=1) / MS == pytest.approx([100] * 6)


def test_what_others_held_is_a_speed():
    tables = forked(runq=10)
    fitted = fit(build(tables), tables, run_meta(**META))
    # At speed v: 10 / v of the framework, the tool's 30 / v + 30 of network, longer than the model, and 10 / v again.
    assert fitted.machine.speed == pytest.approx(50 / 70, rel=0.01)
    assert fitted.effective == pytest.approx(10 / 7, rel=0.01)
    assert abs(fitted.error) <= 1e-3
    assert fitted.waited == pytest.approx(10 / (10 + 10 + 30 + 10))


def test_what_tasks_hold_from_each_other_is_none():
    tables = side_by_side([10, 10], runq_ms=10)
    meta = run_meta(id="x", machine={"cores": 1.0})
    fitted = fit(build(tables), tables, meta)
    assert fitted.machine.speed == pytest.approx(1)
    assert fitted.effective == pytest.approx(1)
    assert (rerun(fitted, tables, recorded_ns, cores=2) / MS).tolist() == pytest.approx([10, 10])


def test_cores_by_record():
    tables, meta = (
        side_by_side([10] * 8, runq_ms=30),
        META | {"params": {"mode": "processes", "concurrency": 8}},
    )
    record = whatif(tables, meta, Asked(cores=8))
    report.validate(record)
    assert record["base_s"] * 1e3 == pytest.approx(40)
    assert record["predicted_s"] * 1e3 == pytest.approx(10)
    assert record["effective_cores"] == pytest.approx(2)


@pytest.mark.parametrize(("cores", "message"), [(8, "more cores"), (1, "fewer cores")])
def test_cores_that_change_nothing_are_said_to(cores, message):
    record = whatif(forked(), META, Asked(cores=cores))
    found = {finding["code"]: finding["message"] for finding in record["findings"]}
    assert record["ratio"] == pytest.approx(1)
    assert found["no_contention"].startswith(message)


def test_workers_of_their_own_share_the_cores_only():
    tables = side_by_side([10])
    record = whatif(tables, META, Asked(workers=4))
    report.validate(record)
    assert record["predicted_s"] * 1e3 == pytest.approx(20)  # four at work on two cores
    assert record["workers"]["base_per_s"] == pytest.approx(100)
    assert record["workers"]["predicted_per_s"] == pytest.approx(200)


def test_workers_of_one_process_take_turns():
    meta = META | {"params": {"mode": "async", "concurrency": 1}}
    record = whatif(side_by_side([10]), meta, Asked(workers=4))
    # each waits for the three before it, but for the first three of 32
    assert record["predicted_s"] * 1e3 == pytest.approx((10 + 20 + 30 + 29 * 40) / 32)


def test_workers_slow_a_paced_model_down():
    meta = META | {"model": {"spec": PACED}}
    alone, crowded = (whatif(forked(), meta, Asked(workers=n, cores=64)) for n in (1, 16))
    assert alone["predicted_s"] * 1e3 == pytest.approx(100)
    assert crowded["predicted_s"] > alone["predicted_s"]
    assert crowded["band_s"] is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "only a closed loop has workers"),
        ({"mode": "async", "arrivals": "poisson", "rate_per_s": 5}, "only a closed loop has workers"),
        ({"mode": "threads", "concurrency": 1}, "one thread says nothing"),
    ],
)
def test_workers_that_cannot_be_known(params, message):
    with pytest.raises(OrchprofError, match=message):
        whatif(forked(), META | {"params": params}, Asked(workers=2))


def test_a_machine_whose_cores_nobody_said():
    meta = META | {"machine": {}}
    assert whatif(forked(), meta)["effective_cores"] is None
    with pytest.raises(OrchprofError, match="does not say how many cores it had"):
        whatif(forked(), meta, Asked(cores=2))


def test_neighbours_are_a_finding():
    record = whatif(forked(runq=10), META)
    assert "neighbours" in {finding["code"] for finding in record["findings"]}
    assert "neighbours" not in {finding["code"] for finding in whatif(forked(), META)["findings"]}


def test_many_tasks_are_sampled():
    record = whatif(forked(230), META, Asked(cores=4))
    assert "sampled" in {finding["code"] for finding in record["findings"]}
    assert record["tasks"] == 230
    assert record["cores"]["recorded"] == MACHINE["cores"]
