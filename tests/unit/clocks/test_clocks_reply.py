import json
from base64 import b64encode

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
        (event(type="response.created", response={"instructions": [{"content": [{"text": "Be"}]}]}), False),
        (event(candidates=[{"content": {"parts": [{"text": "a"}], "role": "model"}}]), True),
        (event(candidates=[{"content": {"parts": [{"functionCall": {"name": "f"}}]}}]), True),
        (
            event(type="content_block_start", content_block={"type": "tool_use", "name": "f", "input": {}}),
            True,
        ),
        (event(type="message_delta", delta={"stop_reason": "tool_use"}), False),
        (event(type="response.output_item.added", item={"type": "function_call", "arguments": ""}), True),
        (event(message={"role": "assistant", "content": "", "thinking": "Hm"}), True),
        (event(type="content-delta", delta={"message": {"content": {"text": "a"}}}), True),
        (event(choices=[{"delta": {"refusal": "I"}}]), True),
        (b'{"bytes":"' + b64encode(b'{"delta":{"text":"a"}}') + b'"}', True),
        (b'{"bytes":"' + b64encode(b'{"delta":{"text":""}}') + b'"}', False),
        (event(choices=[], usage={"completion_tokens": 3}), False),
        (b"data: [DONE]\n\n", False),
        (b": keep-alive\n\n", False),
    ],
)
def test_the_first_token_is_not_the_role_chunk(chunk, has):
    assert reply.has_token(chunk) is has


def test_an_event_with_usage_is_found_before_the_end_mark():
    stream = event(a=1) + event(usage={"prompt_tokens": 2}) + event(timings={}) + b"data: [DONE]\n\n"
    assert reply.streamed([stream]) == {"usage": {"prompt_tokens": 2}, "timings": {}}


def test_without_usage_the_last_object_names_the_model_and_without_any_nothing_does():
    stream = event(a=1, model="m") + event(b=2, model="m1", usage=None) + b"data: [DONE]\n\n"
    assert reply.streamed([stream]) == {"model": "m1"}
    assert reply.streamed([b"data: [1]\n\ndata: {torn"]) == {}


def test_counts_of_a_stream_are_put_together_and_the_last_word_counts_unless_it_is_nothing():
    start = {"model": "m", "usage": {"input_tokens": 5, "cache_read_input_tokens": 9, "output_tokens": 1}}
    first = event(type="message_start", message=start)
    deltas = [
        event(type="message_delta", usage={"output_tokens": n, "input_tokens": 0}) for n in range(2, 40)
    ]
    told = reply.streamed([first, b"".join(deltas) + event(type="message_stop")])
    assert told == {
        "model": "m",
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 9, "output_tokens": 39},
    }


def test_a_stream_that_was_left_early_does_not_say_what_was_generated():
    start = {"model": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}
    told = reply.streamed([event(type="message_start", message=start) + event(type="content_block_delta")])
    assert told == {"model": "m", "usage": {"input_tokens": 5}}
    assert reply.streamed([event(type="message_start", message=None)]) == {}


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


def test_a_reply_that_is_nested_without_end_says_nothing():
    deep = b"[" * 100_000
    for body in (deep, b'{"usage":' + deep, b'{"usage":' + deep + b" " * 5_000_000):
        assert reply.document([body]) == {}


def test_a_surprising_word_on_decisions_is_not_reported():
    assert "decisions" not in reply.account({"orchprof": {"decisions": ["scripted"]}}, {})
