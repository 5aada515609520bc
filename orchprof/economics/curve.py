"""Curve: what a task costs at which load, when machines and accelerators are had whole: idle, steps, saturation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from orchprof.contract.economics import At, CurveRow, Illustration

MONTH_S: Final = 365.25 * 86_400 / 12
HOUR_S: Final = 3600
# An illustration, not a measurement: a web request, as the services that had almost no marginal cost serve them.
SERVICE_CORE_S: Final = 0.001
_IDLE: Final = (0.01, 0.1, 0.5)  # of what the first step holds
_FULL: Final = (1, 2, 4, 8, 16)
_OVER: Final = 1.01  # just beyond a full step
_ROUNDING: Final = 1e-9


class Supply(Protocol):
    """What can be had for a load, in tasks per second."""

    @property
    def per_task_usd(self) -> float:
        """What each task pays however many there are."""

    @property
    def holds_per_s(self) -> list[float]:
        """The loads that the first of each thing holds, the least first; none where a load takes nothing."""

    def machines(self, tasks_per_s: float) -> int:
        """Return how many machines a load takes."""

    def accelerators(self, tasks_per_s: float) -> int:
        """Return how many accelerators a load takes."""

    def usd_per_hour(self, tasks_per_s: float) -> float:
        """Return what a load costs in an hour."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What can be had, whole, and what a mean task takes of it.

    Attributes:
        core_s: reserved per task.
        memory_gib_s: per task; 0: not known, then memory never binds.
        accelerator_s: per task, at the batch it was measured in; 0: none is used, or paid this way.
        machine_cores: that a machine has.
        machine_gib: that a machine has.
        machine_usd_per_hour: for the whole machine.
        accelerator_usd_per_hour: for one.
        utilisation: the share of an accelerator's time that tasks can take.
        per_task_usd: what each task pays however many there are: tokens, tool calls, network.
    """

    core_s: float
    memory_gib_s: float
    accelerator_s: float
    machine_cores: float
    machine_gib: float
    machine_usd_per_hour: float
    accelerator_usd_per_hour: float
    utilisation: float
    per_task_usd: float

    @property
    def machine_holds_per_s(self) -> float:
        """Tasks per second that one machine holds, by its cores or its memory."""
        by_memory = self.machine_gib / self.memory_gib_s if self.memory_gib_s else math.inf
        return min(self.machine_cores / self.core_s if self.core_s else math.inf, by_memory)

    @property
    def accelerator_holds_per_s(self) -> float:
        """Tasks per second that one accelerator holds."""
        return self.utilisation / self.accelerator_s if self.accelerator_s else math.inf

    @property
    def holds_per_s(self) -> list[float]:
        """The loads that the first machine and the first accelerator hold, the least first."""
        return sorted({self.machine_holds_per_s, self.accelerator_holds_per_s} - {math.inf})

    def machines(self, tasks_per_s: float) -> int:
        """Return how many machines a load takes, one at least."""
        return _whole(tasks_per_s / self.machine_holds_per_s)

    def accelerators(self, tasks_per_s: float) -> int:
        """Return how many accelerators a load takes, one at least where any is used."""
        return _whole(tasks_per_s / self.accelerator_holds_per_s) if self.accelerator_s else 0

    def usd_per_hour(self, tasks_per_s: float) -> float:
        """Return what a load costs in an hour."""
        machines = self.machines(tasks_per_s) * self.machine_usd_per_hour
        accelerators = self.accelerators(tasks_per_s) * self.accelerator_usd_per_hour
        return machines + accelerators + tasks_per_s * self.per_task_usd * HOUR_S


def curve(fleet: Supply, also: Mapping[At, float | None]) -> list[CurveRow]:
    """Return rows of rising load, with what is needed and what a task costs there.

    `average_usd` is all cost by all tasks; `marginal_usd` what each task more than in the row before added: what it
    pays by itself while there is room, and a whole machine or accelerator at a step. `at` says what the load is:
    `idle`, `full` (the first pool's step is used up), `step` (one task too many), or a name of `also`.

    Args:
        fleet: what can be had.
        also: further loads in tasks per second, by name; None: there is none.
    """
    holds = fleet.holds_per_s
    loads: dict[float, At] = {}
    if holds:
        loads |= {share * holds[0]: "idle" for share in _IDLE}
        loads |= {steps * holds[0]: "full" for steps in _FULL}
        loads |= {hold * _OVER: "step" for hold in holds}
    loads |= {each: name for name, each in also.items() if each}
    rows: list[CurveRow] = []
    for load in sorted(loads):
        rows.append(_row(fleet, load, loads[load], rows[-1] if rows else None))
    return rows


def _row(fleet: Supply, load: float, at: At, before: CurveRow | None) -> CurveRow:
    usd = fleet.usd_per_hour(load)
    more = load - before.tasks_per_s if before else 0.0
    added = (usd - before.usd_per_hour) / HOUR_S / more if before and more else fleet.per_task_usd
    return CurveRow(
        tasks_per_s=load,
        machines=fleet.machines(load),
        accelerators=fleet.accelerators(load),
        average_usd=usd / HOUR_S / load,
        marginal_usd=added,
        usd_per_hour=usd,
        at=at,
    )


def service(rows: Sequence[CurveRow], fleet: Fleet) -> Illustration:
    """Return what a request of a service with almost no marginal cost would cost at the same loads: an illustration.

    It takes SERVICE_CORE_S of one core, on the same machine at the same price, and nothing else.
    """
    plain = Fleet(
        core_s=SERVICE_CORE_S, memory_gib_s=0.0, accelerator_s=0.0, machine_cores=fleet.machine_cores,
        machine_gib=fleet.machine_gib, machine_usd_per_hour=fleet.machine_usd_per_hour,
        accelerator_usd_per_hour=0.0, utilisation=1.0, per_task_usd=0.0,
    )  # fmt: skip
    loads = [row.tasks_per_s for row in rows]
    return Illustration(
        basis="an illustration, not a measurement",
        core_s_per_request=SERVICE_CORE_S,
        long_run_marginal_usd=SERVICE_CORE_S * plain.machine_usd_per_hour / plain.machine_cores / HOUR_S,
        machines=[plain.machines(load) for load in loads],
        average_usd=[plain.usd_per_hour(load) / HOUR_S / load for load in loads],
    )


def _whole(units: float) -> int:
    """Return units rounded up, one at least; a load that fills its units exactly takes no more for rounding's sake."""
    return max(1, math.ceil(units - _ROUNDING))
