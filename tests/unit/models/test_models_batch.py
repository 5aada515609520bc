"""The batch simulation against closed forms worked out by hand."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orchprof.models.batch import NEVER_S, Batch, Limits, Request
from orchprof.models.explain import resolve
from orchprof.models.paced import Load, steady
from orchprof.models.spec import DEFAULT_SPEC, parse
from orchprof.models.steps import Steps

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


@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_a_closed_loop_reaches_the_steady_state_that_explain_states(concurrency):
    model = resolve(parse(DEFAULT_SPEC))
    load = Load(1024, 256, concurrency)
    ttft_s, tpot_s = steady(model.setup, model.steps, load)
    batch = Batch(model.steps, Limits(1, model.setup.kv_tokens))
    done = _closed_loop(batch, load, ttft_s + 255 * tpot_s)
    settled = done[len(done) // 2 :]
    assert _mean(one.decode_s for one in settled) / 255 == pytest.approx(tpot_s, rel=0.01)
    assert _mean(one.queue_s + one.prefill_s for one in settled) == pytest.approx(ttft_s, rel=0.2)


def _mean(values):
    values = list(values)
    return sum(values) / len(values)


def _closed_loop(batch, load, request_s, rounds=6):
    """Return the timings of clients that start out of step and send again as soon as they are answered."""
    arrivals = [client * request_s / load.concurrency for client in range(load.concurrency)]
    done, sent = [], 0
    while len(done) < load.concurrency * rounds - load.concurrency:
        at_s = min([*arrivals, batch.next_event_s()])
        events = batch.advance(at_s)
        if at_s in arrivals:
            arrivals.remove(at_s)
            batch.submit(Request(sent, load.input_tokens, load.output_tokens), at_s)
            sent += 1
        finished = [event for event in events if event.timing]
        done += [event.timing for event in finished]
        arrivals += [event.at_s for event in finished]
    return done
