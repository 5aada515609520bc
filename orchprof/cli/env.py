"""`orchprof env`: what this machine is, what can be measured here, how fast a core is."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchprof.cli.words import FormatOption, new_path, saved, show
from orchprof.contract.env import Calibration, Env
from orchprof.errors import UsageError


def env(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="With --calibrate: new file to write all of it to."),
    ] = None,
    *,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Also measure cores with all of them at work, for 'orchprof plan'."),
    ] = False,
    form: FormatOption = "console",
) -> None:
    """Show this machine and what can be measured on it."""
    from orchprof.run import machine

    if file is not None and not calibrate:
        raise UsageError(f"nothing to write, {file} @ FILE, add --calibrate")
    target = file and new_path(file, "--calibrate")
    record = Env(
        machine=machine.fingerprint(),
        core_speed=machine.spin(),
        calibration=_calibrated() if calibrate else None,
        can_measure=machine.can_measure(),
    )
    if target is not None:
        _save(record, target)
    show(record, form)


def _calibrated() -> Calibration:
    from orchprof.plan import calibration

    return calibration.measure()


def _save(record: Env, target: Path) -> None:
    from orchprof import report

    try:
        target.write_text(report.render(record, "json"), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write, {target} @ --calibrate, {error.strerror or error}") from error
    sys.stderr.write(saved(target))
