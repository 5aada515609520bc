"""What a whole reply says: streams of other shapes than chat completions, and replies too long to read whole."""

import gzip
import json

from orchprof.clocks import reply

USAGE = {"prompt_tokens": 7, "total_tokens": 7}


def test_the_end_of_a_responses_stream_has_the_whole_response_inside():
    inner = {"model": "m1", "usage": {"input_tokens": 5, "output_tokens": 2}}
    stream = (
        b'data: {"type": "x"}\n\ndata: ' + json.dumps({"type": "end", "response": inner}).encode() + b"\n\n"
    )
    assert reply.last_event(stream) == inner


def test_lines_of_json_are_events_too():
    stream = b'{"response": "he"}\n{"done": true, "eval_count": 3}\n'
    assert reply.last_event(stream) == {"done": True, "eval_count": 3}
    assert reply.has_token(stream)


def test_of_a_very_long_reply_only_usage_and_model_are_read():
    whole = {"data": [0.25] * 100_000, "model": "m1", "usage": USAGE}
    assert reply.document(json.dumps(whole).encode()) == {"model": "m1", "usage": USAGE}


def test_a_long_reply_whose_end_is_no_json_says_nothing_of_it():
    assert reply.document(b" " * 100_000 + b'"usage": {"broken') == {}


def test_a_compressed_reply_is_read_and_a_broken_one_is_not():
    packed = gzip.compress(json.dumps({"usage": USAGE}).encode())
    assert reply.document(packed, "gzip") == {"usage": USAGE}
    assert reply.document(packed[:-12], "gzip") == {}
