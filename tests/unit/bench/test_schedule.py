"""Schedules: rates and spreads as asked, ramps that grow evenly, traces that are refused with their line."""

import itertools
import math
import statistics

import pytest

from orchprof.bench import schedule
from orchprof.bench.schedule import Due, Load
from orchprof.errors import UsageError


def times(load, tasks=None, seed=0):
    return [due.at_s for due in schedule.schedule(load, tasks, seed)]


def gaps(found):
    return [b - a for a, b in itertools.pairwise(found)]


def test_constant_is_evenly_spaced_from_the_start():
    assert times(Load(4.0), 5) == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("load", "cv"),
    [(Load(20.0, "poisson"), 1.0), (Load(20.0, "gamma"), 2.0), (Load(20.0, "gamma", burstiness=0.5), 0.5)],
)
def test_random_gaps_have_their_mean_and_spread(load, cv):
    found = gaps(times(load, 20_000))
    mean = statistics.fmean(found)
    assert mean == pytest.approx(1 / 20, rel=5 * cv / math.sqrt(20_000))
    assert statistics.stdev(found) / mean == pytest.approx(cv, rel=0.08)


def test_poisson_counts_in_windows_are_as_spread_as_their_mean():
    found = times(Load(50.0, "poisson", duration_s=400.0))
    counts = [sum(1 for at in found if k <= at < k + 1) for k in range(400)]
    assert statistics.variance(counts) / statistics.fmean(counts) == pytest.approx(1.0, abs=0.25)


def test_a_seed_repeats_its_schedule_and_another_does_not():
    load = Load(5.0, "poisson")
    assert times(load, 50, seed=1) == times(load, 50, seed=1) != times(load, 50, seed=2)


def test_tasks_are_counted_after_the_ramp():
    found = schedule.schedule(Load(10.0, ramp_s=2.0), 5, 0)
    assert [due.warmup for due in found] == [True] * 10 + [False] * 5
    # Due by t: 10 t^2 / (2 x 2) during the ramp, so the k-th comes at sqrt(0.4 k); 10 are due by its end.
    assert [due.at_s for due in found[:10]] == pytest.approx([math.sqrt(0.4 * k) for k in range(10)])
    assert [due.at_s for due in found[10:]] == pytest.approx([2.0, 2.1, 2.2, 2.3, 2.4])


def test_a_duration_ends_it_and_holds_the_ramp():
    found = schedule.schedule(Load(10.0, duration_s=3.0, ramp_s=2.0), None, 0)
    assert sum(not due.warmup for due in found) == 11
    assert found[-1].at_s == pytest.approx(3.0)


def test_a_duration_in_which_nothing_is_due_is_refused():
    with pytest.raises(UsageError, match=r"no task is due by then, 0\.001 s @ --duration"):
        schedule.schedule(Load(0.01, "poisson", duration_s=0.001), None, 0)


def test_a_trace_is_the_first_column_with_or_without_a_heading(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("at_s,user\n# morning\n0.5,ann\n\n0.5,bob\n2,ann\n9,bob\n")
    load = Load(None, "trace", trace=str(path), duration_s=5.0)
    assert schedule.schedule(load, None, 0) == [Due(at, warmup=False) for at in (0.5, 0.5, 2.0)]
    assert times(load, 2) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0\nsoon\n", r"not a time, 'soon' @ .*:2, write seconds from the start"),
        ("-1\n", r"not a time, '-1' @ .*:1"),
        ("0\nnan\n", r"not a time, 'nan' @ .*:2"),
        ("3\n1\n", r"back in time, 1 after 3 @ .*:2, sort the trace"),
        ("at_s\n", r"no arrival in the trace"),
        ("", r"no arrival in the trace"),
    ],
)
def test_a_bad_trace_is_refused_with_its_line(tmp_path, text, said):
    path = tmp_path / "trace"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        times(Load(None, "trace", trace=str(path)))


def test_a_trace_that_cannot_be_read_says_why(tmp_path):
    for path, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=f"cannot read the trace, {path} @ --arrivals, {why}"):
            times(Load(None, "trace", trace=str(path)))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="it is no text"):
        times(Load(None, "trace", trace=str(tmp_path / "binary")))


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (Load(5.0, "poison"), "unknown arrivals, 'poison' @ --arrivals, did you mean 'poisson'"),
        (Load(5.0, "trace"), "a trace needs its file"),
        (Load(None, "poisson"), "arrivals need a rate, 'poisson' @ --arrivals, add --rate R"),
        (Load(5.0, "trace", trace="f"), "a trace has its own rate, 5 @ --rate"),
        (Load(None, "trace", trace="f", ramp_s=1.0), "a trace cannot be ramped"),
        (Load(5.0, duration_s=3.0, ramp_s=3.0), "nothing is left to measure, 3 @ --ramp"),
    ],
)
def test_a_load_that_contradicts_itself_is_refused(load, said):
    with pytest.raises(UsageError, match=said):
        schedule.check(load)
