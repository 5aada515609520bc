"""`orchprof brief`: one page of a run, for the engineer, the platform and who pays."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from orchprof.cli.prices import BasisOption, MachinesOption, PriceOption
from orchprof.cli.words import FormatOption, amount, limits, show
from orchprof.prices.price import ON_DEMAND


def brief(  # noqa: PLR0913  typer reads the options from the signature
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="Directory of a run; the latest when none is given.")
    ] = None,
    *,
    tasks_per_month: Annotated[
        Decimal | None,
        typer.Option(
            metavar="N",
            parser=amount("--tasks-per-month"),
            help="Successful tasks that are sold a month.  [default: the load that was measured, all the time]",
        ),
    ] = None,
    price_per_task: Annotated[
        Decimal | None,
        typer.Option(
            metavar="USD",
            parser=amount("--price-per-task", Decimal(10) ** 6),
            help="What a successful task sells for.",
        ),
    ] = None,
    fixed_per_month: Annotated[
        Decimal | None,
        typer.Option(
            metavar="USD", parser=amount("--fixed-per-month"), help="Cost that no task moves: salaries, rent."
        ),
    ] = None,
    slo: Annotated[
        str | None,
        typer.Option(metavar="[pNN|mean=]TIME[,...]", help="What the machines have to hold: 3s, p95=3s."),
    ] = None,
    machine: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A machine to choose from; repeatable, see `orchprof prices`."),
    ] = None,
    machines: MachinesOption = None,
    price: PriceOption = None,
    basis: BasisOption = ON_DEMAND,
    form: FormatOption = "console",
) -> None:
    """Say on one page where the time goes and what it costs.

    The machines and prices are those of `orchprof cost` and `orchprof plan`.
    """
    from orchprof.economics.brief import brief as briefed
    from orchprof.economics.margin import Terms
    from orchprof.economics.options import Options
    from orchprof.ledger.summary import summarise
    from orchprof.prices.book import book
    from orchprof.run import store

    terms = Terms(
        price_per_task=price_per_task, tasks_per_month=tasks_per_month, fixed_per_month=fixed_per_month
    )
    options = Options(machines=machine or (), terms=terms, slos=limits(slo) if slo is not None else ())
    sold = book(machines, price or (), basis=basis)
    opened = store.open_run(run or store.latest())
    show(briefed(opened.of(summarise), opened, sold, options), form)
