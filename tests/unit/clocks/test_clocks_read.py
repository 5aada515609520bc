"""Model clocks: recorded payloads, their units, and what must not be believed."""

import pytest

from orchprof import clocks

# As our own endpoint sent it (paced:llama-3.1-8b@h100).
OWN = {
    "usage": {"prompt_tokens": 1002, "completion_tokens": 5, "total_tokens": 1007},
    "orchprof": {
        "queue_s": 0.25,
        "prefill_s": 0.028786147,
        "decode_s": 0.026313701,
        "total_s": 0.306527609,
        "accelerator_s": 0.055099848,
        "cached_tokens": 3,
        "provenance": "modelled",
        "decisions": "scripted",
    },
}

# As llama.cpp (build 11549) sent it.
LLAMA = {
    "usage": {"completion_tokens": 8, "prompt_tokens": 161, "total_tokens": 169},
    "timings": {
        "cache_n": 0,
        "prompt_n": 161,
        "prompt_ms": 2.595,
        "prompt_per_token_ms": 0.01611801242236025,
        "prompt_per_second": 62042.38921001927,
        "predicted_n": 8,
        "predicted_ms": 0.733,
        "predicted_per_token_ms": 0.10471428571428572,
        "predicted_per_second": 9549.795361527968,
    },
}


def test_own_endpoint_is_in_seconds():
    assert clocks.read(OWN, {}) == clocks.Clock(
        server="orchprof",
        provenance="modelled",
        queue_ns=250_000_000,
        prefill_ns=28_786_147,
        decode_ns=26_313_701,
        total_ns=306_527_609,
        accelerator_ns=55_099_848,
        cached_tokens=3,
        granularity="request",
    )


def test_llama_cpp_is_in_milliseconds_and_says_nothing_of_its_queue():
    assert clocks.read(LLAMA, {}) == clocks.Clock(
        server="llama.cpp",
        provenance="reported",
        prefill_ns=2_595_000,
        decode_ns=733_000,
        cached_tokens=0,
    )


@pytest.mark.parametrize("body", [{}, {"usage": {}}, {"orchprof": None}, {"timings": []}, {"timings": {}}])
def test_no_clock(body):
    assert clocks.read(body, {"server-timing": "x;dur=3"}) is None


def test_our_own_field_is_trusted_before_another():
    assert clocks.read(LLAMA | OWN, {}).server == "orchprof"


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "0.1", True, [0.1], 1e9, 10**400])
def test_a_surprising_duration_is_not_reported(value):
    clock = clocks.read({"orchprof": OWN["orchprof"] | {"queue_s": value}}, {})
    assert clock.queue_ns is None
    assert clock.prefill_ns == 28_786_147


@pytest.mark.parametrize("value", [-1, 1.5, "7", True, 10**400])
def test_a_surprising_count_is_not_reported(value):
    assert clocks.read({"orchprof": OWN["orchprof"] | {"cached_tokens": value}}, {}).cached_tokens is None


def test_an_unknown_provenance_is_no_clock():
    assert clocks.read({"orchprof": OWN["orchprof"] | {"provenance": "guessed"}}, {}) is None


def test_parts_above_the_total_are_dropped_and_the_total_kept():
    clock = clocks.read({"orchprof": OWN["orchprof"] | {"total_s": 0.1}}, {})
    assert (clock.queue_ns, clock.prefill_ns, clock.decode_ns) == (None, None, None)
    assert clock.total_ns == 100_000_000


def test_parts_may_exceed_the_total_by_rounding():
    body = {
        "orchprof": OWN["orchprof"]
        | {"queue_s": 0.0, "prefill_s": 0.1, "decode_s": 0.2000005, "total_s": 0.3}
    }
    assert clocks.read(body, {}).prefill_ns == 100_000_000


def test_only_the_kept_fields_matter():
    kept = {key: value for key, value in (OWN | LLAMA).items() if key in clocks.FIELDS}
    assert clocks.read(kept, {}) == clocks.read(OWN, {})
