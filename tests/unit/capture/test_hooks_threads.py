import concurrent.futures
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import assert_tiled, recording

import orchprof
from orchprof.run.finalize.finalize import finalize

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


def test_a_thread_that_the_interpreter_has_not_let_go_of_yet_is_over(recorded):
    def program():
        with orchprof.task("t"):
            thread = threading.Thread(target=nap, name="mine")
            thread.start()
            thread.is_alive = lambda: True
            thread.join(100 * NAP_S)

    assert joined_by_root(recorded(program)) == {"mine"}


def waits_of_root(tables):
    root = tables["tasks"]["task"].item()
    waits = tables["segments"].query("strand == @root and (join or wait_state == 'timeout')")
    return ["join" if join else "timeout" for join in waits["join"]]


def test_a_wait_in_slices_is_one_wait(recorded):
    def program():
        with orchprof.task("t"):
            thread = threading.Thread(target=nap, name="mine")
            thread.start()
            while thread.is_alive():
                thread.join(NAP_S / 4)

    tables = recorded(program)
    assert joined_by_root(tables) == {"mine"}
    assert "timeout" not in waits_of_root(tables)
    assert len(waits_of_root(tables)) > 2


def test_whoever_tells_a_thread_to_stop_had_no_patience_left(recorded):
    def program():
        stop = threading.Event()
        with orchprof.task("t"):
            thread = threading.Thread(target=stop.wait)
            thread.start()
            thread.join(NAP_S)
            stop.set()
            thread.join()

    assert waits_of_root(recorded(program))[0] == "timeout"


def test_slices_after_which_something_else_was_done_are_time_outs(recorded):
    def program():
        release = threading.Event()
        with orchprof.task("t"):
            thread = threading.Thread(target=release.wait, name="mine")
            thread.start()
            for _ in range(3):
                thread.join(NAP_S / 4)
        release.set()
        thread.join()

    tables = recorded(program)
    assert joined_by_root(tables) == set()
    assert waits_of_root(tables) == ["timeout"] * 3


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


def states_of_root(tables):
    """Return the root's wait states with how long each lasted, in s."""
    root = tables["tasks"]["task"].iloc[0]
    rows = tables["segments"].query("strand == @root")
    return (rows["end_ns"] - rows["start_ns"]).groupby(rows["wait_state"]).sum() / 1e9


def by_result(pool, release):
    with pytest.raises(concurrent.futures.TimeoutError):
        pool.submit(release.wait).result(NAP_S)


def by_wait(pool, release):
    assert concurrent.futures.wait([pool.submit(release.wait)], NAP_S).not_done


def by_join(_pool, release):
    thread = threading.Thread(target=release.wait)
    thread.start()
    thread.join(NAP_S)
    assert thread.is_alive()


@pytest.mark.parametrize("pattern", [by_result, by_wait, by_join], ids=lambda pattern: pattern.__name__)
def test_a_wait_whose_patience_ended_joins_nobody(recorded, pattern):
    release = threading.Event()

    def program():
        with ThreadPoolExecutor(1) as pool:
            with orchprof.task("t"):
                pattern(pool, release)
            release.set()

    tables = recorded(program)
    assert states_of_root(tables)["timeout"] > 0.9 * NAP_S
    assert joined_by_root(tables) == set()
    assert_tiled(tables)


def test_leaving_a_pool_waits_for_the_jobs_that_still_run(recorded):
    def program():
        with orchprof.task("t"), ThreadPoolExecutor(1) as pool:
            pool.submit(nap)

    tables = recorded(program)
    assert joined_by_root(tables) >= {"nap"}
    assert_tiled(tables)


def test_a_cancelled_job_ends(recorded):
    def program():
        with ThreadPoolExecutor(1) as pool, orchprof.task("t"):
            first, second = pool.submit(nap), pool.submit(nap)
            assert (second.cancel(), second.cancel(), second.cancelled()) == (True, True, True)
            first.result()

    jobs = recorded(program)["strands"].query("kind == 'job'")
    assert jobs["end_ns"].notna().all()


def test_a_map_joins_its_jobs(recorded):
    def program():
        with ThreadPoolExecutor(2) as pool, orchprof.task("t"):
            assert list(pool.map(lambda _k: nap(), range(4))) == [None] * 4

    tables = recorded(program)
    assert len(tables["strands"].query("kind == 'job'")) == 4
    assert {name.rsplit(".", 1)[-1] for name in joined_by_root(tables)} == {"<lambda>"}


def test_threads_keep_their_errors(recorded):
    def program():
        thread = threading.Thread(target=nap)
        with pytest.raises(RuntimeError, match="before it is started"):
            thread.join()
        thread.start()
        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.shutdown()
            with pytest.raises(RuntimeError, match="shutdown"):
                pool.submit(nap)

    assert recorded(program)["strands"]["end_ns"].notna().all()


def test_a_thread_that_outlives_the_recording_goes_on_and_records_nothing(recorded):
    stop, steps = threading.Event(), []

    def work():
        while not stop.wait(0.001):
            with orchprof.span("step"):
                steps.append(1)

    thread = threading.Thread(target=work)
    tables = recorded(thread.start)
    before = len(steps)
    time.sleep(NAP_S)
    stop.set()
    thread.join()
    assert len(steps) > before
    assert_tiled(tables)


def test_a_thread_of_a_former_recording_is_none_of_this_one(tmp_path):
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    (tmp_path / "a").mkdir()
    with recording(tmp_path / "a"):
        thread.start()
    with recording(tmp_path):
        threading.Timer(NAP_S, stop.set).start()
        with orchprof.task("t"):
            thread.join()
    tables, findings, _ = finalize(tmp_path.glob("*.bin"))
    assert findings == []
    assert set(tables["edges"]["src"]) <= set(tables["strands"]["strand"])


def test_jobs_may_be_submitted_while_a_pool_shuts_down(recorded, monkeypatch):
    done, more = concurrent.futures.Future.done, []

    def program():
        pool = ThreadPoolExecutor(1)

        def submitting(future):
            if not more:
                more.append(pool.submit(nap))
            return done(future)

        pool.submit(nap)
        monkeypatch.setattr(concurrent.futures.Future, "done", submitting)
        pool.shutdown()

    recorded(program)
    assert more[0].done()
