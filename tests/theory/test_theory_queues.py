"""The simulation against closed forms: the exact value lies in the 99 % interval, and that within 1 % of it."""

import numpy as np
import pytest
import queues

from orchprof.simulate.arrivals import Closed, Open
from orchprof.simulate.simulation import Length, simulate
from orchprof.simulate.system import CPU, DELAY, INTERPRETER, Host, Item, Path, Servers, System, Workload

ROUNDS = 20
SLOTS = 4000  # more than are ever in use
EXPONENTIAL = queues.exponential()
TWO_POINT = np.repeat([0.5, 3.0], [8, 2])


def _open(system, work, rate, tasks):
    """Return the runs, and their controls: the work that came per second, and the tasks."""
    length = Length(tasks, warmup=tasks // 20)
    runs = [simulate(system, [work], Open(rate), length, seed) for seed in range(ROUNDS)]
    return runs, [tasks / run.span_s - rate for run in runs]


def _assert_exact(exact, values, controls=None):
    mean, half = queues.interval(values, controls)
    assert half <= 0.01 * exact
    assert mean - half <= exact <= mean + half


def _assert_response(exact, system, pool, work, rate, tasks):
    runs, more = _open(system, work, rate, tasks)
    services = np.array([run.uses[pool].busy for run in runs]) - rate
    _assert_exact(exact, [run.mean_s for run in runs], np.column_stack([services, more]))
    assert not any(run.saturated for run in runs)
    return runs


@pytest.mark.parametrize(
    ("servers", "load", "tasks"), [(1, 0.7, 70_000), (4, 0.6, 16_000), (16, 0.8, 24_000)]
)
def test_servers_in_order_of_arrival(servers, load, tasks):
    system = System(Host(1, 1, SLOTS), {"queue": Servers(servers)})
    work = queues.workload(("queue", EXPONENTIAL))
    exact = queues.erlang_c(servers, load)
    runs = _assert_response(exact, system, "queue", work, servers * load, tasks)
    # Little's law holds for who waits, and the share that is busy is the load.
    waiting = np.mean([run.uses["queue"].waiting for run in runs])
    assert waiting == pytest.approx(servers * load * (exact - 1), rel=0.05)
    assert np.mean([run.uses["queue"].busy_share for run in runs]) == pytest.approx(load, rel=0.01)


@pytest.mark.parametrize(
    ("services", "load", "tasks"),
    [(np.ones(1), 0.6, 22_000), (TWO_POINT, 0.5, 26_000)],
    ids=["constant", "two-point"],
)
def test_any_service_in_order_of_arrival(services, load, tasks):
    system = System(Host(1, 1, SLOTS), {"queue": Servers(1)})
    work = queues.workload(("queue", services))
    _assert_response(queues.pollaczek_khinchine(load, services), system, "queue", work, load, tasks)


@pytest.mark.parametrize(
    ("need", "services"),
    [(CPU, EXPONENTIAL), (CPU, TWO_POINT), (INTERPRETER, TWO_POINT)],
    ids=["exponential", "two-point", "interpreter"],
)
def test_a_shared_core_does_not_care_for_the_distribution(need, services):
    """M/G/1 with processor sharing: service / (1 - load). An interpreter of threads on a free core is one too."""
    host = Host(1, 1, SLOTS) if need == CPU else Host(8, 1, SLOTS)
    pool = "cores" if need == CPU else "interpreter"
    _assert_response(1 / (1 - 0.5), System(host), pool, queues.workload((need, services)), 0.5, 30_000)


def test_an_event_loop_serves_in_order_of_arrival():
    """Its interpreter is M/G/1 in order of arrival."""
    system = System(Host(8, 1, SLOTS, is_loop=True))
    work = queues.workload((INTERPRETER, TWO_POINT))
    _assert_response(queues.pollaczek_khinchine(0.5, TWO_POINT), system, "interpreter", work, 0.5, 27_000)


def test_shared_cores():
    """M/M/c has the same mean whether jobs queue or share."""
    work = queues.workload((CPU, EXPONENTIAL))
    _assert_response(queues.erlang_c(4, 0.6), System(Host(4, 1, SLOTS)), "cores", work, 2.4, 17_000)


@pytest.mark.parametrize("users", [4, 10])
def test_a_closed_network(users):
    """Thinking users, two shared cores, a wait, and a single server visited after it: product form."""
    demands_s, servers = (0.8, 0.5), (2, 1)
    work = queues.workload(
        (CPU, demands_s[0] * EXPONENTIAL), (DELAY, 0.3 * EXPONENTIAL), ("disk", demands_s[1] * EXPONENTIAL)
    )
    system = System(Host(2, 1, SLOTS), {"disk": Servers(1)})
    think_s = 6.0
    length = Length(16_000, warmup=500)
    runs = [simulate(system, [work], Closed(users, think_s), length, seed) for seed in range(ROUNDS)]
    throughput, response_s = queues.closed(users, demands_s, think_s + 0.3, servers)
    assert throughput * max(0.8 / 2, 0.5) <= 0.8
    _assert_exact(throughput, [run.throughput_per_s for run in runs])
    _assert_exact(response_s + 0.3, [run.mean_s for run in runs])
    _assert_exact(throughput * 0.4, [run.uses["cores"].busy_share for run in runs])
    _assert_exact(throughput * 0.5, [run.uses["disk"].busy_share for run in runs])


def test_mean_value_analysis_by_hand():
    """Two users, one queue of 1 s, no thought: it is never idle, and each waits for the other."""
    assert queues.closed(2, [1.0], 0.0, [1]) == pytest.approx((1.0, 2.0))
    # One user never waits; with two servers nor do two.
    assert queues.closed(1, [1.0, 2.0], 1.0, [1, 1]) == pytest.approx((0.25, 3.0))
    assert queues.closed(2, [1.0], 0.0, [2]) == pytest.approx((2.0, 1.0))


def test_the_strata_are_exponential():
    assert EXPONENTIAL.mean() == pytest.approx(1)
    assert np.square(EXPONENTIAL).mean() == pytest.approx(2, rel=1e-9)
    assert (EXPONENTIAL**3).mean() == pytest.approx(6, rel=0.01)


def test_a_server_that_is_asked_for_too_much_is_saturated():
    work = Workload("busy", [Path((Item("queue", 1.0),))])
    system = System(Host(1, 1, SLOTS), {"queue": Servers(1)})
    outcome = simulate(system, [work], Open(1.2), Length(2_000), 1)
    assert outcome.saturated
    assert outcome.uses["queue"].busy_share == pytest.approx(1, abs=0.01)
    assert outcome.throughput_per_s == pytest.approx(1, abs=0.05)
    assert len(outcome.response_s) == 2_000
