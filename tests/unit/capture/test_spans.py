"""Spans and tasks: what is opened, nested, awaited and closed out of order, and how it is tiled."""

import asyncio
import contextlib
import functools
import json

import pytest
from support import assert_tiled, tiles

import orchprof

MS = 1_000_000


def test_exact_tiles_of_a_task_with_a_tool_and_all_three_clocks(recorded, fake_clock):
    def program():
        with orchprof.task("answer", index=4):
            fake_clock.run(3 * MS)
            with orchprof.tool("search", query="q"):
                fake_clock.run(10 * MS)
                fake_clock.starve(2 * MS)
                fake_clock.wait(5 * MS)
            fake_clock.run(1 * MS)

    tables = recorded(program)
    task = tables["tasks"].iloc[0]
    assert (task["index"], task["end_ns"] - task["start_ns"]) == (4, 21 * MS)
    assert tiles(tables, task["task"]) == [
        ("framework", None, 3 * MS),
        ("tool", None, 17 * MS),
        ("framework", None, 1 * MS),
    ]
    tool = tables["segments"].query("role == 'tool'").iloc[0]
    assert (tool["cpu_ns"], tool["runq_ns"]) == (10 * MS, 2 * MS)
    span = tables["spans"].iloc[0]
    assert (span["name"], span["role"], span["end_ns"] - span["start_ns"]) == ("search", "tool", 17 * MS)
    assert json.loads(span["attributes"]) == {"query": "q"}


def test_nested_spans_know_their_parent_and_errors_are_kept(recorded):
    def program():
        with orchprof.task("t"), orchprof.span("outer"):
            try:
                with orchprof.tool("inner"):
                    raise KeyError("gone")
            except KeyError:
                pass

    spans = recorded(program)["spans"].set_index("name")
    assert spans.loc["inner", "parent"] == spans.loc["outer", "span"]
    assert spans.loc["inner", "error"] == "KeyError"
    assert spans["error"].isna()["outer"]


def test_decorators_give_every_call_its_own_span_sync_and_async(recorded):
    @orchprof.tool("double")
    def double(x):
        return 2 * x

    @orchprof.tool("adouble")
    async def adouble(x):
        await asyncio.sleep(0)
        return 2 * x

    async def both():
        return await asyncio.gather(adouble(1), adouble(2))

    def program():
        with orchprof.task("t"):
            assert [double(1), double(2)] == [2, 4]
            assert asyncio.run(both()) == [2, 4]

    tables = recorded(program)
    assert tables["spans"]["name"].value_counts().to_dict() == {"double": 2, "adouble": 2}
    assert_tiled(tables)


def test_a_coroutine_function_that_a_library_wrapped_is_awaited_within_its_span(recorded):
    async def create():
        await asyncio.sleep(0.02)

    @functools.wraps(create)
    def checked():
        return create()

    async def program():
        async with orchprof.task("t"):
            await orchprof.model("chat")(checked)()

    span = recorded(lambda: asyncio.run(program()))["spans"].iloc[0]
    assert span["end_ns"] - span["start_ns"] >= 20 * MS


def test_a_recursive_decorated_function_nests(recorded):
    @orchprof.tool("down")
    def down(n):
        return n and down(n - 1)

    spans = recorded(lambda: down(2))["spans"]
    assert spans["parent"].tolist()[1:] == spans["span"].tolist()[:-1]


def test_async_with_works_for_spans_and_tasks(recorded):
    async def program():
        async with orchprof.task("t"), orchprof.tool("x"):
            await asyncio.sleep(0.001)

    tables = recorded(lambda: asyncio.run(program()))
    assert tables["tasks"]["name"].tolist() == ["t"]
    assert tables["spans"]["name"].tolist() == ["x"]
    assert_tiled(tables)


def test_a_task_inside_a_task_is_a_span(recorded):
    def program():
        with orchprof.task("outer"), orchprof.task("inner"):
            pass

    tables = recorded(program)
    assert tables["tasks"]["name"].tolist() == ["outer"]
    assert tables["spans"]["name"].tolist() == ["inner"]


def test_a_span_closed_by_another_strand_does_not_change_what_runs_there(recorded, fake_clock):
    """An abandoned stream: its span is opened in one place and closed in another, out of order."""

    def program():
        with orchprof.task("t"):
            stream = orchprof.model("stream")
            stream.__enter__()
            fake_clock.run(2 * MS)
            with orchprof.tool("consumer"):
                fake_clock.run(3 * MS)
                stream.__exit__(None, None, None)
                fake_clock.run(4 * MS)

    tables = recorded(program)
    spans = tables["spans"].set_index("name")
    assert spans.loc["stream", "end_ns"] - spans.loc["stream", "start_ns"] == 5 * MS
    assert spans.loc["consumer", "end_ns"] - spans.loc["consumer", "start_ns"] == 7 * MS
    tool = tables["segments"].query("role == 'tool'")
    assert (tool["end_ns"] - tool["start_ns"]).sum() == 7 * MS


def test_the_outcome_of_a_task_is_judged_afterwards(recorded):
    def program():
        for ok in (True, False):
            with orchprof.task("t") as task:
                pass
            task.outcome(ok=ok, reason=None if ok else "wrong answer")
        with orchprof.task("unjudged", warmup=True):
            pass

    tasks = recorded(program)["tasks"]
    assert tasks["ok"].tolist()[:2] == [True, False]
    assert tasks["ok"].isna().tolist() == [False, False, True]
    assert tasks["reason"].tolist()[1] == "wrong answer"
    assert tasks["warmup"].tolist() == [False, False, True]


def test_an_unknown_role_is_refused_when_it_is_written_not_when_it_is_read():
    with pytest.raises(ValueError, match="unknown role 'toll', choose from framework"):
        orchprof.span("x", role="toll")


def test_a_span_closed_before_those_inside_it_gives_way_to_the_nearest_open_one(recorded, fake_clock):
    def program():
        with orchprof.task("t"):
            with orchprof.tool("outer"):
                stream = orchprof.model("stream")
                stream.__enter__()
                with orchprof.span("consumer"):
                    stream.__exit__(None, None, None)
                fake_clock.run(5 * MS)
            fake_clock.run(10 * MS)

    tables = recorded(program)
    root = tables["tasks"]["task"].iloc[0]
    assert tiles(tables, root) == [("tool", None, 5 * MS), ("framework", None, 10 * MS)]


def test_a_sync_wrapper_of_a_coroutine_function_stays_sync(recorded):
    async def add(a):
        return a + 1

    @orchprof.tool("add")
    @functools.wraps(add)
    def run_sync(a):
        return asyncio.run(add(a))

    results = []
    tables = recorded(lambda: results.append(run_sync(1)))
    assert results == [2]
    assert tables["spans"]["end_ns"].notna().all()


def test_coroutines_that_plain_functions_return_do_not_nest_in_one_another(recorded):
    async def create():
        await asyncio.sleep(0.01)
        raise KeyError("gone")

    @orchprof.model("chat")
    def chat():
        return create()

    async def program():
        async with orchprof.task("t"):
            await asyncio.gather(chat(), chat(), return_exceptions=True)

    spans = recorded(lambda: asyncio.run(program()))["spans"]
    assert spans["parent"].isna().all()
    assert (spans["end_ns"] - spans["start_ns"]).min() >= 10 * MS
    assert spans["error"].tolist() == ["KeyError"] * 2


def test_an_attribute_may_be_called_name(recorded):
    def program():
        with orchprof.task("t", name="a"), orchprof.tool("x", name="b"):
            pass

    assert json.loads(recorded(program)["spans"]["attributes"].iloc[0]) == {"name": "b"}


def test_a_thread_that_outlives_the_task_it_was_started_in_can_start_tasks(recorded):
    import queue
    import threading

    jobs = queue.Queue()

    def work():
        while name := jobs.get():
            with orchprof.task(name):
                pass

    def program():
        with orchprof.task("first"):
            thread = threading.Thread(target=work)
            thread.start()
        for name in ("second", "third", None):
            jobs.put(name)
        thread.join()

    assert recorded(program)["tasks"]["name"].tolist() == ["first", "second", "third"]


def test_a_task_that_an_exception_leaves_has_failed_unless_it_was_ended_from_outside(recorded):
    def program():
        for index, error in enumerate((ValueError("bad"), asyncio.CancelledError(), KeyboardInterrupt())):
            with contextlib.suppress(BaseException), orchprof.task("t", index=index):
                raise error
        with orchprof.task("t", index=3) as judged:
            pass
        judged.outcome(ok=True)

    tasks = recorded(program)["tasks"].set_index("index")
    assert tasks["ok"].astype("object").where(tasks["ok"].notna(), None).to_dict() == {
        0: False, 1: False, 2: None, 3: True
    }  # fmt: skip
    assert tasks["reason"].dropna().to_dict() == {0: "ValueError", 1: "CancelledError"}


def test_a_decorator_without_parentheses_takes_the_functions_name(recorded):
    @orchprof.tool
    def double(x):
        return 2 * x

    @orchprof.model
    async def ask(x):
        return x

    @orchprof.task
    def agent():
        return double(asyncio.run(ask(4)))

    answers = []
    tables = recorded(lambda: answers.append(agent()))
    assert answers == [8]
    assert list(tables["tasks"]["name"]) == ["agent"]
    assert dict(zip(tables["spans"]["name"], tables["spans"]["role"], strict=True)) == {
        "ask": "client", "double": "tool"
    }  # fmt: skip


@pytest.mark.parametrize("make", [orchprof.task, orchprof.span, orchprof.tool, orchprof.model])
def test_a_name_that_is_no_text_is_refused(make):
    with pytest.raises(TypeError, match="a span's name is text, not 3"):
        make(3)


def test_what_is_given_no_name_is_called_by_its_kind_or_by_its_function(recorded):
    unnamed = orchprof.tool()

    @unnamed
    def search():
        pass

    @unnamed
    async def fetch():
        pass

    @orchprof.task()
    def answer():
        search()
        asyncio.run(fetch())
        with orchprof.span(), orchprof.tool(), orchprof.model(size=1):
            pass

    def program():
        answer()
        with orchprof.task(index=2):
            pass

    tables = recorded(program)
    assert tables["tasks"]["name"].tolist() == ["answer", "task"]
    named = tables["spans"].sort_values("start_ns")
    assert named["name"].tolist() == ["search", "fetch", "span", "tool", "model"]
    assert named["role"].tolist() == ["tool", "tool", "framework", "tool", "client"]
