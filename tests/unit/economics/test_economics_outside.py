"""Which tools and hosts left the machine, from what was recorded of connections; what failures cost, by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest
from economics_usage import calls, tariff, usage

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))

from ledger_tables import Run

from orchprof.economics import failures
from orchprof.economics.bill.bill import bill
from orchprof.economics.bill.external_services import UNSEEN, outside
from orchprof.economics.bill.payment import ACCELERATOR, Route
from orchprof.economics.replayed import recorded
from orchprof.ledger.graph.task_graph import build

S = 1_000_000_000


def asked(host, *, tool="search", model=False, wait="net"):
    """One task: a tool computes for 1 s, then asks a host for 1 s; the agent computes for 1 s more."""
    run = Run()
    run.task(1, 0, 3 * S)
    run.strand(1, 0, 3 * S)
    run.span(9, "tool", tool)
    run.segment(1, 0, S, "tool", cpu=S, span=9)
    if host is None:
        run.segment(1, S, 2 * S, "tool", span=9, wait_state=wait)
    else:
        run.strand(2, S, 2 * S, kind="remote", parent=1, name=f"GET {host}".strip())
        run.wait(1, S, 2 * S, [2], "tool", span=9)
        if model:
            run.call(2, S, 2 * S)
    run.segment(1, 2 * S, 3 * S, "framework", cpu=S)
    return run.tables()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "app.localhost", "127.8.8.8"])
def test_a_tool_that_asks_this_machine_alone_is_free(host):
    found = outside(asked(host), None)
    assert (found.tools, found.hosts) == ({}, ())


@pytest.mark.parametrize("host", ["api.example.com", "10.0.0.7", "localhost.example.com"])
def test_a_tool_that_asks_another_host_is_not(host):
    found = outside(asked(host), None)
    assert (found.tools, found.hosts) == ({"search": (host,)}, (host,))


def test_a_request_without_a_host_is_not_seen():
    assert outside(asked(""), None).tools == {"search": (UNSEEN,)}


def test_a_wait_for_the_network_that_nobody_asked_for_is_not_seen():
    found = outside(asked(None), None)
    assert (found.tools, found.hosts) == ({"search": (UNSEEN,)}, (UNSEEN,))
    assert outside(asked(None, wait="sleep"), None).hosts == ()


def test_what_a_tool_at_work_was_off_its_core_is_no_wait_for_the_network():
    tables = asked(None, wait="sleep")
    segments = tables["segments"]
    segments.loc[segments.index[0], ["cpu_ns", "wait_state"]] = [S * 99 // 100, "net"]
    assert outside(tables, None).hosts == ()


def test_connecting_to_this_machine_is_no_other_host():
    tables = asked("127.0.0.1")
    segments = tables["segments"]
    segments.loc[segments.index[0], ["cpu_ns", "wait_state"]] = [S // 2, "net"]
    assert outside(tables, None).hosts == ()


def test_the_endpoint_that_the_bench_started_is_here_whatever_it_is_called():
    tables = asked("s2", model=True)
    assert outside(tables, "paced:llama-3.1-8b@h100-sxm").hosts == ()
    assert outside(tables, "https://api.example.com/v1#m").hosts == ("s2",)


def test_a_tool_that_asks_a_model_pays_that_and_nothing_of_its_own():
    found = outside(asked("api.example.com", model=True), None)
    assert (found.tools, found.hosts) == ({}, ("api.example.com",))


def slow_failure(fail_s=9):
    """Three tasks of 1 s that succeed, and one that fails after a tool took so long."""
    run, now = Run(), 0
    for task, seconds in ((1, 1), (2, 1), (3, 1), (4, fail_s)):
        end = now + seconds * S
        run.task(task, now, end, ok=task != 4)
        run.strand(task, now, end, task=task)
        run.span(500 + task, "tool", "slow", strand=task, task=task)
        if task == 4:
            run.segment(task, now, end, "tool", cpu=seconds * S, span=504)
        else:
            run.segment(task, now, end, "framework", cpu=seconds * S)
        now = end
    return run.tables()


FAILED = usage((1.0, 1.0, 1.0, 9.0), ok=np.array([True, True, True, False]))


def by_what(used, tables=None):
    tasks = recorded(build(slow_failure() if tables is None else tables), {4})
    made = bill(used, tariff(), Route(ACCELERATOR, accelerator="h100-sxm"))
    return {row.what: row for row in failures.rows(made, used, tasks)}, made


def test_failing_less_often_by_hand():
    found, made = by_what(FAILED)
    # 1.2e-5 a second: 12 s are 1.44e-4 for 3 successes; with half a failure mended 3 + 0.5 + 4.5 s for 3.5.
    now, then = 1.2e-5 * 12 / 3, 1.2e-5 * (3 + 0.5 + 4.5) / 3.5
    assert float(made.per_success) == pytest.approx(now)
    row = found[failures.LESS_OFTEN]
    assert row.usd_saved == pytest.approx(1000 * 0.75 * (now - then))
    assert (row.latency_saved_s, row.reason) == (None, None)


def test_failing_sooner_by_hand():
    row = by_what(FAILED)[0][failures.SOONER]
    assert row.latency_saved_s == pytest.approx(4.5 / 4)
    assert row.latency_saved_share == pytest.approx(4.5 / 12)
    assert row.usd_saved == pytest.approx(1000 * 1.2e-5 * 4.5 / 4)


def test_without_failures_there_is_nothing_to_mend():
    assert by_what(usage((1.0, 1.0, 1.0, 9.0)))[0] == {}


def test_where_every_task_fails_a_success_has_no_cost_to_be_lowered():
    row = by_what(usage((1.0, 1.0, 1.0, 9.0), ok=np.zeros(4, dtype=bool)))[0][failures.LESS_OFTEN]
    assert row.usd_saved is None
    assert "no task succeeded" in row.reason


def test_without_the_models_price_nothing_is_said_of_what_failures_cost():
    used = usage((1.0, 1.0, 1.0, 9.0), ok=np.array([True] * 3 + [False]), calls=calls([3], [(1, 1)]))
    made = bill(used, tariff(accelerator=None), Route(ACCELERATOR, accelerator="h100-sxm"))
    for row in failures.rows(made, used, recorded(build(slow_failure()), {4})):
        assert (row.usd_saved, row.reason) == (None, "unpriced")


def test_model_calls_that_failed_cost_time_and_money():
    run = Run()
    run.task(1, 0, 4 * S)
    run.strand(1, 0, 4 * S)
    for call, start in ((100, 0), (101, 2)):
        run.strand(call, start * S, (start + 2) * S, kind="remote", parent=1)
        run.wait(1, start * S, (start + 2) * S, [call], "model")
        run.call(call, start * S, (start + 2) * S)
    told = calls([0, 0], [(1, 1)] * 2, answered=[False, True], accelerator_s=[3.0, 1.0])
    used = usage((4.0,), calls=told, accelerator_s=np.array([4.0]))
    row = by_what(used, run.tables())[0][failures.CALLS]
    assert row.latency_saved_s == pytest.approx(1.0)
    # Half of 3 accelerator-seconds at 1e-3, and 1 s of cores and memory at 1.2e-5.
    assert row.usd_saved == pytest.approx(1000 * (1.5e-3 + 1.2e-5))
