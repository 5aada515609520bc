"""`orchprof bench`: run workloads against a model, keep the runs, print the table."""

import sys
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypedDict

import typer

from orchprof.cli.levels import Level, levels, load_of, path_name, run_names
from orchprof.cli.progress import progress
from orchprof.cli.report import bench_record
from orchprof.cli.words import (
    INTERRUPTED,
    BurstinessOption,
    DetailsOption,
    FormatOption,
    complain,
    duration_s,
    new_path,
    saved,
    settings_of,
    show,
    whole,
    write,
)
from orchprof.contract.report import Report
from orchprof.errors import MissingExtraError, OrchprofError, UsageError
from orchprof.models.spec import DEFAULT_SPEC

if TYPE_CHECKING:
    from orchprof.bench.driver import Plan
    from orchprof.cli.progress import Notify
    from orchprof.contract.workloads import Workloads

QUICK_TASKS: Final = 3
MOST_TASKS: Final = 10_000_000


def bench(  # noqa: PLR0913  typer reads the options from the signature
    context: typer.Context,
    *,
    workload: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORKLOAD",
            help="What to run: a name of --list, or module:function of your own; the five when none is given, "
            "small and quick if no option says otherwise.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(metavar="SPEC", help="Which model answers, and who keeps its time; see serve-model."),
    ] = DEFAULT_SPEC,
    tasks: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole(1, "--tasks", MOST_TASKS),
            help=f"Tasks to measure per workload.  [default: the workload's own, {QUICK_TASKS} with --quick]",
        ),
    ] = None,
    warmup: Annotated[
        int,
        typer.Option(
            metavar="N",
            parser=whole(0, "--warmup", MOST_TASKS),
            help="Tasks to run first and leave out of every figure.",
        ),
    ] = 1,
    concurrency: Annotated[
        str,
        typer.Option(metavar="N[,N...]", help="Tasks in flight at a time; each N of several is a run."),
    ] = "1",
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="R[,R...]",
            help="Tasks that arrive per second, however many are in flight; each R of several is a run.",
        ),
    ] = None,
    arrivals: Annotated[
        str,
        typer.Option(metavar="KIND", help="With --rate: constant, poisson or gamma; or trace:FILE alone."),
    ] = "constant",
    burstiness: BurstinessOption = None,
    duration: Annotated[
        float | None,
        typer.Option(metavar="S", parser=duration_s("--duration"), help="Start no task after S seconds."),
    ] = None,
    ramp: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            parser=duration_s("--ramp"),
            help="Let the load grow evenly for S seconds; tasks that start then are warm-up.",
        ),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="MODE",
            help="sequential, threads, async or processes.  [default: sequential, threads when concurrent; "
            "with --rate async if the agent can, else threads]",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of the workload; repeatable."),
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="The same workload with other parts; see --list.")
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", parser=whole(0, "--seed"), help="Which inputs and which decisions.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="New directory for the runs.  [default: orchprof-runs/TIME-WORKLOAD]"
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small inputs and few tasks: does it run at all?")
    ] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the workloads and leave.")] = False,
    task_timeout: Annotated[
        float,
        typer.Option(
            metavar="S", parser=duration_s("--task-timeout"), help="Seconds until a task counts as failed."
        ),
    ] = 600.0,
    form: FormatOption = "console",
    details: DetailsOption = False,
) -> None:
    """Run workloads and show where the time went.

    Each workload runs against a model endpoint that is started for it; what was measured is kept as a run.
    """
    if listing:
        show(_catalogue(), form)
        return
    bare = not _given(context) - {"out", "form", "details", "seed"}
    if bare:
        plans = _suite(seed)
    else:
        options: _Options = {
            "model": model,
            "tasks": tasks or (QUICK_TASKS if quick and duration is None else None),
            "warmup": warmup,
            "seed": seed,
            "settings": settings_of(settings or []),
            "variant": variant,
            "quick": quick,
            "task_timeout_s": task_timeout,
        }
        base = load_of(arrivals, burstiness, duration, ramp)
        plans = _plans(workload or [], options, levels(concurrency, rate, base, mode))
    raise typer.Exit(_bench(plans, _folder(out, workload or []), form, details))


def _given(context: typer.Context) -> set[str]:
    """Return the names of what stands on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    # By name: typer has a click of its own in some versions.
    return {name for name, source in sources.items() if source is not None and source.name != "DEFAULT"}


def _bench(plans: list["Plan"], folder: Path, form: str, details: bool) -> int:
    """Run every plan, print what was measured and return the exit code."""
    from orchprof.run import store

    runs, interrupted = _run_all(plans, folder)
    record = bench_record([store.open_run(run) for run in runs], whole=form != "console")
    show(record, form, details=details)
    if runs:
        # Next to the table for a person; a program gets nothing but JSON on stdout.
        (write if form == "console" else sys.stderr.write)(saved(folder))
    return INTERRUPTED if interrupted else int(not any(map(_succeeded, record.reports)))


def _succeeded(report: Report) -> bool:
    """Return whether any task ended that is not wrong; answers that nobody can judge are none."""
    tasks = report.tasks
    return bool(tasks.ok or tasks.n > tasks.failed + tasks.unfinished)


def _run_all(plans: list["Plan"], folder: Path) -> tuple[list[Path], bool]:
    """Run plans one after the other; return their runs, and whether somebody stopped them.

    One of several that cannot run says why and leaves the others alone; a workload that cannot run, or was
    saturated, is not run again at a higher level.
    """
    from orchprof.ledger.load import is_saturated
    from orchprof.run.meta import read_meta

    runs: list[Path] = []
    over: set[str] = set()
    try:
        with progress() as notify:
            for plan, name in zip(plans, run_names(plans), strict=True):
                if plan.workload in over:
                    continue
                run, interrupted = _run(plan, folder / name, notify, alone=len(plans) == 1)
                runs += [run] if run else []
                _index(folder, runs)
                if interrupted:
                    return runs, True
                if run is None or is_saturated(read_meta(run)):
                    over.add(plan.workload)
    finally:
        if not runs:
            with suppress(OSError):  # what is not empty is evidence, and stays
                folder.rmdir()
                folder.parent.rmdir()
    return runs, False


def _run(plan: "Plan", out: Path, notify: "Notify", *, alone: bool) -> tuple[Path | None, bool]:
    from orchprof.bench import driver

    try:
        return driver.run(plan, out, notify), False
    except OrchprofError as error:
        if alone:
            raise
        complain(error)
        return None, False
    except KeyboardInterrupt as stop:
        # What was measured until then is a run; stopped before that, there is none.
        return getattr(stop, "path", None), True


class _Options(TypedDict):
    """What the plans of one call have in common."""

    model: str
    tasks: int | None
    warmup: int
    seed: int
    settings: dict[str, str]
    variant: str | None
    quick: bool
    task_timeout_s: float


def _index(folder: Path, runs: list[Path]) -> None:
    """Write which runs lie in a bench directory, anew after each."""
    from orchprof.run import store

    if not runs:
        return
    store.write_json(
        folder / store.BENCH, {"schema": 1, "id": folder.name, "runs": [run.name for run in runs]}
    )


def _plans(workloads: list[str], options: _Options, levels: list[Level]) -> list["Plan"]:
    """Return a plan per workload and level, each known to be possible before the first one runs.

    A workload that lacks a package says so, once.
    """
    from orchprof.bench import catalogue, driver, suite

    plans = []
    asked = workloads or [name for name in suite.WORKLOADS if name in catalogue.names()]
    for name in dict.fromkeys(asked):
        of_workload = [driver.Plan(workload=name, **options, **level) for level in levels]
        try:
            for plan in of_workload:
                driver.check(plan)
        except MissingExtraError as error:
            complain(error)
        else:
            plans += of_workload
    return plans


def _suite(seed: int) -> list["Plan"]:
    from orchprof.bench import catalogue, driver, suite

    plans = []
    for plan in suite.plans(catalogue.names(), seed):
        try:
            driver.check(plan)
        except MissingExtraError as error:
            complain(error)
        else:
            plans.append(plan)
    return plans


def _folder(out: Path | None, workloads: list[str]) -> Path:
    """Make and return the new bench directory: `out`, or one below the runs that tells when and what."""
    if out is None:
        return _default_folder(path_name(workloads[0]) if len(workloads) == 1 else "bench")
    folder = new_path(out, "--out")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"cannot make it, {out} @ --out, {error.strerror}") from error
    return folder


def _default_folder(what: str) -> Path:
    """Return a directory of its own even for benches that start in the same second."""
    from orchprof.run import store

    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{what}"
    for i in count(1):
        folder = store.ROOT / (name if i == 1 else f"{name}-{i}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(
                f"cannot make it, {folder} @ this folder, {error.strerror}: give --out"
            ) from error
        break
    return folder


def _catalogue() -> "Workloads":
    """Return what can be run and with which settings."""
    from orchprof.bench import catalogue
    from orchprof.contract.workloads import Workloads

    return Workloads(workloads=[catalogue.describe(name) for name in catalogue.names()])
