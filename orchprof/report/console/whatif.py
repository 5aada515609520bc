"""What a change would make of a run, or the list of what to fix."""

from typing import Final

from orchprof.contract.report import Interval
from orchprof.contract.whatif import Change, RankedPart, Whatif, WorkersAsked
from orchprof.report import money, naming, text

_SHOWN: Final = 14
_LEAST: Final = 0.005  # of latency: what buys less is left out of the short list
_KEY: Final = 38
# What the states mean that a key names; those that speak for themselves are left out.
_WORDS: Final = {
    "runq": "waiting for a core",
    "gil": "waiting for the interpreter",
    "loop_lag": "waiting for its event loop",
    "pool_wait": "waiting for a free worker or connection",
    "wakeup": "between its release and its start",
    "gc": "collecting garbage",
    "net": "waiting for the network, or for who answers",
    "off": "waits that could not be told apart",
    "child": "inside a child process",
    "frontend": "the server's work around the model",
}


def render(record: Whatif, details: bool = False) -> str:
    """Return orchprof.whatif/1: the prediction, or the ranking when nothing was changed, and what it rests on."""
    body = _list(record, details) if record.ranking else _answer(record)
    return "\n".join([_head(record), "", *body, "", *_trust(record, details)]) + "\n"


def _head(record: Whatif) -> str:
    run = record.run
    name = "/".join(part for part in (run.workload, run.variant) if part) or run.id
    base = text.fine_seconds(record.base_s)
    head = f"{name}, {record.tasks} task{'s' * (record.tasks != 1)} of {base} on average"
    return f"{head}\n{naming.model_line(record)}"


def _list(record: Whatif, details: bool) -> list[str]:
    rows, base = record.ranking, record.base_s
    if not details:
        rows = [row for row in rows if base - row.at_50pct_s >= _LEAST * base][:_SHOWN]
    if not rows:
        return ["No part of it would buy much by itself."]
    header = ("", "calls", "takes", "10% faster", "2x faster", "gone")
    more = ("saves", "2x: $/1,000") if details else ()
    mark = naming.mark(record)
    cells = [(*header, *more), *((*_row(row, base, mark), *_more(row, mark) * details) for row in rows)]
    lines = ["Latency when one part gets faster, every task replayed; parts overlap", ""]
    lines += text.columns(cells, "<>>>>>" + ">>" * details)
    left = len(record.ranking) - len(rows)
    rest = [f"and {left} parts that buy less, see --details"] if left else []
    return [*lines, *rest, *_blocking(rows), *_legend(rows)]


def _blocking(rows: list[RankedPart]) -> list[str]:
    """Return what named parts keep others waiting for, the longest first."""
    rows = sorted((row for row in rows if row.name and row.blocks_s), key=lambda row: -row.blocks_s)
    said = ", ".join(f"{row.key} {text.fine_seconds(row.blocks_s)}" for row in rows)
    return ["", *text.labelled("Blocks", f"others wait for what it holds: {said}")] if said else []


def _row(row: RankedPart, base: float, mark: str) -> tuple[str, ...]:
    """Return a row's cells; time in which the model answers is marked where nobody measured it."""
    # A named call of a client lasts as long as its answer; the client's own time beside it was measured.
    is_answer = row.role == "model" or (row.role == "client" and row.name is not None)
    calls, mark = row.calls_per_task, mark * is_answer
    return (
        _cut(row.key),
        "" if calls is None else f"{calls:.1f}",
        mark + text.fine_seconds(row.cp_s),
        *(
            _change(at_s / base - 1 if base else None)
            for at_s in (row.at_10pct_s, row.at_50pct_s, row.at_zero_s)
        ),
    )


def _cut(key: str) -> str:
    return key if len(key) <= _KEY else f"{key[: _KEY - 2]}.."


def _more(row: RankedPart, mark: str) -> tuple[str, str]:
    """Return what the part's end saves for certain, and what 1,000 tasks cost at half its time."""
    usd = row.usd_per_task_at_50pct
    return text.fine_seconds(row.exposed_s), mark * (usd is not None) + money.per_thousand(usd)


def _change(share: float | None) -> str:
    if share is None:
        return "-"
    return "0%" if abs(share) < 0.0005 else f"{share * 100:+.1f}%"  # noqa: PLR2004


def _legend(rows: list[RankedPart]) -> list[str]:
    states = dict.fromkeys(row.state for row in rows if row.state in _WORDS)
    said = "; ".join(f"{state} {_WORDS[state]}" for state in states)
    return ["", *text.labelled("States", said)] if said else []


def _answer(record: Whatif) -> list[str]:
    base, predicted = map(text.fine_seconds, (record.base_s, record.predicted_s))
    said = f"{base} -> ~{predicted}, {_change(None if record.ratio is None else record.ratio - 1)}"
    lines = text.labelled("Latency", said + _uncertainty(record.ratio_interval))
    before, after = map(text.fine_seconds, (record.base_p50_s, record.predicted_p50_s))
    lines += text.labelled("Median", f"{before} -> ~{after}")
    for change in record.changes:
        lines += text.labelled("With", f"{change.key} x{text.number(change.factor)}{_kind(change)}")
    return [*lines, *_model(record), *_workers(record.workers)]


def _uncertainty(interval: Interval | None) -> str:
    if interval is None or interval[1] - interval[0] < 0.0005:  # noqa: PLR2004
        return ""
    low, high = (_change(end - 1) for end in interval)
    return f" ({low} to {high} with other tasks like these)"


def _kind(change: Change) -> str:
    return ", as in the other run" if change.kind == "swap" else ""


def _model(record: Whatif) -> list[str]:
    model = record.model
    if model is None:
        return []
    why = "" if model.asked else " with that many tasks at a time"
    said = f"{model.spec}, calls take ~x{text.number(model.ratio)} as long{why}, MODELLED"
    if record.band_s and model.band:
        low, high = map(text.fine_seconds, record.band_s)
        factors = "-".join(map(text.number, model.band))
        said += f"; within its band (x{factors}) latency is {low} to {high}"
    return text.labelled("Model", said)


def _workers(workers: WorkersAsked | None) -> list[str]:
    if workers is None:
        return []
    before, after = map(text.number, (workers.base_per_s, workers.predicted_per_s))
    said = f"{workers.asked} at a time instead of {workers.recorded}: {before} -> ~{after} tasks/s"
    return text.labelled("Workers", said)


def _trust(record: Whatif, details: bool) -> list[str]:
    lines = _cores(record)
    lines += text.labelled("Replay", f"unchanged, it is {text.fine_share(record.replay_error)} off the run")
    for assumption in record.assumptions:
        lines += text.labelled("Assumes", assumption) if details or not record.ranking else []
    for finding in record.findings:
        lines += text.labelled("Note", naming.finding(finding))
    return lines


def _cores(record: Whatif) -> list[str]:
    cores = record.cores
    if cores is None:
        return []
    said = f"the run had the use of {record.effective_cores:.1f} of {text.number(cores.recorded)}"
    if cores.asked is not None:
        said += f"; asked for {text.number(cores.asked)}"
    waited = text.fine_share(cores.waited_share)
    return text.labelled("Cores", f"{said}; what had work to do waited {waited} of its time for one")
