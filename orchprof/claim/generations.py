"""Generations: the same recorded tasks, replayed with the model's time on other accelerators."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources

from orchprof.claim.measured import Measured
from orchprof.claim.scaled import outcome
from orchprof.contract.claim import Generation, ShareOnAccelerator
from orchprof.contract.explain import Explain
from orchprof.contract.report import Report
from orchprof.errors import OrchprofError
from orchprof.models.explain import explain, resolve, service_s
from orchprof.models.spec import PacedSpec, parse


@cache
def launches() -> tuple[dict[str, str], ...]:
    """Return the accelerators compared, oldest first: accelerator, announced, source."""
    path = resources.files("orchprof.claim") / "data" / "generations.csv"
    with path.open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def generations(run: Measured) -> list[Generation]:
    """Return a row per accelerator: the ratio of a mean call's time to that on the run's own, and the shares.

    Count and precision stay the run's. Where there is no ratio, it is None and `reason` says why; `basis` says
    whether the other accelerator's time lies between published rows, beyond them, or on other setups'.
    """
    return [_row(launch, run) for launch in launches()]


def _row(launch: Mapping[str, str], run: Measured) -> Generation:
    of = run.identity
    row = Generation(
        run=of.run, workload=of.workload, setting=of.setting, accelerator=launch["accelerator"],
        year=int(launch["announced"][:4]), year_source=launch["source"], spec=None, basis=None, ratio=None, band=None,
        shares=None, reason=None,
    )  # fmt: skip
    try:
        ratio, there = _ratio(run.report, launch["accelerator"])
    except OrchprofError as error:
        return replace(row, reason=str(error))
    low, high = there.band or (1.0, 1.0)
    at = [outcome(run.tasks, ratio * factor) for factor in (1.0, low, high)]
    shares = {}
    for definition in run.shares:
        share, at_low, at_high = (each.share(definition) for each in at)
        shares[definition] = ShareOnAccelerator(share=share, at_low=at_low, at_high=at_high)
    return replace(
        row, spec=there.spec, basis=there.regime or None, ratio=ratio, band=(low, high), shares=shares
    )


def _ratio(report: Report, accelerator: str) -> tuple[float, Explain]:
    """Return how much longer a mean call takes there than where the run had it, and what explains its time."""
    if report.run.model.spec is None:
        raise OrchprofError("which accelerator the model ran on is not known of a recorded program")
    spec = parse(report.run.model.spec)
    if not isinstance(spec, PacedSpec):
        raise OrchprofError("model time was not paced, so it is no accelerator's to compare")
    calls = report.model_calls
    if calls.input_tokens is None or calls.output_tokens is None:
        raise OrchprofError("tokens per call are not known")
    setup = resolve(spec).setup
    other = f"paced:{spec.model}@{accelerator}x{setup.count}:{setup.precision}"
    own = spec.text
    if accelerator == setup.accelerator.name:
        other = own
    load = (max(1, round(calls.input_tokens)), max(1, round(calls.output_tokens)), in_flight(report))
    there = explain(other, *load)
    return service_s(there, load[1]) / service_s(explain(own, *load), load[1]), there


def in_flight(report: Report) -> int:
    """Return how many tasks ran at a time: as many as were let, in an open loop the mean; at least 1.

    Source: Little (1961), A proof for the queuing formula L = lambda W.
    """
    load = report.load
    if load is not None and load.kind == "open":
        arrived, took_s = load.throughput_per_s, report.latency_s.mean
        return max(1, round((arrived or 0.0) * (took_s or 0.0)))
    return int((load and load.concurrency) or report.run.params.concurrency or 1)
