import json

import pytest

from orchprof.clocks import reply


def event(**document):
    return b"data: " + json.dumps(document).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("chunk", "has"),
    [
        (event(choices=[{"delta": {"role": "assistant", "content": ""}}]), False),
        (event(choices=[{"delta": {"role": "assistant", "content": None}}]), False),
        (event(choices=[{"delta": {"content": "a"}}]), True),
        (event(choices=[{"delta": {"tool_calls": [{"index": 0}]}}]), True),
        (event(choices=[{"delta": {"reasoning_content": "hm"}}]), True),
        (event(type="content_block_delta", delta={"type": "text_delta", "text": "a"}), True),
        (event(type="response.output_text.delta", delta="a"), True),
        (event(choices=[], usage={"completion_tokens": 3}), False),
        (b"data: [DONE]\n\n", False),
        (b": keep-alive\n\n", False),
    ],
)
def test_the_first_token_is_not_the_role_chunk(chunk, has):
    assert reply.has_token(chunk) is has


def test_the_last_event_with_usage_is_found_before_the_end_mark():
    stream = event(a=1) + event(usage={"prompt_tokens": 2}) + event(timings={}) + b"data: [DONE]\n\n"
    assert reply.last_event(stream) == {"usage": {"prompt_tokens": 2}}


def test_without_usage_the_last_object_counts_and_without_any_nothing():
    assert reply.last_event(event(a=1) + event(b=2) + b"data: [DONE]\n\n") == {"b": 2}
    assert reply.last_event(b"data: [1]\n\ndata: {torn") == {}


def test_an_account_holds_what_the_server_said_and_nothing_else():
    said = {
        "model": "m",
        "usage": {"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2}},
        "timings": {"prompt_ms": 1.5, "predicted_ms": 2.0, "cache_n": 2},
    }
    account = reply.account(said, {})
    assert (account["provenance"], account["server"], account["model"]) == ("reported", "llama.cpp", "m")
    assert (account["prefill_ns"], account["decode_ns"], account["queue_ns"]) == (1_500_000, 2_000_000, None)
    assert (account["input_tokens"], account["output_tokens"], account["cached_tokens"]) == (5, 7, 2)


@pytest.mark.parametrize(
    "body", [{}, {"usage": 3, "model": 4}, {"usage": {"prompt_tokens": -1, "completion_tokens": "7"}}]
)
def test_what_a_server_does_not_say_is_absent_not_zero(body):
    assert reply.account(body, {}) == {"provenance": "client_only", "granularity": "request"}


def test_the_other_names_of_tokens_are_known():
    assert reply.account({"usage": {"input_tokens": 3, "output_tokens": 4}}, {})["output_tokens"] == 4
