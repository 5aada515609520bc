"""Series: runs of one workload that differ in one thing alone, in the order of that thing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchprof.claim.measured import Measured, Record, setting
from orchprof.contract.report import Report

CONCURRENCY, SETTING = "concurrency", "setting"
Knob = tuple[str, str]  # concurrency or setting, and its name
_VARIANT: Final[Knob] = (SETTING, "variant")


@dataclass(frozen=True, slots=True)
class Series:
    """Two or more runs, one per value of what they differ in; numbers are in order."""

    over: str
    name: str
    values: tuple[Any, ...]
    runs: tuple[Measured, ...]

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers, so that there is something between two of them."""
        return all(isinstance(each, int | float) and not isinstance(each, bool) for each in self.values)

    @property
    def identity(self) -> Record:
        """What the runs have in common."""
        first = self.runs[0]
        said = setting(first.report, first.tells, without=self.name)
        return {"run": None, "workload": first.report.run.workload, "setting": said}


def varying(reports: Sequence[Report]) -> dict[str, tuple[str, ...]]:
    """Return per workload the names of the settings in which its runs differ."""
    found: dict[str, dict[str, set[str]]] = {}
    for report in reports:
        seen = found.setdefault(str(report.run.workload), {})
        for name, value in (report.run.params.settings or {}).items():
            seen.setdefault(name, set()).add(_key(value))
    return {
        workload: tuple(name for name, values in seen.items() if len(values) > 1)
        for workload, seen in found.items()
    }


def series(runs: Sequence[Measured]) -> list[Series]:
    """Return every series that these runs hold; of two runs alike the later one counts."""
    known = [(run, _fixed(run.report), _knobs(run.report)) for run in runs]
    found = []
    for knob in dict.fromkeys(knob for *_, knobs in known for knob in knobs):
        groups: dict[str, dict[Any, Measured]] = {}
        for run, fixed, knobs in known:
            if knob in knobs:
                rest = sorted((*each, _key(value)) for each, value in knobs.items() if each != knob)
                groups.setdefault(_key([fixed, rest]), {})[knobs[knob]] = run
        found += [_series(knob, group) for group in groups.values() if len(group) > 1]
    return found


def _series(knob: Knob, group: Mapping[Any, Measured]) -> Series:
    found = Series(*knob, tuple(group), tuple(group.values()))
    if not found.is_numeric:
        return found
    values = sorted(group)
    return Series(*knob, tuple(values), tuple(group[value] for value in values))


def _fixed(report: Report) -> list[Any]:
    """Return what must be the same in all runs of a series."""
    run, load = report.run, report.load
    mode = run.params.mode
    # One task at a time is the first step of a sweep over threads.
    mode = "threads" if mode == "sequential" else mode
    return [run.workload, run.model.spec, mode, load and load.rate_per_s, load and load.arrivals]


def _knobs(report: Report) -> dict[Knob, Any]:
    run, load = report.run, report.load
    concurrency = (load and load.concurrency) or run.params.concurrency
    knobs = {(SETTING, name): value for name, value in (run.params.settings or {}).items()}
    knobs[_VARIANT] = run.variant
    if concurrency and (load is None or load.kind != "open"):
        knobs[CONCURRENCY, "concurrency"] = concurrency
    return {knob: value for knob, value in knobs.items() if isinstance(value, str | int | float)}


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
