"""What-if on programs whose tools keep others waiting, beside the programs really changed, and what is said of it."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late

import pytest
from support import render
from whatif_runs import META, whatif

import orchprof
from orchprof.whatif.request import Asked


def loop(hold_s):
    """Block a loop while another task of it sleeps twice, the second time when it gets round to it."""

    async def nap():
        with orchprof.tool("nap"):
            await asyncio.sleep(0.05)
            await asyncio.sleep(0.15)

    async def hold():
        with orchprof.tool("hold"):
            time.sleep(hold_s)

    async def main():
        for _ in range(2):
            with orchprof.task("t"):
                await asyncio.gather(nap(), hold())

    asyncio.run(main())


def pool(hold_s):
    """Hold one of two threads, the other one for longer than a third job waits."""

    def job(name, seconds):
        with orchprof.tool(name):
            time.sleep(seconds)

    with ThreadPoolExecutor(2) as threads:
        for _ in range(2):
            with orchprof.task("t"):
                jobs = [
                    threads.submit(job, *each) for each in (("hold", hold_s), ("other", 0.3), ("last", 0.2))
                ]
                for each in jobs:
                    each.result()


def semaphore(hold_s):
    """Hold one of two units for longer than a third thread waits for the other."""
    units = threading.Semaphore(2)

    def job(name, seconds):
        with units, orchprof.tool(name):
            time.sleep(seconds)

    for _ in range(2):
        with orchprof.task("t"):
            jobs = [
                threading.Thread(target=job, args=each)
                for each in (("hold", hold_s), ("other", 0.3), ("last", 0.2))
            ]
            for each in jobs:
                each.start()
                time.sleep(0.01)
            for each in jobs:
                each.join()


def patience(hold_s):
    """Wait for a job no longer than 0.2 s, and do something else for 0.1 s if it takes longer."""

    def job():
        with orchprof.tool("hold"):
            time.sleep(hold_s)

    for _ in range(2):
        with ThreadPoolExecutor(1) as threads, orchprof.task("t"):
            asked = threads.submit(job)
            try:
                asked.result(timeout=0.2)
            except Late:
                with orchprof.tool("instead"):
                    time.sleep(0.1)
            threads.shutdown(wait=False)


@pytest.mark.parametrize(
    ("program", "hold_s", "factor"),
    [
        (loop, 0.3, 0.5),
        (loop, 0.3, 1.5),
        (pool, 0.5, 0.2),
        (semaphore, 0.5, 0.2),
        (patience, 0.6, 0.1),
        (patience, 0.6, 0.8),
    ],
)
def test_a_change_of_what_others_wait_for_does_what_was_said(recorded, tmp_path, program, hold_s, factor):
    tables = recorded(lambda: program(hold_s))
    said = whatif(tables, META, Asked(scale=[("tool:hold", factor)]))
    for log in tmp_path.glob("*.bin"):
        log.unlink()
    real = whatif(recorded(lambda: program(hold_s * factor)), META)
    assert said["predicted_s"] == pytest.approx(real["base_s"], rel=0.25)


def test_the_tool_that_blocks_is_named_first(recorded):
    record = whatif(recorded(lambda: loop(0.3)), META)
    named = [row for row in record["ranking"] if row["name"]]
    assert [row["key"] for row in named] == ["tool:hold", "tool:nap"]
    assert named[0]["blocks_s"] > 0
    assert named[1]["blocks_s"] == 0
    assert "Blocks       others wait for what it holds: tool:hold" in render(record, "console")


def test_waits_that_nobody_explains_are_told(recorded, monkeypatch):
    monkeypatch.setattr("orchprof.ledger.replay.together.MOST_SEGMENTS", 0)

    async def one(hold_s):
        with orchprof.task("t"):
            await asyncio.sleep(0.01)
            with orchprof.tool("hold"):
                time.sleep(hold_s)

    async def main():
        await asyncio.gather(one(0.2), one(0.2))

    record = whatif(recorded(lambda: asyncio.run(main())), META)
    (found,) = [each for each in record["findings"] if each["code"] == "held_elsewhere"]
    assert "nobody known held" in found["message"]
