"""Notes: what a reader must know of a bill beside its figures: what was assumed, left out, or given in vain."""

from typing import Final

from orchprof.economics.bill.priced_run import Priced
from orchprof.prices.book import OPTION
from orchprof.prices.price import Book, Price

_MEASURED_ALIKE: Final = 1.05  # CPU and wall time come from two clocks


def notes(run: Priced, book: Book) -> list[str]:
    """Return what a reader must know of a bill beside its figures."""
    used = run.usage
    failed, unjudged = run.bill.n - run.bill.successes, int((~used.judged).sum())
    said = [
        *run.bill.notes,
        unjudged and f"{unjudged} of {used.n} answers were judged by nobody and count as successes",
        failed and f"{failed} of {used.n} tasks failed and are paid for",
        used.warmup and f"{_tasks_said(used.warmup)} of warm-up left out",
        used.unfinished and f"{_tasks_said(used.unfinished)} that never ended left out",
        _not_called(run, book),
        _off_basis(run, book),
        _dearer(run, book),
        _shared(run),
        _crowded(run),
    ]
    return [note for note in said if note]


def _tasks_said(n: int) -> str:
    return f"{n} task{'' if n == 1 else 's'}"


def _not_called(run: Priced, book: Book) -> str | None:
    """Say which tools were given a price on the command line that no task called: a slip of the pen, perhaps."""
    called = {f"tool/{name}" for name, calls in run.usage.tools.items() if calls.any()}
    stated = (name for name in book.given if name.startswith("tool/") and name not in called)
    unused = sorted(name for name in stated if book.prices[name].source == OPTION)
    return f"no task called {', '.join(unused)}: the price is not used" if unused else None


def _off_basis(run: Priced, book: Book) -> str | None:
    """Say what has no price on the basis that was asked for, so that it is paid on another one."""
    other = [price for price in run.tariff.prices() if price.purchase not in ("", book.basis)]
    named = dict.fromkeys(f"{_thing(run, price)} ({price.purchase})" for price in other)
    return f"no price on the basis {book.basis}, so on another one: {', '.join(named)}" if named else None


def _thing(run: Priced, price: Price) -> str:
    """Return what a price is of: a share of a machine stands for the machine."""
    is_share = price in (run.tariff.core, run.tariff.memory)
    return run.tariff.machine.name if is_share else price.name.removeprefix("machine/")


def _dearer(run: Priced, book: Book) -> str | None:
    """Say that a price that was given for a machine with the run's accelerator is not the one that is taken."""
    paid, whose = run.tariff.accelerator, run.route.accelerator
    given = [
        name
        for name, machine in book.machines.items()
        if machine.accelerator == whose and machine.price.name in book.given
    ]
    if paid is None or not given or any(paid.source.startswith(f"{name} ") for name in given):
        return None
    less = paid.source.partition(":")[0]
    return f"the price of {', '.join(given)} is not used, as {less} costs less; --machine names one"


def _shared(run: Priced) -> str | None:
    at_once = run.usage.at_once or 1.0
    if at_once <= 1.5 or run.report.run.params.mode == "processes":  # noqa: PLR2004
        return None
    return (
        f"{at_once:.1f} tasks at a time shared a worker, and each is charged all its cores: "
        f"shared evenly, allocated cores cost 1/{at_once:.1f} of what is said"
    )


def _crowded(run: Priced) -> str | None:
    busy, held = run.usage.cpu_busy_s, run.usage.cpu_reserved_s
    if busy is None or busy.sum() <= _MEASURED_ALIKE * held.sum():
        return None
    return (
        f"tasks were busy on {busy.sum() / run.usage.latency_s.sum():.1f} cores but {run.usage.cores_per_worker:g} "
        "is counted as allocated: the total says too little"
    )
