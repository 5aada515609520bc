"""Tokens: what a task pays for a model that others serve, by its bill: for who prices the machines apart from it."""

from typing import Final

from orchprof.contract.report import Report
from orchprof.economics.bill.payment import ACCELERATOR, CPU, TOKEN
from orchprof.economics.bill.priced_run import priced
from orchprof.economics.options import Options
from orchprof.prices.price import Book
from orchprof.run.store import Run

_NOT_PLANNED: Final = "its model runs on accelerators that are not planned for, as only a paced: model's are"


def tokens_per_task(
    report: Report, run: Run, book: Book, *, is_planned: bool
) -> tuple[float | None, str | None]:
    """Return the USD per task, failed ones among them, and why where they are not known.

    They are 0 where no model is asked, and where the machines or cores that serve it are planned for.

    Args:
        report: orchprof.report/1 of the run.
        run: it.
        book: every price there is.
        is_planned: the model's accelerators are among the planned machines.

    Raises:
        RunError: no task finished.
    """
    bought = priced(report, run, book, Options())
    if is_planned or bought.route.kind == CPU or bought.usage.calls.refused.all():
        return 0.0, None
    if bought.route.kind != TOKEN:
        return None, _NOT_PLANNED if bought.route.kind == ACCELERATOR else bought.route.reason
    usd = bought.usd("token")
    return usd, None if usd is not None else bought.bill.parts["token"].reason
