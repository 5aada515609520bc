import numpy as np
import pytest

from orchprof.run.finalize.timeline import Timeline


@pytest.fixture
def line():
    """Track 7: kind 0 for 10-20, kind 1 for 20-50; track 3: kind 1 for 0-5."""
    return Timeline.of([7, 3, 7], [20, 0, 10], [50, 5, 20], [1, 1, 0], 2)


@pytest.mark.parametrize(
    ("track", "start", "end", "expected"),
    [
        (7, 10, 50, [10, 30]),
        (7, 0, 100, [10, 30]),
        (7, 15, 25, [5, 5]),
        (7, 0, 10, [0, 0]),
        (7, 60, 90, [0, 0]),
        (3, 1, 3, [0, 2]),
        (3, 4, 60, [0, 1]),
        (5, 0, 100, [0, 0]),
        (7, 30, 30, [0, 0]),
    ],
)
def test_how_long_each_kind_lasted_in_a_window(line, track, start, end, expected):
    found = line.within(np.array([track]), np.array([start]), np.array([end]))
    assert found.tolist() == [expected]


def test_a_random_timeline_agrees_with_counting_instants():
    rng = np.random.default_rng(3)
    starts = np.sort(rng.choice(1000, 40, replace=False))
    ends = np.append(starts[1:], 1000)
    kinds = rng.integers(0, 3, 40)
    line = Timeline.of(np.full(40, 2), starts, ends, kinds, 3)
    at = np.repeat(kinds, ends - starts)
    for low, high in np.sort(rng.integers(starts[0], 1000, (50, 2))):
        counted = np.bincount(at[low - starts[0] : high - starts[0]], minlength=3)
        assert line.within(np.array([2]), np.array([low]), np.array([high]))[0].tolist() == counted.tolist()


def test_the_last_run_before_an_instant(line):
    asked = np.array([10, 11, 20, 21, 99])
    found = line.last(np.full(5, 7), asked)
    assert [-1 if run < 0 else int(line.start[run]) for run in found] == [-1, 10, 10, 20, 20]


def test_of_two_runs_that_overlap_the_later_wins():
    line = Timeline.of([1, 1], [0, 10], [30, 20], [0, 1], 2)
    assert line.within(np.array([1]), np.array([0]), np.array([30])).tolist() == [[10, 10]]


def test_without_runs_nothing_lasted():
    line = Timeline.of([], [], [], [], 2)
    assert line.within(np.array([1]), np.array([0]), np.array([9])).tolist() == [[0, 0]]
    assert line.last(np.array([1]), np.array([9])).tolist() == [-1]
