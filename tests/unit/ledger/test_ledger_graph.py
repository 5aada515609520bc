"""From tables to tiles: what each recorded segment, wait and call becomes. Instants in ns."""

import pandas as pd
import pytest
from ledger_tables import Run

from orchprof.errors import RunError
from orchprof.ledger.graph.critical_path import critical_path
from orchprof.ledger.graph.task_graph import build
from orchprof.ledger.labels import LABELS


def tiles(run, strand=1):
    """Return (start, end, {role state: ns}) per piece of a strand of the one task; None for a JOIN."""
    (graph,) = build(run.tables())
    index = graph.strands.id.tolist().index(strand)
    return [
        (
            int(graph.pieces.start[k]),
            int(graph.pieces.end[k]),
            None if graph.pieces.join[k] else composition(graph, k),
        )
        for k in range(graph.strands.first[index], graph.strands.first[index + 1])
    ]


def composition(graph, piece):
    found = {}
    for code, ns in zip(graph.pieces.label[piece], graph.pieces.ns[piece].tolist(), strict=True):
        if ns:
            key = " ".join(LABELS[code])
            found[key] = found.get(key, 0) + ns
    return found


def root(length=100):
    run = Run()
    run.task(1, 0, length)
    run.strand(1, 0, length, kind="task")
    return run


def test_one_segment_into_states():
    run = root()
    counted = {"cpu": 60, "gc": 10, "profiler": 5, "runq": 20, "gil": 4, "lag": 7}
    run.segment(1, 0, 100, "tool", cpu_state="serialise", wait_state="file", **counted)
    expected = {
        "tool gc": 10,
        "profiler cpu": 5,
        "tool serialise": 45,
        "tool runq": 20,
        "tool loop_lag": 7,
        "tool gil": 4,
        "tool file": 9,
    }
    assert tiles(run) == [(0, 100, expected)]


def test_counters_never_exceed_the_wall():
    run = root()
    run.segment(1, 0, 100, cpu=90, gc=200, profiler=50, runq=30, lag=30)
    assert tiles(run) == [(0, 100, {"framework gc": 90, "framework runq": 10})]


def test_a_wait_that_nothing_told_apart_is_off():
    run = root()
    run.segment(1, 0, 100)
    assert tiles(run) == [(0, 100, {"framework off": 100})]


def test_after_a_wait_comes_what_was_measured_and_the_rest_is_wakeup():
    run = root()
    run.wait(1, 0, 100, [2], runq=10, lag=5, cpu=8, gc=2)
    run.strand(2, 0, 70, parent=1)
    run.segment(2, 0, 70, "tool", cpu=70)
    tail = {
        "framework runq": 10,
        "framework loop_lag": 5,
        "framework cpu": 6,
        "framework gc": 2,
        "framework wakeup": 7,
    }
    assert tiles(run) == [(0, 70, None), (70, 100, tail)]


def test_cpu_that_does_not_fit_behind_the_release_was_spent_before_the_wait():
    run = root()
    run.wait(1, 0, 100, [2], cpu=30, gc=4, profiler=25, runq=3)
    run.strand(2, 0, 90, parent=1)
    run.segment(2, 0, 90, "tool", cpu=90)
    assert tiles(run) == [
        (0, 23, {"profiler cpu": 22, "framework cpu": 1}),
        (23, 90, None),
        (90, 100, {"framework runq": 3, "framework gc": 4, "profiler cpu": 3}),
    ]


def test_a_wait_for_what_was_over_already_is_active_but_still_hangs_on_it():
    run = root()
    run.segment(1, 0, 50, cpu=50)
    run.wait(1, 50, 100, [2], cpu=10)
    run.strand(2, 0, 30, parent=1)
    run.segment(2, 0, 30, "tool", cpu=30)
    assert tiles(run)[1:] == [(50, 50, None), (50, 100, {"framework cpu": 10, "framework wakeup": 40})]


def test_a_wait_ends_with_its_last_target():
    run = root()
    run.wait(1, 0, 100, [2, 3])
    for strand, end in ((2, 40), (3, 100)):
        run.strand(strand, 0, end, parent=1)
        run.segment(strand, 0, end, "tool", cpu=end)
    assert tiles(run) == [(0, 100, None)]


def test_a_message_comes_before_what_its_receiver_was_measured_to_do():
    run = root()
    run.wait(1, 0, 60, [2], runq=5, cpu=7)
    run.segment(1, 60, 100, cpu=40)
    run.strand(2, 0, None, parent=1)
    run.segment(2, 0, 100, "tool", cpu=100)
    assert tiles(run)[:2] == [(0, 48, None), (48, 60, {"framework runq": 5, "framework cpu": 7})]


def test_a_message_whose_whole_wait_was_work_is_no_wait():
    run = root()
    run.wait(1, 0, 100, [2], cpu=200)
    run.strand(2, 0, None, parent=1)
    run.segment(2, 0, 100, "tool", cpu=100)
    assert tiles(run) == [(0, 100, {"framework cpu": 100})]


@pytest.mark.parametrize(("state", "label"), [(None, "lock"), ("net", "net")])
def test_a_wait_for_another_tasks_strand_keeps_the_waiters_role(state, label):
    run = root()
    run.wait(1, 0, 100, [9], "tool", wait_state=state, cpu=10)
    run.strand(9, 0, 80, task=None)
    assert tiles(run) == [(0, 100, {"tool cpu": 10, f"tool {label}": 90})]


def test_gaps_and_what_the_log_lost_are_unexplained():
    run = root()
    run.segment(1, 10, 40, "tool", cpu=30)
    run.segment(1, 50, 70, "client", cpu=20)
    assert tiles(run) == [
        (0, 10, {"tool unexplained": 10}),
        (10, 40, {"tool cpu": 30}),
        (40, 50, {"tool unexplained": 10}),
        (50, 70, {"client cpu": 20}),
        (70, 100, {"client unexplained": 30}),
    ]


def test_a_strand_without_segments_is_unexplained():
    run = root()
    assert tiles(run) == [(0, 100, {"framework unexplained": 100})]


def test_strands_and_their_counters_are_clipped_to_the_task():
    run = root()
    run.segment(1, 0, 100, cpu=100)
    run.strand(2, -20, None, parent=1)
    run.segment(2, -20, 20, "tool", cpu=20, runq=10, wait_state="net")
    run.segment(2, 20, 200, "tool", cpu=90, wait_state="net")
    assert tiles(run, 2) == [
        (0, 20, {"tool cpu": 10, "tool runq": 5, "tool net": 5}),
        (20, 100, {"tool cpu": 40, "tool net": 40}),
    ]


def test_overlapping_segments_are_cut():
    run = root()
    run.segment(1, 0, 60, cpu=60)
    run.segment(1, 40, 100, "tool", cpu=60)
    assert tiles(run) == [(0, 60, {"framework cpu": 60}), (60, 100, {"tool cpu": 40})]


def called(**facts):
    run = root()
    run.segment(1, 0, 100, cpu=100)
    run.strand(2, 0, 100, parent=1, kind="remote")
    run.call(2, 0, 100, **facts)
    return [(start, end, *parts) for start, end, parts in tiles(run, 2)]


def test_a_call_with_the_servers_whole_account():
    assert called(total=81, queue=10, prefill=20, decode=40) == [
        (0, 9, "model net"),
        (9, 19, "model queue"),
        (19, 39, "model prefill"),
        (39, 79, "model decode"),
        (79, 90, "model frontend"),
        (90, 100, "model net"),
    ]


def test_a_call_whose_server_told_less():
    assert called() == [(0, 100, "model off")]
    assert called(total=80) == [(0, 10, "model net"), (10, 90, "model off"), (90, 100, "model net")]
    assert called(total=80, decode=30)[1:3] == [(10, 40, "model decode"), (40, 90, "model frontend")]
    assert called(decode=30) == [(0, 35, "model off"), (35, 65, "model decode"), (65, 100, "model off")]


def test_a_call_whose_server_told_too_much_is_cut_in_proportion():
    assert called(total=200, queue=20, prefill=60, decode=100) == [
        (0, 10, "model queue"),
        (10, 40, "model prefill"),
        (40, 90, "model decode"),
        (90, 100, "model frontend"),
    ]
    # Parts beyond their total shrink too.
    assert called(total=50, queue=50, decode=50) == [
        (0, 25, "model net"),
        (25, 50, "model queue"),
        (50, 75, "model decode"),
        (75, 100, "model net"),
    ]


def test_a_call_without_an_end_lasts_as_long_as_its_task():
    run = root()
    run.segment(1, 0, 100, cpu=100)
    run.strand(2, 30, None, parent=1, kind="remote")
    run.call(2, 30, None, total=50)
    assert tiles(run, 2) == [(30, 100, {"model off": 70})]


def test_a_remote_tools_request_is_its_spawners_network():
    run = root()
    run.segment(1, 0, 40, cpu=40)
    run.segment(1, 40, 100, "tool", cpu=60)
    run.strand(2, 40, 90, parent=1, kind="remote")
    assert tiles(run, 2) == [(40, 90, {"tool net": 50})]


def test_a_remote_strand_that_capture_tiled_keeps_its_tiles():
    run = root()
    run.segment(1, 0, 100, cpu=100)
    run.strand(2, 40, 90, parent=1, kind="remote")
    run.segment(2, 40, 90, "tool", wait_state="net")
    assert tiles(run, 2) == [(40, 90, {"tool net": 50})]


def test_who_is_spawned_by_a_waiting_strand_follows_whom_that_waits_for():
    run = root()
    run.wait(1, 0, 100, [2, 3])
    run.strand(2, 0, 60, parent=1)
    run.segment(2, 0, 60, "tool", cpu=60)
    run.strand(3, 40, 100, parent=1)
    run.segment(3, 40, 100, "tool", cpu=60)
    (graph,) = build(run.tables())
    path = critical_path(graph)
    assert list(zip(graph.strands.id[path.strand], path.start, path.end, strict=True)) == [
        (2, 0, 40),
        (3, 40, 100),
    ]


def test_who_is_spawned_while_nobody_runs_starts_where_the_spawner_last_ran():
    run = root()
    run.segment(1, 0, 20, cpu=20)
    run.wait(1, 20, 100, [2], "tool")
    run.strand(2, 30, 100, parent=1, kind="child")
    run.segment(2, 30, 100, "tool", cpu=70)
    assert tiles(run, 2) == [(20, 30, {"tool unexplained": 10}), (30, 100, {"tool cpu": 70})]


def test_two_that_wait_only_for_each_other_are_unexplained():
    run = root()
    run.wait(1, 0, 100, [2])
    run.strand(2, 0, None, parent=1)
    run.wait(2, 0, 100, [1], "tool")
    (graph,) = build(run.tables())
    assert composition(graph, 0) == {"framework unexplained": 100}
    assert critical_path(graph).length_ns.tolist() == [100]


def test_a_message_from_one_of_two_that_wait_for_each_other_comes_from_nobody():
    run = root()
    run.wait(1, 0, 100, [2])
    run.strand(2, 0, None, parent=1)
    run.wait(2, 0, 100, [1], "tool")
    run.strand(3, 0, 50, parent=1)
    run.wait(3, 0, 50, [1], "client")
    assert tiles(run, 3) == [(0, 50, {"client lock": 50})]


def test_only_strands_that_the_root_hangs_on_are_joined():
    run = root()
    run.segment(1, 0, 50, cpu=50)
    run.wait(1, 50, 100, [4])
    for strand, parent in ((2, 1), (3, 1), (4, 3)):
        run.strand(strand, 10, 100, parent=parent)
        run.segment(strand, 10, 100, "tool", cpu=90)
    (graph,) = build(run.tables())
    joined = dict(zip(graph.strands.id.tolist(), graph.strands.joined.tolist(), strict=True))
    assert joined == {1: True, 2: False, 3: True, 4: True}


def test_unfinished_and_warmup_tasks_have_no_graph():
    run = Run()
    for task, end, warmup in ((1, 10, False), (2, None, False), (3, 30, True)):
        run.task(task, 0, end, warmup=warmup)
        run.strand(task, 0, end, kind="task", task=task)
    assert [graph.task for graph in build(run.tables())] == [1]
    assert [graph.task for graph in build(run.tables(), warmup=True)] == [1, 3]


def test_a_task_of_no_length():
    run = root(0)
    (graph,) = build(run.tables())
    assert (graph.length_ns, len(graph.pieces.start), len(critical_path(graph).piece)) == (0, 0, 0)


def test_input_stays_as_it_was():
    run = root()
    run.wait(1, 0, 100, [2], cpu=10)
    run.strand(2, 0, 70, parent=1, kind="remote")
    run.call(2, 0, 70)
    tables = run.tables()
    before = {name: table.copy() for name, table in tables.items()}
    build(tables)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, before[name])


def test_unknown_words_and_lost_roots_are_refused():
    run = root()
    run.segment(1, 0, 100, "wizard")
    with pytest.raises(RunError, match=r"unknown value, 'wizard' @ segments\.role"):
        build(run.tables())
    run = Run()
    run.task(1, 0, 10)
    with pytest.raises(RunError, match="task without its root strand, 1 @ strands"):
        build(run.tables())
