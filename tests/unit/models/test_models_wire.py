"""The chat completion wire, answers as deltas, and scripts."""

import json

import pytest

from orchprof.errors import UsageError
from orchprof.models import script
from orchprof.models.source import Spent
from orchprof.models.wires import chat, deltas
from orchprof.models.wires.ask import End, RefusedError, read_json

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_a_request_is_understood():
    body = BODY | {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 7, "tools": None}
    ask = chat.parse(body, {})
    assert (ask.model, ask.stream, ask.most_tokens, ask.tools) == ("m", True, 7, [])
    assert ask.prompt == "user: hi"


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_value"),
        (b'{"model": "m"}', 400, "missing_messages"),
        (b'{"model": "m", "messages": []}', 400, "missing_messages"),
        (b'{"model": "m", "messages": ["hi"]}', 400, "missing_messages"),
        (json.dumps(BODY | {"model": None}).encode(), 400, "invalid_value"),
        (json.dumps(BODY | {"max_tokens": 0}).encode(), 400, "invalid_value"),
        (json.dumps(BODY | {"tools": {"type": "function"}}).encode(), 400, "invalid_value"),
        (json.dumps(BODY | {"tools": "search"}).encode(), 400, "invalid_value"),
        (json.dumps(BODY | {"tools": ["search"]}).encode(), 400, "invalid_value"),
        (json.dumps(BODY | {"n": 2}).encode(), 400, "invalid_value"),
        (json.dumps(BODY | {"n": "1"}).encode(), 400, "invalid_value"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b'{"model": "m", "messages": [' + b'{"a":' * 980 + b"1" + b"}" * 980 + b"]}", 400, "invalid_json"),
        (json.dumps(BODY | {"user": "\ud800"}).encode(), 400, "invalid_json"),
        (b"\xff", 400, "invalid_json"),
    ],
)
def test_what_is_refused(raw, status, code):
    with pytest.raises(RefusedError) as refused:
        chat.parse(read_json(raw), {})
    assert refused.value.status == status
    assert chat.refusal(refused.value)["error"]["code"] == code


@pytest.mark.parametrize("n", [1, None])
def test_one_answer_may_be_asked_for(n):
    assert chat.parse(BODY | {"n": n}, {}).tools == []


def test_text_is_cut_into_one_delta_per_token():
    answer = deltas.answer("abcdefghij", [], 3, None)
    assert answer.deltas == [{"content": "abcd"}, {"content": "efgh"}, {"content": "ij"}]
    assert (answer.tokens, answer.finish_reason) == (3, "stop")


def test_an_empty_answer_still_has_a_delta():
    assert deltas.answer("", [], 1, None).deltas == [{"content": ""}]


def test_text_stops_at_the_limit_and_tool_calls_do_not():
    cut = deltas.answer("abcdefgh", [], 8, 3)
    assert (deltas.merged(cut.deltas)["content"], cut.tokens, cut.finish_reason) == ("abc", 3, "length")
    calls = deltas.calls_of({"tool_calls": [{"name": "f", "arguments": {"x": "y" * 40}}]})
    assert deltas.answer("", calls, 12, 3).finish_reason == "tool_calls"


def test_deltas_add_up_to_the_message():
    said = [{"name": "search", "arguments": {"query": "a b c"}}, {"name": "stop", "arguments": {}}]
    calls = deltas.calls_of({"tool_calls": said})
    message = deltas.merged(deltas.answer("thinking", calls, 5, None).deltas)
    assert message["content"] == "thinking"
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["search", "stop"]
    assert [json.loads(call["function"]["arguments"]) for call in message["tool_calls"]] == [
        {"query": "a b c"},
        {},
    ]
    assert len({call["id"] for call in message["tool_calls"]}) == 2
    assert deltas.merged(deltas.answer("", calls, 5, None).deltas)["content"] is None


def test_usage_names_cached_tokens():
    end = End(10, 4, "stop", Spent(0.0, 0.0, 0.0, None, 6), {})
    assert chat.usage(end) == {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 6},
    }


def test_echo_answers_with_the_last_words_of_the_user():
    said = [
        {"role": "user", "content": "one"},
        {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "three"}]},
        {"role": "assistant", "content": "four"},
    ]
    assert script.load(script.ECHO, {}, 0)(said, []) == {"content": "two\nthree"}
    assert script.load(script.ECHO, {"output_tokens": 9}, 0)(said, [])["output_tokens"] == 9
    assert script.echo({}, 0)([{"role": "system", "content": "x"}], []) == {"content": ""}


@pytest.mark.parametrize(
    "name", ["orchprof.models.script:none", "no_such_module:f", "orchprof.models.script", ""]
)
def test_an_unknown_script(name):
    with pytest.raises(UsageError, match="no such script"):
        script.load(name, {}, 0)


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_tokens_are_counted_by_characters(text, tokens):
    assert script.count_tokens(text) == tokens


def test_the_prompt_is_the_whole_conversation():
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "done"},
    ]
    assert script.prompt_text(messages, [{"name": "f"}]) == (
        '{"name": "f"}\nuser: go\nassistant: \n[{"id": "1"}]\ntool: done'
    )
