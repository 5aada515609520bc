"""The batch simulation against closed forms worked out by hand."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orchprof.models.paced.batch import NEVER_S, Batch, Limits, Request
from orchprof.models.paced.steps import Steps

# One step: 10 ms, 1 ms per running request, 1 us per token of cache; a prompt 100 us per token.
STEPS = Steps(
    floor_s=0.004,
    weights_s=0.006,
    active_share=1.0,
    context_token_s=1e-6,
    sequence_s=1e-3,
    prompt_token_s=1e-4,
    prompt_pair_s=0.0,
)


def _batch(**limits):
    return Batch(STEPS, Limits(**({"accelerators": 1, "kv_tokens": 100_000} | limits)))


def _play(batch, arrivals):
    """Return every event, by key, of requests that arrive at set times."""
    events = []
    for at_s, request in sorted(arrivals, key=lambda one: one[0]):
        events += batch.advance(at_s)
        batch.submit(request, at_s)
    while (at_s := batch.next_event_s()) < NEVER_S:
        events += batch.advance(at_s)
    return events


def _timings(events):
    return {event.key: event.timing for event in events if event.timing is not None}


def test_one_request_alone():
    batch = _batch(accelerators=2)
    events = _play(batch, [(5.0, Request(0, 100, 4))])
    # First token: 10 ms and the prompt's 10 ms. Then three steps of 11 ms and the cache, 101 to 103 tokens.
    first_s, rest_s = 0.020, 3 * 0.011 + (101 + 102 + 103) * 1e-6
    assert [event.at_s for event in events] == pytest.approx([5 + first_s, 5 + first_s + rest_s])
    assert [event.tokens for event in events] == [1, 4]
    timing = events[-1].timing
    assert (timing.queue_s, timing.prefill_s, timing.decode_s) == pytest.approx((0, first_s, rest_s))
    assert timing.accelerator_s == pytest.approx(2 * (first_s + rest_s))


def test_streaming_changes_only_what_is_told():
    told = _play(_batch(), [(0.0, Request(0, 100, 4, stream=True))])
    assert [event.tokens for event in told] == [1, 2, 3, 4]
    steps = [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(told)]
    assert steps == pytest.approx([0.011101, 0.011102, 0.011103])
    quiet = _play(_batch(), [(0.0, Request(0, 100, 4))])
    assert quiet[-1] == told[-1]


def test_a_single_token_ends_with_the_prefill():
    (event,) = _play(_batch(), [(0.0, Request(0, 100, 1))])
    assert event.at_s == pytest.approx(0.020)
    assert event.timing.decode_s == 0


def test_an_arrival_waits_for_the_step_under_way_and_lengthens_the_next():
    events = _play(_batch(), [(0.0, Request(0, 100, 10)), (0.025, Request(1, 200, 2))])
    timings = _timings(events)
    # Request 0 has its first token at 20 ms and is in a step until 31.101 ms.
    assert timings[1].queue_s == pytest.approx(0.031101 - 0.025)
    # The step that admits it: 10 ms, request 0's 1 ms and 102 tokens of cache, its own prompt's 20 ms.
    assert timings[1].prefill_s == pytest.approx(0.011 + 102e-6 + 0.020)
    # Then both are in one step: 10 ms, 2 ms, caches of 103 and 201 tokens.
    assert timings[1].decode_s == pytest.approx(0.012 + 304e-6)


def test_eight_equal_requests_share_evenly():
    batch = _batch()
    batch.submit(Request(99, 1, 1), 0.0)  # keeps the batch busy, so that the eight are admitted together
    for key in range(8):
        batch.submit(Request(key, 100, 5), 0.001)
    events = []
    while (at_s := batch.next_event_s()) < NEVER_S:
        events += batch.advance(at_s)
    timings = _timings(events)
    eight = [timings[key] for key in range(8)]
    assert all(one == eight[0] for one in eight)
    assert eight[0].prefill_s == pytest.approx(0.010 + 8 * 0.010)
    cache = sum(8 * (100 + tokens) for tokens in (1, 2, 3, 4))
    assert eight[0].decode_s == pytest.approx(4 * 0.018 + cache * 1e-6)
    assert eight[0].accelerator_s == pytest.approx((eight[0].prefill_s + eight[0].decode_s) / 8)


def test_first_come_first_served_when_memory_is_short():
    batch = _batch(kv_tokens=150)
    events = _play(
        batch, [(0.0, Request(0, 90, 10)), (0.001, Request(1, 140, 5)), (0.002, Request(2, 10, 1))]
    )
    ends = {event.key: event.at_s for event in events if event.timing}
    timings = _timings(events)
    # Request 2 would fit beside request 0, but request 1 came before it.
    assert timings[1].queue_s == pytest.approx(ends[0] - 0.001)
    assert timings[2].queue_s >= ends[0] - 0.002


def test_the_prompts_of_one_step_are_limited_but_a_long_one_runs_alone():
    batch = _batch(prompt_tokens=100)
    arrivals = [(0.0, Request(0, 10, 1))] + [(0.001, Request(key, 60, 1)) for key in (1, 2)]
    timings = _timings(_play(batch, arrivals))
    assert timings[2].queue_s == pytest.approx(timings[1].queue_s + timings[1].prefill_s)
    assert _timings(_play(batch, [(9.0, Request(3, 5000, 1))]))[3].prefill_s == pytest.approx(0.510)


def test_seats_are_limited():
    batch = _batch(sequences=1)
    timings = _timings(_play(batch, [(0.0, Request(0, 10, 5)), (0.0, Request(1, 10, 5))]))
    assert timings[1].queue_s == pytest.approx(timings[0].prefill_s + timings[0].decode_s)


def test_what_can_never_run_is_refused():
    for request in (Request(0, 0, 1), Request(0, 1, 0)):
        with pytest.raises(ValueError, match="at least one token"):
            _batch().submit(request, 0.0)
    with pytest.raises(ValueError, match="do not fit"):
        _batch(kv_tokens=10).submit(Request(0, 10, 1), 0.0)


def test_an_empty_batch_does_nothing():
    assert _batch().next_event_s() == NEVER_S
    assert _batch().advance(7.0) == []


_requests = some.lists(
    some.tuples(some.floats(0, 2), some.integers(1, 500), some.integers(1, 60), some.booleans()),
    min_size=1,
    max_size=12,
)


@given(requests=_requests, looks=some.lists(some.floats(0, 5), max_size=20))
def test_laws_of_any_load(requests, looks):
    arrivals = [(at_s, Request(key, *rest)) for key, (at_s, *rest) in enumerate(requests)]
    limits = {"accelerators": 4, "kv_tokens": 1500, "sequences": 5}
    batch = _batch(**limits)
    events = _play(batch, arrivals)
    timings = _timings(events)
    ends = {event.key: event.at_s for event in events if event.timing}
    assert len(timings) == len(requests)
    assert [event.at_s for event in events] == sorted(event.at_s for event in events)
    # Conservation, and residence times that sum to the request's time.
    assert sum(one.accelerator_s for one in timings.values()) == pytest.approx(4 * batch.busy_s)
    for at_s, request in arrivals:
        one = timings[request.key]
        assert one.queue_s + one.prefill_s + one.decode_s == pytest.approx(ends[request.key] - at_s)
        assert min(one.queue_s, one.decode_s) >= -1e-12
    # Looking more often at it changes nothing but rounding.
    watched = _batch(**limits)
    seen = []
    for at_s, request in sorted([*arrivals, *((look, None) for look in looks)], key=lambda one: one[0]):
        seen += watched.advance(at_s)
        if request:
            watched.submit(request, at_s)
    seen += watched.advance(math.inf)
    assert [(event.key, event.tokens) for event in seen] == [(event.key, event.tokens) for event in events]
    assert [event.at_s for event in seen] == pytest.approx([event.at_s for event in events])


def test_accelerator_time_is_split_by_the_prompts_own_cost():
    batch = _batch()
    batch.submit(Request(9, 1, 1), 0.0)  # keeps the batch busy until 10.1 ms
    for key, prompt in ((0, 100), (1, 300)):
        batch.submit(Request(key, prompt, 1), 0.001)
    timings = _timings(batch.advance(1.0))
    # One step of 10 ms that both share, 10 ms for the prompt of 100 tokens and 30 ms for the one of 300.
    assert timings[0].accelerator_s == pytest.approx(0.005 + 0.010)
    assert timings[1].accelerator_s == pytest.approx(0.005 + 0.030)
    assert timings[0].prefill_s == timings[1].prefill_s == pytest.approx(0.050)


def test_a_prompt_touches_experts_as_every_token_does():
    steps = Steps(0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0)  # a second for all weights, half of them per token
    batch = Batch(steps, Limits(1, 1000))
    first, rest = _play(batch, [(0.0, Request(0, 3, 2))])
    assert first.at_s == pytest.approx(1 - 0.5**3)
    assert rest.at_s - first.at_s == pytest.approx(0.5)


def test_who_is_cancelled_while_waiting_lets_the_next_one_in():
    batch = _batch(kv_tokens=150)
    batch.submit(Request(0, 90, 10), 0.0)
    batch.submit(Request(1, 140, 5), 0.0)  # too big beside request 0
    batch.submit(Request(2, 10, 1), 0.0)
    batch.advance(0.020)  # request 0's first token is at 19 ms; its next at 19 ms + 11.091 ms
    batch.cancel(1)
    timings = _timings(batch.advance(math.inf))
    assert sorted(timings) == [0, 2]
    assert timings[2].queue_s == pytest.approx(0.019 + 0.011091)


def test_who_is_cancelled_while_running_frees_its_place_at_the_steps_end():
    batch = _batch(sequences=1)
    batch.submit(Request(0, 100, 1000, stream=True), 0.0)
    batch.submit(Request(1, 100, 1), 0.0)
    batch.advance(0.025)  # in the step from 20 to 31.101 ms
    batch.cancel(0)
    events = batch.advance(math.inf)
    assert [event.key for event in events] == [1]
    assert events[0].timing.queue_s == pytest.approx(0.031101)
    assert batch.busy_s == pytest.approx(0.031101 + 0.020)
    batch.cancel(1)
    batch.cancel(77)
    assert batch.next_event_s() == NEVER_S


def test_who_is_cancelled_in_its_prefill_has_no_token():
    batch = _batch()
    batch.submit(Request(0, 100, 10), 0.0)
    batch.advance(0.001)
    batch.cancel(0)
    assert batch.advance(math.inf) == []
    assert batch.busy_s == pytest.approx(0.020)
