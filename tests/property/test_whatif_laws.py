"""The laws of what-if, on random concurrent programs."""

import random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ledger_tables import Run
from programs import Maker
from simulation import record

from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.labels import LABELS
from orchprof.ledger.replay.replay import contended, latest, network, replay, work_before
from orchprof.whatif.core_sharing import Load, Machine, latencies, script
from orchprof.whatif.parts import Change, parts_of, scaled_ns
from orchprof.whatif.ranking import ranking
from orchprof.whatif.speedup import Replayable

SEEDS = st.integers(0, 2**40)
MS = 1_000_000


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
    for row in ranking(Replayable(graphs, [contended(graph) for graph in graphs]), calls(graphs)):
        tenth, half, zero = row.at_10pct_s, row.at_50pct_s, row.at_zero_s
        assert base - row.cp_s - slack <= zero <= base - row.exposed_s + slack
        assert zero - slack <= half <= tenth + slack <= base + 2 * slack
        # latency is convex in a part's time: the first half of a speed-up buys at least as much as the second
        assert base - half >= half - zero - slack
        assert base - tenth <= 0.1 * row.cp_s + slack


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


def one_loop(seed):
    """Return a task whose coroutines sleep and work in turn, as one loop runs them: who is ready first comes first."""
    rng = random.Random(seed)
    plans = [
        [(rng.randint(1, 40) * MS, rng.randint(1, 20) * MS) for _ in range(rng.randint(1, 4))]
        for _ in range(rng.randint(2, 5))
    ]
    ready, free, steps = [(plan[0][0], strand, 0) for strand, plan in enumerate(plans, start=2)], 0, []
    last = dict.fromkeys(range(2, len(plans) + 2), 0)
    while ready:
        at, strand, step = min(ready)
        ready.remove((at, strand, step))
        start = max(at, free)
        free = start + plans[strand - 2][step][1]
        steps.append((strand, last[strand], at, start, free))
        last[strand] = free
        if step + 1 < len(plans[strand - 2]):
            ready.append((free + plans[strand - 2][step + 1][0], strand, step + 1))
    run = Run(0)
    run.task(1, 0, free)
    run.strand(1, 0, free, kind="task")
    run.wait(1, 0, free, list(last))
    for strand, end in last.items():
        run.strand(strand, 0, end, parent=1, kind="coroutine")
    for strand, before, at, start, end in steps:
        run.segment(strand, before, start, "framework", lag=start - at, wait_state="sleep")
        run.segment(strand, start, end, "tool", cpu=end - start, thread=5)
    return build(run.tables())[0]


@given(seed=SEEDS)
def test_on_one_loop_waits_are_as_long_as_others_work(seed):
    graph = one_loop(seed)
    events = contended(graph)
    assume(events.rules is not None)  # somebody waited
    assert replay(graph, {}, events) == pytest.approx(graph.length_ns, rel=1e-9)
    asleep = np.array([state == "sleep" for _, state in LABELS])
    # Without work nobody waits, and the longest row of sleeps is left.
    sleeps = np.bincount(
        graph.pieces.strand, (graph.pieces.ns * asleep[graph.pieces.label]).sum(axis=1)
    ).max()
    assert replay(graph, {"tool": 0.0}, events) == pytest.approx(sleeps, rel=1e-9)
    assert replay(graph, {"tool": 3.0}, events) >= graph.length_ns * (1 - 1e-9)
