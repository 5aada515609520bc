"""The simulation's batch against `models.batch`: the same instants, for any arrivals and limits."""

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from orchprof.models.paced.batch import NEVER_S, Batch, Limits, Request
from orchprof.models.paced.steps import Steps
from orchprof.simulate.arrivals import Closed, Trace
from orchprof.simulate.simulation import Length, simulate
from orchprof.simulate.system import Host, Item, Path, Replicas, System, Workload

STEPS = Steps(
    floor_s=0.004,
    weights_s=0.006,
    active_share=0.7,
    context_token_s=1e-6,
    sequence_s=1e-3,
    prompt_token_s=1e-4,
    prompt_pair_s=1e-7,
)
LIMITS = Limits(1, kv_tokens=1500, sequences=5, prompt_tokens=600)


def _simulated(arrivals, count=1):
    """Return each request's time in the model; requests are the paths of workloads with one path each."""
    paths = [Path((Item("gpu", tokens, prompt_tokens=prompt),)) for _, prompt, tokens in arrivals]
    system = System(Host(1, 1, len(arrivals)), {"gpu": Replicas(STEPS, LIMITS, count)})
    return paths, system


def _played(arrivals):
    """Return when each request ends by models.batch."""
    batch, ends = Batch(STEPS, LIMITS), {}

    def collect(to_s):
        ends.update({event.key: event.at_s for event in batch.advance(to_s) if event.timing})

    for key, (at_s, prompt, tokens) in enumerate(arrivals):
        collect(at_s)
        batch.submit(Request(key, prompt, tokens), at_s)
    while (at_s := batch.next_event_s()) < NEVER_S:
        collect(at_s)
    return ends, batch.busy_s


_request = some.tuples(some.integers(1, 500), some.integers(1, 60))


@settings(deadline=None)
@given(
    kind=_request,
    gaps_s=some.lists(some.floats(0.0, 0.3), min_size=1, max_size=30),
)
def test_equal_requests_end_when_they_end_there(kind, gaps_s):
    arrivals = [(at_s, *kind) for at_s in accumulate(gaps_s)]
    paths, system = _simulated(arrivals)
    times = [at_s for at_s, *_ in arrivals]
    outcome = simulate(system, [Workload("w", paths[:1])], Trace(times), Length(len(times)))
    ends, _ = _played(arrivals)
    expected = [ends[key] - at_s for key, at_s in enumerate(times)]
    # An arrival within a rounding error of a step's end may be in time or late for it.
    assert outcome.response_s.tolist() == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(
    kinds=some.lists(_request, min_size=1, max_size=6),
    gaps_s=some.lists(some.floats(0.0001, 0.3), min_size=2, max_size=30),
    seed=some.integers(0, 9),
)
def test_mixed_requests_end_when_they_end_there(kinds, gaps_s, seed):
    times = list(accumulate(gaps_s))
    mix = [Workload(str(kind), [Path((Item("gpu", kind[1], prompt_tokens=kind[0]),))]) for kind in kinds]
    system = System(Host(1, 1, len(times)), {"gpu": Replicas(STEPS, LIMITS)})
    outcome = simulate(system, mix, Trace(times), Length(len(times)), seed)
    drawn = [kinds[index] for index in outcome.workload]
    ends, busy_s = _played([(at_s, *kind) for at_s, kind in zip(times, drawn, strict=True)])
    assert outcome.response_s.tolist() == pytest.approx([ends[key] - at_s for key, at_s in enumerate(times)])
    assert outcome.uses["gpu"].busy * outcome.span_s == pytest.approx(busy_s)


def test_a_request_goes_to_the_replica_with_the_fewest():
    kind = (100, 10)
    alone, _ = _played([(0.0, *kind)])
    paths, system = _simulated([(0.0, *kind)] * 3, count=3)
    outcome = simulate(system, [Workload("w", paths[:1])], Trace([0.0, 0.001, 0.002]), Length(3))
    assert outcome.response_s.tolist() == pytest.approx([alone[0]] * 3)
    assert outcome.uses["gpu"].size == 3


def test_who_is_answered_and_asks_again_is_late_for_the_next_step():
    """Two users in turn: each comes as the other's step begins, so each waits a whole step and then has its own."""
    path = Path((Item("gpu", 1, prompt_tokens=100),))
    system = System(Host(1, 1, 2), {"gpu": Replicas(STEPS, LIMITS)})
    outcome = simulate(system, [Workload("w", [path])], Closed(2), Length(50, warmup=10))
    step_s = STEPS.base_s(100) + STEPS.prompt_s(100)
    assert outcome.response_s.tolist() == pytest.approx([2 * step_s] * 50)
    assert outcome.throughput_per_s == pytest.approx(1 / step_s)
    assert outcome.uses["gpu"].busy_share == pytest.approx(1)
