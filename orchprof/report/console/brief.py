"""The brief for a terminal: one page, three readers, every figure with where it is from."""

from collections.abc import Callable
from typing import Any, Final

from orchprof.contract.brief import Brief, BriefLoad, Figure
from orchprof.report import money, naming, text

_TITLES: Final = {
    "engineer": "For the engineer: where the time goes",
    "platform": "For the platform: which machines, and the bottleneck",
    "payer": "For who pays: what a success costs, and what it earns",
}
_SAID: Final = {
    "latency_p50_s": "median latency",
    "latency_p95_s": "95 % are faster than",
    "cpu_side_share": "CPU side of latency",
    "orchestration_share": "  agent and framework code",
    "tool_local_share": "  tools, here",
    "orchestration_wait_share": "waits of the agent",
    "tool_wait_share": "waits of tools",
    "model_share": "model",
    "user_share": "user",
    "unexplained_share": "unexplained",
    "biggest_win": "to make faster first",
    "biggest_win_share": "  twice as fast saves",
    "core_s_per_task": "CPU of a task",
    "memory_per_task_bytes": "memory a task adds",
    "usd_per_hour": "cost of an hour",
    "binding": "bottleneck",
    "fullest_pool_share": "  in use",
    "per_success_usd": "1,000 successes, at the load",
    "per_success_as_measured_usd": "1,000 successes, as measured",
    "contribution_margin": "contribution margin",
    "gross_margin": "gross margin",
    "operating_usd_per_month": "operating profit a month",
    "break_even_price_usd": "break-even price of a task",
    "break_even_tasks_per_month": "break-even tasks a month",
    "fix_first": "to fix first",
    "fix_first_usd_per_month": "  half of it saves a month",
}
_LEAVE_OUT_IF_NONE: Final = {"user_share", "unexplained_share"}
_GIB: Final = 2**30


def render(record: Brief, _details: bool = False) -> str:
    """Return orchprof.brief/1 as text."""
    lines = [
        *text.joined(
            [
                naming.name(record),
                naming.model_line(record),
                f"run {record.run.id}",
            ]
        )
    ]
    tasks = record.tasks
    lines += text.joined([f"{tasks.ok} of {tasks.n} tasks succeeded", *_load(record.load)])
    for whom, title in _TITLES.items():
        rows = [_row(figure) for figure in record.figures if figure.whom == whom and _is_shown(figure)]
        lines += ["", title, *text.columns(rows, "<><<", indent=2)]
        lines += _why(record, whom)
    missing = "; ".join(f"{part.part}: {part.reason}" for part in record.not_included)
    lines += ["", *text.labelled("Not included", missing or "nothing: every part has a price")]
    lines += text.labelled(
        "Provenance",
        "measured here; reported by the model's server; client_only: seen from the client alone; modelled: computed "
        "from what was measured and from published figures",
    )
    return "\n".join(lines) + "\n"


def _load(load: BriefLoad) -> list[str]:
    if load.tasks_per_s is None:
        return []
    asked = "asked for" if load.basis == "asked" else "as measured"
    said = [f"load {text.number(load.tasks_per_s)} tasks/s, {asked}"]
    if load.machines:
        bought = ", ".join(f"{money.count(machine.count)} x {machine.name}" for machine in load.machines)
        said += [f"machines {bought}"]
    return said


def _is_shown(figure: Figure) -> bool:
    return bool(figure.value) or figure.key not in _LEAVE_OUT_IF_NONE


def _row(figure: Figure) -> tuple[str, str, str, str]:
    shown = _UNITS.get(figure.unit, str)
    value = figure.value
    if value is None:
        return _SAID[figure.key], "-", "", ""
    times = money.PER if figure.key.startswith("per_success") else 1
    scaled = value * times if times != 1 else value
    ends = figure.interval
    between = f"({' to '.join(shown(end * times) for end in ends)})" if ends else ""
    return _SAID[figure.key], shown(scaled), between, str(figure.provenance)


def _why(record: Brief, whom: str) -> list[str]:
    """Return why what is not known is not, each reason once."""
    reasons: dict[str, list[str]] = {}
    for figure in record.figures:
        if figure.whom == whom and figure.value is None and _is_shown(figure):
            reasons.setdefault(str(figure.why), []).append(_SAID[figure.key].strip())
    return [
        line
        for why, names in reasons.items()
        for line in text.labelled("  not known", f"{'; '.join(names)}: {why}")
    ]


_UNITS: Final[dict[str, Callable[[Any], str]]] = {
    "s": text.fine_seconds,
    "share": text.fine_share,
    "core-s": lambda value: f"{text.number(value)} core-s",
    "bytes": lambda value: f"{text.number(value / _GIB * 1024)} MiB",
    "USD": money.usd,
    "tasks": money.count,
}
