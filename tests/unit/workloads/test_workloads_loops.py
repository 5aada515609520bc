"""Event loops on plain threads, and what is kept open on each."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from orchprof_workloads.loops import Loops, PerLoop
from orchprof_workloads.settings import at_least, one_of


class Kept:
    """Something per loop that says which task opened and closed it."""

    def __init__(self):
        self.log = []
        self.each = PerLoop(self.manager)
        self.loops = Loops(self.each.aclose)

    @asynccontextmanager
    async def manager(self):
        opener = asyncio.current_task()
        self.log.append("open")
        await asyncio.sleep(0)
        yield object()
        assert asyncio.current_task() is opener
        self.log.append("close")


def test_a_thread_keeps_its_loop_and_what_is_open_on_it():
    kept = Kept()
    first, again = kept.loops.run(kept.each.current()), kept.loops.run(kept.each.current())
    assert first is again
    kept.loops.close()
    assert kept.log == ["open", "close"]
    kept.loops.close()


def test_threads_have_loops_of_their_own():
    kept, both = Kept(), threading.Barrier(2)

    def work(_):
        both.wait(10)
        return kept.loops.run(kept.each.current())

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(work, range(2))
    assert first is not second
    kept.loops.close()
    assert sorted(kept.log) == ["close", "close", "open", "open"]


def test_users_of_one_loop_at_once_share_one():
    kept = Kept()

    async def together():
        found = await asyncio.gather(*(kept.each.current() for _ in range(3)))
        await kept.each.aclose()
        return found

    first, *others = asyncio.run(together())
    assert all(other is first for other in others)
    assert kept.log == ["open", "close"]


def test_closing_what_was_never_opened_does_nothing():
    kept = Kept()
    asyncio.run(kept.each.aclose())
    assert kept.log == []


def test_what_cannot_be_opened_is_told_and_tried_again():
    tries = []

    @asynccontextmanager
    async def refuse():
        tries.append(1)
        raise OSError("no such server")
        yield

    each = PerLoop(refuse)

    async def ask():
        for _ in range(2):
            with pytest.raises(OSError, match="no such server"):
                await each.current()
        await each.aclose()

    asyncio.run(ask())
    assert len(tries) == 2


def test_after_a_failure_the_thread_gets_a_new_loop_without_leftovers():
    kept, left = Kept(), []

    async def fail():
        left.append(asyncio.create_task(asyncio.sleep(60)))
        await kept.each.current()
        raise ValueError("broken off")

    with pytest.raises(ValueError, match="broken off"):
        kept.loops.run(fail())
    assert not left[0].done()
    kept.loops.run(kept.each.current())
    assert left[0].cancelled()
    assert kept.log == ["open", "close", "open"]
    kept.loops.close()


def test_settings_are_refused_in_one_form():
    one_of("toy", "colour", "red", ("red", "blue"))
    with pytest.raises(ValueError, match="unknown colour, 'green' @ toy, choose from red, blue"):
        one_of("toy", "colour", "green", ("red", "blue"))
    at_least("toy", {"n": 1, "other": -1}, {"n": 1})
    with pytest.raises(ValueError, match="n is too small, 0 @ toy, give 1 or more"):
        at_least("toy", {"n": 0}, {"n": 1})
