"""Who waits for whom through conditions: queues, events, semaphores; and sleeps."""

import asyncio
import pickle
import queue
import threading
import time

import pyarrow as pa
import pytest
from support import assert_tiled

import orchprof
from orchprof.run.contradictions import contradictions
from orchprof.run.finalize.finalize import finalize

NAP_S = 0.03


def waits_of_root(tables):
    """Return the root's longest segment and the names of the strands it joined at its end."""
    root = tables["tasks"]["task"].iloc[0]
    rows = tables["segments"].query("strand == @root")
    row = rows.loc[(rows["end_ns"] - rows["start_ns"]).idxmax()]
    edges = tables["edges"].query("kind == 'join' and dst == @root and at_ns == @row.end_ns")
    names = tables["strands"].set_index("strand")["name"]
    return row, [names[source] for source in edges["src"]]


def by_queue(release):
    things = queue.Queue()
    release(lambda: things.put(1))
    assert things.get() == 1


def by_full_queue(release):
    things = queue.Queue(1)
    things.put(1)
    release(things.get)
    things.put(2)


def by_event(release):
    event = threading.Event()
    release(event.set)
    assert event.wait(9)


def by_semaphore(release):
    semaphore = threading.Semaphore(0)
    release(semaphore.release)
    assert semaphore.acquire()


def by_barrier(release):
    barrier = threading.Barrier(2)
    release(barrier.wait)
    barrier.wait()


PATTERNS = [by_queue, by_full_queue, by_event, by_semaphore, by_barrier]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.__name__)
def test_a_wait_joins_the_thread_that_released_it(recorded, pattern):
    def release(do):
        threading.Thread(target=lambda: (time.sleep(NAP_S), do()), name="releaser").start()

    def program():
        with orchprof.task("t"):
            pattern(release)

    tables = recorded(program)
    row, sources = waits_of_root(tables)
    assert (row["join"], sources) == (True, ["releaser"])
    assert_tiled(tables)


def test_each_waiter_joins_whoever_released_it_and_not_the_last_who_released_anybody(recorded):
    things = queue.Queue()

    def consume():
        things.get()

    def produce(k):
        time.sleep((k + 1) * NAP_S)
        things.put(k)

    def program():
        with orchprof.task("t"):
            threads = []
            for k in range(3):
                threads.append(threading.Thread(target=consume, name=f"consumer{k}"))
                threads[-1].start()
                time.sleep(0.003)
            threads += [threading.Thread(target=produce, args=(k,), name=f"producer{k}") for k in range(3)]
            for thread in threads[3:]:
                thread.start()
            for thread in threads:
                thread.join()

    tables = recorded(program)
    names = tables["strands"].set_index("strand")["name"]
    pairs = {
        (names[edge.src], names[edge.dst]) for edge in tables["edges"].query("kind == 'join'").itertuples()
    }
    assert {(f"producer{k}", f"consumer{k}") for k in range(3)} <= pairs
    assert not {pair for pair in pairs if pair[0][:-1] == "producer"} - {
        *((f"producer{k}", f"consumer{k}") for k in range(3)),
        *((f"producer{k}", names[tables["tasks"]["task"].iloc[0]]) for k in range(3)),
    }


@pytest.mark.parametrize("what", ["queue", "event", "condition"])
def test_a_wait_whose_patience_ended_is_a_timeout(recorded, what):
    def program():
        with orchprof.task("t"):
            if what == "queue":
                with pytest.raises(queue.Empty):
                    queue.Queue().get(timeout=NAP_S)
            elif what == "event":
                assert threading.Event().wait(NAP_S) is False
            else:
                condition = threading.Condition()
                with condition:
                    assert condition.wait(NAP_S) is False

    tables = recorded(program)
    row, sources = waits_of_root(tables)
    assert (row["wait_state"], sources) == ("timeout", [])
    assert row["end_ns"] - row["start_ns"] >= 0.9 * NAP_S * 1e9
    assert_tiled(tables)


def test_a_waiter_of_before_the_recording_takes_nobodys_turn(recorded):
    things = queue.Queue()
    early = threading.Thread(target=things.get)
    early.start()
    time.sleep(NAP_S)

    def program():
        with orchprof.task("t"):
            threading.Thread(target=lambda: (time.sleep(NAP_S), things.put(1)), name="first").start()
            threading.Thread(target=lambda: (time.sleep(2 * NAP_S), things.put(2)), name="second").start()
            things.get()

    tables = recorded(program)
    early.join()
    row, sources = waits_of_root(tables)
    assert (row["join"], sources) == (True, ["second"])


def test_a_condition_keeps_its_errors(recorded):
    def program():
        condition = threading.Condition()
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.wait()
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.notify()
        with condition:
            condition.notify()
            assert condition.wait(0) is False

    recorded(program)


def test_a_sleep_is_a_sleep_and_still_looks_like_the_builtin(recorded):
    builtin = time.sleep

    def program():
        class Naps:
            nap = time.sleep  # a builtin does not become a method

        with orchprof.task("t"):
            Naps().nap(NAP_S)
        assert pickle.loads(pickle.dumps(time.sleep)) is time.sleep
        assert (time.sleep.__name__, time.sleep.__module__, repr(time.sleep)) == (
            "sleep",
            "time",
            repr(builtin),
        )
        with pytest.raises(ValueError, match="non-negative"):
            time.sleep(-1)
        with pytest.raises(TypeError):
            time.sleep()

    row, sources = waits_of_root(recorded(program))
    assert (row["wait_state"], sources) == ("sleep", [])
    assert time.sleep is builtin


def test_a_queue_of_the_programs_own_kind_need_not_call_ours(recorded):
    def program():
        class Mine(queue.SimpleQueue):
            def __init__(self, item):
                self.put(item)

        assert Mine(7).get() == 7
        with pytest.raises(TypeError):
            queue.SimpleQueue(7)

    recorded(program)


def test_what_is_let_go_of_is_no_strand_and_nothing_is_lost(recorded, tmp_path):
    def use(units):
        with units:
            time.sleep(0.01)

    def program():
        with orchprof.task("t"):
            units = threading.Semaphore(1)
            users = [threading.Thread(target=use, args=(units,)) for _ in range(2)]
            for each in users:
                each.start()
            for each in users:
                each.join()

    tables = recorded(program)
    released = tables["edges"].query("kind == 'release'")
    assert len(released)
    assert not set(released["dst"]) & set(tables["strands"]["strand"])
    assert finalize(tmp_path.glob("*.bin"))[1] == []
    assert list(contradictions({name: pa.Table.from_pandas(table) for name, table in tables.items()})) == []


def test_who_puts_and_who_takes_each_item_is_recorded(recorded, tmp_path):
    def work(items):
        while items.get() is not None:
            time.sleep(0.01)

    async def aside(items):
        for _ in range(3):
            await items.get()

    async def main():
        items = asyncio.Queue()
        for item in (1, 2, None):
            await items.put(item)
        await aside(items)

    def program():
        with orchprof.task("t"):
            last = queue.LifoQueue()
            last.put(last.put(1))  # hands out in another order: nobody could say which item was taken
            items = queue.Queue()
            worker = threading.Thread(target=work, args=(items,))
            worker.start()
            for item in (1, 2, None):
                items.put(item)
            worker.join()
            asyncio.run(main())

    tables = recorded(program)
    edges = tables["edges"]
    puts, takes = (edges.query("kind == @kind") for kind in ("put", "take"))
    assert puts["dst"].nunique() == 2
    assert [group["units"].tolist() for _, group in puts.groupby("dst")] == [[0, 1, 2]] * 2
    both = takes.merge(puts, on=["dst", "units"], suffixes=("", "_put"))
    assert len(both) == len(takes) == 6
    assert (both["at_ns"] > both["at_ns_put"]).all()
    assert (both["src"] != both["src_put"]).sum() == 3
    assert list(contradictions({name: pa.Table.from_pandas(table) for name, table in tables.items()})) == []
    assert finalize(tmp_path.glob("*.bin"))[1] == []
