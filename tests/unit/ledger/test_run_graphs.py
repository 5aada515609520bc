"""A run's tables are read once, and its graphs and account are made once, whoever asks."""

from collections import Counter

import pytest
from ledger_tables import Run as Rows
from support import run_of

from orchprof.cli.report import bench_record
from orchprof.economics.brief import brief
from orchprof.economics.cost import cost_of
from orchprof.ledger import run_graphs
from orchprof.ledger.run_graphs import finished, reported
from orchprof.ledger.summary import summarise
from orchprof.plan.demand import demand
from orchprof.prices.book import book
from orchprof.whatif.whatif import whatif

MS = 1_000_000
META = {"id": "made", "workload": "rag", "labelled": True, "machine": {"cores": 2}}


def made(answers):
    """Tasks one after the other, of a tool and a model call, whose answers are right, `+`, or wrong, `-`."""
    rows = Rows()
    for task, answer in enumerate(answers, start=1):
        at = [(100 * task + each) * MS for each in (0, 40, 90)]
        rows.task(task, at[0], at[2], ok=answer == "+")
        rows.strand(task, at[0], at[2], task=task, kind="task")
        rows.span(task, "tool", "search", task=task, strand=task)
        rows.segment(task, at[0], at[1], "tool", cpu=40 * MS, span=task)
        rows.strand(100 + task, at[1], at[2], kind="remote", parent=task, task=task)
        rows.wait(task, at[1], at[2], [100 + task], "model")
        rows.call(100 + task, at[1], at[2], input_tokens=100, output_tokens=10, task=task)
    return run_of(rows.tables(), META)


@pytest.fixture
def counts(monkeypatch):
    """Count how often the graphs of a whole run, and its account, are made."""
    counted = Counter()
    for name in ("build", "account"):
        own = getattr(run_graphs, name)

        def counting(*given, name=name, own=own):
            counted[name] += 1
            return own(*given)

        monkeypatch.setattr(run_graphs, name, counting)
    return counted


def test_what_is_made_of_a_run_is_made_once():
    run = made("+")
    assert run.of(finished) is run.of(finished)
    assert run.of(summarise) is run.of(summarise)


def test_those_that_failed_are_left_out_unless_every_one_did():
    assert [graph.task for graph in made("+-+").of(reported)] == [1, 3]
    run = made("--")
    assert run.of(reported) == run.of(finished)


@pytest.mark.parametrize("whole", [True, False])
def test_a_bench_builds_the_graphs_of_each_run_once(counts, whole):
    record = bench_record([made("++-"), made("++")], whole=whole)
    assert len(record.reports) == len(record.cost) == 2
    assert counts == {"build": 2, "account": 2}


def test_so_do_all_commands_on_one_run(counts):
    run = made("++-")
    for ask in (summarise, whatif, demand):
        ask(run)
    cost_of(run.of(summarise), run, book())
    brief(run.of(summarise), run, book())
    assert counts == {"build": 1, "account": 1}


def test_the_table_says_the_same_of_a_bench_as_json_does():
    whole, table = (bench_record([made("++-")], whole=whole) for whole in (True, False))
    assert table.reports == whole.reports
    assert table.headline == whole.headline
    assert table.claim.rows == whole.claim.rows
    assert table.claim.generations == whole.claim.generations
    assert [each.per_task for each in table.cost] == [each.per_task for each in whole.cost]
    assert table.cost[0].curve == table.claim.crossings == []
