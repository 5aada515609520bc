"""Replayed shares and their crossings, against closed forms of hand-made tasks."""

import math

import pytest
from support import some, summarise

from orchprof.claim.measured import Measured
from orchprof.claim.model_crossings import model_crossings, nearest, output_tokens
from orchprof.claim.scaled import outcome
from orchprof.contract.report import ModelCalls, Report, RunIdentity, Share, Shares
from orchprof.contract.run import ModelSide, Params
from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.replay.replay import replay

CALLS = {"ttft_s": 0.001, "tpot_s": 0.001, "output_tokens": 10.0}


def run_of(tasks, *definitions):
    """A run of these tasks in which so many definitions are known."""
    report = some(
        Report,
        run=some(RunIdentity, model=ModelSide(), params=Params()),
        model_calls=some(ModelCalls, **CALLS),
        shares=some(Shares, **dict.fromkeys(definitions, some(Share))),
    )
    return Measured(report, graphs=(), tasks=tuple(tasks))


@pytest.mark.parametrize("k", [0.0, 0.25, 1.0, 7.0])
def test_shares_of_one_strand(one_strand, scaled, k):
    found = outcome(scaled(one_strand([30], 10, wait_ms=20)), k)
    assert found.latency[0] == pytest.approx((50 + 10 * k) * 1e6)
    assert found.share("host") == pytest.approx(30 / (50 + 10 * k))
    assert found.share("not_model") == pytest.approx(50 / (50 + 10 * k))
    assert found.share("orchestration") == 0


@pytest.mark.parametrize("k", [0.1, 1.0, 2.9, 3.1, 10.0])
def test_shares_of_two_strands_are_those_of_the_longer(two_strands, scaled, k):
    found = outcome(scaled(two_strands(30, 10)), k)
    assert found.latency[0] == pytest.approx(max(30, 10 * k) * 1e6)
    assert found.share("host") == (1.0 if k < 3 else 0.0)


@pytest.mark.parametrize("k", [0.2, 1.0, 5.0])
def test_latency_is_what_the_ledger_replays(two_strands, one_strand, scaled, k):
    for tables in (two_strands(30, 10), two_strands(10, 30), one_strand([5, 50], 20, wait_ms=3)):
        found = outcome(scaled(tables), k)
        assert list(found.latency) == pytest.approx([replay(graph, {"model": k}) for graph in build(tables)])


def test_unscaled_shares_are_the_reports(one_strand, scaled):
    tables = one_strand([30, 70], 10, wait_ms=20)
    shares, found = summarise(tables, {})["shares"], outcome(scaled(tables), 1.0)
    for definition in ("not_model", "host"):
        assert found.share(definition) == pytest.approx(shares[definition]["cp"])


def test_crossings_of_one_strand(one_strand, scaled):
    # host = 30 / (50 + 10 k): 50 % at k = 1, 90 % never; not_model = 50 / (50 + 10 k): k = 5 and 5 / 9
    rows = model_crossings(run_of(scaled(one_strand([30], 10, wait_ms=20)), "not_model", "host"))
    found = {(row.reading, row.level): row.multiplier for row in rows}
    assert found["not_model", 0.5] == pytest.approx(5, rel=1e-6)
    assert found["not_model", 0.9] == pytest.approx(5 / 9, rel=1e-6)
    assert found["host", 0.5] == pytest.approx(1, rel=1e-6)
    assert found["host", 0.9] is None


def test_crossings_of_several_tasks(one_strand, scaled):
    # (30 + 70) / (30 + 70 + 2 * 10 k) = 1/2 at k = 5; each task then spends 50 ms in the model
    row = model_crossings(run_of(scaled(one_strand([30, 70], 10)), "host"))[0]
    assert row.multiplier == pytest.approx(5, rel=1e-6)
    assert row.model_s == pytest.approx(0.05, rel=1e-6)
    assert row.output_tokens == pytest.approx(50, rel=1e-6)


def test_a_crossing_where_another_strand_takes_over(two_strands, scaled):
    row = model_crossings(run_of(scaled(two_strands(30, 10)), "host"))[0]
    assert row.multiplier == pytest.approx(3, rel=1e-6)


def test_the_nearest_of_two_crossings_counts():
    inside = lambda k: 1.0 if 0.2 < k < 50 else 0.0  # noqa: E731
    assert nearest(inside, 0.5) == pytest.approx(0.2, rel=1e-6)
    assert nearest(lambda k: 0.3, 0.5) is None
    assert nearest(lambda k: None, 0.5) is None


def test_output_tokens_by_hand():
    # a call of 0.2 s to the first token and 9 of 0.1 s takes 1.1 s; twice that are 21 tokens
    calls = {"ttft_s": 0.2, "tpot_s": 0.1, "output_tokens": 10}
    assert output_tokens(2, some(ModelCalls, **calls)) == pytest.approx(21)
    assert output_tokens(0.1, some(ModelCalls, **calls)) is None
    assert output_tokens(2, some(ModelCalls, **calls | {"ttft_s": None})) is None
    assert math.isclose(output_tokens(1, some(ModelCalls, **calls)), 10)
