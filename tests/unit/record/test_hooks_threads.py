import concurrent.futures
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from support import assert_tiled

import orchprof

NAP_S = 0.02


def joined_by_root(tables):
    """Return the names of the strands that the only task's root waited for."""
    root = tables["tasks"]["task"].iloc[0]
    names = tables["strands"].set_index("strand")["name"]
    return {names[source] for source in tables["edges"].query("kind == 'join' and dst == @root")["src"]}


def nap():
    time.sleep(NAP_S)


def test_a_thread_belongs_to_its_starter_and_join_waits_for_it(recorded):
    def program():
        with orchprof.task("t"), orchprof.tool("x"):
            thread = threading.Thread(target=nap, name="mine")
            thread.start()
            thread.join()

    tables = recorded(program)
    strand = tables["strands"].query("name == 'mine'").iloc[0]
    assert strand["task"] == tables["tasks"]["task"].iloc[0]
    assert joined_by_root(tables) == {"mine"}
    assert set(tables["segments"].query("strand == @strand.strand")["role"]) == {"tool"}
    assert_tiled(tables)


def test_a_job_waits_for_its_turn_and_its_worker_belongs_to_nobody(recorded):
    def program():
        with orchprof.task("t"), ThreadPoolExecutor(1) as pool:
            first, second = pool.submit(nap), pool.submit(nap)
            second.result()
            first.result()

    tables = recorded(program)
    jobs = tables["strands"].query("kind == 'job'")
    assert len(jobs) == 2
    late = tables["segments"].query("strand == @jobs.strand.iloc[1] and wait_state == 'pool_wait'").iloc[0]
    assert late["end_ns"] - late["start_ns"] > 0.9 * NAP_S * 1e9
    workers = tables["strands"][tables["strands"]["name"].str.startswith("ThreadPoolExecutor")]
    assert workers["task"].isna().all()
    assert "nap" in joined_by_root(tables)
    assert_tiled(tables)


def test_a_job_carries_the_span_of_its_submitter(recorded):
    def inner():
        with orchprof.span("inside"):
            pass

    def program():
        with orchprof.task("t"), ThreadPoolExecutor(1) as pool, orchprof.tool("outer"):
            pool.submit(inner).result()

    spans = recorded(program)["spans"].set_index("name")
    assert spans.loc["inside", "parent"] == spans.loc["outer", "span"]


def test_wait_and_as_completed_join_every_future_they_wait_for(recorded):
    def slow():
        time.sleep(2 * NAP_S)

    def program():
        with ThreadPoolExecutor(2) as pool, orchprof.task("t"):
            concurrent.futures.wait([pool.submit(nap), pool.submit(slow)])
            for _ in concurrent.futures.as_completed([pool.submit(nap)]):
                pass

    names = {name.rsplit(".", 1)[-1] for name in joined_by_root(recorded(program))}
    assert names == {"nap", "slow"}


def test_a_job_that_raises_ends_and_its_error_reaches_the_waiter(recorded):
    def fail():
        time.sleep(NAP_S)
        raise ValueError("no")

    def program():
        with ThreadPoolExecutor(1) as pool, orchprof.task("t"):
            assert isinstance(pool.submit(fail).exception(), ValueError)

    assert recorded(program)["strands"].query("kind == 'job'")["end_ns"].notna().all()


def test_a_future_that_is_done_is_not_waited_for(recorded):
    def program():
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(int)
            future.result()
            with orchprof.task("t"):
                assert future.result() == 0

    assert joined_by_root(recorded(program)) == set()


def test_as_completed_joins_each_future_once(recorded):
    def program():
        with ThreadPoolExecutor(1) as pool, orchprof.task("t"):
            for _ in concurrent.futures.as_completed([pool.submit(nap) for _ in range(5)]):
                pass

    tables = recorded(program)
    root = tables["tasks"]["task"].iloc[0]
    assert len(tables["edges"].query("kind == 'join' and dst == @root")) == 5
