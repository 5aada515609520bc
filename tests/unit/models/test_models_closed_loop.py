"""Counted work against the batch that is really played, and against sums by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orchprof.models.paced import facts
from orchprof.models.paced.batch import Batch, Limits, Request
from orchprof.models.paced.closed_loop import Load, Means, play, seconds
from orchprof.models.paced.steps import MOST_SEQUENCES, Setup, steps_of

WEIGHTS = (1.0, 0.3, 1.3, 1.2, 1.0, 2.0, 0.7)
DENSE = facts.Model("dense", 8e9, 8e9, 32, 4096, 131072.0, 131072)
EXPERTS = facts.Model("experts", 8e9, 1e9, 32, 4096, 131072.0, 131072)
H100 = facts.accelerators()["h100-sxm"]


def _accelerator(kv_tokens):
    memory = (16e9 + (kv_tokens + 0.5) * 131072) / 0.9
    return facts.Accelerator("a", memory, H100.bandwidth_bytes_per_s, H100.bf16_flop_per_s, None, None)


def _played(setup, steps, load, rounds):
    """Return mean TTFT and TPOT of the first requests, played by the batch itself."""
    batch = Batch(steps, Limits(setup.count, setup.kv_tokens))
    wanted, sent, at_s, replaced = rounds * load.concurrency, 0, 0.0, load.concurrency
    timings = {}
    while len(timings) < wanted:
        for key in range(sent, sent + replaced):
            batch.submit(Request(key, load.input_tokens, load.output_tokens), at_s)
        sent += replaced
        at_s = batch.next_event_s()
        ended = [event for event in batch.advance(at_s) if event.timing]
        replaced = len(ended)
        timings |= {event.key: event.timing for event in ended if event.key < wanted}
    ttft_s = sum(one.queue_s + one.prefill_s for one in timings.values()) / wanted
    after = max(1, load.output_tokens - 1)
    return ttft_s, sum(one.decode_s for one in timings.values()) / wanted / after


@given(
    model=some.sampled_from([DENSE, EXPERTS]),
    load=some.builds(Load, some.integers(1, 9000), some.integers(1, 40), some.integers(1, 20)),
    spare=some.integers(0, 60_000),
    rounds=some.integers(1, 4),
)
def test_the_count_is_what_the_batch_plays(model, load, spare, rounds):
    setup = Setup(model, _accelerator(load.input_tokens + load.output_tokens + spare), 1, "bf16")
    steps = steps_of(setup, WEIGHTS)
    means = play(setup, load, rounds)
    ttft_s, tpot_s = _played(setup, steps, load, rounds)
    assert seconds(steps, means.ttft) == pytest.approx(ttft_s, rel=1e-6)
    if load.output_tokens == 1:
        assert means.tpot is None
    else:
        assert seconds(steps, means.tpot) == pytest.approx(tpot_s, rel=1e-6)


def test_one_client_by_hand():
    setup = Setup(DENSE, H100, 1, "bf16")
    # One step with the prompt. Then 2 steps of 1 request with 101 and 102 tokens of cache.
    assert play(setup, Load(100, 3, 1)) == Means((1, 1, 0, 0, 100, 10_000), (1, 1, 101.5, 1, 0, 0))


def test_a_burst_beyond_memory_queues():
    setup = Setup(DENSE, _accelerator(220), 1, "bf16")  # two requests of 110 tokens at once
    first_round = play(setup, Load(100, 10, 4), rounds=1)
    # The first is prefilled alone in step 1, the second in step 2. The first ends with step 11 (one of them the
    # second's prefill), the second with step 12: the third gets its first token in step 12, the fourth in 13.
    assert first_round.ttft[0] * 4 == pytest.approx(1 + 2 + 11 + 12)


def test_at_most_so_many_run_at_once():
    setup = Setup(DENSE, _accelerator(10_000_000), 1, "bf16")
    more = play(setup, Load(1, 2, MOST_SEQUENCES + 100), rounds=1)
    # All but the first are admitted in step 2, up to the limit; without it they would all have 2 steps.
    assert more.ttft[0] > 2
