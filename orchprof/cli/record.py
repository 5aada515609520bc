"""`orchprof record -- CMD`: run any program, record its Python processes, and say where the time went."""

import shutil
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand

from orchprof.cli.words import complain, new_path, saved
from orchprof.errors import OrchprofError, UsageError
from orchprof.watch.agents import RECIPES

if TYPE_CHECKING:
    from orchprof.watch.launcher import Asked, Ended

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_COMMAND: Final = "orchprof.command"
_WRITE_SO: Final = "write `orchprof record -- python agent.py`"


class AfterDashes(TyperCommand):
    """A command whose own options end at `--`; everything after is somebody else's and stays as it is."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep what follows `--` apart, and parse the rest.

        Raises:
            UsageError: nothing follows it.
        """
        at = args.index("--") if "--" in args else len(args)
        command = args[at + 1 :]
        if not command and "--help" not in args:
            raise UsageError(f"no command after --, {' '.join(args)!r} @ orchprof record, {_WRITE_SO}")
        rest = super().parse_args(ctx, args[:at])
        ctx.meta[_COMMAND] = command
        return rest


COMMAND: Final = AfterDashes


def record(  # noqa: PLR0913  typer reads the options from the signature
    *,
    context: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New directory for the run.  [default: orchprof-runs/TIME-NAME]"),
    ] = None,
    tool: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE:FUNCTION", help="Calls of this function are a tool's; repeatable."),
    ] = None,
    task_from: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="What a task is: program, http (a request to the program's own server) or a MODULE:FUNCTION.  "
            "[default: what the framework or the code says]",
        ),
    ] = None,
    proxy: Annotated[
        str,
        typer.Option(
            metavar="auto|on|off",
            help="Lead model calls through a recording proxy on this machine; auto: of a program that is no Python.",
        ),
    ] = "auto",
    agent: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"What else leads this agent's calls through the proxy: {', '.join(sorted(RECIPES))}.",
        ),
    ] = None,
    inject: Annotated[
        str,
        typer.Option(
            metavar="auto|children|none",
            help="Which Python processes record themselves; auto: all, but for the children of another agent.",
        ),
    ] = "auto",
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", help="Say nothing; the run is kept all the same, and finalized when first opened."
        ),
    ] = False,
) -> None:
    """Run a program, unchanged, and show where its time went.

    Everything after `--` is the program and its arguments: orchprof record -- python agent.py.
    The program keeps its input, output, terminal and exit code. What is measured is said on stderr, after its end.
    """
    command: list[str] = context.meta[_COMMAND]
    tools = [_place(place, "--tool") for place in tool or []]
    if task_from not in (None, "program", "http"):
        _place(task_from, "--task-from")
    asked = _asked(command, (tools, task_from or "auto"), (proxy, agent, inject))
    raise typer.Exit(_record(command, out, asked, quiet=quiet))


def _asked(
    command: Sequence[str], inside: tuple[list[str], str], outside: tuple[str, str | None, str]
) -> "Asked":
    """Return how a command is to be recorded.

    Raises:
        UsageError: a word that is none of an option's.
    """
    from orchprof.watch.launcher import Asked
    from orchprof.watch.programs import kind_of

    proxy, agent, inject = outside
    for option, given, known in (
        ("--proxy", proxy, ("auto", "on", "off")),
        ("--inject", inject, ("auto", "children", "none")),
        ("--agent", agent or "", ("", *RECIPES)),
    ):
        if given not in known:
            raise UsageError(f"unknown choice, {given!r} @ {option}, choose {', '.join(filter(None, known))}")
    alone = agent is not None or kind_of(command[0]) == "other"
    if agent is not None and proxy == "off":
        raise UsageError("no proxy to lead it to, 'off' @ --proxy, leave --agent or --proxy out")
    injected = inject == "children" or (inject == "auto" and not alone)
    return Asked(
        *inside,
        injected=injected,
        outside=alone or not injected,
        proxied=proxy == "on" or agent is not None or (proxy == "auto" and (alone or not injected)),
        recipe=RECIPES[agent] if agent else None,
    )


def _place(text: str, option: str) -> str:
    """Return a function's place if it is written as one.

    Raises:
        UsageError: it is not.
    """
    module, colon, function = text.partition(":")
    names = [*module.split("."), *function.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise UsageError(
            f"not a function, {text!r} @ {option}, write it as module:function or module:Class.method"
        )
    return text


def _record(command: Sequence[str], out: Path | None, asked: "Asked", *, quiet: bool) -> int:
    """Run the command, keep and show what was recorded, and return the exit code."""
    if refused := _unstartable(command[0]):
        return refused
    run, logs, core_speed = _create(out, command, asked)
    from orchprof.watch import launcher

    began_s = time.monotonic()
    try:
        ended = launcher.launch(command, logs, asked)
    except OSError as error:
        _remove(run)
        complain(f"cannot start it, {command[0]} @ --, {error.strerror}")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    try:
        _keep(run, ended, core_speed, time.monotonic() - began_s)
        _say(run, quiet=quiet)
    except OrchprofError as error:
        complain(error)
    except Exception:  # noqa: BLE001  the exit code is the program's: who waits for it must not take our fault for its
        traceback.print_exc()
    return ended.code


def _unstartable(program: str) -> int:
    """Return 0, or what a shell exits with for a program that is not there or not executable, after saying so."""
    if shutil.which(program):
        return 0
    if Path(program).exists() and "/" in program:
        complain(f"not an executable file, {program} @ --, name its interpreter before it")
        return NOT_EXECUTABLE
    complain(f"no such command, {program} @ --, check its spelling and the PATH")
    return NOT_FOUND


def _create(out: Path | None, command: Sequence[str], asked: "Asked") -> tuple[Path, Path, float]:
    """Make the run, and return it, the folder of its logs, and how fast a core is."""
    from orchprof.run import machine, store

    speed = machine.spin()
    meta = _meta(command, asked, speed)
    try:
        run = _free(store.ROOT, command) if out is None else new_path(out, "--out")
        return run, store.create(run, meta), speed
    except OSError as error:
        raise UsageError(f"cannot make it, {out or store.ROOT} @ --out, {error.strerror}") from error


def _free(root: Path, command: Sequence[str]) -> Path:
    from orchprof.watch.programs import name_of

    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name_of(command)}"
    names = (name if i == 1 else f"{name}-{i}" for i in count(1))
    return next(root / free for free in names if not (root / free).exists())


def _meta(command: Sequence[str], asked: "Asked", speed: float) -> dict[str, object]:
    from orchprof.run import machine
    from orchprof.watch.programs import name_of, shown

    return {
        "order": time.time_ns(),
        "workload": name_of(command),
        "variant": None,
        "params": {
            "command": shown(command),
            "tools": list(asked.tools),
            "task_from": asked.task_from,
            "cores_per_worker": 1,
        },
        "seed": None,
        "task_from": asked.task_from,
        "resolution": "outside" if asked.outside else "strand",
        "model": None,
        "machine": machine.document(core_speed_before=speed),
        "labelled": True if asked.outside else None,
        "findings": [],
    }


def _remove(run: Path) -> None:
    shutil.rmtree(run, ignore_errors=True)
    with suppress(OSError):  # others' runs may lie beside it
        run.parent.rmdir()


def _keep(run: Path, ended: "Ended", before: float, took_s: float) -> None:
    """Add what is known at the end. The run is finalized when first opened: that takes longer than a short program.

    A core's speed is looked at again after a command that took longer than looking does; else it is not known (None).
    """
    from orchprof.run import machine, store

    after = machine.spin() if took_s > machine.SPIN_S else None
    speeds = {"core_speed_after": after, "core_speed": before if after is None else (before + after) / 2}
    store.update(run, exit_code=ended.code, findings=ended.findings, machine=speeds)


def _say(run: Path, *, quiet: bool) -> None:
    """Show the run on stderr: stdout is the program's."""
    if quiet:
        return
    from orchprof import report as rendering
    from orchprof.cli.report import summary
    from orchprof.run import store

    sys.stderr.write(rendering.render(summary(store.open_run(run)), "console"))
    sys.stderr.write(saved(run))
