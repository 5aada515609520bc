"""The wires: every vendor's requests become one conversation, one answer becomes each vendor's, streamed or not."""

import json

import pytest

from orchprof.clocks import reply
from orchprof.models.source import Spent
from orchprof.models.wires import chat, deltas, gemini, messages, responses
from orchprof.models.wires.ask import End, RefusedError

SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "bash", "description": "runs", "parameters": SCHEMA}}
CALLS = [{"name": "bash", "arguments": {"command": "a"}}, {"name": "bash", "arguments": {"command": "b"}}]
# The same conversation over each wire: a system's word, the user's, two calls at once, their results.
SAID = {
    chat: {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "go"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "1",
                        "type": "function",
                        "function": {"name": "bash", "arguments": '{"command": "a"}'},
                    },
                    {
                        "id": "2",
                        "type": "function",
                        "function": {"name": "bash", "arguments": '{"command": "b"}'},
                    },
                ],
            },
            {"role": "tool", "tool_call_id": "1", "content": "one"},
            {"role": "tool", "tool_call_id": "2", "content": "two"},
        ],
        "tools": [TOOL],
    },
    responses: {
        "model": "m",
        "instructions": "be brief",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "go"}]},
            {"type": "reasoning", "summary": []},
            {"type": "function_call", "call_id": "1", "name": "bash", "arguments": '{"command": "a"}'},
            {"type": "function_call", "call_id": "2", "name": "bash", "arguments": '{"command": "b"}'},
            {"type": "function_call_output", "call_id": "1", "output": "one"},
            {
                "type": "function_call_output",
                "call_id": "2",
                "output": [{"type": "input_text", "text": "two"}],
            },
        ],
        "tools": [
            {"type": "function", "name": "bash", "description": "runs", "parameters": SCHEMA},
            {"type": "web_search"},
        ],
    },
    messages: {
        "model": "m",
        "max_tokens": 500,
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "go"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": ""},
                    {"type": "tool_use", "id": "1", "name": "bash", "input": {"command": "a"}},
                    {"type": "tool_use", "id": "2", "name": "bash", "input": {"command": "b"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "1", "content": "one"},
                    {"type": "tool_result", "tool_use_id": "2", "content": [{"type": "text", "text": "two"}]},
                ],
            },
        ],
        "tools": [
            {"name": "bash", "description": "runs", "input_schema": SCHEMA},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
    },
    gemini: {
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "go"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True},
                    {"functionCall": {"id": "1", "name": "bash", "args": {"command": "a"}}},
                    {"functionCall": {"id": "2", "name": "bash", "args": {"command": "b"}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "1", "name": "bash", "response": {"output": "one"}}},
                    {"functionResponse": {"id": "2", "name": "bash", "response": {"output": "two"}}},
                ],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "bash",
                        "description": "runs",
                        "parameters": {"type": "OBJECT", "properties": {"command": {"type": "STRING"}}},
                    }
                ]
            },
            {"googleSearch": {}},
        ],
    },
}
ASKED = {"name": "m", "method": "streamGenerateContent", "alt": "sse"}
by_wire = pytest.mark.parametrize("wire", SAID, ids=lambda wire: wire.__name__.rpartition(".")[2])


def _end(reason="tool_calls", cached=4):
    clock = {"queue_s": 1.0, "prefill_s": 2.0, "decode_s": 3.0, "total_s": 6.5, "provenance": "modelled"}
    return End(10, 7, reason, Spent(1.0, 2.0, 3.0, None, cached), clock | {"decisions": "scripted"})


def _ask(wire, **more):
    return wire.parse(SAID[wire] | {"stream": True} | more, ASKED)


def _said(content, calls):
    return deltas.answer(content, deltas.calls_of({"tool_calls": calls}), 9, None).deltas


def _streamed(wire, content, calls, end=None, **more):
    """Return what a stream sends: before, for and after the deltas."""
    stream = wire.stream(_ask(wire, **more))
    return (
        stream.begin(10),
        [stream.delta(delta) for delta in _said(content, calls)],
        stream.end(end or _end()),
    )


def _events(sent):
    return [json.loads(line[6:]) for line in sent.decode().splitlines() if line.startswith("data: {")]


@by_wire
def test_a_script_gets_one_conversation_whatever_the_wire(wire):
    ask = _ask(wire)
    assert (ask.model, ask.messages, ask.tools, ask.stream) == ("m", SAID[chat]["messages"], [TOOL], True)
    assert ask.body["messages"] == ask.messages


@by_wire
def test_the_capture_reads_every_stream(wire):
    begin, pieces, end = _streamed(wire, "thinking aloud", CALLS)
    found = reply.account(reply.streamed([begin + b"".join(pieces) + end]), {}, "/v1beta/models/m:x")
    assert {name: found[name] for name in ("model", "server", "provenance", "decisions")} == {
        "model": "m",
        "server": "orchprof",
        "provenance": "modelled",
        "decisions": "scripted",
    }
    assert (found["queue_ns"], found["prefill_ns"], found["decode_ns"]) == (1e9, 2e9, 3e9)
    assert (found["input_tokens"], found["cached_tokens"], found["output_tokens"]) == (10, 4, 7)


@by_wire
def test_the_capture_reads_every_whole_answer(wire):
    body = wire.body(_ask(wire), _said("thinking aloud", CALLS), _end())
    found = reply.account(reply.document([json.dumps(body).encode()]), {})
    assert (found["model"], found["server"], found["queue_ns"]) == ("m", "orchprof", 1e9)
    assert (found["input_tokens"], found["cached_tokens"], found["output_tokens"]) == (10, 4, 7)


@by_wire
def test_the_first_token_is_the_first_delta(wire):
    begin, pieces, _ = _streamed(wire, "thinking aloud", [])
    assert not reply.has_token(begin)
    assert all(reply.has_token(piece) for piece in pieces)


@by_wire
@pytest.mark.parametrize(
    "broken",
    [
        {"messages": [], "input": [], "contents": []},
        {"messages": "go", "input": 7, "contents": "go"},
        {"messages": ["go"], "input": ["go"], "contents": ["go"]},
        {"tools": "bash"},
        {"tools": ["bash"]},
        {"max_tokens": 0, "max_output_tokens": 0, "generationConfig": {"maxOutputTokens": 0}},
        {"max_tokens": "9", "max_output_tokens": "9", "generationConfig": []},
    ],
)
def test_what_cannot_be_understood_is_refused(wire, broken):
    with pytest.raises(RefusedError) as refused:
        _ask(wire, **broken)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("wire", "broken"),
    [
        (responses, {"input": [{"role": "user", "content": 7}]}),
        (responses, {"input": [{"type": "function_call_output", "call_id": "1", "output": {"a": 1}}]}),
        (responses, {"previous_response_id": "resp_1"}),
        (responses, {"model": None}),
        (messages, {"messages": [{"role": "user", "content": 7}]}),
        (messages, {"system": 7}),
        (messages, {"max_tokens": None}),
        (messages, {"tools": [{"name": "a", "input_schema": []}]}),
        (gemini, {"contents": [{"parts": {"text": "go"}}]}),
        (gemini, {"contents": [{"role": "model", "parts": [{"functionCall": "bash"}]}]}),
        (gemini, {"generationConfig": {"candidateCount": 2}}),
        (gemini, {"tools": [{"functionDeclarations": {}}]}),
    ],
)
def test_a_wire_s_own_faults_are_refused(wire, broken):
    with pytest.raises(RefusedError) as refused:
        _ask(wire, **broken)
    assert refused.value.status == 400


def test_refusals_are_each_vendor_s():
    gone = RefusedError(404, "no model", "model_not_found")
    assert chat.refusal(gone)["error"]["type"] == "invalid_request_error"
    assert responses.refusal(gone) == chat.refusal(gone)
    assert messages.refusal(gone) == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "no model"},
    }
    assert gemini.refusal(gone) == {"error": {"code": 404, "message": "no model", "status": "NOT_FOUND"}}
    ours = RefusedError(500, "lost", "internal_error")
    assert messages.refusal(ours)["error"]["type"] == "api_error"
    assert gemini.refusal(ours)["error"]["status"] == "INTERNAL"


def test_the_events_of_a_response():
    begin, pieces, end = _streamed(responses, "hm", CALLS[:1])
    events = _events(begin + b"".join(pieces) + end)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert list(dict.fromkeys(kinds)) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "completed",
    ]
    assert b"event: response.created\n" in begin
    said = "".join(e["delta"] for e in events if e["type"] == "response.function_call_arguments.delta")
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [item["type"] for item in done] == ["message", "function_call"]
    assert done[1]["arguments"] == said == '{"command": "a"}'
    assert events[-1]["response"]["output"] == done
    assert events[-1]["response"]["tools"] == SAID[responses]["tools"]
    assert {e["item_id"] for e in events if "arguments" in e["type"]} == {done[1]["id"]}


def test_a_response_that_was_cut_is_incomplete():
    _, _, end = _streamed(responses, "hm", [], _end("length"))
    last = _events(end)[-1]
    assert (last["type"], last["response"]["status"]) == ("response.incomplete", "incomplete")
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"][0]["status"] == "incomplete"


def test_free_form_tools_and_those_of_namespaces():
    free = {"type": "custom", "name": "apply_patch", "format": {"type": "text"}}
    inner = {"type": "function", "name": "sleep", "parameters": SCHEMA}
    added = {"type": "additional_tools", "tools": [{"type": "namespace", "name": "clock", "tools": [inner]}]}
    asked = {"tools": [free], "input": [added, {"role": "user", "content": "go"}]}
    ask = _ask(responses, **asked)
    assert [tool["type"] for tool in ask.tools] == ["custom", "function"]
    assert ask.tools[0]["custom"] == {"name": "apply_patch", "format": {"type": "text"}}
    calls = [{"name": "apply_patch", "arguments": "*** Begin"}, {"name": "sleep", "arguments": {}}]
    _, pieces, end = _streamed(responses, "", calls, **asked)
    events = _events(b"".join(pieces) + end)
    patch, sleep = events[-1]["response"]["output"]
    assert (patch["type"], patch["name"], patch["input"]) == ("custom_tool_call", "apply_patch", "*** Begin")
    assert (sleep["type"], sleep["namespace"]) == ("function_call", "clock")
    said = [e["delta"] for e in events if e["type"] == "response.custom_tool_call_input.delta"]
    assert "".join(said) == "*** Begin"
    back = _ask(responses, input=[{"role": "user", "content": "go"}, patch]).messages
    assert back[-1]["tool_calls"][0]["function"] == {"name": "apply_patch", "arguments": "*** Begin"}


def test_the_events_of_a_message():
    begin, pieces, end = _streamed(messages, "hm", CALLS)
    events = _events(begin + b"".join(pieces) + end)
    assert events[0]["message"]["usage"]["input_tokens"] == 10
    starts = [event for event in events if event["type"] == "content_block_start"]
    assert [(e["index"], e["content_block"]["type"]) for e in starts] == [
        (0, "text"),
        (1, "tool_use"),
        (2, "tool_use"),
    ]
    assert starts[1]["content_block"]["input"] == {}
    assert starts[1]["content_block"]["id"].startswith("toolu_")
    for at, wanted in ((1, '{"command": "a"}'), (2, '{"command": "b"}')):
        of = (e["delta"] for e in events if e["type"] == "content_block_delta" and e["index"] == at)
        assert "".join(delta["partial_json"] for delta in of) == wanted
    assert [e["index"] for e in events if e["type"] == "content_block_stop"] == [0, 1, 2]
    delta, stop = events[-2:]
    assert (delta["type"], delta["delta"]["stop_reason"], stop) == (
        "message_delta",
        "tool_use",
        {"type": "message_stop"},
    )
    assert delta["usage"]["input_tokens"] + delta["usage"]["cache_read_input_tokens"] == 10
    whole = messages.body(_ask(messages), _said("hm", CALLS), _end())
    assert [block["type"] for block in whole["content"]] == ["text", "tool_use", "tool_use"]
    assert [block.get("input") for block in whole["content"]] == [None, {"command": "a"}, {"command": "b"}]


def test_what_a_user_says_beside_results_comes_after_them():
    content = [
        {"type": "text", "text": "reminder"},
        {"type": "tool_result", "tool_use_id": "1", "content": "x"},
    ]
    said = _ask(messages, system=None, messages=[{"role": "user", "content": content}]).messages
    assert said == [
        {"role": "tool", "tool_call_id": "1", "content": "x"},
        {"role": "user", "content": "reminder"},
    ]


def test_tools_that_anthropic_describes_are_the_client_s():
    given = [{"type": "bash_20250124", "name": "bash"}, {"type": "web_fetch_20250910", "name": "web_fetch"}]
    assert [tool["function"]["name"] for tool in _ask(messages, tools=given).tools] == ["bash"]


def test_a_function_call_of_gemini_is_sent_whole():
    _, pieces, end = _streamed(gemini, "hm", CALLS)
    chunks = _events(b"".join(pieces) + end)
    parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    assert "".join(part.get("text", "") for part in parts) == "hm"
    called = [part["functionCall"] for part in parts if "functionCall" in part]
    assert [call["args"] for call in called] == [{"command": "a"}, {"command": "b"}]
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


def test_without_events_gemini_s_stream_is_one_list():
    stream = gemini.stream(gemini.parse(SAID[gemini], ASKED | {"alt": "json"}))
    sent = b"".join(map(stream.delta, _said("hello", CALLS))) + stream.end(_end())
    chunks = json.loads(sent)
    assert [chunk for chunk in chunks if "usageMetadata" in chunk] == chunks[-1:]
    broken = gemini.stream(gemini.parse(SAID[gemini], {"method": "streamGenerateContent"}))
    assert json.loads(broken.failed(RefusedError(500, "lost", "model")))[0]["error"]["message"] == "lost"


def test_calls_of_gemini_without_ids_are_named_by_their_order():
    contents = [
        {"role": "model", "parts": [{"function_call": {"name": name, "args": {}}} for name in ("a", "b")]},
        {"role": "user", "parts": [{"function_response": {"name": "a", "response": {"rows": [1]}}}]},
    ]
    assistant, result = _ask(gemini, contents=contents, systemInstruction=None).messages
    assert [call["id"] for call in assistant["tool_calls"]] == ["call_1", "call_2"]
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": '{"rows": [1]}'}


@by_wire
def test_an_answer_without_words_is_an_answer(wire):
    begin, pieces, end = _streamed(wire, "", [], _end("stop"))
    assert _events(begin + b"".join(pieces) + end)
    assert wire.body(_ask(wire), _said("", []), _end("stop"))


@by_wire
def test_thoughts_stay_apart_from_the_answer(wire):
    stream = wire.stream(_ask(wire))
    said = [{"role": "assistant", "content": None}, {"reasoning_content": "hm"}, {"content": "yes"}]
    sent = [stream.delta(delta) for delta in said]
    assert reply.has_token(sent[1])
    assert stream.end(_end("stop"))
    body = json.dumps(wire.body(_ask(wire), said, _end("stop")))
    assert '"hm"' in body
    assert '"yes"' in body


@by_wire
def test_an_answer_that_cannot_go_on_says_so(wire):
    assert "lost" in wire.stream(_ask(wire)).failed(RefusedError(500, "lost", "model")).decode()
