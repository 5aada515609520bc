"""What half a part buys, by hand, and the CPU side's cost beside its share of latency."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from economics_tasks import Run, build, graphs_of, side_by_side
from hypothesis import given, settings
from hypothesis import strategies as st
from support import some

from orchprof.contract.report import Share, Shares
from orchprof.contract.whatif import RankedPart
from orchprof.economics.bill.bill import PARTS, Bill, Part
from orchprof.economics.bill.breakdown import Parts, parts_of
from orchprof.economics.halving import claim_in_money, halvings, priced_ranking, ranked
from orchprof.economics.replayed import TASKS, recorded, strata
from orchprof.ledger.replay.replay import contended
from orchprof.whatif.speedup import Replayable

S = 1_000_000_000

OWNED = Parts(0.08, 0.02, 0.40, 0.0, 0.0, 0.05)
MODEL_SIDE = ("accelerator_usd", "written_usd", "read_usd")
BOUGHT = Parts(0.08, 0.02, 0.0, 0.30, 0.10, 0.05)


def by_what(rows):
    return {row.what: row for row in rows}


def replayed(graphs):
    return [Replayable(graphs, [contended(graph) for graph in graphs])]


def half(graphs, cost=OWNED, tasks_per_month=None, **more):
    return ranked(halvings(replayed(graphs), cost, ["search"], **more), tasks_per_month)


def test_a_sequential_task_by_hand():
    rows = half(graphs_of(agent_ms=20, tool_ms=40, model_ms=40), tasks_per_month=10_000)
    found = by_what(rows)
    assert found["orchestration"].latency_saved_s == pytest.approx(0.010)
    assert found["tools"].latency_saved_s == pytest.approx(0.020)
    assert found["tool search"].latency_saved_s == pytest.approx(0.020)
    assert found["model"].latency_saved_s == pytest.approx(0.020)
    # Cores and memory cost 0.10 per task: a tenth of the latency saves a tenth of that.
    assert found["orchestration"].usd_saved == pytest.approx(1000 * 0.010)
    assert found["model"].usd_saved == pytest.approx(1000 * (0.020 + 0.20))
    assert found["model"].usd_saved_per_year == pytest.approx(10_000 * 12 * 0.22)


@pytest.mark.parametrize(
    ("part", "usd"),
    [
        # 0.55 in all. A fifth of the latency is a fifth of the 0.10 that cores and memory cost for as long as it lasts.
        (("tool", "search", None), 0.55 - 0.02),
        ((None, None, "runq"), 0.55 - 0.02),
        # The model's accelerator works half as long; of what part of its work that is, nobody told.
        (("model", None, None), 0.55 - 0.02 - 0.20),
        (("model", None, "queue"), 0.55 - 0.02),
        (("model", None, "decode"), None),
        (("client", "llama", None), None),
    ],
)
def test_whatifs_ranking_in_money(part, usd):
    role, name, state = part
    row = some(RankedPart, role=role, name=name, state=state, key="k", at_50pct_s=0.8)
    (found,) = priced_ranking([row], 1.0, OWNED)
    assert found.usd_per_task_at_50pct == (None if usd is None else pytest.approx(usd))
    for unpriced in (replace(OWNED, cores_usd=None), replace(OWNED, **dict.fromkeys(MODEL_SIDE))):
        (unknown,) = priced_ranking([row], 1.0, unpriced)
        assert unknown.usd_per_task_at_50pct is None


def test_the_most_money_comes_first():
    rows = half(graphs_of(20, 40, 40))
    assert [row.what for row in rows] == ["model", "tool search", "tools", "orchestration"]
    assert all(row.usd_saved_per_year is None for row in rows)  # no volume


def test_paid_by_the_token_a_faster_model_saves_cores_alone():
    assert by_what(half(graphs_of(20, 40, 40), BOUGHT))["model"].usd_saved == pytest.approx(1000 * 0.020)


def test_what_is_hidden_behind_the_model_buys_nothing():
    found = by_what(halvings(replayed(side_by_side(agent_ms=50, model_ms=80)), OWNED, []))
    assert found["orchestration"].latency_saved_s == 0
    assert found["model"].latency_saved_s == pytest.approx(0.030)  # then the agent's 50 ms decide


def test_without_labels_only_the_model_is_told():
    found = by_what(half(graphs_of(20, 40, 40), labelled=False))
    assert found["model"].usd_saved is not None
    for what in ("orchestration", "tools", "tool search"):
        assert found[what].latency_saved_s is None
        assert found[what].usd_saved is None
        assert "tool" in found[what].reason


def test_a_tool_called_like_a_role_is_not_taken_for_it():
    found = by_what(halvings(replayed(graphs_of(20, 30, 50, tool="model")), OWNED, ["model"]))
    assert found["tool model"].latency_saved_s == pytest.approx(0.015)
    assert found["model"].latency_saved_s == pytest.approx(0.025)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
def test_half_a_part_saves_at_most_half_the_task(agent_ms, tool_ms, model_ms):
    for graphs in (graphs_of(agent_ms, tool_ms, model_ms), side_by_side(agent_ms, model_ms)):
        for row in halvings(replayed(graphs), OWNED, []):
            assert -1e-12 <= row.latency_saved_share <= 0.5 + 1e-12


def test_unpriced_cores_leave_the_time():
    found = by_what(half(graphs_of(20, 40, 40), replace(OWNED, cores_usd=None)))
    assert found["tools"].latency_saved_s == pytest.approx(0.020)
    assert (found["tools"].usd_saved, found["tools"].reason) == (None, "unpriced")


def test_an_unpriced_model_leaves_the_other_parts():
    cost = Parts(0.08, 0.02, None, None, None, None)
    found = by_what(half(graphs_of(20, 40, 40), cost))
    assert found["model"].reason == "unpriced"
    assert found["tools"].usd_saved == pytest.approx(1000 * 0.10 * 0.2)


def test_many_tasks_are_drawn_from():
    tasks = recorded(graphs_of(20, 40, 40, n=TASKS + 30))
    assert (len(tasks.graphs), tasks.of) == (TASKS, TASKS + 30)
    assert tasks.mean_s({}) == pytest.approx(0.1)


def test_few_failures_are_all_replayed_and_weigh_as_they_are_many():
    run = Run()
    for task in range(1, 201):
        length = 10 * S if task in (50, 150) else S
        run.task(task, task * 20 * S, task * 20 * S + length)
        run.strand(task, task * 20 * S, task * 20 * S + length, task=task)
        run.segment(task, task * 20 * S, task * 20 * S + length, "framework", cpu=length)
    tasks = recorded(build(run.tables()), {50, 150})
    assert len(tasks.graphs) == TASKS
    assert tasks.of == 200
    assert tasks.mean_s({}) == pytest.approx((198 * 1 + 2 * 10) / 200)


@pytest.mark.parametrize(
    ("room", "sizes", "drawn"),
    [
        (48, (100, 100), (24, 24)), (48, (100, 2), (46, 2)), (48, (3, 100), (3, 45)), (48, (100, 0), (48, 0)),
        (48, (0, 9), (0, 9)), (5, (5, 5), (3, 2)), (1, (1, 0), (1, 0)),
    ],
)  # fmt: skip
def test_room_is_shared_by_two_kinds(room, sizes, drawn):
    assert strata(room, sizes) == drawn


def test_strands_take_longer_where_they_are_waited_for():
    tasks = recorded(graphs_of(20, 40, 40, n=2))  # the strand 101 is the first task's call
    assert tasks.strands_s(np.array([101]), 0.5) == pytest.approx((0.08 + 0.1) / 2)
    assert tasks.strands_s(np.array([7777]), 0.5) == pytest.approx(0.1)


@pytest.mark.parametrize("graphs", [[], graphs_of(0, 0, 0)])
def test_what_took_no_time_is_nothing_to_replay(graphs):
    assert recorded(graphs) is None


CP = {"not_model": 0.6, "host": 0.5, "orchestration": 0.1, "model": 0.4}
SHARES = some(Shares, **{name: some(Share, cp=cp) for name, cp in CP.items()})


@pytest.mark.parametrize("cost", [OWNED, BOUGHT])
def test_the_claim_in_money_by_hand(cost):
    found = claim_in_money(cost, SHARES)
    assert found.cpu_side_usd == pytest.approx(0.10)
    assert found.model_usd == pytest.approx(0.40)
    assert found.cpu_side_share_of_cost == pytest.approx(0.10 / 0.55)
    assert found.share_of_latency.host == 0.5
    assert found.waiting_for_model_usd == pytest.approx(0.04)
    assert found.reason is None


@pytest.mark.parametrize(
    ("cost", "says"),
    [
        (replace(OWNED, cores_usd=None), "unpriced"),
        (Parts(0.1, 0.1, None, None, None, None), "unpriced"),
        (Parts(0.0, 0.0, 0.0, 0.0, 0.0, 0.0), "cost nothing"),
    ],
)
def test_a_share_of_an_unknown_cost_is_none(cost, says):
    found = claim_in_money(cost, SHARES)
    assert found.cpu_side_share_of_cost is None
    assert says in found.reason


def test_without_labels_the_latency_share_is_none():
    found = claim_in_money(OWNED, replace(SHARES, orchestration=None))
    assert found.share_of_latency.orchestration is None
    assert found.cpu_side_share_of_cost is not None


def bill(n=4, written=None, **usd):
    parts = {name: usd.get(name, "0") for name in PARTS}
    known = {
        name: Part(None if text is None else Decimal(text), None if text is None else np.zeros(n))
        for name, text in parts.items()
    }
    return Bill(
        n, 3, Part(Decimal(1), np.zeros(n)), known, {} if written is None else {"output": written}, ()
    )


def test_parts_of_a_bill_by_the_token():
    found = parts_of(
        bill(cpu_reserved="0.4", memory="0.2", token="2", tool=None, network=None, written=Decimal("1.2"))
    )
    assert (found.cores_usd, found.memory_usd, found.other_usd) == (0.1, 0.05, None)
    assert (found.accelerator_usd, found.written_usd) == (0.0, 0.3)
    assert found.read_usd == pytest.approx(0.2)
    assert found.model_usd == pytest.approx(0.5)


def test_parts_of_some_tasks_alone():
    made = bill(cpu_reserved="4", memory=None, token="8", tool=None, network=None, written=Decimal(2))
    parts = dict(made.parts)
    parts["cpu_reserved"] = replace(parts["cpu_reserved"], by_task=np.array([0.5, 1.5, 1.0, 1.0]))
    parts["token"] = replace(parts["token"], by_task=np.array([4.0, 0.0, 2.0, 2.0]))
    some = parts_of(replace(made, parts=parts), np.array([True, True, False, False]))
    assert (some.cores_usd, some.memory_usd, some.written_usd, some.read_usd) == (1.0, None, 0.5, 1.5)
    nobody = parts_of(replace(made, parts=parts), np.zeros(4, dtype=bool))
    assert nobody.cores_usd == 1.0  # of all, where there are none


def test_parts_of_a_bill_of_ones_own_accelerator():
    found = parts_of(bill(cpu_reserved="0.4", memory=None, accelerator="8", tool="0.4"))
    assert (found.held_usd, found.model_usd, found.other_usd) == (0.1, 2.0, 0.1)


@pytest.mark.parametrize("route", ["accelerator", "token"])
def test_a_model_without_a_price_is_not_free(route):
    assert parts_of(bill(cpu_reserved="0.4", **{route: None})).model_usd is None
