"""Brief: one page of a run, `orchprof.brief/1`: for engineer, platform and payer, with one set of prices."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Final

from orchprof.contract.brief import Brief, BriefLoad, BriefTasks, Figure, Reader, Unit
from orchprof.contract.cost import Cost, Ends
from orchprof.contract.economics import AtVolume
from orchprof.contract.report import Report
from orchprof.contract.run import Provenance
from orchprof.economics.bill.bill_record import run_ref
from orchprof.economics.bill.priced_run import Priced, priced
from orchprof.economics.cost import VOLUME, cost_of
from orchprof.economics.curve import MONTH_S
from orchprof.economics.halving import MONTHS, NO_LABELS
from orchprof.economics.options import Options
from orchprof.prices.price import Book
from orchprof.run.store import Run
from orchprof.whatif.biggest_win import biggest_win

ENGINEER: Final = "engineer"
PLATFORM: Final = "platform"
PAYER: Final = "payer"
# The parts of latency that add up to it.
_PARTS: Final = (
    "orchestration",
    "tool_local",
    "orchestration_wait",
    "tool_wait",
    "model",
    "user",
    "unexplained",
)
# Where a bill's tokens are from, and a server's CPU; an accelerator's time is as the model's.
_PAID: Final[dict[str, Provenance]] = {"token": "reported", "cpu": "measured"}


def brief(
    report: Report,
    run: Run,
    book: Book,
    options: Options = Options(),  # noqa: B008  it is frozen
) -> Brief:
    """Return orchprof.brief/1 of one run; every figure has its provenance, None and why where it is not known.

    Costs and machines are those of `orchprof cost` at the volume that is sold, which are those of `orchprof plan` at
    that rate; without a volume they are for the load that was measured.

    Args:
        report: orchprof.report/1 of the run.
        run: it.
        book: every price there is.
        options: how to price it, and on which terms it is sold.

    Raises:
        UsageError: options that contradict each other or the run.
        RunError: no task finished.
    """
    asked = options.terms.tasks_per_month
    if asked is None:
        options = _at_measured(options, priced(report, run, book, options))
    cost = cost_of(report, run, book, options)
    figures = [*_engineer(report, run), *_platform(report, cost), *_payer(report, cost)]
    volume = cost.at_volume
    return Brief(
        run=run_ref(report.run),
        tasks=BriefTasks(n=report.tasks.n, ok=report.tasks.ok, failed=report.tasks.failed),
        load=BriefLoad(
            tasks_per_s=None if volume is None else volume.tasks_per_s,
            basis="measured" if asked is None else "asked",
            machines=None if volume is None else volume.machines,
            rule=None if volume is None else volume.rule,
        ),
        figures=figures,
        fix_first=cost.fix_first,
        not_included=[missing for missing in cost.unpriced if missing.part in cost.partial],
        findings=report.checks.findings,
    )


def _at_measured(options: Options, run: Priced) -> Options:
    """Return the options with the successes of the measured load as the volume; as they are where there is none."""
    per_s = run.usage.tasks_per_s
    if not per_s or not run.bill.successes:
        return options
    volume = Decimal(repr(per_s * MONTH_S * run.success_rate))
    return replace(options, terms=replace(options.terms, tasks_per_month=volume))


def _figure(  # noqa: PLR0913  a row of the table
    whom: Reader,
    key: str,
    value: float | str | None,
    unit: Unit,
    provenance: Provenance,
    *,
    interval: Ends | None = None,
    why: str | None = None,
) -> Figure:
    return Figure(
        whom=whom, key=key, value=value, unit=unit, provenance=None if value is None else provenance,
        interval=interval, why=why if value is None else None,
    )  # fmt: skip


def _model(report: Report) -> Provenance:
    """Return the provenance of what holds the model's time: its own; measured where no model was asked."""
    return report.model_calls.provenance or "measured"


def _engineer(report: Report, run: Run) -> Iterator[Figure]:
    latency, shares = report.latency_s, report.shares
    # Whatever is known of what the model's server did, how long a task took is measured, unless that was simulated.
    whole: Provenance = "modelled" if _model(report) == "modelled" else "measured"
    yield _figure(ENGINEER, "latency_p50_s", latency.p50, "s", whole, interval=latency.p50_ci95)
    yield _figure(
        ENGINEER,
        "latency_p95_s",
        latency.p95,
        "s",
        whole,
        why=f"{latency.n} tasks are too few, it needs 20",
    )
    host = shares.host
    yield _figure(
        ENGINEER,
        "cpu_side_share",
        None if host is None else host.cp,
        "share",
        whole,
        interval=None if host is None else host.ci95,
        why=NO_LABELS,
    )
    for name in _PARTS:
        share = getattr(shares, name)
        told = _model(report) if name == "model" else whole
        yield _figure(
            ENGINEER, f"{name}_share", None if share is None else share.cp, "share", told, why=NO_LABELS
        )
    yield from _win(run)


def _win(run: Run) -> Iterator[Figure]:
    """Yield the part of the agent and its tools that saves most at half its time."""
    win, why = run.of(biggest_win), "nothing to replay"
    key, gain_share = (None, None) if win is None else (win.part.key, win.gain_share)
    yield _figure(ENGINEER, "biggest_win", key, "part", "modelled", why=why)
    yield _figure(ENGINEER, "biggest_win_share", gain_share, "share", "modelled", why=why)


def _platform(report: Report, cost: Cost) -> Iterator[Figure]:
    used, volume = report.resources, cost.at_volume
    why = _no_volume(volume)
    yield _figure(PLATFORM, "core_s_per_task", used.core_s_busy, "core-s", "measured", why="not sampled")
    yield _figure(
        PLATFORM, "memory_per_task_bytes", used.rss_per_task_bytes, "bytes", "measured", why="not sampled"
    )
    hourly = None if volume is None else volume.usd_per_hour
    yield _figure(PLATFORM, "usd_per_hour", hourly, "USD", "modelled", why=why)
    full = None if volume is None else volume.utilisation
    yield _figure(
        PLATFORM, "binding", None if volume is None else volume.binding, "pool", "modelled",
        why=why if full is None else "nothing: these are the least machines that can be had",
    )  # fmt: skip
    fullest = max(full.values()) if full else None
    yield _figure(PLATFORM, "fullest_pool_share", fullest, "share", "modelled", why=why)


def _no_volume(volume: AtVolume | None) -> str:
    """Return why nothing is known of a volume, where that is so."""
    return (volume and volume.reason) or "the load is not known: say --tasks-per-month"


def _payer(report: Report, cost: Cost) -> Iterator[Figure]:
    volume = cost.at_volume
    paid = _PAID.get(cost.route.kind) or _model(report)
    yield _figure(
        PAYER, "per_success_usd", None if volume is None else volume.per_success_usd, "USD", "modelled",
        why=_no_volume(volume),
    )  # fmt: skip
    yield _figure(
        PAYER, "per_success_as_measured_usd", cost.per_success_usd, "USD", paid,
        interval=cost.per_success_ci95, why=cost.reasons.get("per_success_usd"),
    )  # fmt: skip
    earned, even = cost.margin, cost.break_even
    sold: Provenance = "modelled" if earned.cost_at == VOLUME else paid
    margins: tuple[tuple[str, float | None, Unit], ...] = (
        ("contribution_margin", earned.contribution_margin, "share"),
        ("gross_margin", earned.gross_margin, "share"),
        ("operating_usd_per_month", earned.operating_usd_per_month, "USD"),
    )
    for key, value, unit in margins:
        yield _figure(PAYER, key, value, unit, "modelled", why=earned.reasons.get(key))
    yield _figure(
        PAYER, "break_even_price_usd", even.price_usd, "USD", sold, why=even.reasons.get("price_usd")
    )
    yield _figure(
        PAYER, "break_even_tasks_per_month", even.tasks_per_month, "tasks", sold,
        why=even.reasons.get("tasks_per_month"),
    )  # fmt: skip
    saving = [(row.usd_saved_per_year, row.what) for row in cost.fix_first if row.usd_saved_per_year]
    yearly, what = max(saving, key=lambda each: each[0], default=(None, None))
    why = "no volume, or no price" if cost.fix_first else "no task to replay"
    yield _figure(PAYER, "fix_first", what, "part", "modelled", why=why)
    monthly = None if yearly is None else yearly / MONTHS
    yield _figure(PAYER, "fix_first_usd_per_month", monthly, "USD", "modelled", why=why)
