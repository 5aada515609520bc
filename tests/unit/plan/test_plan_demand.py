"""Demand: what a recorded task asks for, its contention taken out, its structure kept."""

import json

import pandas as pd
import pytest
from plan_runs import MS, PACED, Rows, made
from support import plain

from orchprof.errors import RunError, UsageError
from orchprof.ledger.graph.task_graph import build
from orchprof.models.paced.batch import Limits
from orchprof.plan import calibration, rate_limits
from orchprof.plan.demand import Extra, _threads, demand
from orchprof.plan.work_items import Setting, items_of, turns
from orchprof.run.store import Run
from orchprof.simulate.arrivals import Closed
from orchprof.simulate.simulation import Length, simulate
from orchprof.simulate.system import CPU, DELAY, INTERPRETER, Host, Replicas, System, Workload


def needs(path):
    return [(item.need, round(item.amount, 6)) for item in path.items]


def alone(asks):
    """Return what the simulation says of each task by itself, with cores to spare."""
    stations = {}
    if asks.model is not None:
        setup = asks.model.setup
        stations = {asks.model_spec: Replicas(asks.model.steps, Limits(setup.count, setup.kv_tokens))}
    system = System(Host(8.0, 1), stations)
    runs = [simulate(system, [Workload("one", [path])], Closed(1), Length(1)) for path in asks.paths]
    return [run.response_s[0] for run in runs]


def test_work_by_its_need():
    asks = demand(made(cpu=10, child=20, net=5))
    assert needs(asks.paths[4]) == [(INTERPRETER, 0.010), (CPU, 0.020), (DELAY, 0.005)]
    assert asks.core_s == pytest.approx(0.030 * 1.2, rel=0.01)  # a tenth longer each of five: 1.2 in the mean
    assert asks.core_s_by_role == pytest.approx({"framework": 0.012, "tool": 0.024}, rel=0.01)


def test_alone_the_simulation_takes_as_long_as_the_task_did():
    asks = demand(made(cpu=10, child=20, net=5, call=40, model="http://localhost:1/v1#m"))
    assert alone(asks) == pytest.approx(list(asks.latency_s), rel=1e-6)
    assert asks.no_load_s == pytest.approx(asks.latency_s, rel=1e-6)


def test_contention_is_left_to_the_simulation():
    quiet, crowded = demand(made(cpu=10)), demand(made(cpu=10, runq=30))
    assert list(crowded.no_load_s) == pytest.approx(list(quiet.no_load_s))
    assert (crowded.latency_s > quiet.latency_s + 0.029).all()


def test_a_paced_models_calls_become_requests_with_their_tokens():
    asks = demand(made(call=40))
    requests = [item for item in asks.paths[0].items if item.need == PACED]
    assert [(each.prompt_tokens, each.amount) for each in requests] == [(200, 20.0)]
    # The recorded call of 40 ms is gone: an idle replica takes what the batch says.
    assert alone(asks) == pytest.approx(list(asks.no_load_s), rel=0.02)
    assert asks.tokens == (200, 20)


def test_a_hosted_models_calls_stay_as_long_as_they_were():
    asks = demand(made(call=40, model="http://localhost:1/v1#m"))
    assert asks.model is None
    assert sum(item.amount for item in asks.paths[4].items if item.need == DELAY) == pytest.approx(0.045)


def parallel():
    """A task of 10 ms, then two threads of 20 ms and 30 ms side by side, then 5 ms."""
    rows = Rows()
    rows.task(1, 0, 45 * MS)
    rows.strand(1, 0, 45 * MS)
    rows.segment(1, 0, 10 * MS, cpu=10 * MS)
    for strand, length in ((2, 20), (3, 30)):
        rows.strand(strand, 10 * MS, (10 + length) * MS, parent=1)
        rows.segment(strand, 10 * MS, (10 + length) * MS, "tool", wait_state="net")
    rows.wait(1, 10 * MS, 40 * MS, [2, 3])
    rows.segment(1, 40 * MS, 45 * MS, cpu=5 * MS)
    return build(rows.tables())[0]


def test_what_ran_side_by_side_still_does():
    items = items_of(parallel(), Setting({1: 7, 2: 7, 3: 7}))
    assert [(item.need, item.amount, item.after) for item in items] == [
        (INTERPRETER, 0.010, ()), (DELAY, 0.020, (0,)), (DELAY, 0.030, (0,)), (INTERPRETER, 0.005, (1, 2))
    ]  # fmt: skip


def test_another_process_has_an_interpreter_of_its_own():
    graph = parallel()
    graph.pieces.ns[:, 2], graph.pieces.ns[:, 6] = graph.pieces.ns.sum(axis=1), 0
    needed = [item.need for item in items_of(graph, Setting({1: 7, 2: 8, 3: 7}))]
    assert needed == [INTERPRETER, CPU, INTERPRETER, INTERPRETER]


def test_limits_are_asked_before_the_call():
    read = rate_limits.read(["model.tokens_per_min=6000"])
    asks = demand(made(call=40), quotas=read)
    items = asks.paths[0].items
    place = next(i for i, item in enumerate(items) if item.need == "model.tokens")
    assert items[place].amount == 220
    assert [item.need for item in items].index(PACED) > place
    assert read[0].per_s == 100


def test_attempts_that_were_refused_are_no_calls_of_the_task():
    run = made(call=40)
    run.tables["model_calls"].loc[0, ["input_tokens", "output_tokens"]] = pd.NA
    run.tables["model_calls"].loc[0, "status"] = 429
    n = len(run.tables["model_calls"])
    asks = demand(run, quotas=rate_limits.read(["model.calls_per_min=60"]))
    assert asks.calls == pytest.approx((n - 1) / len(asks.paths))
    assert "model.calls" not in [item.need for item in asks.paths[0].items]
    assert "model.calls" in [item.need for item in asks.paths[1].items]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model", "not a limit"),
        ("model.tokens_per_day=3", "unknown time"),
        ("model.words_per_min=3", "unknown unit"),
        ("search.tokens_per_min=3", "only the model has tokens"),
        ("model.calls_per_s=0", "not a number it can be"),
    ],
)
def test_a_limit_that_cannot_be(text, says):
    with pytest.raises(UsageError, match=says):
        rate_limits.read([text])


def test_a_limit_on_a_tool_that_nobody_called():
    with pytest.raises(UsageError, match="unknown tool"):
        rate_limits.check_names(rate_limits.read(["search.calls_per_s=3"]), [made().tables])


def test_memory_and_what_was_seen():
    asks = demand(made())
    assert asks.base_bytes == 100 << 20
    assert asks.task_bytes == 10 << 20
    assert asks.seen.concurrency == 1


def test_a_run_without_a_finished_task():
    with pytest.raises(RunError, match="no task finished"):
        demand(made(tasks=0))


def test_a_run_whose_sender_fell_behind():
    late = made(params={"arrivals": "constant", "rate_per_s": 5.0, "mode": "threads"})
    late.tables["tasks"]["due_ns"] = late.tables["tasks"]["start_ns"] - 500 * MS
    with pytest.raises(RunError, match="fell behind"):
        demand(late)


def test_a_calibration_is_read_back(tmp_path):
    path = tmp_path / "machine.json"
    path.write_text(json.dumps({"calibration": {"core_speed": 8.0, "all_core_speed": 6.0, "cores": 4.0}}))
    found = calibration.read(path)
    assert (found.core_speed, found.full_share) == (8.0, 0.75)
    assert plain(found) == json.loads(path.read_text())["calibration"]


@pytest.mark.parametrize("text", ["{}", "no", '{"calibration": null}', '{"calibration": {"core_speed": 1}}'])
def test_no_calibration_in_a_file(tmp_path, text):
    path = tmp_path / "machine.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"no calibration in it|it is no JSON"):
        calibration.read(path)


def test_a_speed_that_no_core_has(tmp_path):
    path = tmp_path / "machine.json"
    path.write_text(json.dumps({"calibration": {"core_speed": 0, "all_core_speed": 6.0, "cores": 4.0}}))
    with pytest.raises(UsageError, match="no speed a core can have"):
        calibration.read(path)


def test_a_calibration_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="cannot read it"):
        calibration.read(tmp_path / "none.json")


def test_what_a_worker_does_between_tasks_hands_the_interpreter_over():
    # 12 ms beside tasks that share the interpreter: on a thread that lets others have it every 5 ms.
    shared = demand(made(), extra=Extra(between_s=0.012, between_need=INTERPRETER)).paths[0].items
    assert [item.amount for item in shared[-3:]] == pytest.approx([0.004] * 3)
    assert [item.after for item in shared[-3:]] == [(), None, None]
    alone = demand(made(), extra=Extra(between_s=0.012)).paths[0].items
    assert (alone[-1].need, alone[-1].amount, alone[-1].after) == (CPU, 0.012, ())


def test_which_strands_have_a_thread_beside_their_task():
    rows = Rows()
    for strand, kind in ((1, "thread"), (2, "job"), (3, "coroutine"), (4, "thread"), (5, "child")):
        rows.strand(strand, 0, MS, kind=kind, parent=None if strand == 1 else 1, task=1)
    assert _threads(Run(None, {}, rows.tables())) == {2, 4}


def test_a_thread_beside_the_loop_takes_turns():
    # Both threads compute: the first hands its 20 ms over in four turns, the second keeps the interpreter for 30.
    graph = parallel()
    graph.pieces.ns[:, 2], graph.pieces.ns[:, 6] = graph.pieces.ns.sum(axis=1), 0
    items = items_of(graph, Setting({1: 7, 2: 7, 3: 7}, threads=frozenset({2})))
    assert [(item.amount, item.after) for item in items] == [
        (0.010, ()), *((0.005, (place,)) for place in range(4)), (0.030, (0,)), (0.005, (4, 5))
    ]  # fmt: skip
    assert turns(INTERPRETER, 0.012) == pytest.approx([0.004] * 3)
    assert turns(CPU, 0.012) == [0.012]
    assert len(turns(INTERPRETER, 10.0)) == 20
