"""The seven laws of attribution, on random concurrent programs and on records of them that contradict themselves."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import Maker, joined_in_turn
from simulation import Simulation, damaged, record
from sweep import sweep

from orchprof.ledger import measures
from orchprof.ledger.graph.critical_path import critical_path
from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.labels import CODES, LABELS
from orchprof.ledger.measures import MEASURES, label_weights, measure
from orchprof.ledger.replay.replay import network, replay
from orchprof.ledger.shares import PARTITION, SHARES, membership

SEEDS = st.integers(0, 2**40)
SCALES = (4, 1000, 10**9)
ALL = np.arange(len(LABELS))
CP, EQ, EXPOSED, ANY, RS = range(len(MEASURES))


def drawn(seed, damage, n=8, scales=SCALES, **kind):
    programs = [
        Maker(seed * n + k, scale=scales[k % len(scales)], first=1 + 1000 * k, **kind).make()
        for k in range(n)
    ]
    rng = random.Random(seed)
    unfinished = {s for program in programs for s in program.strands if rng.random() < 0.1}
    tables, latencies = record(programs, unfinished if damage else ())
    graphs = build(damaged(tables, seed) if damage else tables)
    assert [graph.length_ns for graph in graphs] == latencies
    return graphs


def measured(graph):
    """Return the measures of every label and every share, (5, labels + shares)."""
    weights = label_weights(graph, ALL)
    return measure(graph, critical_path(graph), np.hstack([weights, weights @ membership()]))


def tolerance(graph):
    return 1e-9 * max(graph.length_ns, 1)


@given(seed=SEEDS, damage=st.booleans())
def test_pieces_tile_every_strand_and_balance(seed, damage):
    for graph in drawn(seed, damage):
        pieces, strands = graph.pieces, graph.strands
        for s in range(len(strands.id)):
            rows = slice(strands.first[s], strands.first[s + 1])
            start, end = pieces.start[rows], pieces.end[rows]
            instants = [strands.begin[s], *end[:-1]] if len(end) else []
            assert start.tolist() == instants
            assert strands.until[s] == (end[-1] if len(end) else strands.begin[s])
            assert (pieces.strand[rows] == s).all()
        length = pieces.end - pieces.start
        assert (pieces.ns.sum(axis=1) == np.where(pieces.join, 0, length)).all()
        assert (pieces.ns >= 0).all()
        assert (length[~pieces.join] > 0).all()


@given(seed=SEEDS, damage=st.booleans())
def test_joins_end_with_their_last_target_and_ask_nobody_who_waits(seed, damage):
    for graph in drawn(seed, damage):
        pieces, targets = graph.pieces, graph.targets
        for join in np.flatnonzero(pieces.join):
            positions = targets.position[targets.piece == join]
            long = pieces.end[join] > pieces.start[join]
            assert positions.max() == pieces.end[join] if long else positions.max() < pieces.start[join]
        asked = [*zip(targets.strand, targets.position, strict=True)]
        asked += [*zip(graph.strands.spawner, graph.strands.begin, strict=True)]
        for strand, position in asked:
            inside = (pieces.strand == strand) & (pieces.start < position) & (position < pieces.end)
            assert not pieces.join[inside].any()
            assert graph.strands.begin[strand] <= position <= graph.strands.until[strand]


@given(seed=SEEDS, damage=st.booleans())
def test_laws_1_2_3_the_ledger_balances_is_bracketed_and_replays(seed, damage):
    for graph in drawn(seed, damage):
        path = critical_path(graph)
        assert path.length_ns.sum() == graph.length_ns
        assert (path.start[1:] == path.end[:-1]).all()
        assert replay(graph, {}) == graph.length_ns
        values, slack = measured(graph), tolerance(graph)
        of_labels = values[:, : len(ALL)]
        assert of_labels[CP].sum() == pytest.approx(graph.length_ns, abs=slack)
        assert of_labels[EQ].sum() == pytest.approx(graph.length_ns, abs=slack)
        for low, high in ((EXPOSED, CP), (CP, ANY), (EXPOSED, EQ), (EQ, ANY), (ANY, RS)):
            assert (values[low] <= values[high] + slack).all()
        named = dict(zip(SHARES, values[CP, len(ALL) :], strict=True))
        assert sum(named[name] for name in PARTITION) == pytest.approx(graph.length_ns, abs=slack)


@given(seed=SEEDS, damage=st.booleans())
def test_laws_4_5_7_savings_lie_in_the_bracket_and_speed_never_hurts(seed, damage):
    rng = random.Random(seed)
    for graph in drawn(seed, damage, n=4):
        values, slack, events = measured(graph), tolerance(graph), network(graph)
        base = replay(graph, {}, events)
        present = [LABELS[code] for code in np.flatnonzero(values[RS, : len(ALL)])]
        for label in rng.sample(present, min(4, len(present))):
            cp, exposed = values[CP, CODES[label]], values[EXPOSED, CODES[label]]
            saving = base - replay(graph, {label: 0.0}, events)
            assert exposed - slack <= saving <= cp + slack
            # Latency is convex in a scale, so cp lies between the slopes on either side; they meet but for ties.
            for step in (1e-4, 0.3):
                slower = (replay(graph, {label: 1 + step}, events) - base) / step
                faster = (base - replay(graph, {label: 1 - step}, events)) / step
                assert faster - slack / step <= cp <= slower + slack / step
        some = {label: rng.random() for label in present if rng.random() < 0.5}
        fewer = {label: factor * rng.random() for label, factor in some.items()}
        assert replay(graph, fewer, events) <= replay(graph, some, events) + slack <= base + 2 * slack


@given(seed=SEEDS)
def test_law_4_holds_for_a_union_of_labels(seed):
    for graph in drawn(seed, damage=False, n=4):
        values, slack = measured(graph), tolerance(graph)
        for column, (name, codes) in enumerate(SHARES.items()):
            saving = graph.length_ns - replay(graph, {LABELS[code]: 0.0 for code in codes})
            cp, exposed = values[CP, len(ALL) + column], values[EXPOSED, len(ALL) + column]
            assert exposed - slack <= saving <= cp + slack, name


@given(seed=SEEDS)
def test_law_6_measures_add_up_when_programs_follow_one_another(seed):
    programs = [Maker(seed * 8 + k, first=1 + 1000 * k, closed=True).make() for k in range(8)]
    alone = [measured(graph) for graph in build(record(programs)[0])]
    pairs = [joined_in_turn(*programs[k : k + 2]) for k in range(0, 8, 2)]
    for k, graph in enumerate(build(record(pairs)[0])):
        assert measured(graph) == pytest.approx(alone[2 * k] + alone[2 * k + 1], abs=tolerance(graph))


@given(seed=SEEDS, damage=st.booleans(), cells=st.sampled_from((1, 2000, measures._CELLS)))
def test_measures_agree_with_a_sweep_over_every_nanosecond(seed, damage, cells):
    # Small enough that every instant can be looked at: at most about a hundred nanoseconds.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measures, "_CELLS", cells)
        agree_with_a_sweep(seed, damage)


def agree_with_a_sweep(seed, damage):
    for graph in drawn(seed, damage, n=2, scales=(3,)):
        categories = {code: {LABELS[code]} for code in np.unique(graph.pieces.label[graph.pieces.ns > 0])}
        categories |= {name: {LABELS[code] for code in codes} for name, codes in SHARES.items()}
        values = measured(graph)
        for name, expected in sweep(graph, categories).items():
            column = len(ALL) + list(SHARES).index(name) if isinstance(name, str) else name
            assert values[:, column] == pytest.approx([float(each) for each in expected], abs=1e-9)


@given(seed=SEEDS)
def test_replay_agrees_with_running_the_changed_program(seed):
    rng = random.Random(seed)
    kind = {"messages": False, "heads": False, "told": True}
    programs = [Maker(seed * 6 + k, scale=10**7, first=1 + 1000 * k, **kind).make() for k in range(6)]
    graphs = build(record(programs)[0])
    for program, graph in zip(programs, graphs, strict=True):
        scale = {label: rng.choice((0.0, 0.5, 0.9, 2.0, 3.0)) for label in LABELS if rng.random() < 0.4}
        changed = Simulation(program, lambda role, state, scale=scale: scale.get((role, state), 1.0)).run()
        assert replay(graph, scale) == pytest.approx(changed.end[changed.root], rel=1e-9)
