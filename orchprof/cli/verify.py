"""`orchprof verify`: how far off the ledger is on this machine, and what recording costs."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from orchprof.cli.words import INTERRUPTED, FormatOption, new_path, show, whole, write

QUICK_RUNS: Final = 1


def verify(
    runs: Annotated[
        int, typer.Option(metavar="N", parser=whole(1, "--runs"), help="How often to run every program.")
    ] = 3,
    quick: Annotated[bool, typer.Option("--quick", help=f"{QUICK_RUNS} run only.")] = False,
    shape: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this shape; again for more of them.")
    ] = None,
    names: Annotated[bool, typer.Option("--list", help="Name the shapes, with a line each.")] = False,
    form: FormatOption = "console",
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New directory to keep the recorded runs in.")
    ] = None,
) -> None:
    """Check the ledger against programs that know their own times.

    Exits with 1 when an error is beyond its limit. Other work on the machine makes errors larger.
    """
    from orchprof.verify.examine import examine

    if names:
        _name()
        return
    record = examine(QUICK_RUNS if quick else runs, keep and new_path(keep, "--keep"), _notify, shape or ())
    show(record, form)
    raise typer.Exit(INTERRUPTED if record.interrupted else int(not record.passed))


def _notify(done: int, runs: int) -> None:
    sys.stderr.write(f"verify: run {done + 1} of {runs}\n")
    sys.stderr.flush()


def _name() -> None:
    from orchprof.verify.shapes import SHAPES, lacking

    width = max(map(len, SHAPES))
    whys = {name: lacking(shape) for name, shape in SHAPES.items()}
    lines = (
        f"{name:{width}}  {SHAPES[name].says}{f' ({why})' if why else ''}\n" for name, why in whys.items()
    )
    write("".join(lines))
