"""A library's function under a span: it stays what it was, and the span is open exactly while it runs."""

import asyncio
import inspect
import types

import pytest
from support import recording

import orchprof
from orchprof.capture.frameworks.wrap import around
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Task, tool


class Library:
    def plain(self, x):
        return inner() + x

    async def coroutine(self, x):
        await asyncio.sleep(0)
        return inner() + x

    def stream(self, n):
        got = []
        for k in range(n):
            inner()
            got.append((yield k))
        return got

    async def astream(self, n):
        for k in range(n):
            inner()
            await asyncio.sleep(0)
            yield k

    def hidden(self, n):
        return self.astream_of_another(n)

    async def astream_of_another(self, n):
        for k in range(n):
            inner()
            yield k

    def broken(self):
        raise KeyError("theirs")


def inner():
    with orchprof.span("inner"):
        return 1


def outer():
    with orchprof.span("consumer"):
        return 1


KINDS = ("plain", "coroutine", "stream", "astream", "hidden", "broken")


@pytest.fixture
def recording_faults():
    return []


@pytest.fixture
def recorded_library(tmp_path, recording_faults):
    """Record a block with every method of `Library` under a tool span of its name; return the spans by name."""

    def run(block, make=None):
        patches = Patches(lambda where, error: recording_faults.append((where, type(error))))
        logs = tmp_path / "logs"
        logs.mkdir()
        try:
            with recording(logs):
                for name in KINDS:
                    around(patches, Library, name, make or (lambda *_a, _name=name, **_k: tool(_name)))
                with orchprof.task("t"):
                    block()
        finally:
            patches.undo()
        from orchprof.run.finalize.finalize import finalize

        tables, *_ = finalize(logs.glob("*.bin"))
        return tables["spans"]

    return run


def parents(spans, name):
    by_id = spans.set_index("span")["name"]
    return [by_id.get(parent) for parent in spans.loc[spans["name"] == name, "parent"]]


def test_each_kind_of_function_stays_what_it_was():
    patches = Patches(lambda *_: None)
    kinds = {
        "plain": inspect.isfunction, "coroutine": inspect.iscoroutinefunction,
        "stream": inspect.isgeneratorfunction, "astream": inspect.isasyncgenfunction,
    }  # fmt: skip
    before = dict(vars(Library))
    for name in kinds:
        around(patches, Library, name, lambda *_a, **_k: None)
    assert all(is_kind(vars(Library)[name]) for name, is_kind in kinds.items())
    assert Library().plain(1) == 2
    patches.undo()
    assert dict(vars(Library)) == before


def test_what_runs_inside_is_inside(recorded_library):
    spans = recorded_library(lambda: (Library().plain(1), asyncio.run(Library().coroutine(1))))
    assert sorted(parents(spans, "inner")) == ["coroutine", "plain"]


def test_a_generators_consumer_is_not_inside_it(recorded_library):
    def consume():
        for _ in Library().stream(2):
            outer()

    spans = recorded_library(consume)
    assert parents(spans, "inner") == ["stream", "stream"]
    assert parents(spans, "consumer") == [None, None]
    assert spans["end_ns"].notna().all()


@pytest.mark.parametrize("name", ["astream", "hidden"])
def test_an_async_generators_consumer_is_not_inside_it(recorded_library, name):
    async def consume():
        async for _ in getattr(Library(), name)(2):
            outer()

    spans = recorded_library(lambda: asyncio.run(consume()))
    assert parents(spans, "inner") == [name, name]
    assert parents(spans, "consumer") == [None, None]
    assert spans["end_ns"].notna().all()


def test_a_generator_is_given_what_its_consumer_sends(recorded_library):
    def consume():
        steps = Library().stream(2)
        assert isinstance(steps, types.GeneratorType)
        assert [next(steps), steps.send("a")] == [0, 1]
        with pytest.raises(StopIteration) as end:
            steps.send("b")
        assert end.value.value == ["a", "b"]

    recorded_library(consume)


def test_an_abandoned_stream_ends_without_an_error(recorded_library):
    def consume():
        steps = Library().stream(2)
        next(steps)
        steps.close()
        outer()

    spans = recorded_library(consume)
    stream = spans[spans["name"] == "stream"].iloc[0]
    assert stream["end_ns"] > 0
    assert stream.isna()["error"]
    assert parents(spans, "consumer") == [None]


def test_a_failure_is_the_programs_own(recorded_library, recording_faults):
    def consume():
        with pytest.raises(KeyError, match="theirs"):
            Library().broken()

    spans = recorded_library(consume)
    assert spans.loc[spans["name"] == "broken", "error"].tolist() == ["KeyError"]
    assert recording_faults == []


def test_a_call_through_two_layers_is_one_call(recorded_library, monkeypatch):
    monkeypatch.setattr(Library, "broken", lambda self: Library.plain(self, 0))
    spans = recorded_library(lambda: Library().broken(), make=lambda *_a, **_k: tool("same"))
    assert spans["name"].tolist() == ["same", "inner"]


def test_what_goes_wrong_in_a_label_never_reaches_the_program(recorded_library, recording_faults):
    def broken_label(*_args, **_kwargs):
        raise RuntimeError("ours")

    def consume():
        assert Library().plain(1) == 2
        assert list(Library().stream(2)) == [0, 1]
        assert asyncio.run(Library().coroutine(1)) == 2

    spans = recorded_library(consume, make=broken_label)
    assert set(spans["name"]) == {"inner"}
    assert [kind for _, kind in recording_faults] == [RuntimeError] * 3


def test_a_task_goes_on_while_its_stream_is_consumed(tmp_path):
    patches, logs = Patches(lambda *_: None), tmp_path / "logs"
    logs.mkdir()
    with recording(logs):
        around(patches, Library, "stream", lambda *_a, **_k: Task("answer", None, None, warmup=False))
        for _ in Library().stream(2):
            outer()
    patches.undo()
    from orchprof.run.finalize.finalize import finalize

    tables, *_ = finalize(logs.glob("*.bin"))
    assert tables["tasks"]["name"].tolist() == ["answer"]
    assert tables["spans"]["task"].notna().all()
    assert tables["tasks"]["end_ns"].notna().all()


class Remote:
    async def stream(self, n):
        async def chunks():
            for k in range(n):
                inner()
                yield k

        return chunks()


def test_a_stream_that_a_coroutine_returns_is_under_its_span_while_it_runs(recorded_library, monkeypatch):
    monkeypatch.setattr(Library, "coroutine", Remote.stream)

    async def consume():
        async for _ in await Library().coroutine(2):
            outer()

    spans = recorded_library(lambda: asyncio.run(consume()))
    assert parents(spans, "inner") == ["coroutine", "coroutine"]
    assert parents(spans, "consumer") == [None, None]


def test_an_agents_turn_is_not_its_task_though_both_bear_its_name(tmp_path):
    patches, logs = Patches(lambda *_: None), tmp_path / "logs"
    logs.mkdir()
    with recording(logs):
        around(patches, Library, "stream", lambda *_a, **_k: Task("agent", None, None, warmup=False))
        around(patches, Library, "plain", lambda *_a, **_k: orchprof.span("agent"))

        class Both(Library):
            def stream(self, n):
                return [*Library.stream(self, n), self.plain(n)]

        around(patches, Both, "stream", lambda *_a, **_k: Task("agent", None, None, warmup=False))
        Both().stream(1)
    patches.undo()
    from orchprof.run.finalize.finalize import finalize

    tables, *_ = finalize(logs.glob("*.bin"))
    assert tables["tasks"]["name"].tolist() == ["agent"]
    assert sorted(tables["spans"]["name"]) == ["agent", "inner", "inner"]
