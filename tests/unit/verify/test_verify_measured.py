"""Tasks found again by when they began, the CPU of one task, and what `profiler` holds, from tables by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from orchprof.verify.own_cost import _by_shape, _core_s

MS = 1_000_000


def graph(task, start_ms):
    return SimpleNamespace(task=task, start_ns=start_ms * MS)


def found(graphs, began):
    return {shape: [each.task for each in its] for shape, its in _by_shape(graphs, began).items()}


def test_a_task_is_found_by_when_it_began_whatever_the_order():
    graphs = [graph(1, 100), graph(2, 300), graph(3, 301)]
    began = [("pair", 300 * MS), ("first", 99 * MS), ("pair", 300 * MS)]
    assert found(graphs, began) == {"first": [1], "pair": [2, 3]}


def test_a_task_that_was_lost_takes_nobody_elses():
    graphs = [graph(1, 100), graph(3, 900)]
    began = [("first", 100 * MS), ("lost", 500 * MS), ("last", 900 * MS)]
    assert found(graphs, began) == {"first": [1], "last": [3]}


def test_a_program_that_is_one_task_is_that_task():
    assert found([graph(7, 123_456)], [("killed", 0)]) == {"killed": [7]}
    assert found([], [("killed", 0)]) == {}


@pytest.mark.parametrize(("task", "cpu_s"), [(1, 0.3), (2, 0.0), (9, 0.0)])
def test_core_seconds_are_of_one_task_only(task, cpu_s):
    rows = [(5, 10, 1, 100), (5, 20, 1, 400), (5, 30, 2, 900), (5, 40, 2, 900)]
    samples = pd.DataFrame(
        [
            {"pid": pid, "parent": 1, "at_ns": at, "task": its, "cpu_ns": ms * MS, "children_cpu_ns": 0}
            for pid, at, its, ms in rows
        ]
    )
    samples["task"] = samples["task"].astype("Int64")
    assert np.isclose(_core_s(task, {"samples": samples}), cpu_s)
