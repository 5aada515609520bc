"""Saturation, judged on queues that are simulated here: one server, first come first served, or as many as it takes."""

import random

import pytest

from orchprof.bench.saturation import LEAST_LIMIT, MOST_IN_FLIGHT, Backlog
from orchprof.bench.schedule import Load, schedule


def queue(rate, n, *, service=lambda _draw: 1.0, servers=1, arrivals="constant", seed=0):
    """Return the backlog of a queue whose tasks take 1 s alone, and when it was first called saturated."""
    draw = random.Random(seed)
    load = Load(rate, arrivals)
    due = [each.at_s for each in schedule(load, n, seed)]
    free = [0.0] * servers
    ended = []
    for at in due:
        free.sort()
        free[0] = max(free[0], at) + service(draw)
        ended.append(free[0])
    ended.sort()
    backlog = Backlog(due, load.spread, alone_s=1.0)
    looks = [k * 0.25 for k in range(1, int(ended[-1] * 4) + 1)]
    for now in looks:
        backlog.ended_s = [at for at in ended if at <= now]
        if backlog.saturated(now):
            return backlog, now
    return backlog, None


@pytest.mark.parametrize("over", [1.25, 2.0, 10.0])
def test_a_rate_above_capacity_is_seen(over):
    assert queue(over, 400)[1] is not None


def test_a_burst_shorter_than_any_limit_is_seen_while_it_drains():
    backlog, at_s = queue(20.0, 20)
    assert len(backlog.due_s) < LEAST_LIMIT
    assert at_s == pytest.approx(8.0)  # eight times what a task takes alone


def exponential(draw):
    return draw.expovariate(1.0)


@pytest.mark.parametrize("seed", range(20))
def test_a_busy_queue_that_keeps_up_is_not_called_saturated(seed):
    assert queue(0.8, 300, service=exponential, arrivals="poisson", seed=seed)[1] is None


@pytest.mark.parametrize("seed", range(5))
def test_many_in_flight_that_do_not_queue_are_not_called_saturated(seed):
    # 100 tasks in flight on the mean, far above the least limit.
    assert queue(100.0, 2000, servers=300, service=exponential, arrivals="poisson", seed=seed)[1] is None


def test_without_a_warm_up_only_a_fixed_limit_holds():
    backlog = Backlog([k / 100 for k in range(2000)])
    assert backlog.limit() == MOST_IN_FLIGHT
    assert not backlog.saturated(5.0)
    assert backlog.saturated(5.2)
    assert backlog.in_flight(5.2) == 521


def test_what_the_ramp_adds_is_not_growth():
    due = [each.at_s for each in schedule(Load(4.0, ramp_s=60.0), 4, 0)]
    backlog = Backlog(due, 0.0, 60.0, 1.0, [at + 1.0 for at in due])
    assert not any(backlog.saturated(float(at)) for at in range(1, 70))
