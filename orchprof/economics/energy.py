"""Energy: joules of a task, each figure with the tier it stands on; nothing is guessed without saying so."""

import re
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from orchprof.contract.economics import Assumption, EnergyPart, TaskEnergy
from orchprof.contract.report import Resources, RunIdentity
from orchprof.errors import OrchprofError
from orchprof.models.paced.facts import ALIASES
from orchprof.prices.price import Book, Price

# From the one to trust most to the one to trust least: a sum is as good as its worst part.
TIERS: Final = (
    "measured:rapl", "measured:nvml", "measured:external", "modelled:tdp_load", "modelled:spec", "unknown",
)  # fmt: skip
UNKNOWN: Final = TIERS[-1]
J_PER_KWH: Final = 3_600_000
INPUTS: Final = "energy.csv"
NODE: Final = "power/node-over-tdp"
IDLE: Final = "power/idle-over-load"
_PER_CORE: Final = "/tdp-per-core"
_TWO_THREADS: Final = ("epyc", "xeon")  # hardware threads of a core; the others have one


def cpu_energy(busy_s: float | None, reserved_s: float | None, cpu_model: str, book: Book) -> EnergyPart:
    """Return what a task's cores took: their part of the TDP while at work, the idle part of that while not.

    The package only: memory, disks and fans of the agent's machine are left out.

    Args:
        busy_s: CPU seconds of hardware threads.
        reserved_s: the seconds for which they were held, idle ones too.
        cpu_model: as the system names it. Where that tells no known TDP, the middle of the known server CPUs
            stands in for it, and the tier says so.
        book: holds `power/CPU/tdp-per-core` and IDLE.
    """
    if busy_s is None or reserved_s is None:
        return EnergyPart("cpu", None, UNKNOWN, "the run sampled no CPU time")
    known = {key.split("/")[1]: price for key, price in book.prices.items() if key.endswith(_PER_CORE)}
    words = set(re.split(r"[^a-z0-9+]+", cpu_model.lower()))
    own = next((name for name in known if set(name.split("-")) <= words), None)
    every = sorted(_thread_watts(name, price) for name, price in known.items())
    watts = _thread_watts(own, known[own]) if own else median(every)
    joules = watts * (busy_s + float(book.prices[IDLE].value) * max(reserved_s - busy_s, 0.0))
    if own:
        return EnergyPart(
            "cpu", joules, "modelled:tdp_load", f"{watts:.1f} W a hardware thread, {known[own].source}"
        )
    spread = f"the middle of {len(every)} server CPUs, {every[0]:.1f} to {every[-1]:.1f} W a hardware thread"
    return EnergyPart("cpu", joules, "modelled:spec", f"no TDP known of {cpu_model!r}: {spread}")


def _thread_watts(name: str, per_core: Price) -> float:
    return float(per_core.value) / (2 if name.startswith(_TWO_THREADS) else 1)


def accelerator_energy(
    accelerator_s: float | None, accelerator: str | None, utilisation: float, book: Book, *, modelled: bool
) -> EnergyPart:
    """Return what a task's share of its accelerators took: their nodes under load, and idle for the rest of the time.

    Args:
        accelerator_s: accelerators times seconds; None: the model's server does not say; 0: it asked no model.
        accelerator: as in a model spec, such as `h100-sxm`.
        utilisation: the share of the time the accelerator is had for in which it serves, above 0 to 1.
        book: holds `power/ACCELERATOR/tdp`, NODE and IDLE.
        modelled: the seconds are modelled themselves.
    """
    part = "accelerator"
    if accelerator_s is None:
        return EnergyPart(
            part, None, UNKNOWN, "the model's server does not say how long its accelerators worked"
        )
    if not accelerator_s:
        return EnergyPart(part, 0.0, "modelled:tdp_load", "no accelerator worked for it")
    name = ALIASES.get(accelerator or "", accelerator)
    tdp = book.prices.get(f"power/{name}/tdp")
    if tdp is None:
        return EnergyPart(part, None, UNKNOWN, f"no TDP known of {accelerator!r}")
    watts = float(tdp.value * book.prices[NODE].value)
    idle_s = accelerator_s / utilisation - accelerator_s
    joules = watts * (accelerator_s + float(book.prices[IDLE].value) * idle_s)
    tier = "modelled:spec" if modelled else "modelled:tdp_load"
    return EnergyPart(part, joules, tier, f"{watts:.0f} W a node's share of {name}, {tdp.source}")


def counted(part: str, joules: float, tasks: int, tier: str) -> EnergyPart:
    """Return a counter's joules shared out among the tasks of a run: all that the machine did, idle time too.

    Raises:
        OrchprofError: no task, a tier that is no counter's, or joules below 0.
    """
    if tasks < 1 or tier not in TIERS[:3] or joules < 0:
        raise OrchprofError(
            f"no measured energy, {joules} J of {tasks} tasks ({tier}) @ energy, give a counter's joules"
        )
    return EnergyPart(
        part,
        joules / tasks,
        tier,
        f"{joules:.0f} J of the whole machine by {tasks} tasks, idle time included",
    )


def total(
    parts: Sequence[EnergyPart],
    chosen: Mapping[str, Assumption],
    usd_per_kwh: float | None,
    success_rate: float | None,
) -> TaskEnergy:
    """Return the task's energy: the parts, their sum with the facility's (PUE), and what its electricity costs.

    The sum's tier is its worst part's; a part that is not known makes it `partial`, and the sum holds the rest.
    Electricity is for those who own their machines: a price per hour has it in it already. Joules are None where no
    part is known, per success where no task succeeded.

    Args:
        parts: what took energy.
        chosen: the assumptions of INPUTS.
        usd_per_kwh: price of electricity; None: unpriced.
        success_rate: successful tasks by all tasks.
    """
    pue = chosen["pue"].value
    known = [part.joules for part in parts if part.joules is not None]
    joules = sum(known) * pue if known else None
    return TaskEnergy(
        parts=list(parts),
        pue=pue,
        joules_per_task=joules,
        joules_per_success=joules / success_rate if joules is not None and success_rate else None,
        electricity_usd_per_task=None
        if joules is None or usd_per_kwh is None
        else joules / J_PER_KWH * usd_per_kwh,
        tier=worst(parts),
        partial=len(known) < len(parts),
        inputs=list(chosen.values()),
    )


def worst(parts: Sequence[EnergyPart]) -> str:
    """Return the least trustworthy tier among the parts; `unknown` of none."""
    return max((part.tier for part in parts), key=TIERS.index, default="unknown")


def modelled(
    resources: Resources,
    run: RunIdentity,
    accelerator: str | None,
    book: Book,
    utilisation: float = 1.0,
) -> list[EnergyPart]:
    """Return a run's CPU and accelerator energy from what it used and what such parts take.

    Args:
        resources: of orchprof.report/1.
        run: of the same.
        accelerator: whose seconds they are; None: not known.
        book: the prices.
        utilisation: of the accelerators.
    """
    cpu_model = run.machine.cpu_model or ""
    paced = run.model.provenance == "modelled"
    return [
        cpu_energy(resources.core_s_busy, resources.core_s_reserved, cpu_model, book),
        accelerator_energy(resources.accelerator_s, accelerator, utilisation, book, modelled=paced),
    ]
