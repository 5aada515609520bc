"""The four wires: what a reply holds, streamed and whole, and what a request's history says."""

import gzip
import json

import pytest

from orchprof.clocks import reply
from orchprof.watch.proxy.reading import Lines, Reading
from orchprof.watch.proxy.wires import Asked, asked, wire_of

ARGUMENTS = '{"cmd": ["bash", "-lc", "python -m unittest"]}'
CHAT_USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
TOKENS = {"input_tokens": 7, "output_tokens": 3}


def chat(**delta):
    return {"id": "r1", "model": "m", "choices": [{"index": 0, "delta": delta}], "usage": None}


# Each: what comes before the first token, with it, and with the last, and after that.
STREAMS = {
    "chat": [
        chat(role="assistant", content=""),
        chat(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "shell", "arguments": ""}}]),
        chat(tool_calls=[{"index": 0, "function": {"arguments": ARGUMENTS[:9]}}]),
        chat(tool_calls=[{"index": 0, "function": {"arguments": ARGUMENTS[9:]}}]),
        {"id": "r1", "model": "m", "choices": [], "usage": CHAT_USAGE},
    ],
    "responses": [
        {
            "type": "response.created",
            "response": {"id": "r1", "model": "m", "instructions": "text", "output": []},
        },
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
        {
            "type": "response.output_item.added",
            "item": {"type": "function_call", "call_id": "c1", "name": "shell"},
        },
        {"type": "response.function_call_arguments.delta", "delta": ARGUMENTS},
        {
            "type": "response.output_item.done",
            "item": {"type": "function_call", "call_id": "c1", "name": "shell", "arguments": ARGUMENTS},
        },
        {
            "type": "response.completed",
            "response": {
                "id": "r1",
                "model": "m",
                "output": [{"type": "web_search_call", "id": "ws"}],
                "usage": {"input_tokens": 7, "output_tokens": 3},
            },
        },
    ],
    "messages": [
        {
            "type": "message_start",
            "message": {"id": "r1", "model": "m", "usage": {"input_tokens": 7, "output_tokens": 1}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "c1", "name": "shell", "input": {}},
        },
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": ARGUMENTS},
        },
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}},
    ],
    "gemini": [
        {"responseId": "r1", "modelVersion": "m", "candidates": [{"content": {"parts": [{"text": "so"}]}}]},
        {
            "candidates": [
                {
                    "content": {
                        "parts": [
                            {"functionCall": {"id": "c1", "name": "shell", "args": json.loads(ARGUMENTS)}}
                        ]
                    }
                }
            ]
        },
        {"candidates": [], "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3}},
    ],
}
FIRST_AND_LAST = {"chat": (1, 3), "responses": (1, 3), "messages": (2, 4), "gemini": (0, 1)}
PATHS = {
    "chat": "/chat/completions", "responses": "/responses", "messages": "/v1/messages",
    "gemini": "/v1beta/models/m:streamGenerateContent",
}  # fmt: skip
WHOLE = {
    "chat": {
        "id": "r1",
        "model": "m",
        "choices": [
            {"message": {"tool_calls": [{"id": "c1", "function": {"name": "shell", "arguments": ARGUMENTS}}]}}
        ],
        "usage": CHAT_USAGE,
    },
    "responses": {
        "id": "r1",
        "object": "response",
        "model": "m",
        "output": [{"type": "function_call", "call_id": "c1", "name": "shell", "arguments": ARGUMENTS}],
        "usage": {"input_tokens": 7, "output_tokens": 3},
    },
    "messages": {
        "type": "message",
        "id": "r1",
        "model": "m",
        "content": [{"type": "tool_use", "id": "c1", "name": "shell", "input": json.loads(ARGUMENTS)}],
        "usage": {"input_tokens": 7, "output_tokens": 3},
    },
    "gemini": STREAMS["gemini"],  # where no events were asked for, a list of them
}
each_wire = pytest.mark.parametrize("wire", STREAMS)


def read(wire, pieces, **headers):
    reading = Reading(wire, headers)
    for n, piece in enumerate(pieces):
        reading.feed(piece, 100 + n)
    return reading, reply.account(reading.end(), headers)


def assert_told(reading, told):
    assert {name: told[name] for name in TOKENS} == TOKENS
    assert (told["model"], reading.reply.id, reading.reply.error) == ("m", "r1", None)
    assert [(call.id, call.name, call.command()) for call in reading.reply.calls()] == [
        ("c1", "shell", "python -m unittest")
    ]


def sse(event):
    return b"data: " + json.dumps(event).encode() + b"\n\n"


@each_wire
def test_a_stream_is_read_event_by_event(wire):
    reading, told = read(
        wire, [sse(event) for event in STREAMS[wire]], **{"content-type": "text/event-stream"}
    )
    assert_told(reading, told)
    first, last = FIRST_AND_LAST[wire]
    assert (reading.first_token_ns, reading.last_token_ns) == (100 + first, 100 + last)


@each_wire
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_events_may_be_cut_anywhere(wire, size):
    text = b"".join(sse(event).replace(b"\n", b"\r\n") for event in STREAMS[wire]) + b"data: [DONE]\r\n\r\n"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert_told(*read(wire, pieces, **{"content-type": "text/event-stream; charset=utf-8"}))


@each_wire
def test_a_compressed_stream_is_read_too(wire):
    text = gzip.compress(b"".join(map(sse, STREAMS[wire])))
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    assert_told(*read(wire, [text[:20], text[20:]], **headers))


@each_wire
def test_a_whole_reply_is_read(wire):
    reading, told = read(wire, [json.dumps(WHOLE[wire]).encode()], **{"content-type": "application/json"})
    assert_told(reading, told)
    assert reading.first_token_ns is None


@each_wire
def test_what_is_no_reply_says_nothing(wire):
    odd = [
        b"data: 1\n",
        b"data: [[\n",
        b'data: {"choices": 3, "candidates": 4, "type": []}\n',
        b"<html>\n",
        b"\n",
    ]
    for kind in ("text/event-stream", "text/html"):
        reading, told = read(wire, odd, **{"content-type": kind})
        assert (reading.reply.calls(), reading.first_token_ns) == ([], None)
        assert told == {"provenance": "client_only", "granularity": "request"}


@pytest.mark.parametrize(
    ("wire", "event", "kind"),
    [
        (
            "messages",
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            "overloaded_error",
        ),
        (
            "responses",
            {"type": "response.failed", "response": {"error": {"code": "server_error"}}},
            "server_error",
        ),
        ("chat", {"error": {"message": "a text", "type": "a text of its own"}}, "reported"),
        ("gemini", {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, "RESOURCE_EXHAUSTED"),
    ],
)
def test_an_error_in_the_midst_of_a_stream_is_told_by_its_kind(wire, event, kind):
    assert read(wire, [sse(event)], **{"content-type": "text/event-stream"})[0].reply.error == kind


def test_a_line_that_is_too_long_is_let_go_and_the_next_is_whole():
    lines = Lines()
    pieces = [b"a\nb" + bytes(1 << 20), bytes(1 << 20), bytes(1 << 20), b"end\nnext\n"]
    assert [lines.cut(piece) for piece in pieces] == [[b"a"], [], [], [b"", b"next"]]


def asked_of(ids=(), **told):
    return Asked(tuple(ids), **told)


USER = {"role": "user", "content": "do"}
HISTORIES = {
    "chat": (
        {"messages": [USER, {"role": "assistant", "tool_calls": []}, {"role": "tool", "tool_call_id": "c1"}]},
        ["c1"],
    ),
    "responses": (
        {
            "input": [
                USER,
                {"type": "function_call", "call_id": "c1"},
                {"type": "function_call_output", "call_id": "c1", "output": "x"},
            ]
        },
        ["c1"],
    ),
    "messages": (
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c1"}]},
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "c1"}, {"type": "text", "text": "x"}],
                },
            ]
        },
        ["c1"],
    ),
    "gemini": (
        {
            "contents": [
                {"role": "user", "parts": [{"text": "do"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "shell"}}]},
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"name": "shell"}},
                        {"functionResponse": {"name": "shell"}},
                    ],
                },
            ]
        },
        ["shell#1", "shell#2"],
    ),
}


@each_wire
def test_a_history_says_what_it_brings(wire):
    body, ids = HISTORIES[wire]
    said = asked(wire, {**body, "tools": [{}], "model": "m"})
    assert said._replace(conversation=0) == asked_of(
        ids, messages=3, answers=True, offers_tools=True, model="m"
    )


@each_wire
def test_a_first_message_is_the_users(wire):
    name, history = next(iter(HISTORIES[wire][0].items()))
    said = asked(wire, {name: history[:1]})
    assert said._replace(conversation=0) == asked_of(messages=1, user_turn=True)


def test_a_text_alone_is_the_users_message():
    said = asked("responses", {"input": "hello", "previous_response_id": "r0"})
    assert (said.messages, said.user_turn, said.answers) == (1, True, True)


@each_wire
def test_a_request_that_is_none_brings_nothing(wire):
    assert asked(wire, None) == Asked()
    assert asked(wire, {"messages": 3, "input": 4, "contents": {}, "tools": None}).messages in (0, 1)


@each_wire
def test_a_wire_is_told_by_how_its_path_ends(wire):
    assert wire_of("POST", PATHS[wire]) == wire
    assert wire_of("GET", PATHS[wire]) is None
    assert wire_of("POST", f"{PATHS[wire]}/count_tokens") is None
