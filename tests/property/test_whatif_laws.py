"""The laws of what-if, on random concurrent programs."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import Maker
from simulation import record

from orchprof.capacity.parts import Change, parts_of, scaled_ns
from orchprof.capacity.ranking import FASTER, ranking
from orchprof.capacity.rerun import Load, Machine, latencies, script
from orchprof.ledger.graph import build
from orchprof.ledger.replay import latest, network, replay, work_before

SEEDS = st.integers(0, 2**40)


def drawn(seed, n=3):
    programs = [
        Maker(seed * n + k, scale=(4, 1000, 10**9)[k % 3], first=1 + 1000 * k).make() for k in range(n)
    ]
    return build(record(programs)[0])


def replayed(graph, changes):
    events = network(graph)
    ns = scaled_ns(graph, changes).sum(axis=1)
    return float(latest(events, work_before(graph, events, ns[:, None]))[0])


def calls(graphs):
    return np.zeros(len(graphs[0].names), np.int64)


@given(seed=SEEDS)
def test_nothing_changed_returns_the_run(seed):
    for graph in drawn(seed):
        ones = [Change(part, 1.0) for part in parts_of([graph])]
        assert replayed(graph, ones) == pytest.approx(graph.length_ns, rel=1e-9)


@given(seed=SEEDS)
def test_a_part_is_what_replay_scales(seed):
    rng = random.Random(seed)
    for graph in drawn(seed):
        for part in rng.sample(parts := parts_of([graph]), min(4, len(parts))):
            factor = 2 * rng.random()
            keys = [part.role] if part.role and not part.state else [(part.role, part.state)]
            if part.role and not part.name:
                assert replayed(graph, [Change(part, factor)]) == pytest.approx(
                    replay(graph, dict.fromkeys(keys, factor)), rel=1e-9
                )


@given(seed=SEEDS, factor=st.floats(0.01, 20))
def test_everything_scaled_scales_the_latency(seed, factor):
    for graph in drawn(seed):
        roles = [part for part in parts_of([graph]) if part.role and not part.state and not part.name]
        found = replayed(graph, [Change(part, factor) for part in roles])
        assert found == pytest.approx(factor * graph.length_ns, rel=1e-9)


@given(seed=SEEDS)
def test_more_time_never_ends_sooner(seed):
    rng = random.Random(seed)
    for graph in drawn(seed):
        low, high = sorted((2 * rng.random(), 2 * rng.random()))
        for part in parts_of([graph]):
            slack = 1e-9 * graph.length_ns
            assert replayed(graph, [Change(part, low)]) <= replayed(graph, [Change(part, high)]) + slack


@given(seed=SEEDS)
def test_the_ranking_lies_in_its_bounds(seed):
    graphs = drawn(seed)
    base = np.mean([graph.length_ns for graph in graphs]) / 1e9
    slack = 1e-9 * base
    for row in ranking(graphs, calls(graphs)):
        tenth, half, zero = (row[key] for key in FASTER)
        assert base - row["cp_s"] - slack <= zero <= base - row["exposed_s"] + slack
        assert zero - slack <= half <= tenth + slack <= base + 2 * slack
        # latency is convex in a part's time: the first half of a speed-up buys at least as much as the second
        assert base - half >= half - zero - slack
        assert base - tenth <= 0.1 * row["cp_s"] + slack


@given(seed=SEEDS)
def test_a_rerun_with_cores_for_all_is_the_replay(seed):
    for graph in drawn(seed):
        half = graph.pieces.ns.sum(axis=1) / 2
        process = np.zeros(len(graph.strands.id), np.int64)
        task = script(graph, half, half, process)
        (alone,) = latencies([task], Load(1), Machine(10**6))
        assert alone == pytest.approx(graph.length_ns, rel=1e-9, abs=1e-6)
        (shared,) = latencies([task], Load(1), Machine(1))
        (slower,) = latencies([task], Load(1), Machine(10**6, speed=0.5))
        assert shared >= alone * (1 - 1e-9)
        assert alone * (1 - 1e-9) <= slower <= 2 * alone * (1 + 1e-9)
        (twice,) = latencies([task], Load(1), Machine(1, speed=0.5))
        assert twice >= shared * (1 - 1e-9) or half.sum() == 0
