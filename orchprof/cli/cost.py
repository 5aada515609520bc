"""`orchprof cost`: what a task costs, at what price and volume it earns, and what decides it."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from orchprof.cli.prices import BasisOption, MachinesOption, PriceOption
from orchprof.cli.words import MOST_AMOUNT, DetailsOption, FormatOption, amount, limits, one_of, show, whole
from orchprof.contract.cost import Cost
from orchprof.contract.costs import Costs
from orchprof.errors import UsageError
from orchprof.prices.price import ON_DEMAND

if TYPE_CHECKING:
    from orchprof.economics.options import Options
    from orchprof.prices.price import Book

MOST_EACH: Final = Decimal(10) ** 6  # for one task, or one user's month
_ROUTES: Final = ["auto", "accelerator", "token"]
_DRAWS: Final = (100, 1_000_000)


def _named(option: str) -> Callable[[str], str]:
    """Return a parser of names, which are not empty."""

    def parse(value: str) -> str:
        if value.strip():
            return value.strip()
        raise UsageError(f"no name, {value!r} @ {option}, give one or leave the option out")

    return parse


def _money(option: str, text: str, most: Decimal = MOST_AMOUNT) -> Any:
    return typer.Option(option, metavar="USD", parser=amount(option, most), help=text)


def _count(option: str, text: str) -> Any:
    return typer.Option(option, metavar="N", parser=amount(option), help=text)


def cost(  # noqa: PLR0913  typer reads the options from the signature
    run: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Directory of a run or a bench; the latest when none is given."),
    ] = None,
    *,
    price_per_task: Annotated[
        Decimal | None, _money("--price-per-task", "What a successful task sells for.", MOST_EACH)
    ] = None,
    tasks_per_month: Annotated[
        Decimal | None, _count("--tasks-per-month", "Successful tasks that are sold a month.")
    ] = None,
    price_per_user_month: Annotated[
        Decimal | None,
        _money("--price-per-user-month", "What a user pays a month, instead of a price per task.", MOST_EACH),
    ] = None,
    tasks_per_user_month: Annotated[
        Decimal | None, _count("--tasks-per-user-month", "Successful tasks of a user a month.")
    ] = None,
    value_per_task: Annotated[
        Decimal | None,
        _money("--value-per-task", "What a successful task is worth to whoever runs it.", MOST_EACH),
    ] = None,
    fixed_per_month: Annotated[
        Decimal | None, _money("--fixed-per-month", "Cost that no task moves: salaries, rent, licences.")
    ] = None,
    cash: Annotated[
        Decimal | None, _money("--cash", "Cash at hand: how long it lasts, how soon it is back.")
    ] = None,
    machine: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="The agent's machine, or the one that has the accelerators; repeatable, see `orchprof prices`.",
        ),
    ] = None,
    machines: MachinesOption = None,
    price: PriceOption = None,
    basis: BasisOption = ON_DEMAND,
    route: Annotated[
        str,
        typer.Option(
            metavar="ROUTE",
            parser=one_of("route", _ROUTES, "--route"),
            help="How model calls are paid: auto, accelerator (its time) or token.",
        ),
    ] = "auto",
    accelerator: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            parser=_named("--accelerator"),
            help="Whose time it is, where the run's model spec does not say.",
        ),
    ] = None,
    token_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            parser=_named("--token-model"),
            help="Price the recorded tokens as those of this API's model.",
        ),
    ] = None,
    utilisation: Annotated[
        Decimal,
        typer.Option(
            metavar="U",
            parser=amount("--utilisation", Decimal(1)),
            help="Share of its paid time in which the accelerator serves.",
        ),
    ] = Decimal(1),
    slo: Annotated[
        str | None,
        typer.Option(
            metavar="[pNN|mean=]TIME[,...]",
            help="Longest latency of a task that is in time, the longest of several: 3s, p95=3s, mean=2s.",
        ),
    ] = None,
    tornado: Annotated[bool, typer.Option("--tornado", help="How far each input moves the cost.")] = False,
    monte_carlo: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole(_DRAWS[0], "--monte-carlo", _DRAWS[1]),
            help="Draw all inputs from their ranges N times.",
        ),
    ] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option(
            "--range", metavar="NAME=LOW:HIGH", help="Ends of an input, for the two above; repeatable."
        ),
    ] = None,
    market: Annotated[
        bool, typer.Option("--market", help="What the measured ratio of cores to accelerators implies.")
    ] = False,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="An input of the market in place of its default; repeatable."
        ),
    ] = None,
    form: FormatOption = "console",
    details: DetailsOption = False,
) -> None:
    """Say what a task costs and when it earns.

    With what decides the cost, and what to fix first. Failed tasks are paid for. Without a price for the model there is
    no cost; without another price it is said to be at least so much.
    """
    if ranges and not (tornado or monte_carlo):
        raise UsageError(
            f"nothing to ask of a range, {ranges[0]!r} @ --range, add --tornado or --monte-carlo N"
        )
    from orchprof.economics.margin import Terms
    from orchprof.economics.options import Options
    from orchprof.prices.book import book

    if accelerator is not None:
        from orchprof.prices.price_names import accelerator_name

        accelerator = accelerator_name(accelerator)
    options = Options(
        machines=machine or (),
        route=route,
        accelerator=accelerator,
        token_model=token_model,
        utilisation=utilisation,
        terms=Terms(
            price_per_task, tasks_per_month, price_per_user_month, tasks_per_user_month, value_per_task,
            fixed_per_month, cash,
        ),
        tornado=tornado,
        monte_carlo=monte_carlo,
        market=market,
        ranges=ranges or (),
        assume=assume or (),
        slos=limits(slo) if slo is not None else (),
    )  # fmt: skip
    show(_record(run or [], book(machines, price or (), basis=basis), options), form, details=details)


def _record(paths: list[Path], book: "Book", options: "Options") -> Cost | Costs:
    """Return orchprof.cost/1 of a run, orchprof.costs/1 of several."""
    from orchprof.economics.cost import cost_of, costs_of
    from orchprof.ledger.summary import summarise
    from orchprof.run import store

    directories = [directory for path in paths or [store.latest()] for directory in store.runs_in(path)]
    opened = [store.open_run(directory) for directory in dict.fromkeys(directories)]
    read = [(run.of(summarise), run) for run in opened]
    return cost_of(*read[0], book, options) if len(read) == 1 else costs_of(read, book, options)
