"""What runs on an event loop: eager tasks, callbacks, generators, children, and whose time each step is."""

import asyncio
import sys
import time

import pytest
from loop_waits import WAIT_S, by_task, longest_wait, named, nap
from support import assert_tiled

import orchprof
from orchprof.capture.hooks.waits import OTHERS_KEPT, add_other
from orchprof.capture.state import STATE


def spin(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no eager tasks")
@pytest.mark.parametrize("finishes", [True, False])
def test_an_eager_task_uses_its_own_cpu_and_not_its_makers(recorded, finishes):
    async def child():
        with orchprof.tool("work"):
            spin(WAIT_S)
        if not finishes:
            await asyncio.sleep(WAIT_S)
            spin(WAIT_S)

    async def parent():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        async with orchprof.task("t"):
            await asyncio.create_task(child(), name="child")

    tables = recorded(lambda: asyncio.run(parent()))
    root = tables["tasks"]["task"].iloc[0]
    worked = tables["spans"]["strand"].iloc[0]
    strand = tables["strands"].query("strand == @worked").iloc[0]
    cpu = tables["segments"].groupby("strand")["cpu_ns"].sum()
    assert strand["parent"] == root
    assert strand["kind"] == "coroutine"
    waits = tables["segments"].query(f"strand == {root} and join").sort_values("start_ns")
    first = waits.iloc[0]
    assert first["end_ns"] - first["start_ns"] > 0.9 * WAIT_S * 1e9
    assert worked in tables["edges"].query(f"dst == {root} and at_ns == {first['end_ns']}")["src"].tolist()
    assert cpu[worked] > (0.9 if finishes else 1.8) * WAIT_S * 1e9 > 3 * cpu[root]
    assert tables["strands"]["end_ns"].notna().all()
    assert_tiled(tables)


def test_a_factory_of_lazy_tasks_and_one_that_fails_change_nothing(recorded):
    async def program():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **kwargs: asyncio.Task(coro, loop=loop, **kwargs))
        assert await asyncio.create_task(asyncio.sleep(0, 7), name="lazy") == 7
        loop.set_task_factory(lambda *_args, **_kwargs: 1 / 0)
        coroutine = nap()
        with pytest.raises(ZeroDivisionError):
            await loop.create_task(coroutine)
        coroutine.close()
        loop.set_task_factory(None)

    tables = recorded(lambda: asyncio.run(program()))
    assert tables["strands"]["end_ns"].notna().all()
    assert_tiled(tables)


async def run_child(code, wait):
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    if wait == "wait":
        assert await child.wait() == 0
    else:
        assert await child.communicate() == (b"done\n", None)


@pytest.mark.parametrize("wait", ["wait", "communicate"])
def test_a_child_of_a_loop_is_charged_with_its_cpu_and_waited_for(recorded, wait):
    code = "import time\nwhile time.process_time() < 0.15: pass\nprint('done')"

    async def program():
        async with orchprof.task("t"), orchprof.tool("spin"):
            await run_child(code, wait)

    tables = recorded(lambda: asyncio.run(program()))
    root = tables["tasks"]["task"].iloc[0]
    child = tables["strands"].query("kind == 'child'").iloc[0]
    assert child["task"] == root
    assert child["end_ns"] > child["start_ns"]
    rows = tables["segments"].query("strand == @child.strand")
    assert (rows["cpu_ns"].sum() > 0.1e9, set(rows["role"])) == (True, {"tool"})
    waits = tables["segments"].query("strand == @root and join")
    assert (waits["end_ns"] - waits["start_ns"]).sum() > 0.1e9
    # What it waits for may itself wait for the child: a watcher's thread, or the coroutine that reads its output.
    joins = tables["edges"].query("kind == 'join'")
    direct = set(joins[joins["dst"] == root]["src"])
    assert child["strand"] in direct | set(joins[joins["dst"].isin(direct)]["src"])
    assert tables["segments"].query("strand == @root and wait_state == 'net'").empty
    assert_tiled(tables)


def test_a_span_in_a_plain_callback_is_recorded_and_leaves_no_trace(recorded):
    async def program():
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def callback():
            with orchprof.tool("called back"):
                spin(0.001)
            done.set()

        loop.call_soon(callback)
        await done.wait()
        with orchprof.tool("after"):
            pass

    tables = recorded(lambda: asyncio.run(program()))
    spans = tables["spans"].set_index("name")
    assert spans["parent"].isna().all()
    assert spans["end_ns"].notna().all()
    assert_tiled(tables)


def test_a_generator_that_holds_a_span_does_not_leak_it_into_other_coroutines(recorded):
    async def stream():
        with orchprof.model("stream"):
            for k in range(3):
                await asyncio.sleep(0)
                yield k

    async def program():
        async with orchprof.task("t"):
            abandoned = stream()
            await anext(abandoned)
            with orchprof.tool("consumer"):
                await asyncio.create_task(other(), name="other")
            await asyncio.create_task(close(abandoned))

    async def close(generator):
        await generator.aclose()

    async def other():
        with orchprof.span("others"):
            await asyncio.sleep(0)

    tables = recorded(lambda: asyncio.run(program()))
    spans = tables["spans"].set_index("name")
    assert spans["end_ns"].notna().all()
    assert spans.loc["others", "parent"] == spans.loc["consumer", "span"]
    assert_tiled(tables)


def test_a_loop_made_before_recording_knows_its_wakers(recorded):
    loop = asyncio.new_event_loop()
    tables = recorded(lambda: loop.run_until_complete(named("waiter", by_task())))
    loop.run_until_complete(nap())
    loop.close()
    row, sources = longest_wait(tables, "waiter")
    assert (row["join"], sources) == (True, ["other"])


def test_a_loop_that_runs_while_its_thread_waits_for_another_keeps_the_outer_wait(recorded):
    def program():
        outer, inner = asyncio.new_event_loop(), asyncio.new_event_loop()

        def call_back():
            asyncio.events._set_running_loop(None)
            inner.run_until_complete(nap())
            outer.stop()

        with orchprof.task("t"):
            outer.call_soon(call_back)
            outer.run_forever()
        for loop in (outer, inner):
            loop.close()

    tables = recorded(program)
    root = tables["tasks"]["task"].iloc[0]
    waits = tables["segments"].query("strand == @root and join")
    assert (waits["end_ns"] - waits["start_ns"]).sum() > 0.9 * WAIT_S * 1e9
    assert not tables["segments"].query("strand == @root").iloc[-1]["join"]
    assert_tiled(tables)


def test_lag_is_the_time_in_which_others_held_the_loop_and_nothing_else(recorded, fake_clock):
    """Exact: three coroutines are ready at once, and each computes for 10 ms in its turn."""

    async def turn():
        await asyncio.sleep(0)
        fake_clock.run(10_000_000)

    async def program():
        await asyncio.gather(*(named(f"turn{k}", turn()) for k in range(3)))

    tables = recorded(lambda: asyncio.run(program()))
    strands = tables["strands"].set_index("strand")
    for k in range(3):
        (strand,) = strands.index[strands["name"] == f"turn{k}"]
        rows = tables["segments"][tables["segments"]["strand"] == strand]
        assert rows["cpu_ns"].sum() == 10_000_000
        assert rows["lag_ns"].sum() == k * 10_000_000


def test_asyncio_runs_the_same_after_recording(recorded):
    recorded(lambda: asyncio.run(nap()))
    asyncio.run(nap())


async def gathered():
    await asyncio.gather(*(asyncio.create_task(nap(), name=f"nap {k}") for k in range(3)))


async def grouped():
    async with asyncio.TaskGroup() as group:
        for k in range(3):
            group.create_task(nap(), name=f"nap {k}")


async def waited():
    await asyncio.wait([asyncio.create_task(nap(), name=f"nap {k}") for k in range(3)])


@pytest.mark.parametrize("wait", [gathered, grouped, waited])
def test_all_that_were_waited_for_together_are_joined(recorded, wait):
    async def program():
        with orchprof.task("t"):
            await named("waiter", wait())

    tables = recorded(lambda: asyncio.run(program()))
    _, targets = longest_wait(tables, "waiter")
    assert sorted(targets) == ["nap 0", "nap 1", "nap 2"]


def test_what_runs_in_the_background_is_joined_by_nobody(recorded):
    async def program():
        running = set()
        with orchprof.task("t"):
            for k in range(2):
                task = asyncio.create_task(asyncio.sleep(0.001), name=f"background {k}")
                running.add(task)
                task.add_done_callback(running.discard)
            await named("waiter", gathered())

    tables = recorded(lambda: asyncio.run(program()))
    _, targets = longest_wait(tables, "waiter")
    assert sorted(targets) == ["nap 0", "nap 1", "nap 2"]


def test_a_declared_wait_that_a_time_out_ends_is_a_timeout(recorded):
    async def program():
        with orchprof.task("t"):
            thread_clock = STATE.here.thread_clock
            for patience in (WAIT_S, 9):
                thread_clock.wait("join")
                try:
                    async with asyncio.timeout(patience):
                        await asyncio.sleep(2 * WAIT_S)
                except TimeoutError:
                    pass
                finally:
                    thread_clock.joined([])

    tables = recorded(lambda: asyncio.run(program()))
    root = tables["tasks"]["task"].iloc[0]
    rows = tables["segments"].query(f"strand == {root}")
    rows = rows[rows["end_ns"] - rows["start_ns"] > 0.9 * WAIT_S * 1e9]
    assert [(row.join, row.wait_state == "timeout") for row in rows.fillna({"wait_state": ""}).itertuples()] == [
        (False, True), (True, False),
    ]  # fmt: skip


def test_steps_that_follow_at_once_are_bounded_by_one_row_and_callbacks_are_not_theirs(recorded, fake_clock):
    async def turn():
        for _ in range(2):
            fake_clock.run(10_000_000)
            await asyncio.sleep(0)

    async def program():
        asyncio.get_running_loop().call_soon(fake_clock.run, 5_000_000)
        await asyncio.gather(*(named(f"turn{k}", turn()) for k in range(2)))

    tables = recorded(lambda: asyncio.run(program()))
    names = tables["segments"]["strand"].map(tables["strands"].set_index("strand")["name"])
    cpu = tables["segments"].groupby(names)["cpu_ns"].sum()
    assert [cpu[f"turn{k}"] for k in range(2)] == [20_000_000] * 2
    assert cpu["MainThread"] == 5_000_000


def test_of_too_many_that_were_waited_for_the_newest_are_remembered():
    others = []
    for strand in range(5 * OTHERS_KEPT // 4):
        add_other(others, strand)
    assert len(others) <= OTHERS_KEPT
    assert others == list(range(others[0], 5 * OTHERS_KEPT // 4))
