"""The commands put together: one file each, nothing imported that the help does not need."""

from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.main import get_command

from orchprof import __version__

SUMMARY = "Where an agent task's time went, what it cost, and what it takes to run it at scale."


# In the order of the help. A command is the function of its name in the module of its name.
_COMMANDS: Final = (
    "bench", "record", "report", "whatif", "claim", "cost", "plan", "brief", "serve-model", "verify", "env", "prices",
)  # fmt: skip


def build(asked: str | None = None) -> Any:
    """Return the click command that `main` runs: all of them, or the one that was asked for, if there is such a one."""
    # Plain help and plain tracebacks: both are read in logs and bug reports as often as on a terminal.
    app = typer.Typer(
        help=SUMMARY, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    app.callback(invoke_without_command=True)(root)
    for command in (asked,) if asked in _COMMANDS else _COMMANDS:
        name = command.replace("-", "_")
        module = import_module(f"orchprof.cli.{name}")
        app.command(command, cls=getattr(module, "COMMAND", None))(getattr(module, name))
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
