"""mcp: what its server's tools do, its tasks and its script, and both transports against an endpoint."""

import ast
import asyncio
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from orchprof_workloads import stdlib, toolserver
from orchprof_workloads.toolserver import agent as agents
from orchprof_workloads.toolserver import library, prompt, script, server, tasks

TOOLS = ["find_files", "search_text", "read_lines", "calculate"]


@pytest.fixture
def settings(defaults):
    return defaults(toolserver, search="name")


@pytest.fixture
def opened(serve, tmp_path):
    """Open an agent that is closed at the end."""
    started = []

    def start(settings, variant="stdio"):
        started.append(toolserver.open(settings, 1, variant, serve(toolserver, settings).url, "m", tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A standard library of two files."""
    (tmp_path / "lib" / "sub").mkdir(parents=True)
    (tmp_path / "lib" / "tests").mkdir()
    (tmp_path / "lib" / "a.py").write_text("def f(x):\n    return x\n")
    (tmp_path / "lib" / "sub" / "b.py").write_text("\n".join(f"line {number}" for number in range(1, 101)))
    (tmp_path / "lib" / "tests" / "c.py").write_text("def f(x): ...")
    (tmp_path / "secret.py").write_text("def f(x): ...")
    for module in (stdlib, library):
        monkeypatch.setattr(module, "root", lambda: tmp_path / "lib")


@pytest.mark.usefixtures("small")
def test_files_are_found_by_name_and_by_text():
    assert stdlib.files() == ["a.py", "sub/b.py"]
    assert library.find_files("b.py") == "sub/b.py"
    assert library.find_files("c.py") == "no file is called 'c.py'"
    assert library.search_text(r"def f\(") == "a.py:1:def f(x):"
    assert library.search_text("line 9$", "sub/b.py") == "sub/b.py:9:line 9"
    assert len(library.search_text("line").split("\n")) == 50
    assert library.search_text("nowhere") == "no match"
    assert library.search_text("(").startswith("bad pattern: ")


@pytest.mark.usefixtures("small")
def test_lines_are_read_with_their_numbers_and_nothing_outside_of_the_library():
    assert library.read_lines("sub/b.py", 99, 10) == "99\tline 99\n100\tline 100"
    assert library.read_lines("sub/b.py", 101, 10) == "no such lines"
    for path in ("../secret.py", "/etc/hostname", "sub"):
        assert library.read_lines(path, 1, 1) == f"no such file: {path}"
        assert library.search_text("f", path) == f"no such file: {path}"


@pytest.mark.parametrize(("expression", "value"), [("2 * (3 + 4)", "14"), ("7 / 2 - 1", "2.5")])
def test_arithmetic(expression, value):
    assert library.calculate(expression) == value


@pytest.mark.parametrize("expression", ["1 / 0", "2 **", "__import__('os')", "'a' * 3", "9 ** 9", "(" * 300])
def test_anything_else_is_not_calculated(expression):
    assert library.calculate(expression).startswith("cannot calculate: ")


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        (["def f():", "    return 1", "", "# next", "def g():"], 2),
        (["    def f():", "        if x:", "", "            return 1", "    y = 1"], 4),
        (["def f():", "    return 1", "", ""], None),
        (["def f():"], None),
    ],
)
def test_indentation_shows_where_a_function_ends(lines, count):
    assert tasks.ends(lines) == count


def test_tasks_are_measured_by_the_parser():
    found = tasks.tasks(1)
    assert len({(task.function, task.path) for task in found}) == len(found) >= 20
    assert found == tasks.tasks(1) != tasks.tasks(2)
    for task in found[:20]:
        text = (stdlib.root() / task.path).read_text()
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        (node,) = [node for node in nodes if node.name == task.function]
        body = ast.get_source_segment(text, node).split("\n")
        assert task.number == str(len(body) * sum(line.strip().startswith("return") for line in body))


def test_questions_and_answers_can_be_read_back():
    assert prompt.parse(prompt.question("f_1", "a_b.py")) == ("f_1", "a_b.py")
    assert prompt.parse("What is the time?") is None
    assert prompt.answered(prompt.answer("12") + "\n\nmore") == "12"
    assert prompt.answered("12") is None


class Conversation:
    """What the script is sent, and what it says next; ids repeat, as some servers' do."""

    def __init__(self, settings, asked=None):
        self.reply = script.make(settings, 1)
        asked = prompt.question("f", "a.py") if asked is None else asked
        self.messages = [{"role": "system", "content": prompt.SYSTEM}, {"role": "user", "content": asked}]

    def next(self):
        self.said = self.reply(self.messages, [])
        calls = self.said.get("tool_calls")
        if not calls:
            return self.said["content"]
        (call,) = calls
        made = {"id": "1", "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])}}
        self.messages.append({"role": "assistant", "tool_calls": [made]})
        return call["name"], *call["arguments"].values()

    def show(self, text):
        self.messages.append({"role": "tool", "tool_call_id": "1", "content": text})
        return self.next()


def test_the_script_works_from_what_it_reads(settings):
    talk = Conversation(settings | {"window_lines": 2})
    assert talk.next() == ("find_files", "a.py")
    assert talk.show("lib/a.py") == ("search_text", r"^\s*def f\(", "lib/a.py")
    assert talk.show("lib/a.py:7:def f(x):") == ("read_lines", "lib/a.py", 7, 2)
    assert talk.show("7\tdef f(x):\n8\t    if x: return 1") == ("read_lines", "lib/a.py", 9, 2)
    assert talk.show("9\t    return 2\n10\t") == ("read_lines", "lib/a.py", 11, 2)
    assert talk.show("11\tdef g():\n12\t    return 3") == ("calculate", "3 * 1")
    assert talk.show("3") == "Answer: 3"


def test_the_script_can_search_everything_and_read_to_the_end_of_a_file(settings):
    talk = Conversation(settings | {"search": "text"})
    assert talk.next() == ("search_text", r"^\s*def f\(")
    shown = "sub/ba.py:1:def f():\nsub/a.py:3:def f():\nz.py:9:def f():"
    assert talk.show(shown) == ("read_lines", "sub/a.py", 3, 60)
    assert talk.show("3\tdef f():\n4\t    return 1") == ("calculate", "2 * 1")


@pytest.mark.parametrize(
    "shown",
    [["no file is called 'a.py'", "no such file"], ["a.py", "no match"], ["a.py", "a.py:1:def f():", "gone"]],
)
def test_the_script_gives_up_when_it_does_not_see_what_it_needs(shown, settings):
    talk = Conversation(settings)
    talk.next()
    assert [talk.show(text) for text in shown][-1] == "I cannot find out."
    assert Conversation(settings, "What is the time?").next() == "I cannot find out."


def test_turns_are_padded_with_what_was_shown(settings):
    talk = Conversation(settings | {"output_tokens": 50})
    talk.next()
    talk.show("lib/a.py")
    assert talk.said["output_tokens"] == 50
    assert talk.said["content"].strip().startswith("lib/a.py lib/a.py")


@pytest.mark.parametrize("variant", toolserver.VARIANTS)
@pytest.mark.parametrize("search", ["name", "text"])
def test_functions_are_measured_over_both_transports(variant, search, settings, opened, labels):
    agent = opened(settings | {"search": search}, variant)
    agent.prepare(0, 0)
    labels.clear()
    answers = [agent.run(number, 0) for number in range(3)]
    assert [agent.check(number, answer) for number, answer in enumerate(answers)] == [None] * 3
    called = Counter(name for role, name in labels if role == "tool")
    assert set(called) == set(TOOLS if search == "name" else TOOLS[1:])
    assert called["calculate"] == called["search_text"] == 3
    assert Counter(role for role, _ in labels)["client"] == called.total() + 3


def test_each_thread_has_its_server_and_the_model_is_offered_its_tools(serve, settings, tmp_path):
    endpoint = serve(toolserver, settings)
    agent = toolserver.open(settings, 1, "stdio", endpoint.url, "m", tmp_path)

    def work(number):
        agent.prepare(number, number)
        return agent.check(number, agent.run(number, number))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, range(4))) == [None] * 4
    offered = {tuple(tool["function"]["name"] for tool in request["tools"]) for request in endpoint.requests}
    assert offered == {tuple(TOOLS)}
    parameters = endpoint.requests[0]["tools"][2]["function"]["parameters"]
    assert set(parameters["properties"]) == set(parameters["required"]) == {"path", "first", "count"}
    agent.close()


def test_a_session_can_be_fresh_for_each_task(settings, opened, monkeypatch):
    agent = opened(settings | {"session": "fresh"})
    sessions, session = [], agents.McpAgent._session
    monkeypatch.setattr(agent, "_session", lambda: sessions.append(1) or session(agent))
    agent.prepare(0, 0)
    assert [agent.check(number, agent.run(number, 0)) for number in range(2)] == [None, None]
    assert len(sessions) == 2


def test_asynchronous_runs_share_a_session(settings, opened):
    agent = opened(settings)

    async def together():
        try:
            return await asyncio.gather(*(agent.arun(number, number) for number in range(4)))
        finally:
            assert len(agent.sessions._held) == 1
            await agent.aclose()

    answers = asyncio.run(together())
    assert [agent.check(number, answer) for number, answer in enumerate(answers)] == [None] * 4


@pytest.mark.parametrize("session", ["kept", "fresh"])
def test_a_tool_that_takes_too_long_fails_the_task_and_the_next_one_runs(session, settings, opened):
    from mcp import MCPError

    agent = opened(settings | {"session": session, "search": "text"})
    agent.prepare(0, 0)
    agent.timeout_s = 0.001
    with pytest.raises(MCPError, match="Request 'tools/call' timed out"):
        agent.run(0, 0)
    agent.timeout_s = 30
    agent.prepare(0, 0)
    assert agent.check(0, agent.run(0, 0)) is None


def test_a_wrong_tool_gives_a_wrong_answer(settings, opened, monkeypatch):
    agent = opened(settings)
    called = agents._called

    async def wrong(client, call, timeout_s):
        message = await called(client, call, timeout_s)
        return message | {"content": "1"} if call.function.name == "calculate" else message

    monkeypatch.setattr(agents, "_called", wrong)
    assert agent.check(0, agent.run(0, 0)) == f"1, expected {agent.tasks[0].number}"
    assert agent.check(0, "no idea") == f"no number, expected {agent.tasks[0].number}"


def test_an_agent_that_never_answers_is_stopped(serve, settings, tmp_path):
    endpoint = serve(toolserver, settings)
    call = {"name": "calculate", "arguments": {"expression": "1 + 1"}}
    endpoint.script = lambda *_: {"content": None, "tool_calls": [call]}
    agent = toolserver.open(settings, 1, "stdio", endpoint.url, "m", tmp_path)
    with pytest.raises(RuntimeError, match="no answer after 16 turns"):
        agent.run(0, 0)
    assert endpoint.requests[-1]["messages"][-1]["content"] == "2"
    agent.close()


def test_the_server_describes_its_tools():
    listed = asyncio.run(server.make().list_tools())
    assert [tool.name for tool in listed] == TOOLS
    assert all(tool.description.startswith("Return ") for tool in listed)


@pytest.mark.parametrize(
    ("changed", "variant", "message"),
    [
        ({"search": "web"}, "stdio", "unknown search, 'web' @ mcp, choose from text, name"),
        ({"session": "none"}, "stdio", "unknown session, 'none' @ mcp"),
        ({"window_lines": 0}, "stdio", "window_lines is too small, 0 @ mcp, give 1 or more"),
        ({}, "sse", "unknown variant, 'sse' @ mcp, choose from stdio, http"),
    ],
)
def test_bad_settings_are_refused(changed, variant, message, settings, tmp_path):
    with pytest.raises(ValueError, match=message):
        toolserver.open(settings | changed, 1, variant, "http://127.0.0.1:1/v1", "m", tmp_path)
