"""Tables of calls, context managers and streams: what the labels of several frameworks stand on."""

import asyncio
import contextlib
import sys
import types

import pytest
from support import recording

import orchprof
from orchprof.capture.frameworks import smolagents, wrap
from orchprof.capture.hooks.patches import Patches
from orchprof.run.finalize.finalize import finalize


class Library:
    """A library that the program imports: modules of classes, and what was complained of."""

    def __init__(self, monkeypatch):
        self._monkeypatch, self.recording_faults = monkeypatch, []
        self.patches = Patches(lambda where, error: self.recording_faults.append(where))

    def add(self, name, *classes):
        module = types.ModuleType(name)
        for one in classes:
            one.__module__ = name
            setattr(module, one.__name__, one)
        self._monkeypatch.setitem(
            sys.modules, name.partition(".")[0], types.ModuleType(name.partition(".")[0])
        )
        self._monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def library(monkeypatch):
    library = Library(monkeypatch)
    yield library
    library.patches.undo()


@pytest.fixture
def spans_of(tmp_path):
    """Return a function that records `code()` and returns (role, name, name of the parent) of its spans."""

    def run(code):
        with recording(tmp_path):
            code()
        tables = finalize(tmp_path.glob("*.bin"))[0]
        spans = tables["spans"]
        names = spans.set_index("span")["name"]
        found = [
            (one.role, one.name, names.get(one.parent)) for one in spans.sort_values("start_ns").itertuples()
        ]
        return found, tables["tasks"]["name"].tolist()

    return run


def use(name):
    with orchprof.span(name):
        pass


def test_star_stands_for_the_classes_a_module_defines(library, spans_of):
    class Base:
        def call(self):
            use("in base")

    class Own(Base):
        pass

    class Another(Base):
        def call(self):
            use("in another")

    class Borrowed:
        def call(self):
            use("in borrowed")

    library.add("lib", Base, Own, Another)
    library.add("elsewhere", Borrowed)
    sys.modules["lib"].Borrowed = Borrowed
    make = lambda self: orchprof.tool(type(self).__name__)  # noqa: E731
    wrap.around_all(library.patches, [("lib", "*", ("call", "not_there"), make)])
    found, _ = spans_of(lambda: [one().call() for one in (Base, Own, Another, Borrowed)])
    assert [(role, name) for role, name, _ in found if role == "tool"] == [
        ("tool", "Base"), ("tool", "Own"), ("tool", "Another"),
    ]  # fmt: skip
    assert ("framework", "in borrowed", None) in found
    assert library.recording_faults == []


def test_a_missing_class_loses_only_its_own_entry(library, spans_of):
    class There:
        def call(self):
            pass

    library.add("lib", There)
    make = lambda self: orchprof.tool("there")  # noqa: E731
    calls = [
        ("lib", "Gone", ("call",), make),
        ("lib", "There", ("gone",), make),
        ("lib", "There", ("call",), make),
    ]
    wrap.around_all(library.patches, calls)
    found, _ = spans_of(lambda: There().call())
    assert found == [("tool", "there", None)]
    assert library.recording_faults == ["lib", "lib"]


class Manager:
    @contextlib.asynccontextmanager
    async def opened(self):
        use("enter")
        try:
            yield "value"
        finally:
            use("leave")


async def with_block(fail=None):
    async with Manager().opened() as value:
        use("block")
        if fail:
            raise fail
    return value


def around_manager(library, make):
    library.add("lib", Manager)
    wrap.around_all(library.patches, [("lib", "Manager", ("opened",), lambda _: make("held"))])


def test_a_context_manager_is_under_its_span_and_its_block_is_not(library, spans_of):
    around_manager(library, orchprof.model)
    said = []
    found, _ = spans_of(lambda: said.append(asyncio.run(with_block())))
    assert said == ["value"]
    assert ("framework", "enter", "held") in found
    assert ("framework", "block", None) in found
    assert ("framework", "leave", "held") in found


def test_a_task_goes_on_during_the_block(library, spans_of):
    around_manager(library, orchprof.task)
    found, tasks = spans_of(lambda: asyncio.run(with_block()))
    assert tasks == ["held"]
    assert [name for _, name, _ in found] == ["enter", "block", "leave"]


def test_what_a_block_raises_is_raised_and_the_span_ends(library, spans_of):
    around_manager(library, orchprof.model)

    def code():
        with pytest.raises(KeyError, match="theirs"):
            asyncio.run(with_block(KeyError("theirs")))
        use("after")

    found, _ = spans_of(code)
    assert ("framework", "leave", "held") in found
    assert ("framework", "after", None) in found


class AbstractAgent:
    """Names itself after the variable of its caller's caller, as PydanticAI's agents do."""

    name = None

    def _infer_name(self, frame):
        found = [name for name, value in frame.f_back.f_locals.items() if value is self]
        self.name = found[0] if found else None

    def run_sync(self, infer_name=True):
        if infer_name and self.name is None:
            self._infer_name(sys._getframe())
        return self.name

    async def run(self, infer_name=True):
        if infer_name and self.name is None:
            self._infer_name(sys._getframe())
        return self.name


def test_pydantic_ai_still_finds_the_variable_that_holds_the_agent(library, spans_of):
    library.add("pydantic_ai.agent.abstract", AbstractAgent)

    async def main():
        my_async_agent = AbstractAgent()
        return await my_async_agent.run()

    def code():
        my_agent = AbstractAgent()
        assert my_agent.run_sync() == "my_agent"
        assert asyncio.run(main()) == "my_async_agent"
        unnamed = AbstractAgent()
        assert unnamed.run_sync(infer_name=False) is None

    _, tasks = spans_of(code)
    assert tasks == ["my_agent", "my_async_agent", "AbstractAgent"]


class ResponseStream:
    """Updates that are pulled one by one under the contexts that were asked for."""

    def __init__(self, source):
        self._source, self._contexts, self._hooks = source, [], []

    def with_pull_context_manager(self, make):
        self._contexts.append(make)
        return self

    def with_cleanup_hook(self, hook):
        self._hooks.append(hook)
        return self

    def __aiter__(self):
        return self

    async def __anext__(self):
        with contextlib.ExitStack() as stack:
            for make in self._contexts:
                stack.enter_context(make())
            async for update in self._source:
                return update
        for hook in self._hooks:
            hook()
        raise StopAsyncIteration


async def updates():
    for update in "ab":
        use("pulled")
        yield update


class BaseChatClient:
    model = "gpt"

    def get_response(self, messages, *, stream=False):
        return ResponseStream(updates())


class Agent:
    name = "mine"

    def run(self, messages=None, *, stream=False):
        return ResponseStream(BaseChatClient().get_response(messages, stream=stream))


async def read_stream():
    said = []
    async for update in Agent().run("question", stream=True):
        use("consumer")
        said.append(update)
    use("after")
    return said


def test_agent_frameworks_stream_is_a_task_until_it_ends_and_a_model_call_while_it_is_pulled(
    library, spans_of
):
    library.add("agent_framework._agents", Agent, ResponseStream)
    library.add("agent_framework._clients", BaseChatClient, ResponseStream)
    sys.modules["agent_framework._agents"].RawAgent = Agent
    said = []
    found, tasks = spans_of(lambda: said.extend(asyncio.run(read_stream())))
    assert said == ["a", "b"]
    assert tasks == ["mine"]
    assert [one for one in found if one[1] == "pulled"] == [("framework", "pulled", "gpt")] * 2
    assert [one for one in found if one[1] == "consumer"] == [("framework", "consumer", None)] * 2
    assert [name for _, name, _ in found].count("gpt") == 1


class FinalAnswerTool:
    name = "final_answer"

    def __call__(self):
        return "the end"


class Tool:
    name = "search"

    def __call__(self):
        return "found"


def test_smolagents_own_final_answer_is_no_tool_but_a_users_is(library):
    FinalAnswerTool.__module__ = "smolagents.default_tools"
    mine = type("FinalAnswerTool", (Tool,), {"name": "final_answer"})
    assert smolagents._tool(FinalAnswerTool()) is None
    assert smolagents._tool(Tool()).name == "search"
    assert smolagents._tool(mine()).role == "tool"


class Request:
    def __init__(self, method, name):
        self.method, self.params = method, types.SimpleNamespace(name=name)


class Server:
    """The server of MCP's first version."""

    async def _handle_request(self, message, request, session):
        use("handler")


def test_mcp_before_version_2_labels_calls_of_tools_only(library, spans_of):
    library.add("mcp.server.lowlevel.server", Server)

    async def main():
        for method in ("tools/list", "tools/call"):
            await Server()._handle_request(None, Request(method, "add"), None)

    found, _ = spans_of(lambda: asyncio.run(main()))
    assert [one for one in found if one[1] == "handler"] == [
        ("framework", "handler", None), ("framework", "handler", "add"),
    ]  # fmt: skip
