"""What every command shares: its formats, how it writes results and errors, how it refuses a value."""

import os
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from orchprof import units
from orchprof.errors import OrchprofError, UsageError, unknown
from orchprof.terminal import visible

FORMATS: Final = ["console", "json"]
INTERRUPTED: Final = 130
# Nothing that is asked for by a number is smaller or larger: such a figure is a slip of the pen.
LEAST: Final = 1e-9
MOST: Final = 1e12
LEAST_AMOUNT: Final = Decimal(10) ** -12  # of money, and of what is counted to pay for it
MOST_AMOUNT: Final = Decimal(10) ** 12
MOST_AT_A_TIME: Final = 10_000  # tasks, or calls, in flight
LONGEST: Final = 600  # of either end of an error line, in characters
Parsed = TypeVar("Parsed")
_SCALE: Final = {"": 1.0, "s": 1.0, "ms": 1e-3, "min": 60.0}
_TIME: Final = re.compile(r"(?P<value>([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?)(?P<unit>[a-z]*)")
_OF: Final = re.compile(r"mean|p(?P<percent>[0-9]{1,2}(\.[0-9]+)?)")
PLAIN: Final = "p95"  # what a limit of latency is of that does not say: 95 of 100 tasks keep it
Limit = tuple[float | None, float]


def one_of(what: str, valid: list[str], option: str) -> Callable[[str], str]:
    """Return a parser that refuses, with the nearest name, what is not in the list."""

    def parse(value: str) -> str:
        if value not in valid:
            raise unknown(what, value, valid, option)
        return value

    return parse


def whole(least: int, option: str, most: float = MOST) -> Callable[[str], int]:
    """Return a parser of whole numbers within bounds, both included."""
    valid = f"{least} or more" if most == MOST else f"{least} to {most}"

    def parse(value: str | int) -> int:  # a default comes as it is
        given = units.whole_number(str(value))
        if given is not None and least <= given <= most:
            return given
        raise UsageError(f"not a number it can be, {value!r} @ {option}, give a whole number, {valid}")

    return parse


def duration_s(option: str) -> Callable[[str], float]:
    """Return a parser of durations: seconds, above zero and up to a year."""

    def parse(value: str) -> float:
        given = units.number(str(value))
        if given is not None and LEAST <= given <= units.YEAR_S:
            return given
        raise UsageError(
            f"not a duration in seconds, {value!r} @ {option}, give a number above 0, a year at most"
        )

    return parse


def time_s(option: str) -> Callable[[str], float]:
    """Return a parser of times with a unit, in seconds: `3s`, `800ms`, `2min`; a plain number is seconds."""

    def parse(value: str) -> float:
        if seconds := _seconds(value):
            return seconds
        raise UsageError(f"not a time, {value!r} @ {option}, write it as 5s, 800ms or 2min")

    return parse


def limits(text: str, option: str = "--slo") -> tuple[Limit, ...]:
    """Return limits of latency, such as `p95=3s`, `mean=2s`, `p50=800ms,p99=5s` or `3s`, which means PLAIN=3s.

    Each is which share of tasks keeps it, above 0 and below 1, or None for the mean, and its seconds.

    Raises:
        UsageError: one is not written so.
    """
    return tuple(_limit(part.strip(), option) for part in text.split(","))


def _limit(text: str, option: str) -> Limit:
    name, equals, value = text.rpartition("=")
    matched, most_s = _OF.fullmatch(name if equals else PLAIN), _seconds(value)
    percent = float(matched["percent"]) if matched and matched["percent"] else None
    if matched is None or most_s is None or percent == 0:
        raise UsageError(f"not a limit of latency, {text!r} @ {option}, write it as p95=10s, mean=2s or 3s")
    return None if percent is None else percent / 100, most_s


def _seconds(text: str) -> float | None:
    """Return a time above 0 and finite; None where it is not written as one."""
    matched = _TIME.fullmatch(text)
    if matched is None or matched["unit"] not in _SCALE:
        return None
    value = float(matched["value"]) * _SCALE[matched["unit"]]
    return value if 0 < value <= units.YEAR_S else None


def positive(option: str, most: float = MOST) -> Callable[[str], float]:
    """Return a parser of numbers above zero, up to `most`."""
    valid = "one above 0" if most == MOST else f"one above 0, {most:g} at most"

    def parse(value: str) -> float:
        given = units.number(str(value))
        if given is not None and LEAST <= given <= most:
            return given
        raise UsageError(f"not a number it can be, {value!r} @ {option}, give {valid}")

    return parse


def amount(option: str, most: Decimal = MOST_AMOUNT) -> Callable[[str], Decimal]:
    """Return a parser of amounts, exactly as written: above zero, at most `most`."""

    def parse(value: str) -> Decimal:
        given = units.decimal(str(value))
        if given is not None and LEAST_AMOUNT <= given <= most:
            return given
        raise UsageError(
            f"not an amount it can be, {value!r} @ {option}, give a number above 0, at most {most:,}"
        )

    return parse


def rate_per_s(option: str) -> Callable[[str], float]:
    """Return a parser of rates, `5` or `5/s`: per second and above zero."""

    def parse(value: str) -> float:
        given = units.number(value.removesuffix("/s"))
        if given is not None and LEAST <= given <= MOST:
            return given
        raise UsageError(f"not a rate per second, {value!r} @ {option}, give a number above 0")

    return parse


def several(text: str, parse: Callable[[str], Parsed]) -> list[Parsed]:
    """Return what stands between commas, in order, nothing twice."""
    return list(dict.fromkeys(parse(part.strip()) for part in text.split(",")))


FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="console|json",
        parser=one_of("format", FORMATS, "--format"),
        help="How the result is written.",
    ),
]
DetailsOption = Annotated[bool, typer.Option("--details", help="Everything that was measured, run by run.")]
BurstinessOption = Annotated[
    float | None,
    typer.Option(
        metavar="CV",
        parser=positive("--burstiness", 100),
        help="Coefficient of variation of gamma's gaps; 1 is poisson.  [default: 2]",
    ),
]


def complain(problem: object) -> None:
    """Write one `error:` line to stderr, whatever the message holds: of a very long one, its two ends."""
    said = visible(" ".join(str(problem).split()))
    if len(said) > 2 * LONGEST:
        said = f"{said[:LONGEST]} ... {said[-LONGEST:]}"
    sys.stderr.write(f"error: {said}\n")


def saved(path: Path) -> str:
    """Return the line that says where something was kept."""
    return f"Saved {visible(str(path))}\n"


def usage_fault(error: Exception) -> str:
    """Return the message of a click error in the form of our own: what @ where, remedy.

    Args:
        error: a ClickException, of whichever click typer uses.
    """
    message, whole_message = getattr(error, "message", ""), getattr(error, "format_message", error.__str__)
    param = getattr(error, "param", None)
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "orchprof"
    if param is None or not message:
        return f"{whole_message().rstrip('.')} @ {command}, see '{command} --help'"
    return f"{message.rstrip('.')} @ {param.opts[0]}, see '{command} --help'"


def show(record: object, form: str, *, details: bool = False) -> None:
    """Write a result record to stdout."""
    from orchprof import report

    write(report.render(record, form, details=details))


def write(text: str) -> None:
    """Write a result to stdout.

    Raises:
        OrchprofError: it does not take it, as a full disk does not.
    """
    if sys.stdout is None:
        raise OrchprofError(
            "cannot write the result, it was closed before we began @ stdout, send it elsewhere"
        )
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise  # whoever read has seen enough; the entry point ends quietly
    except OSError as error:
        raise unwritten(error) from error


def unwritten(error: OSError) -> OrchprofError:
    """Return the error that says that stdout takes nothing; what is still on its way to it is dropped."""
    drop_output()
    return OrchprofError(f"cannot write the result, {error.strerror} @ stdout, send it elsewhere")


def drop_output() -> None:
    """Let nothing more be said on stdout, at exit neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def new_path(path: Path, option: str) -> Path:
    """Return a path that nothing exists at.

    Raises:
        UsageError: something does; results are never written over.
    """
    try:
        there = path.exists() or path.is_symlink()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"it cannot be made, {path} @ {option}, {why}: choose another name") from error
    if there:
        raise UsageError(f"it exists already, {path} @ {option}, choose another name or remove it")
    return path


def settings_of(pairs: list[str], option: str = "--set") -> dict[str, str]:
    """Return KEY=VALUE options as a mapping.

    Raises:
        UsageError: one is not written so.
    """
    split = [pair.partition("=") for pair in pairs]
    for pair, (key, equals, _) in zip(pairs, split, strict=True):
        if not (key and equals):
            raise UsageError(f"not a setting, {pair!r} @ {option}, write it as KEY=VALUE")
    return {key: value for key, _, value in split}
