"""The simulation by hand-computed cases: who waits for whom, for how long, and what is counted of it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from orchprof.errors import OrchprofError, UsageError
from orchprof.models.paced.batch import Limits
from orchprof.models.paced.steps import Steps
from orchprof.simulate.arrivals import Closed, Open, Trace
from orchprof.simulate.simulation import Length, simulate
from orchprof.simulate.system import (
    CPU,
    DELAY,
    INTERPRETER,
    Host,
    Item,
    Limit,
    Path,
    Replicas,
    Servers,
    System,
    Workload,
)  # fmt: skip

ROOM = Host(1, 1, slots=100)


def _run(path, load, system=None, tasks=None, **length):
    """Return what comes out of one kind of task; all of a trace is measured."""
    items = path if isinstance(path, Path) else Path(tuple(path))
    tasks = tasks or len(load.times_s)
    return simulate(system or System(ROOM), [Workload("w", [items])], load, Length(tasks, **length))


def _responses(path, times_s, system=None):
    return _run(path, Trace(times_s), system).response_s.tolist()


def test_one_task_alone_takes_the_sum_of_its_work():
    outcome = _run([Item(CPU, 1.0), Item(DELAY, 2.0), Item(INTERPRETER, 0.5)], Trace([3.0]))
    assert outcome.response_s.tolist() == pytest.approx([3.5])
    assert outcome.events == 3 * 4
    assert outcome.uses["cores"].busy_share == pytest.approx(1.5 / 3.5)
    assert outcome.uses["workers"].busy == pytest.approx(1)
    assert math.isinf(outcome.quantile_s(0.5)) is False


def test_runnable_threads_share_the_cores():
    # From 0 to 1 alone, then at half speed: the first has 1 of 2 s left and ends at 3; the second has had 1 of 2
    # by then, and ends alone at 4.
    assert _responses([Item(CPU, 2.0)], [0.0, 1.0]) == pytest.approx([3.0, 3.0])
    two = System(Host(2, 1, 100))
    assert _responses([Item(CPU, 2.0)], [0.0, 1.0], two) == pytest.approx([2.0, 2.0])
    # Three on two cores have two thirds of a core each.
    assert _responses([Item(CPU, 2.0)], [0.0, 0.0, 0.0], two) == pytest.approx([3.0] * 3)
    fast = System(Host(1, 1, 100, speed=2.0))
    assert _responses([Item(CPU, 2.0)], [0.0, 0.5], fast) == pytest.approx([1.5, 1.5])


def test_what_is_counted_of_shared_cores():
    use = _run([Item(CPU, 2.0)], Trace([0.0, 0.0, 0.0]), System(Host(2, 1, 100))).uses["cores"]
    assert (use.busy, use.busy_share, use.size, use.waiting) == pytest.approx((2.0, 1.0, 2.0, 1.0))


def test_threads_share_one_interpreter_but_not_what_they_do_without_it():
    host = Host(4, 1, slots=4)
    assert _responses([Item(INTERPRETER, 1.0)], [0.0, 0.0], System(host)) == pytest.approx([2.0, 2.0])
    assert _responses([Item(CPU, 1.0)], [0.0, 0.0], System(host)) == pytest.approx([1.0, 1.0])
    # The second comes when the first has half left, both go at half speed.
    assert _responses([Item(INTERPRETER, 1.0)], [0.0, 0.5], System(host)) == pytest.approx([1.5, 1.5])
    use = _run([Item(INTERPRETER, 1.0)], Trace([0.0, 0.0]), System(host)).uses["interpreter"]
    assert (use.busy, use.size, use.waiting) == pytest.approx((1.0, 1.0, 1.0))


def test_an_event_loop_works_items_off_in_turn():
    host = Host(4, 1, slots=4, is_loop=True)
    assert _responses([Item(INTERPRETER, 1.0)], [0.0, 0.5], System(host)) == pytest.approx([1.0, 1.5])
    # A wait is no item of work: the loop is free for the other one in the meantime.
    path = [Item(INTERPRETER, 1.0), Item(DELAY, 1.0), Item(INTERPRETER, 1.0)]
    assert _responses(path, [0.0, 0.0], System(host)) == pytest.approx([3.0, 4.0])


def test_processes_compete_for_cores_whatever_stands_behind_them():
    # Two processes on one core: each has half; in the first two threads share that half.
    host = Host(1, 2, slots=2)
    first = _responses([Item(INTERPRETER, 1.0)], [0.0, 0.0, 0.0], System(host))
    # Slots are given out in turn: tasks 0 and 2 are threads of one process. Task 1 has half a core and ends at 2;
    # the others have had half a second each by then and the core for themselves: another second.
    assert first == pytest.approx([3.0, 2.0, 3.0])


def test_a_lane_is_held_from_begin_to_end():
    outcome = _run([Item(DELAY, 1.0)], Trace([0.0, 0.1, 0.2]), System(Host(1, 2)))
    assert outcome.response_s.tolist() == pytest.approx([1.0, 1.0, 1.8])
    workers = outcome.uses["workers"]
    assert (workers.size, workers.busy, workers.waiting) == pytest.approx((2, 3.0 / 2.0, 0.8 / 2.0))


def test_work_spreads_over_machines():
    host = Host(1, 1, slots=2, count=2)
    assert _responses([Item(CPU, 1.0)], [0.0, 0.0], System(host)) == pytest.approx([1.0, 1.0])
    use = _run([Item(CPU, 1.0)], Trace([0.0] * 4), System(host)).uses["cores"]
    assert (use.size, use.busy, use.waiting) == pytest.approx((2.0, 2.0, 2.0))


def test_a_task_begins_only_where_its_memory_fits_and_in_order():
    host = Host(9, 2, slots=9, memory_bytes=100.0, process_bytes=10.0)
    outcome = _run(Path((Item(DELAY, 1.0),), memory_bytes=30.0), Trace([0.0, 0.0, 0.25]), System(host))
    assert outcome.response_s.tolist() == pytest.approx([1.0, 1.0, 1.75])
    memory = outcome.uses["memory"]
    assert (memory.size, memory.busy) == pytest.approx((100.0, 20.0 + 30.0 * 3.0 / 2.0))
    more = System(Host(9, 2, slots=9, memory_bytes=110.0, process_bytes=10.0))
    assert _run(Path((Item(DELAY, 1.0),), 30.0), Trace([0.0] * 3), more).response_s.tolist() == [1.0] * 3


def test_servers_serve_in_order():
    system = System(ROOM, {"pool": Servers(2)})
    outcome = _run([Item("pool", 1.0)], Trace([0.0, 0.5, 0.75]), system)
    assert outcome.response_s.tolist() == pytest.approx([1.0, 1.0, 1.25])
    use = outcome.uses["pool"]
    assert (use.busy, use.size, use.waiting) == pytest.approx((3.0 / 2.0, 2.0, 0.25 / 2.0))


def test_a_limit_lets_a_burst_through_and_then_its_rate():
    system = System(ROOM, {"tokens": Limit(10.0, 20.0)})
    # The bucket holds 20: two of 10 pass, then one per second.
    assert _responses([Item("tokens", 10.0)], [0.0, 0.0, 0.0, 0.0], system) == pytest.approx([0, 0, 1, 2])
    # It fills while nobody asks, but not beyond 20.
    late = _responses([Item("tokens", 10.0)], [0.0, 0.0, 100.0, 100.0, 100.0], system)
    assert late == pytest.approx([0, 0, 0, 0, 1])
    # More than it ever holds: through when it is full, and who comes next waits for the debt and its own.
    assert _responses([Item("tokens", 50.0)], [0.0, 0.0], system) == pytest.approx([0, 5])
    use = _run([Item("tokens", 10.0), Item(DELAY, 1.0)], Trace([0.0] * 4), system).uses["tokens"]
    assert (use.busy, use.waiting) == pytest.approx((40.0 / 3.0, 3.0 / 3.0))


def test_branches_run_at_once_and_meet_again():
    fork = [
        Item(DELAY, 1.0),
        Item(DELAY, 2.0, after=(0,)),
        Item(DELAY, 3.0, after=(0,)),
        Item(DELAY, 1.0, after=(1, 2)),
    ]
    assert _responses(fork, [0.0, 0.0]) == pytest.approx([5.0, 5.0])
    # Several first and several last items: the task ends with the last of them.
    assert _responses([Item(DELAY, 2.0, after=()), Item(DELAY, 3.0, after=())], [0.0]) == pytest.approx([3.0])
    # Branches compete for the interpreter of their own process.
    both = [Item(INTERPRETER, 1.0, after=()), Item(INTERPRETER, 1.0, after=())]
    assert _responses(both, [0.0], System(Host(4, 1))) == pytest.approx([2.0])
    # A branch that is awaited twice, and one that skips ahead.
    mesh = [
        Item(DELAY, 1.0),
        Item(DELAY, 1.0, (0,)),
        Item(DELAY, 5.0, (0,)),
        Item(DELAY, 1.0, (0, 1)),
        Item(DELAY, 1.0, (2, 3)),
    ]
    assert _responses(mesh, [0.0]) == pytest.approx([7.0])


def test_a_task_without_work_ends_as_it_begins():
    outcome = _run([], Closed(3), tasks=5)
    assert outcome.response_s.tolist() == [0.0] * 5


def test_users_think_between_tasks():
    outcome = _run([Item(CPU, 1.0)], Closed(1, think_s=3.0, is_fixed=True), tasks=10)
    assert outcome.response_s.tolist() == pytest.approx([1.0] * 10)
    assert outcome.throughput_per_s == pytest.approx(1 / 4)
    # Without thought N users have N tasks under way all the time.
    busy = _run([Item(CPU, 1.0)], Closed(3), tasks=30, warmup=30)
    assert busy.mean_s == pytest.approx(3.0)
    assert not busy.saturated


def test_arrivals_come_at_their_rate_and_spread():
    for kind, spread in (("constant", 0.0), ("poisson", 1.0), ("gamma", 2.0)):
        gaps_s = np.diff(_begins(Open(5.0, kind, spread or 1.0), 4_000))
        assert gaps_s.mean() == pytest.approx(0.2, rel=0.1)
        assert gaps_s.std() / gaps_s.mean() == pytest.approx(spread, rel=0.1, abs=1e-6)


def _begins(load, tasks):
    """Return when tasks come, from who waits for a single server that takes a long time."""
    served = simulate(
        System(Host(1, 1, tasks), {"door": Servers(1)}), [Workload("w", [Path((Item("door", 1e4),))])], load,
        Length(tasks, drain=True), seed=3,
    )  # fmt: skip
    # The k-th leaves the door 1e4 k seconds after the first came.
    return 1e4 * np.arange(tasks) - served.response_s


def test_the_warm_up_is_left_out():
    outcome = _run([Item(CPU, 1.0)], Trace([0.0, 0.0, 10.0, 20.0]), tasks=2, warmup=2)
    assert outcome.response_s.tolist() == pytest.approx([1.0, 1.0])
    assert outcome.span_s == pytest.approx(11.0)


def test_load_is_kept_up_until_the_measured_tasks_have_ended():
    times_s = [0.0, 1.0, 1.5, 50.0]
    kept = _run([Item(CPU, 2.0)], Trace(times_s), tasks=2)
    # The second has half a core from 1 to 1.5, a third until the first ends at 3.75 (0.75 each in 2.25 s), then half.
    assert kept.response_s[0] == pytest.approx(3.75)
    drained = _run([Item(CPU, 2.0)], Trace(times_s), tasks=2, drain=True)
    assert drained.response_s.tolist() == pytest.approx([3.0, 3.0])


def test_the_same_seed_gives_the_same_run_and_another_one_another():
    work = [Workload(str(k), [Path((Item(CPU, 0.1 * k), Item(DELAY, 0.2)))], weight=k) for k in (1, 2, 3)]

    def run(seed):
        return simulate(System(Host(1, 4)), work, Open(3.0, "gamma", 1.5), Length(500, 10), seed)

    assert run(7).response_s.tolist() == run(7).response_s.tolist()
    assert run(7).response_s.tolist() != run(8).response_s.tolist()
    shares = np.bincount(run(7).workload, minlength=3) / 500
    assert shares == pytest.approx([1 / 6, 2 / 6, 3 / 6], abs=0.07)


def test_a_load_above_what_the_system_does_is_saturated():
    for rate, expected in ((0.7, False), (1.3, True)):
        outcome = _run([Item(DELAY, 1.0)], Open(rate), System(Host(1, 1)), tasks=2_000)
        assert outcome.saturated is expected
    assert outcome.uses["workers"].busy_share == pytest.approx(1.0, abs=1e-3)
    assert outcome.throughput_per_s == pytest.approx(1.0, abs=0.01)


def test_a_system_that_only_fills_is_not_saturated():
    # From empty to 50 under way, nearly all of it in the first half of the 200 that come.
    stays = [Path((Item(DELAY, 0.2 + 1.6 * (k % 10) / 9),)) for k in range(100)]
    outcome = simulate(
        System(Host(1, 200)), [Workload("w", stays)], Open(50.0, "constant"), Length(200), seed=1
    )
    assert outcome.uses["workers"].busy > 30
    assert not outcome.saturated


def test_a_core_that_runs_on_overtakes_nothing_that_is_due_at_the_same_instant():
    items = [Item(CPU, 0.0), Item(CPU, 1.0), Item(DELAY, 0.0, ())]
    outcome = _run(items, Trace([0.0]), System(Host(1.5, 2), {}))
    assert outcome.response_s == pytest.approx([1.0])


_seconds = some.floats(0.0, 3.0)
_item = some.builds(
    Item, some.sampled_from([CPU, INTERPRETER, DELAY, "pool", "limit"]), _seconds,
    some.one_of(some.none(), some.just(())),
)  # fmt: skip


@settings(deadline=None)
@given(
    items=some.lists(_item, max_size=6),
    times_s=some.lists(some.floats(0, 10), min_size=1, max_size=8).map(sorted),
    is_loop=some.booleans(),
    slots=some.integers(1, 3),
)
def test_laws_of_any_system(items, times_s, is_loop, slots):
    host = Host(1.5, 2, slots, is_loop=is_loop)
    system = System(host, {"pool": Servers(2), "limit": Limit(2.0, 1.0)})
    outcome = _run(items, Trace(times_s), system)
    n = len(times_s)
    assert len(outcome.response_s) == n
    # No task is faster than its longest item, and work is neither lost nor made.
    longest_s = max((item.amount for item in items if item.need != "limit"), default=0.0)
    assert (outcome.response_s >= longest_s - 1e-6).all()
    for need, name in (((CPU, INTERPRETER), "cores"), (("pool",), "pool"), (("limit",), "limit")):
        work = n * sum(item.amount for item in items if item.need in need)
        if outcome.span_s > 0:
            assert outcome.uses[name].busy * outcome.span_s == pytest.approx(work, abs=1e-6)
            assert outcome.uses[name].waiting >= -1e-6
    assert outcome.events == 3 * n * (len(items) + 1)


_GPU = Replicas(Steps(1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0), Limits(1, 100))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"host": Host(0, 1)}, UsageError, "0 @ cores"),
        ({"host": Host(1, 1, memory_bytes=5.0, process_bytes=9.0)}, OrchprofError, "memory that no machine has"),
        ({"stations": {"cpu": Servers(1)}}, UsageError, "a word of our own"),
        ({"stations": {"x": Servers(0)}}, UsageError, "0 @ count"),
        ({"stations": {"x": Limit(0.0, 1.0)}}, UsageError, "0 @ limit_per_s"),
        ({"mix": []}, UsageError, "no workload"),
        ({"mix": [Workload("w", [])]}, UsageError, "no recorded task"),
        ({"load": Open(-1.0)}, UsageError, "-1 @ rate_per_s"),
        ({"load": Open(1.0, "poison")}, UsageError, "did you mean 'poisson'"),
        ({"load": Closed(0)}, UsageError, "0 @ users"),
        ({"load": Trace([])}, UsageError, "a trace of warm-up only"),
        ({"load": Trace([2.0, 1.0])}, UsageError, "back in time"),
        ({"length": Length(0)}, UsageError, "0 @ tasks"),
        ({"length": Length(1, -1)}, UsageError, "-1 @ warmup"),
        ({"items": [Item("gpv", 1.0)]}, UsageError, "did you mean 'gpu'"),
        ({"items": [Item(CPU, -1.0)]}, UsageError, "no amount of work"),
        ({"items": [Item(CPU, math.nan)]}, UsageError, "no amount of work"),
        ({"items": [Item(CPU, 1.0, after=(0,))]}, UsageError, "order the items"),
        ({"items": [Item("gpu", 1.0)]}, UsageError, "a token each way"),
        ({"items": [Item("gpu", 1.0, prompt_tokens=100)]}, OrchprofError, "does not fit"),
    ],
)  # fmt: skip
def test_what_cannot_be_simulated_is_refused(change, kind, message):
    system = System(change.get("host", ROOM), change.get("stations", {"gpu": _GPU}))
    mix = change.get("mix", [Workload("w", [Path(tuple(change.get("items", [Item(CPU, 1.0)])))])])
    with pytest.raises(kind, match=message):
        simulate(system, mix, change.get("load", Open(1.0)), change.get("length", Length(10)))
