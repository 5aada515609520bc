"""Tokens: what a task pays for a model that others serve, by its bill: for who prices the machines apart from it."""

from typing import Final

from orchprof.contract.report import Report
from orchprof.contract.run import RunMeta
from orchprof.economics.bill.payment import ACCELERATOR, CPU, TOKEN
from orchprof.economics.bill.priced_run import priced
from orchprof.economics.options import Options
from orchprof.ledger.graph.task_strands import Tables
from orchprof.prices.price import Book

_NOT_PLANNED: Final = "its model runs on accelerators that are not planned for, as only a paced: model's are"


def tokens_per_task(
    report: Report, tables: Tables, meta: RunMeta, book: Book, *, is_planned: bool
) -> tuple[float | None, str | None]:
    """Return the USD per task, failed ones among them, and why where they are not known.

    They are 0 where no model is asked, and where the machines or cores that serve it are planned for.

    Args:
        report: orchprof.report/1 of the run.
        tables: its tables, which stay as they are.
        meta: its run.json.
        book: every price there is.
        is_planned: the model's accelerators are among the planned machines.

    Raises:
        RunError: no task finished.
    """
    run = priced(report, tables, meta, book, Options())
    if is_planned or run.route.kind == CPU or run.usage.calls.refused.all():
        return 0.0, None
    if run.route.kind != TOKEN:
        return None, _NOT_PLANNED if run.route.kind == ACCELERATOR else run.route.reason
    usd = run.usd("token")
    return usd, None if usd is not None else run.bill.parts["token"].reason
