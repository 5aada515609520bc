"""What a bench calls its biggest win, what a brief does, and what leads what-if's ranking are one part."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import plain, run_of
from whatif_runs import META, MS, Run, forked, side_by_side

import orchprof
from orchprof.claim.headline import headline
from orchprof.economics.brief import brief
from orchprof.economics.cost import cost_of
from orchprof.ledger.summary import summarise
from orchprof.prices.book import book
from orchprof.whatif.whatif import whatif


def mixed():
    """Tasks that are right and take 60 ms of `index`, among wrong ones that take 900 ms of `search`."""
    run, now = Run(), 0
    for task, (name, ms) in enumerate([("index", 60), ("search", 900)] * 3, start=1):
        run.task(task, now, now + (ms + 20) * MS, ok=name == "index")
        run.strand(task, now, now + (ms + 20) * MS, task=task, kind="task")
        run.span(task, "tool", name, task=task, strand=task)
        run.segment(task, now, now + ms * MS, "tool", cpu=ms * MS, span=task)
        run.segment(task, now + ms * MS, now + (ms + 20) * MS, cpu=20 * MS)
        now += (ms + 20) * MS
    return run.tables()


def loop():
    """Tasks of one event loop, of which each holds it while the others would go on."""

    async def task():
        with orchprof.task("t"):
            with orchprof.tool("nap"):
                await asyncio.sleep(0.01)
            with orchprof.tool("hold"):
                time.sleep(0.02)

    async def main():
        await asyncio.gather(*(task() for _ in range(4)))

    asyncio.run(main())


def threads():
    """Tasks on threads that wait for one lock."""
    lock = threading.Lock()

    def task(_):
        with orchprof.task("t"):
            with orchprof.tool("alone"):
                time.sleep(0.005)
            with lock, orchprof.tool("locked"):
                time.sleep(0.02)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(task, range(8)))


def shown(tables, **meta):
    """Return part and share of latency that the bench, the brief and what-if's ranking name first."""
    run = run_of(tables, META | {"labelled": True} | meta)
    report = run.of(summarise)
    win = headline([(report, run)]).win
    figures = {row["key"]: row["value"] for row in plain(brief(report, run, book()))["figures"]}
    record = whatif(run)
    ranked = [row for row in record.ranking if row.role in ("framework", "tool")]
    first = next(row for row in ranked if row.name or not any(row.name for row in ranked))
    return (
        win and (f"{win.role}:{win.name}", pytest.approx(win.gain_share)),
        (figures["biggest_win"], figures["biggest_win_share"]),
        (first.key, pytest.approx(1 - first.at_50pct_s / record.base_s)),
    )


def of_a_program(program):
    return lambda recorded: recorded(program)


RUNS = {
    "one after the other": (lambda _: forked(), "tool:search_docs"),
    "all failed": (lambda _: forked(ok=False), "tool:search_docs"),
    "some failed": (lambda _: mixed(), "tool:index"),
    "on one loop": (of_a_program(loop), "tool:hold"),
    "on threads": (of_a_program(threads), "tool:locked"),
}


@pytest.mark.parametrize(("made", "part"), RUNS.values(), ids=RUNS)
def test_bench_brief_and_ranking_agree(recorded, made, part):
    bench, page, ranking = shown(made(recorded))
    assert bench == page == ranking
    assert bench[0] == part


@pytest.mark.parametrize(("made", "part"), RUNS.values(), ids=RUNS)
def test_what_a_cost_says_to_fix_is_what_the_ranking_says(recorded, made, part):
    run = run_of(made(recorded), META | {"labelled": True})
    ranking = {row.key: row for row in whatif(run).ranking}
    saved = {row.what: row for row in cost_of(run.of(summarise), run, book()).fix_first}
    base_s = run.of(summarise).latency_s.mean
    named = {f"tool {row.name}": row for row in ranking.values() if row.role == "tool" and row.name}
    assert part.removeprefix("tool:") in {row.name for row in named.values()}
    # Where a role has only one state its row is that one's.
    roles = {"tools": ranking["tool"]} if "tool" in ranking else {}
    for what, row in (named | roles).items():
        assert saved[what].latency_saved_s == pytest.approx(base_s - row.at_50pct_s, abs=1e-9)
        assert saved[what].latency_saved_share == pytest.approx(1 - row.at_50pct_s / base_s, abs=1e-9)


def test_where_nothing_has_a_name_the_role_leads_and_a_bench_names_none(recorded):
    bench, page, ranking = shown(side_by_side([40, 10]))
    assert bench is None
    assert page == ranking
    assert page[0] == "framework"
