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
from orchprof.ledger.graph.task_strands import Tables

_MACHINE: Final = ("cpu_model", "architecture", "cores")
METHOD: Final = (
    "shares are of the critical path; under another model speed all time of role model is multiplied, each "
    "recorded task replayed, and the shares taken on the critical path that follows"
)


def claim(runs: Sequence[tuple[Report, Tables]], beyond: Mapping[str, float] | None = None) -> Claim:
    """Return the record of some runs; those that say nothing about the claim are in `left_out` with the reason.

    Args:
        runs: orchprof.report/1 and the tables of each, which stay as they are.
        beyond: a value per setting, to which the time of a tool is extrapolated along the law measured here.

    Raises:
        UsageError: they were made on different machines, or a setting of `beyond` is none that varies.
        RunError: none of them says anything about the claim, or no law holds to extrapolate along.
    """
    _refuse_mixed([report for report, _ in runs])
    runs = _with_own_ids(runs)
    tells = varying([report for report, _ in runs])
    kept: list[Measured] = []
    left_out: list[LeftOut] = []
    for report, tables in runs:
        try:
            kept.append(measured(report, tables, tells[str(report.run.workload)]))
        except RunError as error:
            left_out.append(LeftOut(run=report.run.id, reason=str(error)))
    if not kept:
        raise RunError(left_out[0].reason if left_out else "no runs @ claim, make some with `orchprof bench`")
    return _record(kept, left_out, beyond or {})


def _with_own_ids(runs: Sequence[tuple[Report, Tables]]) -> list[tuple[Report, Tables]]:
    """Return the runs with a number after an id that came before: benches may call theirs alike."""
    seen: Counter[str] = Counter()
    named = []
    for report, tables in runs:
        name = str(report.run.id)
        seen[name] += 1
        unique = f"{name} #{seen[name]}" if seen[name] > 1 else name
        named.append((replace(report, run=replace(report.run, id=unique)), tables))
    return named


def _record(runs: Sequence[Measured], left_out: list[LeftOut], beyond: Mapping[str, float]) -> Claim:
    replayed = [crossing for run in runs for crossing in model_crossings(run)]
    record = Claim(
        claim=Bounds(low=LOW, high=HIGH),
        method=METHOD,
        reach=(1 / REACH, REACH),
        rows=[row for run in runs for row in rows(run)],
        made_of=[made_of(run) for run in runs],
        crossings=replayed + setting_crossings(runs),
        generations=[row for run in runs for row in generations(run)],
        map=Map(points=[point(run) for run in runs]),
        extrapolated=[row for name, value in beyond.items() for row in extrapolate(runs, name, value)],
        left_out=left_out,
        paragraph="",
    )
    return replace(record, paragraph=paragraph(record))


def _refuse_mixed(reports: Sequence[Report]) -> None:
    machines = {tuple(getattr(report.run.machine, key) for key in _MACHINE) for report in reports}
    if len(machines) > 1:
        said = " and ".join(sorted(" ".join(map(str, machine)) for machine in machines))
        raise UsageError(f"runs of different machines, {said} @ claim, ask for those of one machine")
