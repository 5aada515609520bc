"""What a whole reply says: streams of other shapes than chat completions, and replies too long to read whole."""

import json
import struct
from base64 import b64encode

from orchprof.clocks import reply

USAGE = {"prompt_tokens": 7, "total_tokens": 7}


def frame(payload, kind=b"chunk"):
    """One event as AWS frames it; the checksums are not looked at."""
    heads = b"".join(
        bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value
        for name, value in (
            (b":event-type", kind),
            (b":content-type", b"application/json"),
            (b":message-type", b"event"),
        )
    )
    size = 12 + len(heads) + len(payload) + 4
    return struct.pack(">III", size, len(heads), 0) + heads + payload + b"sums"


def test_the_end_of_a_responses_stream_has_the_whole_response_inside():
    inner = {"model": "m1", "usage": {"input_tokens": 5, "output_tokens": 2}}
    stream = (
        b'data: {"type": "x"}\n\ndata: ' + json.dumps({"type": "end", "response": inner}).encode() + b"\n\n"
    )
    assert reply.streamed([stream]) == inner


def test_an_end_longer_than_what_was_kept_of_it_is_searched():
    end = b'broken off here", "usage": {"input_tokens": 5, "output_tokens": 2}, "model": "m1"}}\n\n'
    assert reply.streamed([b"", end])["usage"] == {"input_tokens": 5, "output_tokens": 2}


def test_lines_of_json_are_events_too():
    stream = b'{"response": "he"}\n{"done": true, "eval_count": 3}\n'
    assert reply.streamed([stream]) == {"eval_count": 3}
    assert reply.has_token(stream)


def test_a_list_of_events_is_a_stream_as_well():
    events = [{"usageMetadata": {"promptTokenCount": 4}}, {"usageMetadata": {"candidatesTokenCount": 2}}]
    told = reply.document([json.dumps(events, indent=1).encode()])
    assert told == {"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2}}


def test_events_are_read_out_of_frames_whole_or_from_the_middle_on():
    told = {"usage": {"inputTokens": 3, "outputTokens": 4}, "metrics": {"latencyMs": 9}}
    stream = frame(b'{"delta":{"text":"a"}}') + frame(json.dumps(told).encode(), b"metadata")
    assert reply.has_token(stream)
    assert reply.streamed([stream]) == {"usage": told["usage"]}
    assert reply.streamed([b"", stream[30:]]) == {"usage": told["usage"]}


def test_a_models_own_events_are_unwrapped():
    inner = json.dumps({"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3}}).encode()
    stream = frame(b'{"bytes":"' + b64encode(inner) + b'","p":"abc"}')
    assert reply.streamed([stream]) == {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3}}


def test_of_a_very_long_reply_only_what_it_says_of_itself_is_read():
    whole = json.dumps({"data": [0.25] * 100_000, "model": "m1", "usage": USAGE}).encode()
    assert reply.document([whole]) == {"model": "m1", "usage": USAGE}
    assert reply.document([whole[:8000], whole[-8000:]]) == {"model": "m1", "usage": USAGE}


def test_a_long_reply_whose_end_is_no_json_says_nothing_of_it():
    assert reply.document([b" " * 100_000 + b'"usage": {"broken']) == {}


def test_what_is_no_json_says_nothing():
    assert (
        reply.document([b""]) == reply.document([b"<html>busy</html>"]) == reply.document([b"[1, 2]"]) == {}
    )


def test_embeddings_generate_nothing():
    body = {"meta": {"billed_units": {"input_tokens": 5}}}
    assert reply.account(body, {}, "/v2/embed")["output_tokens"] == 0
    assert "output_tokens" not in reply.account(body, {}, "/v2/chat")
    assert "output_tokens" not in reply.account({}, {}, "/v2/embed")


def test_the_model_is_named_by_the_path_where_the_reply_does_not():
    paths = {
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent": "gemini-2.5-flash",
        "/model/anthropic.claude-sonnet-4-5-v1%3A0/converse-stream": "anthropic.claude-sonnet-4-5-v1:0",
        "/v1/chat/completions": None,
    }
    assert {path: reply.account({}, {}, path).get("model") for path in paths} == paths
    assert reply.account({"modelVersion": "g1"}, {}, "/v1/models/g:generateContent")["model"] == "g1"
