"""The simulation against simulators that others wrote, on networks that no closed form describes."""

import ciw
import numpy as np
import pytest
import queues
import simpy

from orchprof.models.paced.batch import Limits
from orchprof.models.paced.steps import Steps
from orchprof.simulate.arrivals import Closed, Open
from orchprof.simulate.simulation import Length, simulate
from orchprof.simulate.system import CPU, Host, Item, Path, Replicas, Servers, System, Workload

ROUNDS = 8
# Two equally likely services each, without a common measure: where ends may coincide
# (0.4 and 1.6 here, 0.4 and 2 there), ciw's processor sharing takes twice as long as it should.
SHORT_S, LONG_S = (0.4, 1.6), (0.53, 2.47)


def _assert_same(ours, theirs, within):
    """Both intervals are narrow, and they meet."""
    (a, half_a), (b, half_b) = queues.interval(ours), queues.interval(theirs)
    assert max(half_a / a, half_b / b) <= within
    assert abs(a - b) <= half_a + half_b


def test_a_tandem_of_a_queue_and_shared_cores_as_ciw_has_it():
    """Poisson arrivals, two servers in order of arrival, then two cores that are shared."""
    rate, tasks, warmup = 0.7, 3_000, 300
    work = queues.workload(("desk", np.repeat(SHORT_S, 64)), (CPU, 0.8 * np.repeat(LONG_S, 64)))
    system = System(Host(2, 1, 2_000), {"desk": Servers(2)})

    def theirs(seed):
        ciw.seed(seed)
        network = ciw.create_network(
            arrival_distributions=[ciw.dists.Exponential(rate), None],
            service_distributions=[
                ciw.dists.Pmf(list(SHORT_S), [0.5, 0.5]),
                ciw.dists.Pmf([0.8 * s for s in LONG_S], [0.5, 0.5]),
            ],
            routing=[[0.0, 1.0], [0.0, 0.0]],
            number_of_servers=[2, float("inf")],
            ps_thresholds=[1, 2],
        )
        played = ciw.Simulation(network, node_class=[ciw.Node, ciw.PSNode])
        played.simulate_until_max_customers(warmup + tasks, method="Finish")
        spans = {}
        for row in played.get_all_records():
            first, last = spans.get(row.id_number, (np.inf, 0.0))
            spans[row.id_number] = (min(first, row.arrival_date), max(last, row.exit_date))
        ordered = sorted(spans.values())[warmup:]
        return float(np.mean([last - first for first, last in ordered]))

    length = Length(10 * tasks, warmup)
    ours = [simulate(system, [work], Open(rate), length, seed).mean_s for seed in range(ROUNDS)]
    _assert_same(ours, [theirs(seed) for seed in range(ROUNDS)], within=0.05)


def test_a_closed_loop_of_a_queue_and_a_batch_as_simpy_has_it():
    """Users think, wait for one of two servers, then for a batch that takes all who wait at once."""
    users, think_s, floor_s, each_s, tasks, warmup = 6, 1.0, 0.5, 0.1, 4_000, 100
    steps = Steps(floor_s, 0.0, 1.0, 0.0, 0.0, each_s, 0.0)
    system = System(Host(1, 1, users), {"desk": Servers(2), "gpu": Replicas(steps, Limits(1, 10_000))})
    request = Item("gpu", 1, prompt_tokens=1)
    work = Workload("w", [Path((Item("desk", service_s), request)) for service_s in SHORT_S])

    def theirs(seed):
        env, draw, ends = simpy.Environment(), np.random.default_rng(seed), []
        desk, waiting = simpy.Resource(env, 2), simpy.Store(env)

        def user():
            while True:
                yield env.timeout(draw.exponential(think_s))
                began_s = env.now
                with desk.request() as turn:
                    yield turn
                    yield env.timeout(draw.choice(SHORT_S))
                answered = env.event()
                waiting.put(answered)
                yield answered
                ends.append((env.now, env.now - began_s))

        def batch():
            while True:
                taken = [(yield waiting.get())]
                taken += waiting.items
                waiting.items.clear()
                yield env.timeout(floor_s + each_s * len(taken))
                for answered in taken:
                    answered.succeed()

        for _ in range(users):
            env.process(user())
        env.process(batch())
        while len(ends) < warmup + tasks:
            env.step()
        kept = ends[warmup:]
        return len(kept) / (kept[-1][0] - ends[warmup - 1][0]), float(np.mean([took for _, took in kept]))

    length = Length(4 * tasks, warmup)
    ours = [simulate(system, [work], Closed(users, think_s), length, seed) for seed in range(ROUNDS)]
    rates, means_s = zip(*(theirs(seed) for seed in range(ROUNDS)), strict=True)
    _assert_same([run.throughput_per_s for run in ours], rates, within=0.02)
    _assert_same([run.mean_s for run in ours], means_s, within=0.02)
    assert ours[0].mean_s == pytest.approx(users / ours[0].throughput_per_s - think_s, rel=0.05)
