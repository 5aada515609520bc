"""Limits: how much of a model or of a tool somebody else lets one have, as `--limit NAME.UNIT_per_TIME=N` says it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from orchprof import units
from orchprof.errors import UsageError, unknown
from orchprof.ledger.calls import refused
from orchprof.ledger.graph.task_strands import Tables
from orchprof.simulate.system import Limit

MODEL: Final = "model"
SECONDS: Final = {"s": 1.0, "min": 60.0, "hour": 3600.0}
UNITS: Final = ("tokens", "calls")
_FORM: Final = re.compile(r"(?P<name>.+)\.(?P<unit>\w+)_per_(?P<period>\w+)=(?P<value>.+)")
_BURST_S: Final = 1.0  # what may come at once: as much as comes in a second


@dataclass(frozen=True, slots=True)
class Quota:
    """So many units of a model or a tool per second, for all machines together."""

    name: str
    unit: str
    per_s: float

    @property
    def station(self) -> str:
        """The name of the bucket that simulates it."""
        return f"{self.name}.{self.unit}"

    def bucket(self, share: float = 1.0) -> Limit:
        """Return the bucket for a share of the machines."""
        return Limit(self.per_s * share, self.per_s * share * _BURST_S)


def read(texts: Sequence[str]) -> list[Quota]:
    """Return the limits that options state.

    Raises:
        UsageError: one is not written so, or limits what nothing counts.
    """
    return [_read(text) for text in texts]


def _read(text: str) -> Quota:
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(
            f"not a limit, {text!r} @ --limit, write NAME.UNIT_per_TIME=N: model.tokens_per_min=1e6"
        )
    name, unit, period, value = match["name"], match["unit"], match["period"], match["value"]
    if unit not in UNITS:
        raise unknown("unit", unit, list(UNITS), "--limit")
    if period not in SECONDS:
        raise unknown("time", period, list(SECONDS), "--limit")
    if unit == "tokens" and name != MODEL:
        raise UsageError(f"only the model has tokens, {text!r} @ --limit, limit the calls of a tool")
    return Quota(name, unit, _amount(value, text) / SECONDS[period])


def _amount(value: str, text: str) -> float:
    amount = units.number(value)
    if amount is None or amount <= 0:
        raise UsageError(f"not a number it can be, {text!r} @ --limit, give one above 0")
    return amount


Metered = tuple[int, int, str, float]


def metered(quotas: Sequence[Quota], tables: Tables, task: int, start_ns: int) -> tuple[Metered, ...]:
    """Return what a task asks of the limits: strand, ns since its start, station and units."""
    needs: list[Metered] = []
    for quota in quotas:
        needs += (
            _of_calls(quota, tables, task) if quota.name == MODEL else _of_tool(quota, tables, task, start_ns)
        )
    return tuple(needs)


def _of_calls(quota: Quota, tables: Tables, task: int) -> list[Metered]:
    calls = tables["model_calls"]
    calls = calls[(calls["task"] == task) & ~refused(calls)]  # the limit that refused them is simulated anew
    tokens = calls[["input_tokens", "output_tokens"]].fillna(0).sum(axis=1).tolist()
    units = tokens if quota.unit == "tokens" else [1.0] * len(calls)
    pairs = zip(calls["strand"].tolist(), units, strict=True)
    return [(strand, 0, quota.station, float(amount)) for strand, amount in pairs if amount > 0]


def _of_tool(quota: Quota, tables: Tables, task: int, start_ns: int) -> list[Metered]:
    spans = tables["spans"]
    spans = spans[(spans["task"] == task) & (spans["role"] == "tool") & (spans["name"] == quota.name)]
    pairs = zip(spans["strand"].tolist(), spans["start_ns"].tolist(), strict=True)
    return [(strand, int(at) - start_ns, quota.station, 1.0) for strand, at in pairs]


def check_names(quotas: Sequence[Quota], tables: Sequence[Tables]) -> None:
    """Refuse a limit on what no run has called: it would limit nothing.

    Raises:
        UsageError: there is one.
    """
    spans = [table["spans"] for table in tables]
    names = sorted(
        {str(name) for table in spans for name in table.loc[table["role"] == "tool", "name"].unique()}
    )
    counted = [_counted(table["model_calls"]) for table in tables]
    for quota in quotas:
        if quota.name not in (MODEL, *names):
            raise unknown("tool", quota.name, [MODEL, *names], "--limit")
        if quota.name == MODEL and not any(counts[quota.unit] for counts in counted):
            no = (
                "no run has called a model" if quota.unit == "calls" else "no call of a run states its tokens"
            )
            raise UsageError(f"{no}, {quota.station} @ --limit, leave it out, or give a run that does")


def _counted(calls: pd.DataFrame) -> dict[str, float]:
    """Return the units of a run's model calls, refused attempts left out."""
    calls = calls[~refused(calls)]
    tokens = calls[["input_tokens", "output_tokens"]].fillna(0).to_numpy("float64").sum()
    return {"calls": float(len(calls)), "tokens": float(tokens)}
