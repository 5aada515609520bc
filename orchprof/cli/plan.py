"""`orchprof plan`: which machines hold a load, what binds, and whether such predictions come true."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from orchprof.cli.prices import BasisOption
from orchprof.cli.words import (
    BurstinessOption,
    FormatOption,
    limits,
    positive,
    rate_per_s,
    several,
    show,
    time_s,
    whole,
)
from orchprof.errors import UsageError
from orchprof.prices.price import ON_DEMAND

if TYPE_CHECKING:
    from orchprof.contract.plan import Plan
    from orchprof.plan.demand import Demand
    from orchprof.plan.fleet import Layout
    from orchprof.plan.question import Question, Target, Tokens
    from orchprof.prices.price import Book
    from orchprof.run.store import Run

_CONFIDENCE: Final = 0.9


def plan(  # noqa: PLR0913  typer reads the options from the signature
    run: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN[=WEIGHT]",
            help="Runs that say what tasks ask for, mixed by weight; the latest run when none is given.",
        ),
    ] = None,
    *,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="R[/s][,R...]", help="Tasks that arrive per second; each of several is planned for."
        ),
    ] = None,
    slo: Annotated[
        str | None,
        typer.Option(
            metavar="[pNN|mean=]TIME[,...]",
            help="What has to hold: p95=10s, mean=2s; 3s alone means p95=3s.",
        ),
    ] = None,
    users: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole(1, "--users"),
            help="So many users who wait for each answer, instead of a rate.",
        ),
    ] = None,
    think: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=time_s("--think"),
            help="With --users: what each thinks between an answer and the next task, in the mean.  [default: 0]",
        ),
    ] = None,
    arrivals: Annotated[
        str, typer.Option(metavar="KIND", help="How tasks arrive: poisson, constant or gamma.")
    ] = "poisson",
    burstiness: BurstinessOption = None,
    machine: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A machine to choose from; repeatable.  [default: all]"),
    ] = None,
    machines: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A CSV table of more machines and their prices.")
    ] = None,
    price: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A price of your own; repeatable.")
    ] = None,
    basis: BasisOption = ON_DEMAND,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME.UNIT_per_TIME=N",
            help="What others let through: model.tokens_per_min=1e6, model.calls_per_min=N, TOOL.calls_per_s=N.",
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What 'orchprof env --calibrate FILE' wrote on such a machine."),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="MODE", help="How workers run tasks: processes, threads or async.  [default: processes]"
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole(1, "--workers"),
            help="Worker processes on each machine.  [default: as many as are needed]",
        ),
    ] = None,
    confidence: Annotated[
        float, typer.Option(metavar="P", parser=positive("--confidence"), help="With which it is to hold.")
    ] = _CONFIDENCE,
    seed: Annotated[
        int, typer.Option(metavar="N", parser=whole(0, "--seed"), help="Of the simulation's chances.")
    ] = 0,
    backtest: Annotated[
        bool,
        typer.Option(
            "--backtest",
            help="Measure the workload here under loads it has not seen, beside what is predicted.",
        ),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="How it was found, from what, and what it takes for granted.")
    ] = False,
    form: FormatOption = "console",
) -> None:
    """Find the cheapest machines that hold a load.

    Exits with 1 when nothing holds it.
    """
    runs = _runs(run or [])
    if burstiness is not None and arrivals != "gamma":
        raise UsageError(f"only gamma has one, {burstiness:g} @ --burstiness, add --arrivals gamma")
    result: Plan | None = None
    if rate is not None or users is not None or not backtest:
        from orchprof.plan.fleet import Layout, kinds
        from orchprof.plan.plan import plan as answer
        from orchprof.plan.question import Slo, Target, check
        from orchprof.prices.book import book

        if slo is None:
            raise UsageError("nothing has to hold, no limit @ --slo, give one such as p95=10s")
        target = Target(
            tuple(several(rate, rate_per_s("--rate"))) if rate is not None else (),
            tuple(Slo(*each) for each in limits(slo)), users, arrivals, burstiness or 2.0, confidence, seed,
            think or 0.0,
        )  # fmt: skip
        sold = book(machines, price or [], basis=basis)
        question = _question(
            runs, target, Layout(mode or "processes", workers), (limit or [], calibration), sold
        )
        check(question)
        result = answer(question, kinds(sold, machine or [], question.model))
    if backtest:
        result = _backtested(runs, mode, seed, result)
    assert result is not None
    show(result, form, details=explain)


def _runs(texts: list[str]) -> list[tuple[Path, float]]:
    """Return each run with its weight; a bench stands for its runs, equally.

    Raises:
        UsageError: a weight that is no number above 0.
        RunError: there is no run.
    """
    from orchprof.run import store

    split = [_weighted(text) for text in texts] or [(store.latest(), 1.0)]
    return [(directory, weight) for path, weight in split for directory in store.runs_in(path)]


def _weighted(text: str) -> tuple[Path, float]:
    path, equals, weight = text.rpartition("=")
    if not equals or Path(text).exists():
        return Path(text), 1.0
    return Path(path), positive("the weight of RUN")(weight)


def _question(
    runs: list[tuple[Path, float]],
    target: "Target",
    layout: "Layout",
    given: tuple[list[str], Path | None],
    sold: "Book",
) -> "Question":
    from orchprof.plan import calibration, rate_limits
    from orchprof.plan.demand import demand
    from orchprof.plan.question import Question, mixed
    from orchprof.run import store

    texts, path = given
    read = rate_limits.read(texts)
    speed = calibration.read(path) if path else None
    opened = [(store.open_run(each), weight) for each, weight in runs]
    rate_limits.check_names(read, [run.tables for run, _ in opened])
    demands = tuple(demand(run, weight, read) for run, weight in opened)
    paid = [
        (_tokens(run, demanded, sold), demanded.weight)
        for (run, _), demanded in zip(opened, demands, strict=True)
    ]
    return Question(demands, target, layout, tuple(read), speed, mixed(paid))


def _tokens(run: "Run", demand: "Demand", sold: "Book") -> "Tokens":
    """Return what a task of a run pays for tokens, by the bill of `orchprof cost`."""
    from orchprof.economics.bill.token_cost import tokens_per_task
    from orchprof.ledger.summary import summarise
    from orchprof.plan.question import Tokens

    return Tokens(*tokens_per_task(run.of(summarise), run, sold, is_planned=demand.model is not None))


def _backtested(
    runs: list[tuple[Path, float]], mode: str | None, seed: int, planned: "Plan | None"
) -> "Plan":
    from orchprof.cli.progress import progress
    from orchprof.plan.backtest.backtest import backtest
    from orchprof.plan.plan import backtest_only
    from orchprof.run import store

    if len(runs) != 1:
        raise UsageError(f"one workload at a time, {len(runs)} runs @ --backtest, give one run")
    with progress() as notify:
        measured = backtest(store.open_run(runs[0][0]), mode, seed, notify)
    return backtest_only(measured) if planned is None else replace(planned, backtest=measured)
