"""The accuracy table: every label with truth, measured, error, limit and verdict, and what recording costs."""

from typing import Final

from orchprof.contract.verify import CheckRow, LabelRow, Overhead, Verify
from orchprof.report import text

_CHECKS: Final = {
    "conservation_error_s": ("balance", text.fine_seconds),
    "unexplained_share": ("unexplained", text.fine_share),
    "overhead_error": ("own cost", text.fine_share),
}


def render(record: Verify, _details: bool = False) -> str:
    """Return orchprof.verify/1: the table, the checks, own overhead, what the machine was, and the verdict."""
    lines = [*_head(record), ""]
    header = ("shape", "who", "what", "truth", "measured", "error", "limit", "share", "")
    rows = [header, *map(_row, record.labels)]
    lines += text.columns(rows, "<<<>>>>><")
    lines += ["", *_checks(record.checks), *_overhead(record.overhead), *_machine(record)]
    for left in record.left_out:
        lines += text.labelled("Not checked", f"{left.what}: {left.why}")
    return "\n".join([*lines, *text.labelled("Verdict", _verdict(record))]) + "\n"


def _head(record: Verify) -> list[str]:
    shapes = record.shapes
    said = f"{record.runs} runs, labelled by {record.labelled_by}; errors are medians"
    made = f"{shapes.made} of {shapes.asked} shapes can be made here: {shapes.rows} rows"
    return [said + (", stopped early" if record.interrupted else ""), made]


def _row(row: LabelRow) -> tuple[str, ...]:
    return (
        row.shape,
        row.who,
        row.what if row.measure == "rs" else f"{row.what} ({row.measure})",
        text.fine_seconds(row.truth_s),
        text.fine_seconds(row.measured_s),
        text.fine_seconds(row.error_s),
        text.fine_seconds(row.limit_s),
        text.fine_share(row.error) if row.truth_s else "",
        _mark(row.ok),
    )


def _mark(ok: bool) -> str:
    return "pass" if ok else "FAIL"


def _checks(checks: list[CheckRow]) -> list[str]:
    lines: list[str] = []
    for check in checks:
        name, show = _CHECKS[check.name]
        said = f"{show(check.value)}, limit {show(check.limit)}: {_mark(check.ok)}"
        lines += text.labelled(name.capitalize(), said)
    return lines


def _overhead(cost: Overhead | None) -> list[str]:
    if cost is None:
        return []
    said = (
        f"{text.fine_seconds(cost.cpu_on_s)} CPU recorded, {text.fine_seconds(cost.cpu_off_s)} not: "
        f"{cost.cpu_share * 100:+.1f}%, starting to record in each process included; "
        f"looking on from outside took {text.fine_seconds(cost.outside_s)} more. "
        f"Recording took {text.fine_seconds(cost.paired_s)} of it, the ledger says "
        f"{text.fine_seconds(cost.profiler_s)}"
    )
    return text.labelled("Own cost", said)


def _machine(record: Verify) -> list[str]:
    machine = record.machine
    load = ", ".join(map(text.number, machine.load_average))
    said = f"{machine.cpu_model or machine.architecture}, {text.number(machine.cores)} cores, load {load}"
    if record.loaded:
        said += " before the start: others were at work, errors are larger than on a quiet machine"
    return text.labelled("Machine", said)


def _verdict(record: Verify) -> str:
    if record.passed:
        return "passed"
    failed = sum(not row.ok for row in record.labels) + sum(not check.ok for check in record.checks)
    return f"FAILED, {failed} beyond their limits" if record.labels else "nothing was measured"
