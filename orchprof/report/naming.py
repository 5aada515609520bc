"""What a report calls its runs, and what it says about the model they asked."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

from orchprof.contract.report import Finding
from orchprof.contract.run import ModelSide

# What stands before a model time that nobody measured, in every table.
MODELLED_MARK: Final = "~"


class Identity(Protocol):
    """Which run a record is of."""

    @property
    def workload(self) -> str | None:
        """Its workload."""

    @property
    def variant(self) -> str | None:
        """And variant."""

    @property
    def model(self) -> ModelSide:
        """Which model it asked."""


class OfRun(Protocol):
    """A record of one run."""

    @property
    def run(self) -> Identity:
        """Which run."""


def labels(reports: Sequence[OfRun], *, short: bool = False) -> list[str]:
    """Return a short name per report: the workload, its variant, and what tells it from its like, if need be.

    That is its load, its model, or at last a number.

    Args:
        reports: all that are shown together.
        short: leave the variant out where a workload comes with one only.
    """
    variants = {(report.run.workload, report.run.variant) for report in reports}
    several = Counter(workload for workload, _ in variants)
    names = [
        str(report.run.workload) if short and several[report.run.workload] == 1 else name(report)
        for report in reports
    ]
    for tells in (load_tag, _kind_tag, _model_tag):
        names = _distinguished(names, [tells(report) for report in reports])
    total, seen = Counter(names), Counter[str]()
    unique = []
    for own in names:
        seen[own] += 1
        unique.append(f"{own} #{seen[own]}" if total[own] > 1 else own)
    return unique


def _distinguished(names: Sequence[str], tags: Sequence[str]) -> list[str]:
    """Return the names, with their tags where the same name has several different ones."""
    different = {
        name: len({tag for other, tag in zip(names, tags, strict=True) if other == name}) for name in names
    }
    return [
        f"{name} {tag}".rstrip() if different[name] > 1 else name
        for name, tag in zip(names, tags, strict=True)
    ]


def load_tag(report: OfRun) -> str:
    """Return `c4` for four at a time, `r10` for ten per second; "" where the report does not say."""
    load = getattr(report, "load", None)
    if not load:
        return ""
    if load.kind == "closed":
        return f"c{load.concurrency}"
    return "trace" if load.rate_per_s is None else f"r{load.rate_per_s:g}"


def _kind_tag(report: OfRun) -> str:
    """Return what keeps the model's time: `paced`, `llama`, `http`."""
    return str(report.run.model.spec or "").partition(":")[0]


def _model_tag(report: OfRun) -> str:
    return str(report.run.model.spec or "").removeprefix("paced:")


def name(of: OfRun) -> str:
    """Return the workload of a run and its variant, if it has one."""
    run = of.run
    return f"{run.workload}/{run.variant}" if run.variant else str(run.workload)


def model_line(of: OfRun) -> str:
    """Return which model was asked and where its time comes from; a modelled time is always called so."""
    model = of.run.model
    if model.spec == "zero":
        return "zero, a model that takes no time"
    spec = (model.spec or "unknown model").removeprefix("paced:")
    band = model.band
    modelled = f"model time MODELLED ({MODELLED_MARK}"
    modelled += f", x{band[0]:.2g}-{band[1]:.2g})" if band else ", band unknown)"
    said = {
        "modelled": modelled,
        "measured": "model time MEASURED",
        "reported": "model time REPORTED by its server",
        "client_only": "model time SEEN FROM THE CLIENT only",
    }
    return f"{spec}, {said.get(str(model.provenance), 'no model time')}"


def mark(of: OfRun) -> str:
    """Return what to put before the model's times of a run: a mark when nobody measured them."""
    return MODELLED_MARK if of.run.model.provenance == "modelled" else ""


def finding(one: Finding) -> str:
    """Return what a finding says, with its remedy where there is one."""
    return f"{one.message}; {one.remedy}" if one.remedy else one.message


def judged(ok: int, judged_tasks: int, n: int) -> str:
    """Return how many tasks were right out of all, "-" when nobody judged any of some."""
    return f"{ok}/{n}" if judged_tasks or not n else "-"
