"""A law through known points, tasks replayed along it, and everything that must be refused."""

from dataclasses import replace

import numpy as np
import pytest

from orchprof.claim.claim import claim
from orchprof.claim.extrapolation import extrapolate
from orchprof.claim.law import fit
from orchprof.claim.published import published_size
from orchprof.claim.scaled import outcome, scalable
from orchprof.errors import RunError, UsageError
from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.replay.replay import replay


def sweep(known, works, **facts):
    return [known(f"r{rows}", work, {"rows": rows}, **facts) for rows, work in works.items()]


def test_a_line_is_found_exactly():
    law = fit([0, 10, 1000], [0.5, 0.7, 20.5])
    assert (law.intercept_s, law.slope_s) == pytest.approx((0.5, 0.02))
    assert law.residual == pytest.approx(0, abs=1e-9)
    assert law.r2 == pytest.approx(1)
    assert law.at(1e8) == pytest.approx(2_000_000.5)


def test_relative_distances_count(tmp_path):
    # the oracle: weighted least squares by another solver
    x, y = [1.0, 2.0, 50.0, 400.0], [1.1, 1.9, 52.0, 391.0]
    slope, intercept = np.polyfit(x, y, 1, w=1 / np.array(y))
    law = fit(x, y)
    assert (law.slope_s, law.intercept_s) == pytest.approx((slope, intercept))
    assert law.residual == pytest.approx(
        max(abs(intercept + slope * a - b) / b for a, b in zip(x, y, strict=True))
    )


@pytest.mark.parametrize("k", [0.0, 0.5, 3.0])
def test_a_tools_time_is_scaled_by_name(one_strand, k):
    graphs = build(one_strand([30, 70], 10, wait_ms=20, tool="search"))
    found = outcome([scalable(graph, {"search": k}) for graph in graphs], 1.0)
    assert list(found.latency) == pytest.approx([replay(graph, {"search": k}) for graph in graphs])
    assert found.share("host") == pytest.approx(100 * k / (100 * k + 60))


def test_shares_along_the_law(known):
    # 10 ms + 1 ms a row; at 990 rows the tool takes 1 s beside 10 ms of model
    (row,) = extrapolate(sweep(known, {10: 20, 20: 30, 40: 50}), "rows", 990)
    assert (row.tool, row.setting, row.at, row.basis) == ("search", "rows", 990, "extrapolated")
    assert [(each.value, each.s) for each in row.measured] == [
        (10, pytest.approx(0.02)), (20, pytest.approx(0.03)), (40, pytest.approx(0.05)),
    ]  # fmt: skip
    assert (row.intercept, row.slope) == pytest.approx((0.01, 0.001))
    assert row.residual == pytest.approx(0, abs=1e-9)
    assert row.factor_beyond == pytest.approx(990 / 40)
    assert row.call_s == pytest.approx(1)
    assert row.shares["host"].share == pytest.approx(1 / 1.01)
    assert row.shares["host"].verdict == "above"
    # the model half or twice as slow: 1 / 1.005 and 1 / 1.02
    assert row.shares["not_model"].share_in_band == pytest.approx([1 / 1.005, 1 / 1.02])
    assert row.cores_busy == pytest.approx(1)
    assert row.published
    assert row.published_size.bytes == 115e9


def test_within_the_measured_it_is_no_extrapolation(known):
    (row,) = extrapolate(sweep(known, {10: 20, 20: 30, 40: 50}), "rows", 30)
    assert row.basis == "interpolated"
    assert row.shares["host"].share == pytest.approx(40 / 50)


def test_two_values_are_no_law(known):
    with pytest.raises(RunError, match=r"needs 3 measured values, rows 10 and 20 @ --extrapolate"):
        extrapolate(sweep(known, {10: 20, 20: 30}), "rows", 990)


def test_a_bend_is_no_law(known):
    with pytest.raises(
        RunError, match=r"no straight line, rag search over rows is up to \d+% off .* limit is 10%"
    ):
        extrapolate(sweep(known, {10: 20, 20: 80, 40: 50}), "rows", 990)


def test_a_tool_that_does_not_grow_is_no_law(known):
    with pytest.raises(RunError, match="no tool takes longer as it grows, rows of rag"):
        extrapolate(sweep(known, {10: 20, 20: 20, 40: 20}), "rows", 990)
    with pytest.raises(RunError, match="no tool takes longer"):
        extrapolate(sweep(known, {10: 20, 20: 30, 40: 50}, tool=None), "rows", 990)


def test_a_size_at_which_no_time_is_left_is_refused(known):
    with pytest.raises(RunError, match="no time would be left, 1 @ --extrapolate rows"):
        extrapolate(sweep(known, {100: 10, 150: 60, 200: 110}), "rows", 1)


def test_a_slip_of_the_pen_is_not_extrapolated_to(known):
    runs = sweep(known, {10: 20, 20: 30, 40: 50})
    (row,) = extrapolate(runs, "rows", 400_000)
    assert row.factor_beyond == 10_000
    with pytest.raises(
        UsageError, match=r"too far from what was measured, 1e\+30 @ --extrapolate rows, give at most"
    ):
        extrapolate(runs, "rows", 1e30)


def test_a_setting_must_vary_and_be_a_number(known):
    runs = sweep(known, {10: 20, 20: 30, 40: 50})
    with pytest.raises(
        UsageError, match=r"unknown numeric setting that varies, 'row' .* did you mean 'rows'"
    ):
        extrapolate(runs, "row", 990)
    words = [known(word, 20, {"backend": word}) for word in ("a", "b", "c")]
    with pytest.raises(UsageError, match="no numeric setting varies over these runs, 'backend'"):
        extrapolate(words, "backend", 990)


def test_it_is_said_in_words(rag_run):
    runs = [rag_run(f"r{rows}", rows + 10, {"rows": rows}) for rows in (10, 20, 40)]
    record = claim(runs, {"rows": 990})
    said = "at rows 990, 24.8 times the largest measured, the share as published of rag would be 99% (above)"
    assert f"not measured: {said}." in record.paragraph
    assert claim(runs).extrapolated == []


def test_a_workload_nobody_published_has_no_size():
    assert published_size("mine") is None


def test_waits_for_a_core_are_no_part_of_the_law_nor_of_the_time_it_puts_in(known, rag_run):
    from orchprof.claim.measured import measured

    runs = sweep(known, {10: 20, 20: 30})
    report, run = rag_run("r40", 70, {"rows": 40})
    segments = run.tables["segments"].copy()
    segments.loc[segments["role"] == "tool", ["cpu_ns", "runq_ns"]] = [50_000_000, 20_000_000]
    waited = replace(run, tables=run.tables | {"segments": segments})
    (row,) = extrapolate([*runs, measured(report, waited)], "rows", 990)
    assert [each.s for each in row.measured] == pytest.approx([0.02, 0.03, 0.05])
    assert row.shares["host"].share == pytest.approx(1 / 1.01)
