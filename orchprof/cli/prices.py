"""`orchprof prices`: every price that money is counted with, its unit, basis, day and source."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchprof.cli.words import FormatOption, one_of, show
from orchprof.prices.price import ON_DEMAND, PURCHASES

MachinesOption = Annotated[
    Path | None, typer.Option("--machines", metavar="FILE", help="CSV table of machines of your own.")
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option("--price", metavar="NAME=VALUE", help="What you pay for NAME, in the unit listed here."),
]
BasisOption = Annotated[
    str,
    typer.Option(
        "--basis",
        metavar="BASIS",
        parser=one_of("basis", list(PURCHASES), "--basis"),
        help="How machines are bought: on-demand, spot, 1y, 3y or owned; what has no such price is on demand.",
    ),
]


def prices(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Only names that contain one of these.")
    ] = None,
    machines: MachinesOption = None,
    price: PriceOption = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", metavar="NAME", help="Add the token prices of this model.")
    ] = None,
    basis: BasisOption = ON_DEMAND,
    form: FormatOption = "console",
) -> None:
    """List every price with its unit, basis, date and source.

    What ships is replaced by ./orchprof.toml, then --machines, then --price. Older than 180 days is stale.
    """
    from orchprof.prices.book import book
    from orchprof.prices.listing import listing

    prices_book = book(machines, price or (), basis=basis)
    show(listing(prices_book, datetime.now(UTC).date(), names or (), model or ()), form)
