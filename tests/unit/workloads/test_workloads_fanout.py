"""fanout: what it counts, its tasks and its script, and both variants against an endpoint."""

import ast
import asyncio
import json
import warnings
from collections import Counter

import pytest
from orchprof_workloads import fanout
from orchprof_workloads.fanout import bare, count, prompt, script, tasks

CALLS = {"count_definitions": 1, "count_tokens": 1, "count_lines": 1, "longest_function": 6, "chat": 6}


@pytest.fixture
def settings(defaults):
    return defaults(fanout, delay_ms=1)


@pytest.fixture
def opened(serve, tmp_path):
    """Open an agent that is closed at the end."""
    agents = []

    def start(settings, variant="bare"):
        agents.append(fanout.open(settings, 1, variant, serve(fanout, settings).url, "m", tmp_path))
        return agents[-1]

    yield start
    for agent in agents:
        agent.close()


SOURCE = '''\
"""def not_this(): ..."""
import os


@decorated
class A:
    async def one(self,
                  other): return other

    def two(self):
        def inner():
            if other:
                return """
    def nor_this():
"""
            # a comment

        return inner
class_ = defined = 1

def last(): pass
'''


def test_definitions_are_told_by_their_tokens(tmp_path):
    path = tmp_path / "source.py"
    path.write_text(SOURCE)
    found = [(one.kind, one.name, one.first, one.last) for one in count._defined(path)]
    assert found == [
        ("class", "A", 6, 18),
        ("def", "one", 7, 8),
        ("def", "two", 10, 18),
        ("def", "inner", 11, 15),
        ("def", "last", 21, 21),
    ]
    assert count.definitions(path) == 5
    assert count.longest_function(path) == (9, "two")
    path.write_text("x = 1\n")
    assert (count.definitions(path), count.tokens(path), count.longest_function(path)) == (0, 6, (0, ""))


@pytest.mark.parametrize("name", ["argparse.py", "asyncio/tasks.py", "dataclasses.py", "typing.py"])
def test_counts_agree_with_the_parser(name):
    path = tasks.root() / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    longest = max(functions, key=lambda node: (node.end_lineno - node.lineno, -node.lineno))
    assert count.definitions(path) == len(functions) + sum(isinstance(node, ast.ClassDef) for node in nodes)
    assert count.longest_function(path) == (longest.end_lineno - longest.lineno + 1, longest.name)


def test_tasks_are_many_distinct_and_the_seeds(settings):
    first = tasks.tasks(settings | {"width": 2}, 1)
    assert len({task.question for task in first}) == len(first) >= 20
    assert first == tasks.tasks(settings | {"width": 2}, 1) != tasks.tasks(settings | {"width": 2}, 2)
    assert {len(group) for task in first for group in task.counted + task.searched} == {3}
    assert {(len(task.counted), len(task.searched)) for task in first} == {(2, 2)}


def test_the_truth_is_what_the_files_hold(monkeypatch, tmp_path):
    (tmp_path / "a.py").write_text("def f():\n    return 1\n")
    (tmp_path / "b.py").write_text("class B:\n    def g(self):\n        x = 1\n        return x\n")
    monkeypatch.setattr(tasks, "root", lambda: tmp_path)
    task = tasks.Task((("a.py", "b.py"), ("a.py",)), (("a.py", "b.py"),))
    assert tasks.truth(task) == {
        "count_definitions": [3, 1],
        "count_tokens": [13 + 24, 13],
        "count_lines": [6, 2],
        "ask_agent": ["g in b.py"],
    }


def test_requests_and_answers_can_be_read_back():
    asked = prompt.question((("a.py", "b.py"),), (("c.py",),))
    assert prompt.parse(asked) == [("count", ["a.py", "b.py"]), ("longest", ["c.py"])]
    assert prompt.answered(prompt.answer({"count_lines": [1]}) + "\n\nmore") == {"count_lines": [1]}
    assert prompt.answered("I do not know.") is prompt.answered("3") is None


def talk(settings, system, asked, results):
    """Return what the script says at first, and what it says to its tools' results."""
    reply = script.make(settings, 1)
    messages = [{"role": "system", "content": system}, {"role": "user", "content": asked}]
    first = reply(messages, [])
    calls = [
        {"id": str(number), "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])}}
        for number, call in enumerate(first["tool_calls"])
    ]
    messages.append({"role": "assistant", "tool_calls": calls})
    messages += [{"role": "tool", "tool_call_id": str(n), "content": text} for n, text in enumerate(results)]
    return first, reply(messages, [])


def test_the_orchestrator_reports_what_its_tools_return(settings):
    asked = prompt.question((("a.py",),), (("b.py", "c.py"),))
    first, last = talk(settings, prompt.SYSTEM, asked, ["5", "60", "failed", "f in c.py\n\npadding"])
    assert [(call["name"], call["arguments"]["files"]) for call in first["tool_calls"]] == [
        ("count_definitions", ["a.py"]),
        ("count_tokens", ["a.py"]),
        ("count_lines", ["a.py"]),
        ("ask_agent", ["b.py", "c.py"]),
    ]
    assert prompt.answered(last["content"]) == {
        "count_definitions": [5],
        "count_tokens": [60],
        "count_lines": ["failed"],
        "ask_agent": ["f in c.py"],
    }


def test_a_sub_agent_chooses_the_longest(settings):
    given = settings | {"output_tokens": 50}
    first, last = talk(given, prompt.AGENT_SYSTEM, "longest: a.py b.py c.py", ["3 f", "12 g", "broken"])
    assert [call["arguments"]["file"] for call in first["tool_calls"]] == ["a.py", "b.py", "c.py"]
    assert last["content"].partition("\n")[0] == "g in b.py"
    assert first["output_tokens"] == last["output_tokens"] == 50
    assert len(last["content"]) == 200


def test_both_variants_find_the_same_with_the_same_calls(serve, settings, labels, tmp_path):
    answers, asked, called = {}, {}, {}
    for variant in fanout.VARIANTS:
        endpoint = serve(fanout, settings)
        agent = fanout.open(settings, 1, variant, endpoint.url, "m", tmp_path)
        agent.prepare(0, 0)
        labels.clear()
        answers[variant] = [agent.run(number, 0) for number in range(3)]
        called[variant] = Counter(name for role, name in labels if role in ("tool", "client"))
        asked[variant] = Counter(
            tuple(
                str(message["content"]) for message in request["messages"] if message["role"] != "assistant"
            )
            for request in endpoint.requests
        )
        assert [agent.check(number, answer) for number, answer in enumerate(answers[variant])] == [None] * 3
        agent.close()
    assert answers["langgraph"] == answers["bare"]
    assert asked["langgraph"] == asked["bare"]
    assert called["langgraph"] == called["bare"] == {name: 3 * each for name, each in CALLS.items()}


@pytest.mark.parametrize("variant", fanout.VARIANTS)
def test_asynchronous_runs_answer_the_same(variant, settings, opened):
    agent = opened(settings, variant)
    plain = [agent.run(number, 0) for number in range(2)]

    async def together():
        try:
            return await asyncio.gather(*(agent.arun(number, number) for number in range(2)))
        finally:
            await agent.aclose()

    assert asyncio.run(together()) == plain


@pytest.mark.parametrize("variant", fanout.VARIANTS)
def test_the_calls_of_a_turn_overlap(variant, settings, serve, tmp_path, recorded):
    agent = fanout.open(settings, 1, variant, serve(fanout, settings).url, "m", tmp_path)
    agent.run(0, 0)
    tables = recorded(lambda: agent.run(1, 0))
    agent.close()
    spans = tables["spans"]
    tools = spans[spans["name"].isin(["count_definitions", "count_tokens", "count_lines"])]
    assert len(tools) == 3
    assert tools["start_ns"].max() < tools["end_ns"].min()
    agents = spans[spans["name"] == "sub_agent"]
    assert len(agents) == 2
    assert agents["start_ns"].max() < agents["end_ns"].min()


def test_a_wrong_answer_is_told(settings, opened):
    agent = opened(settings)
    right = tasks.truth(agent.tasks[0])
    assert agent.check(0, prompt.answer(right)) is None
    wrong = right | {"count_lines": [1]}
    assert agent.check(0, prompt.answer(wrong)) == f"count_lines found [1], expected {right['count_lines']}"
    assert agent.check(0, "no idea") == "no findings in the answer, 'no idea'"


def test_a_tool_that_fails_fails_the_task_and_the_next_one_runs(settings, opened, monkeypatch):
    agent = opened(settings)
    agent.prepare(0, 0)
    with monkeypatch.context() as patch:
        patch.setattr(count, "__file__", "/nowhere.py")
        with pytest.raises(RuntimeError, match="counting tokens failed, exit code 2"):
            agent.run(0, 0)
    agent.prepare(0, 0)
    assert agent.check(0, agent.run(0, 0)) is None


@pytest.mark.parametrize(
    ("tool", "message"),
    [("count_lines", "sent nothing for"), ("count_tokens", "counting tokens took more than")],
)
def test_what_hangs_is_told_as_a_time_out(tool, message, settings, opened, monkeypatch, tmp_path):
    agent = opened(settings | {"delay_ms": 60_000})
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(count, "__file__", str(tmp_path / "slow.py"))
    agent.timeout_s = 0.2

    async def call():
        try:
            await (await agent.hands.current()).tools.of_orchestrator()[tool](["ast.py"])
        finally:
            await agent.aclose()

    with pytest.raises(TimeoutError, match=message):
        asyncio.run(call())


@pytest.mark.parametrize("variant", fanout.VARIANTS)
def test_an_agent_that_never_answers_is_stopped(variant, serve, settings, tmp_path):
    endpoint = serve(fanout, settings)
    call = {"name": "count_definitions", "arguments": {"files": ["ast.py"]}}
    endpoint.script = lambda *_: {"content": None, "tool_calls": [call]}
    agent = fanout.open(settings, 1, variant, endpoint.url, "m", tmp_path)
    with pytest.raises(RuntimeError, match=r"no answer after 4 turns|[Rr]ecursion limit"):
        agent.run(0, 0)
    assert len(endpoint.requests) == bare.TURNS
    agent.close()


@pytest.mark.parametrize(
    ("changed", "variant", "message"),
    [
        ({"files": 0}, "bare", "files is too small, 0 @ fanout, give 1 or more"),
        ({"width": 0, "agents": 0}, "bare", "nothing to do, 0 @ fanout width and agents"),
        ({}, "crewai", "unknown variant, 'crewai' @ fanout"),
    ],
)
def test_bad_settings_are_refused(changed, variant, message, settings, tmp_path):
    with pytest.raises(ValueError, match=message):
        fanout.open(settings | changed, 1, variant, "http://127.0.0.1:1/v1", "m", tmp_path)
