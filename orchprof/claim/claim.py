"""The claim's record, `orchprof.claim/1`, from the reports and tables of some runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from orchprof.claim.extrapolation import extrapolate
from orchprof.claim.generations import generations
from orchprof.claim.measured import Measured, made_of, measured, point, rows
from orchprof.claim.model_crossings import REACH, model_crossings
from orchprof.claim.paragraph import paragraph
from orchprof.claim.series import varying
from orchprof.claim.setting_crossings import setting_crossings
from orchprof.claim.verdict import HIGH, LOW
from orchprof.contract.claim import Bounds, Claim, LeftOut, Map
from orchprof.contract.report import Report
from orchprof.errors import RunError, UsageError
from orchprof.run.store import Run

_MACHINE: Final = ("cpu_model", "architecture", "cores")
METHOD: Final = (
    "shares are of the critical path; under another model speed all time of role model is multiplied, each "
    "recorded task replayed, and the shares taken on the critical path that follows"
)


def claim(
    runs: Sequence[tuple[Report, Run]],
    beyond: Mapping[str, float] | None = None,
    *,
    verdicts_only: bool = False,
) -> Claim:
    """Return the record of some runs; those that say nothing about the claim are in `left_out` with the reason.

    Args:
        runs: orchprof.report/1 of each, and the run.
        beyond: a value per setting, to which the time of a tool is extrapolated along the law measured here.
        verdicts_only: leave out crossings and the paragraph: what a table of several runs has no room for.

    Raises:
        UsageError: they were made on different machines, or a setting of `beyond` is none that varies.
        RunError: none of them says anything about the claim, or no law holds to extrapolate along.
    """
    _refuse_mixed([report for report, _ in runs])
    runs = _with_own_ids(runs)
    tells = varying([report for report, _ in runs])
    kept: list[Measured] = []
    left_out: list[LeftOut] = []
    for report, run in runs:
        try:
            kept.append(measured(report, run, tells[str(report.run.workload)]))
        except RunError as error:
            left_out.append(LeftOut(run=report.run.id, reason=str(error)))
    if not kept:
        raise RunError(left_out[0].reason if left_out else "no runs @ claim, make some with `orchprof bench`")
    record = _record(kept, left_out)
    return record if verdicts_only else _moved(record, kept, beyond or {})


def _with_own_ids(runs: Sequence[tuple[Report, Run]]) -> list[tuple[Report, Run]]:
    """Return the runs with a number after an id that came before: benches may call theirs alike."""
    seen: Counter[str] = Counter()
    named = []
    for report, run in runs:
        name = str(report.run.id)
        seen[name] += 1
        unique = f"{name} #{seen[name]}" if seen[name] > 1 else name
        named.append((replace(report, run=replace(report.run, id=unique)), run))
    return named


def _record(runs: Sequence[Measured], left_out: list[LeftOut]) -> Claim:
    return Claim(
        claim=Bounds(low=LOW, high=HIGH),
        method=METHOD,
        reach=(1 / REACH, REACH),
        rows=[row for run in runs for row in rows(run)],
        made_of=[made_of(run) for run in runs],
        crossings=[],
        generations=[row for run in runs for row in generations(run)],
        map=Map(points=[point(run) for run in runs]),
        extrapolated=[],
        left_out=left_out,
        paragraph="",
    )


def _moved(record: Claim, runs: Sequence[Measured], beyond: Mapping[str, float]) -> Claim:
    """Return the record with what would move the shares, and all of it in words."""
    replayed = [crossing for run in runs for crossing in model_crossings(run)]
    record = replace(
        record,
        crossings=replayed + setting_crossings(runs),
        extrapolated=[row for name, value in beyond.items() for row in extrapolate(runs, name, value)],
    )
    return replace(record, paragraph=paragraph(record))


def _refuse_mixed(reports: Sequence[Report]) -> None:
    machines = {tuple(getattr(report.run.machine, key) for key in _MACHINE) for report in reports}
    if len(machines) > 1:
        said = " and ".join(sorted(" ".join(map(str, machine)) for machine in machines))
        raise UsageError(f"runs of different machines, {said} @ claim, ask for those of one machine")
