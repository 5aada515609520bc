"""Series: runs of one workload that differ in one thing alone, in the order of that thing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from orchprof.claim.measured import Measured, setting
from orchprof.contract.claim import NamedRun, Value
from orchprof.contract.report import Report

CONCURRENCY: Final = "concurrency"
SETTING: Final = "setting"
Over = Literal["concurrency", "setting"]
Knob = tuple[Over, str]  # concurrency or setting, and its name
_VARIANT: Final[Knob] = (SETTING, "variant")


@dataclass(frozen=True, slots=True)
class Series:
    """Two or more runs, one per value of what they differ in; numbers are in order."""

    over: Over
    name: str
    values: tuple[Value, ...]
    runs: tuple[Measured, ...]

    @property
    def numbers(self) -> tuple[int | float, ...]:
        """Those of the values that are numbers."""
        return tuple(
            value for value in self.values if isinstance(value, int | float) and not isinstance(value, bool)
        )

    @property
    def is_numeric(self) -> bool:
        """Whether all values are numbers, so that there is something between two of them."""
        return len(self.numbers) == len(self.values)

    @property
    def identity(self) -> NamedRun:
        """What the runs have in common."""
        first = self.runs[0]
        said = setting(first.report, first.tells, without=self.name)
        return NamedRun(run=None, workload=first.report.run.workload, setting=said)


def varying(reports: Sequence[Report]) -> dict[str, tuple[str, ...]]:
    """Return per workload the names of the settings in which its runs differ."""
    seen: dict[str, dict[str, set[str]]] = {}
    for report in reports:
        settings = seen.setdefault(str(report.run.workload), {})
        for name, value in (report.run.params.settings or {}).items():
            settings.setdefault(name, set()).add(_key(value))
    return {
        workload: tuple(name for name, values in settings.items() if len(values) > 1)
        for workload, settings in seen.items()
    }


def series(runs: Sequence[Measured]) -> list[Series]:
    """Return every series that these runs hold; of two runs alike the later one counts."""
    known = [(run, _fixed(run.report), _knobs(run.report)) for run in runs]
    every = []
    for knob in dict.fromkeys(knob for *_, knobs in known for knob in knobs):
        groups: dict[str, dict[Value, Measured]] = {}
        for run, fixed, knobs in known:
            if knob in knobs:
                rest = sorted((*other, _key(value)) for other, value in knobs.items() if other != knob)
                groups.setdefault(_key([fixed, rest]), {})[knobs[knob]] = run
        every += [_series(knob, group) for group in groups.values() if len(group) > 1]
    return every


def _series(knob: Knob, group: Mapping[Value, Measured]) -> Series:
    as_given = Series(*knob, tuple(group), tuple(group.values()))
    if not as_given.is_numeric:
        return as_given
    values = sorted(as_given.numbers)
    return Series(*knob, tuple(values), tuple(group[value] for value in values))


def _fixed(report: Report) -> list[object]:
    """Return what must be the same in all runs of a series."""
    run, load = report.run, report.load
    mode = run.params.mode
    # One task at a time is the first step of a sweep over threads.
    mode = "threads" if mode == "sequential" else mode
    return [run.workload, run.model.spec, mode, load and load.rate_per_s, load and load.arrivals]


def _knobs(report: Report) -> dict[Knob, Value]:
    run, load = report.run, report.load
    concurrency = (load and load.concurrency) or run.params.concurrency
    knobs: dict[Knob, object] = {
        (SETTING, name): value for name, value in (run.params.settings or {}).items()
    }
    knobs[_VARIANT] = run.variant
    if concurrency and (load is None or load.kind != "open"):
        knobs[CONCURRENCY, "concurrency"] = concurrency
    return {knob: value for knob, value in knobs.items() if isinstance(value, str | int | float)}


def _key(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
