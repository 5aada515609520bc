"""The table of what frameworks cost per step: `python -m ....overhead [PYTHON ...]`, for the interpreters given."""

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from . import ENV, REQUIRES, SCRIPT, SETTINGS

_STEPS: Final[int] = SETTINGS["steps"][0]
_MEASURE: Final = f"{__package__}.measure"
_COLUMNS: Final = {
    "import s": ("import_s", ".2f"),
    "first answer s": ("first_s", ".2f"),
    "CPU ms per step": ("cpu_ms", ".2f"),
    "wall ms per step": ("wall_ms", ".2f"),
    "RSS MB": ("rss_mb", ".0f"),
    "CPU ms, 4 threads": ("loaded_cpu_ms", ".2f"),
    "steps/s, 4 threads": ("loaded_per_s", ".0f"),
}
Row = dict[str, Any]


def main() -> None:
    """Measure every variant that is installed for one of the interpreters, and write the table to stdout."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument(
        "pythons", nargs="*", metavar="PYTHON", help="interpreters; this one when none is given"
    )
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes per framework")
    parser.add_argument("--tasks", type=int, default=10, help="timed tasks in each process")
    asked = parser.parse_args()
    homes = _homes(asked.pythons or [sys.executable])
    sys.stdout.write(_table(_measured(homes, asked.rounds, asked.tasks)))
    today = dt.datetime.now(tz=dt.UTC).date()
    sys.stdout.write(
        f"\n{asked.rounds} fresh processes each, interleaved, medians; {asked.tasks} timed tasks of {_STEPS} calls "
        f"and an answer.\n{today}, {os.cpu_count()} cores, {_processor()}, Python {platform.python_version()}.\n"
    )


def _homes(pythons: list[str]) -> dict[str, str]:
    """Return the first interpreter that has a variant's packages, by variant."""
    needs = json.dumps({variant: list(modules) for variant, modules in REQUIRES.items()})
    homes: dict[str, str] = {}
    for python in pythons:
        for variant in json.loads(_said(python, "-c", _INSTALLED, needs)):
            homes.setdefault(variant, python)
    return {variant: homes[variant] for variant in REQUIRES if variant in homes}


_INSTALLED: Final = """
import importlib.util, json, sys
found = lambda modules: all(importlib.util.find_spec(module) for module in modules)
print(json.dumps([variant for variant, modules in json.loads(sys.argv[1]).items() if found(modules)]))
"""


def _measured(homes: dict[str, str], rounds: int, tasks: int) -> dict[str, Row]:
    """Return the medians by variant, the cheapest step first; one variant after the other in each round."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    with _endpoint() as (url, model):
        for number in range(rounds):
            for variant, python in homes.items():
                sys.stderr.write(f"\r\033[Kround {number + 1} of {rounds}: {variant} ")
                sys.stderr.flush()
                row = _row(python, variant, url, model, tasks)
                if row:
                    found[variant].append(row)
    sys.stderr.write("\n")
    medians = {variant: _median(rows) for variant, rows in found.items()}
    return dict(sorted(medians.items(), key=lambda item: float(item[1]["cpu_ms"])))


def _row(python: str, variant: str, url: str, model: str, tasks: int) -> Row | None:
    """Return what one fresh process measured; None when it failed, which says why on stderr."""
    try:
        said = _said(python, "-m", _MEASURE, variant, url, model, str(_STEPS), str(tasks))
    except subprocess.SubprocessError as error:
        sys.stderr.write(f"\n{variant} is left out of this round: {error}\n")
        return None
    row: Row = json.loads(said.splitlines()[-1])
    return row


def _median(rows: list[Row]) -> Row:
    figures = [key for key in rows[0] if key != "version"]
    return {"version": rows[0]["version"]} | {
        key: statistics.median(row[key] for row in rows) for key in figures
    }


@contextmanager
def _endpoint() -> Iterator[tuple[str, str]]:
    """Yield the address of a model that takes no time, and its name."""
    command = [sys.executable, "-m", "orchprof", "serve-model", "zero", "--port", "0"]
    command += ["--script", SCRIPT, "--set", f"steps={_STEPS}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            ready = json.loads(served.stdout.readline())
            yield ready["base_url"], ready["model"]
        finally:
            served.terminate()


def _said(python: str, *arguments: str) -> str:
    """Return what a program says, run where the frameworks find nobody's settings and leave nothing behind."""
    with tempfile.TemporaryDirectory() as home:
        quiet = os.environ | ENV | {"HOME": home}
        done = subprocess.run(
            [python, *arguments], env=quiet, stdout=subprocess.PIPE, text=True, check=True, timeout=300
        )
    return done.stdout


def _table(rows: dict[str, Row]) -> str:
    head = ["framework", "version", *_COLUMNS]
    lines = [head, ["---"] * 2 + ["---:"] * len(_COLUMNS)]
    lines += [[name, row["version"], *_figures(row)] for name, row in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _figures(row: Row) -> list[str]:
    return [format(row[key], form) for key, form in _COLUMNS.values()]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
