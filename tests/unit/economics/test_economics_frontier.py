"""Who is cheapest, fastest, broadest, and who is beaten by whom, by hand and as a law."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchprof.economics.frontier import Candidate, frontier


def run(name, latency_s, usd, wrong=0, n=20, workload="rag"):
    """n tasks of one latency, the last ones wrong."""
    ok = np.arange(n) < n - wrong
    return Candidate(name, workload, np.full(n, float(latency_s)), ok, usd)


def test_the_figures_by_hand():
    latency = np.concatenate([np.full(20, 1.0), np.full(20, 3.0), np.full(10, 9.0)])
    ok = np.arange(50) < 40
    (row,) = frontier([Candidate("a", "rag", latency, ok, 0.02)], slo_s=2.0)
    assert row.usd_per_success == pytest.approx(0.02 * 50 / 40)
    assert row.p95_s == pytest.approx(3.0)  # of those that succeeded
    assert row.good_share == pytest.approx(0.4)  # right and in time
    assert row.good_per_day == pytest.approx(1000 / 0.02 * 0.4)


def test_without_an_slo_every_correct_task_is_good():
    (row,) = frontier([run("a", 5, 0.01, wrong=5, n=40)])
    assert row.good_share == pytest.approx(35 / 40)


def test_cheapest_fastest_broadest_and_beaten():
    rows = frontier([run("cheap", 4, 0.01), run("fast", 1, 0.05), run("worse", 5, 0.02)], slo_s=10)
    by_name = {row.name: row for row in rows}
    assert by_name["cheap"].best == ["cheapest", "broadest"]
    assert by_name["fast"].best == ["fastest"]
    assert [by_name[name].on_frontier for name in ("cheap", "fast", "worse")] == [True, True, False]
    assert by_name["worse"].beaten_by == "cheap"


def test_equal_runs_are_both_on_the_frontier():
    assert [row.on_frontier for row in frontier([run("a", 1, 0.01), run("b", 1, 0.01)])] == [True, True]


def test_workloads_are_not_held_against_each_other():
    rows = frontier([run("a", 1, 0.01), run("b", 9, 0.09, workload="swe")])
    assert [row.on_frontier for row in rows] == [True, True]
    assert [row.best for row in rows] == [[], []]  # alone, nobody is the best


@pytest.mark.parametrize(
    ("candidate", "says"),
    [
        (run("a", 1, None), "unpriced"),
        (run("a", 1, 0.0), "cost nothing"),
        (run("a", 1, 0.01, wrong=20), "no task succeeded"),
        (run("a", 1, 0.01, n=19), "p95 needs 20"),
    ],
)
def test_what_cannot_be_told_is_none_with_a_reason(candidate, says):
    row, other = frontier([candidate, run("b", 2, 0.02)])
    assert says in row.reason
    assert row.on_frontier is None
    assert other.on_frontier is True


def test_no_runs_are_no_rows():
    assert frontier([]) == []


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.001, 1), st.integers(0, 20)), min_size=1, max_size=8)
)
def test_the_frontier_is_never_beaten_and_everybody_else_is(drawn):
    rows = frontier([run(str(k), s, usd, wrong, n=40) for k, (s, usd, wrong) in enumerate(drawn)], slo_s=5)

    def beats(one, other):
        better = [getattr(one, a) <= getattr(other, a) for a in ("usd_per_success", "p95_s")]
        strictly = [getattr(one, a) < getattr(other, a) for a in ("usd_per_success", "p95_s")]
        better.append(one.good_per_day >= other.good_per_day)
        strictly.append(one.good_per_day > other.good_per_day)
        return all(better) and any(strictly)

    for row in rows:
        assert row.on_frontier is not any(beats(other, row) for other in rows)
    assert any(row.on_frontier for row in rows)
