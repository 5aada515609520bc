"""Priced: one run with what it used, the prices it is billed at, and its bill; what every part of a report asks."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from orchprof.contract.report import Report
from orchprof.economics.bill.bill import Bill, bill
from orchprof.economics.bill.breakdown import Parts, parts_of
from orchprof.economics.bill.payment import CPU, Route, route_of
from orchprof.economics.bill.rates import Tariff, tariff
from orchprof.economics.bill.task_usage import Usage, usage
from orchprof.economics.curve import MONTH_S, Fleet
from orchprof.economics.margin import check
from orchprof.economics.options import Options
from orchprof.prices.price import Book
from orchprof.run.store import Run


@dataclass(frozen=True, slots=True)
class Priced:
    """A run and what it costs."""

    report: Report
    options: Options
    usage: Usage
    route: Route
    tariff: Tariff
    bill: Bill
    at: datetime | None

    @property
    def success_rate(self) -> float:
        """Successful tasks by all that are paid for."""
        return self.bill.successes / self.bill.n

    @property
    def endpoint_core_s(self) -> float:
        """CPU of the model's endpoint per task, where that is what the model costs."""
        served = self.usage.endpoint_core_s if self.route.kind == CPU else None
        return 0.0 if served is None else float(served.mean())

    def usd(self, name: str) -> float | None:
        """Return a part's mean per task; None where it is not known."""
        part = self.bill.per_task(name)
        return None if part is None else float(part)

    def parts(self, *, right: bool = False) -> Parts:
        """Return the mean task's cost by what it follows; of those that succeeded alone where `right` says so."""
        return parts_of(self.bill, self.usage.ok if right else None)

    def fleet(self) -> Fleet:
        """Return what can be had whole, and what a mean task takes of it."""
        own = self.tariff.accelerator if self.bill.parts["accelerator"].usd else None
        machine, seconds, memory = self.tariff.machine, self.usage.accelerator_s, self.usage.memory_gib_s
        alone = (self.usd("token"), self.usd("tool"), self.usd("network"))
        return Fleet(
            core_s=float(self.usage.cpu_reserved_s.mean()) + self.endpoint_core_s,
            memory_gib_s=0.0 if memory is None else float(memory.mean()),
            accelerator_s=float(np.mean(seconds)) if own is not None and seconds is not None else 0.0,
            machine_cores=machine.vcpus,
            machine_gib=machine.memory_gib,
            machine_usd_per_hour=float(self.tariff.machine_usd_per_hour),
            accelerator_usd_per_hour=0.0 if own is None else float(own.value),
            utilisation=float(self.options.utilisation),
            per_task_usd=sum(usd for usd in alone if usd is not None),
        )

    def tasks_per_s(self) -> float | None:
        """Return the mean load at the volume that is sold, failed tasks too; None without one, or without success."""
        volume = self.options.terms.tasks_per_month
        if volume is None or not self.bill.successes:
            return None
        return float(volume) / self.success_rate / MONTH_S


def priced(report: Report, run: Run, book: Book, options: Options) -> Priced:
    """Return a run with its bill.

    Args:
        report: orchprof.report/1 of the run.
        run: it.
        book: every price there is.
        options: how to price it.

    Raises:
        UsageError: options that contradict each other or the run, or names that nothing has.
        RunError: no task finished.
    """
    check(options.terms)
    used = usage(report, run.tables, run.meta)
    route = route_of(report.run.model, options.route, options.accelerator, options.token_model)
    rates = tariff(book, route, used.tools, options.machines, options.utilisation)
    at = _when(report.run.created)
    return Priced(report, options, used, route, rates, bill(used, rates, route, at), at)


def _when(created: str | None) -> datetime | None:
    """Return when a run was made; None where it does not say: then today's token prices hold."""
    try:
        return datetime.fromisoformat(created or "")
    except ValueError:
        return None
