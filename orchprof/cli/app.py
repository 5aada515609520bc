"""The commands put together: one file each, nothing imported that the help does not need."""

from typing import Annotated, Any

import typer
from typer.main import get_command

from orchprof import __version__
from orchprof.cli import bench, claim, cost, env, plan, prices, record, report, serve_model, verify, whatif

SUMMARY = "Where an agent task's time went, what it cost, and what it takes to run it at scale."


def build() -> Any:
    """Return the click command that `main` runs."""
    # Plain help and plain tracebacks: both are read in logs and bug reports as often as on a terminal.
    app = typer.Typer(
        help=SUMMARY, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    app.callback(invoke_without_command=True)(root)
    app.command("bench")(bench.bench)
    app.command("record", cls=record.AfterDashes)(record.record)
    app.command("report")(report.report)
    app.command("whatif")(whatif.whatif)
    app.command("claim")(claim.claim)
    app.command("cost")(cost.cost)
    app.command("serve-model")(serve_model.serve_model)
    app.command("verify")(verify.verify)
    app.command("plan")(plan.plan)
    app.command("env")(env.env)
    app.command("prices")(prices.prices)
    return get_command(app)


def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Where an agent task's time went, what it cost, and what it takes to run it at scale."""
    if version:
        typer.echo(f"orchprof {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
