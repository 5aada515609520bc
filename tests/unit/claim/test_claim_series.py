"""Runs that differ in one thing alone, and between which of its values a share passes a bound, by hand."""

from dataclasses import replace

import pytest
from support import plain, record_of, run_meta, run_of

from orchprof.claim.claim import claim
from orchprof.claim.series import series, varying
from orchprof.claim.setting_crossings import interpolated, setting_crossings
from orchprof.contract.claim import Claim, MeasuredShare
from orchprof.contract.schema.validation import validate


def found(rows, definition="host"):
    return [row for row in rows if row.reading == definition]


def test_a_sweep_of_concurrency_is_one_series(known):
    # one at a time is called sequential, the others threads
    runs = [
        known("four", 40, concurrency=4, mode="threads"), known("one", 40),
        known("two", 40, concurrency=2, mode="threads"),
    ]  # fmt: skip
    (one,) = series(runs)
    assert (one.over, one.name, one.values) == ("concurrency", "concurrency", (1, 2, 4))
    assert [run.report.run.id for run in one.runs] == ["one", "two", "four"]


def test_two_differences_are_no_series(known):
    assert series([known("a", 40, {"rows": 1}), known("b", 40, {"rows": 2}, concurrency=2)]) == []
    assert series([known("a", 40, mode="async"), known("b", 40, mode="processes", concurrency=2)]) == []


def test_other_settings_make_another_series(known):
    grid = [known(f"{rows}{top}", 40, {"rows": rows, "top": top}) for rows in (1, 2) for top in (5, 6)]
    assert sorted((each.name, each.values) for each in series(grid)) == [
        ("rows", (1, 2)), ("rows", (1, 2)), ("top", (5, 6)), ("top", (5, 6)),
    ]  # fmt: skip


def test_the_later_of_two_runs_alike_counts(known):
    runs = [known("old", 40, {"rows": 1}), known("two", 40, {"rows": 2}), known("new", 40, {"rows": 1})]
    (one,) = series(runs)
    assert [run.report.run.id for run in one.runs] == ["new", "two"]


def test_variants_are_a_series_of_words(known):
    (one,) = series([known("a", 40, variant="plain"), known("b", 40, variant="bare")])
    assert (one.over, one.name, one.values, one.is_numeric) == (
        "setting",
        "variant",
        ("plain", "bare"),
        False,
    )


def test_what_varies_is_named_per_workload(rag_run):
    one, other = rag_run("a", 4, {"rows": 1, "top": 5})[0], rag_run("b", 4, {"rows": 2, "top": 5})[0]
    assert varying([one, other]) == {"rag": ("rows",)}
    assert varying([one]) == {"rag": ()}


def test_a_bound_is_passed_between_measured_neighbours(known):
    # host shares 40/50, 30/40 and 5/15: half is passed between 2 and 8, where the line over log(value) is at
    # (3/4 - 1/2) / (3/4 - 1/3) = 0.6 of the way: 2 x 4^0.6
    runs = [known("a", 40, concurrency=1), known("b", 30, concurrency=2, mode="threads")]
    runs.append(known("c", 5, concurrency=8, mode="threads"))
    half, most = found(setting_crossings(runs))
    assert (half.level, half.between) == (0.5, (2, 8))
    assert half.at == pytest.approx(2 * 4**0.6)
    assert half.clear is True
    assert half.over == "concurrency"
    assert [each.share for each in half.measured] == pytest.approx([0.8, 0.75, 1 / 3])
    assert (most.level, most.between, most.at, most.clear) == (0.9, None, None, None)
    assert half.multiplier is None


def test_a_bound_that_is_passed_twice_has_two_rows(known):
    runs = [known(str(n), work, {"rows": n}) for n, work in ((1, 40), (2, 5), (3, 40))]
    assert [row.between for row in found(setting_crossings(runs)) if row.level == 0.5] == [(1, 2), (2, 3)]


def test_words_stand_in_the_order_of_their_shares(known):
    runs = [known(word, work, {"backend": word}) for word, work in (("a", 40), ("b", 2), ("c", 15))]
    half = found(setting_crossings(runs))[0]
    assert [each.value for each in half.measured] == ["b", "c", "a"]
    assert (half.between, half.at) == (("b", "c"), None)


def at(value, share):
    return MeasuredShare(value=value, run=None, share=share, ci95=None)


def test_nothing_lies_between_nothing_and_a_number_on_a_logarithm():
    assert interpolated(at(0, 0.2), at(8, 0.8), 0.5) is None
    assert interpolated(at(2, 0.2), at(8, 0.8), 0.5) == pytest.approx(4)


def test_a_neighbour_whose_interval_holds_the_bound_makes_a_crossing_unclear(one_strand, known, rag_run):
    from orchprof.claim.measured import measured
    from orchprof.ledger.summary import summarise

    wide = run_of(one_strand([1, 1, 1, 40, 40, 40], 10), run_meta(labelled=True))
    report = rag_run("b", 5, {"rows": 2})[0]
    wide = measured(replace(report, shares=wide.of(summarise).shares), wide)
    half = found(setting_crossings([known("a", 1, {"rows": 1}), wide]))[0]
    assert half.between == (1, 2)
    assert half.clear is False


def test_the_record_holds_both_kinds_of_crossings(rag_run):
    record = claim([rag_run("a", 40, {"rows": 1}), rag_run("b", 5, {"rows": 2})])
    kinds = {(row.over, row.name) for row in record.crossings}
    assert kinds == {("model", "model_time"), ("setting", "rows")}
    assert [row.setting.split()[-1] for row in record.rows[::3]] == ["rows=1", "rows=2"]
    assert "As measured, rag passes 50% between rows 1 and 2." in record.paragraph
    for row in record.crossings:
        if row.over == "model":
            assert row.at == row.multiplier


def test_the_record_is_what_its_type_and_its_schema_say(rag_run):
    runs = [rag_run(f"r{rows}", rows + 10, {"rows": rows}) for rows in (10, 20, 40)]
    record = claim([*runs, rag_run("bare", 5, {"rows": 10}, variant="bare")], {"rows": 990})
    assert record.extrapolated
    assert record_of(Claim, plain(record)) == record
    validate(plain(record))
