"""Events per second of the capacity simulation, SimPy and ciw on the same closed network, in one run.

64 users without thought go five times from 4 cores to a model that works off all who wait in one step, as a batch of
requests of one token each. The cores are shared with us and are served in order of arrival with the others. ciw has no
such batch: there the model is a delay as long as a step in the mean, which is less work for it.

An event is counted alike for all: a visit to a station has three (it joins, it begins, it ends), and nothing else is
counted, so that the ratio of two rates is that of visits per second. `events_per_s` is in each benchmark's extra info,
per second of the process's own CPU, so that neighbours matter less.
"""

import random
import time

import pytest

from orchprof.models.paced.batch import Limits
from orchprof.models.paced.steps import Steps
from orchprof.simulate.arrivals import Closed
from orchprof.simulate.simulation import Length, simulate
from orchprof.simulate.system import CPU, Host, Item, Path, Replicas, System, Workload

USERS, CORES, ROUNDS_OF_A_TASK, EVENTS_OF_A_VISIT = 64, 4, 5, 3
CPU_S, STEP_S, REQUEST_S = 0.02, 0.01, 0.003
WARMUP_TASKS = 64
STEPS = Steps(STEP_S, 0.0, 1.0, 0.0, 0.0, REQUEST_S, 0.0)


def amounts_s(n, seed=1):
    draw = random.Random(seed)
    return [draw.expovariate(1 / CPU_S) for _ in range(n)]


def ours(answer_tokens=1):
    recorded = []
    for seed in range(100):
        request = Item("gpu", answer_tokens, prompt_tokens=1)
        recorded.append(
            Path(tuple(item for s in amounts_s(ROUNDS_OF_A_TASK, seed) for item in (Item(CPU, s), request)))
        )
    system = System(Host(CORES, USERS), {"gpu": Replicas(STEPS, Limits(1, 100_000))})
    tasks = 5_000
    work = [Workload("agent", recorded)]

    def run():
        simulate(system, work, Closed(USERS), Length(tasks, WARMUP_TASKS, drain=True))

    return run, (tasks + WARMUP_TASKS) * ROUNDS_OF_A_TASK * 2


def with_answers():
    """The same with answers of twenty tokens: steps between which nothing changes cost nothing."""
    return ours(answer_tokens=20)


def with_simpy():
    simpy = pytest.importorskip("simpy")
    visits, seconds = 20_000, amounts_s(1_000)

    def run():
        env, draw, ended = simpy.Environment(), random.Random(1), [0]
        cores, waiting = simpy.Resource(env, CORES), simpy.Store(env)

        def user():
            while True:
                with cores.request() as turn:
                    yield turn
                    yield env.timeout(draw.choice(seconds))
                answered = env.event()
                waiting.put(answered)
                yield answered
                ended[0] += 2

        def model():
            while True:
                taken = [(yield waiting.get())]
                taken += waiting.items
                waiting.items.clear()
                yield env.timeout(STEP_S + REQUEST_S * len(taken))
                for answered in taken:
                    answered.succeed()

        for _ in range(USERS):
            env.process(user())
        env.process(model())
        while ended[0] < visits:
            env.step()

    return run, visits


def with_ciw():
    ciw = pytest.importorskip("ciw")
    seconds = amounts_s(1_000)
    visits = 4_000
    # The cores bind: 4 / 0.02 visits to them per second, and as many to the model.
    until_s = visits / 2 * CPU_S / CORES
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([1e-9, float("inf")]), None],
        batching_distributions=[ciw.dists.Deterministic(USERS), ciw.dists.Deterministic(1)],
        service_distributions=[ciw.dists.Empirical(seconds), ciw.dists.Deterministic(STEP_S + 2 * REQUEST_S)],
        routing=[[0.0, 1.0], [1.0, 0.0]],
        number_of_servers=[CORES, float("inf")],
    )

    def run():
        ciw.seed(1)
        ciw.Simulation(network).simulate_until_max_time(until_s)

    return run, visits


@pytest.mark.benchmark(group="closed network: cores and a batch", timer=time.process_time)
@pytest.mark.parametrize(
    "prepared",
    [ours, with_answers, with_simpy, with_ciw],
    ids=["orchprof", "orchprof-20-tokens", "simpy", "ciw"],
)
def test_events_per_second(benchmark, prepared):
    run, visits = prepared()
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    if benchmark.stats is not None:  # not with --benchmark-disable
        benchmark.extra_info["events_per_s"] = round(visits * EVENTS_OF_A_VISIT / benchmark.stats.stats.min)
