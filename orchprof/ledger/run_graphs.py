"""Graphs and accounts of a run's tasks: asked of the run, `run.of(reported)`, so that each is made once."""

from orchprof.ledger.account import Account, account
from orchprof.ledger.graph.task_graph import TaskGraph, build
from orchprof.ledger.graph.task_strands import finished_tasks
from orchprof.run.store import Run

Graphs = tuple[TaskGraph, ...]


def finished(run: Run) -> Graphs:
    """Return the graph of every task that ended and is no warm-up, failed ones too, in the table's order.

    Raises:
        RunError: as `build`.
    """
    return tuple(build(run.tables))


def reported(run: Run) -> Graphs:
    """Return the graphs of the tasks that a report's latency is of: those that did not fail; all when every one did.

    Raises:
        RunError: as `build`.
    """
    everyone = run.of(finished)
    right = set(finished_tasks(run.tables, failed=False)["id"].tolist())
    return tuple(graph for graph in everyone if graph.task in right) or everyone


def books(run: Run) -> Account:
    """Return the account of the tasks that a report's latency is of.

    Raises:
        RunError: as `build`.
    """
    return account(run.of(reported))
