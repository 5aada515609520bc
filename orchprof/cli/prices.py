"""`orchprof prices`: every price that money is counted with, its unit, basis, day and source."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchprof.cli.words import FormatOption, show

MachinesOption = Annotated[
    Path | None, typer.Option("--machines", metavar="FILE", help="CSV table of machines of your own.")
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option("--price", metavar="NAME=VALUE", help="What you pay for NAME, in the unit listed here."),
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
    form: FormatOption = "console",
) -> None:
    """List every price with its unit, basis, date and source.

    What ships is replaced by ./orchprof.toml, then --machines, then --price. Older than 180 days is stale.
    """
    from orchprof.prices.book import book
    from orchprof.prices.listing import listing

    found = book(machines, price or ())
    show(listing(found, datetime.now(UTC).date(), names or (), model or ()), form)
