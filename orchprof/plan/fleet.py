"""Fleets: which machines could run the agents and the model, and what so many of them cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import Final

from orchprof.contract.env import Calibration
from orchprof.contract.plan import FleetMachine
from orchprof.errors import OrchprofError, UsageError
from orchprof.models.paced.timing import Paced
from orchprof.prices import price_names
from orchprof.prices.book import is_stale
from orchprof.prices.price import Book, Machine

GIB: Final = 2**30
USABLE_MEMORY: Final = 0.9  # the rest is the system's


@dataclass(frozen=True, slots=True)
class Kind:
    """Which type of machine runs the agents, and which the model.

    Attributes:
        host: runs the agents.
        accelerator: runs the model; the same as `host` where one machine does both; None: no model is run.
    """

    host: Machine
    accelerator: Machine | None

    @property
    def is_together(self) -> bool:
        """Whether the agents run on the machines that have the accelerators."""
        return self.accelerator is self.host


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many machines of a kind, with so many replicas of the model on them."""

    kind: Kind
    hosts: int
    accelerators: int = 0
    replicas: int = 0

    @property
    def usd_per_hour(self) -> Decimal:
        """What they cost, whether they are busy or not."""
        return sum((price * count for _, count, price in self.lines()), Decimal(0))

    def lines(self) -> Iterator[tuple[Machine, int, Decimal]]:
        """Yield each type with its count and the hourly price of one."""
        yield self.kind.host, self.hosts, self.kind.host.price.value
        if self.kind.accelerator is not None and not self.kind.is_together:
            yield self.kind.accelerator, self.accelerators, self.kind.accelerator.price.value

    def machines(self) -> list[FleetMachine]:
        """Return the plan record's `machines`."""
        today = datetime.now(UTC).date()
        return [
            FleetMachine(
                name=machine.name, count=count, usd_per_hour=float(price), vcpus=machine.vcpus,
                memory_gib=machine.memory_gib, accelerator=machine.accelerator,
                accelerators=machine.accelerator_count, region=machine.region,
                as_of=machine.price.as_of.isoformat() if machine.price.as_of else None,
                source=machine.price.source, purchase=machine.price.purchase or None,
                stale=is_stale(machine.price, today),
            )
            for machine, count, price in self.lines()
        ]  # fmt: skip


def kinds(book: Book, asked: Sequence[str], model: Paced | None) -> list[Kind]:
    """Return the kinds of machines to choose from, cheapest per core first.

    Args:
        book: what is sold.
        asked: names of machines; all when empty.
        model: the model to run; None: only hosts without accelerators are considered, unless they are asked for.

    Raises:
        UsageError: no machine has such a name, or several have.
        OrchprofError: none of them can run the model.
    """
    chosen = [_named(book, name) for name in asked] or list(book.machines.values())
    plain = [machine for machine in chosen if machine.accelerator is None]
    if model is None:
        return _sorted([Kind(machine, None) for machine in (chosen if asked else plain)])
    able = [machine for machine in chosen if per_machine(machine, model)]
    if not able:
        # Who names only hosts has left the accelerators' machines to us.
        able = [machine for machine in book.machines.values() if per_machine(machine, model)]
        if not able or any(machine.accelerator for machine in chosen if asked):
            raise _cannot(model)
        return _sorted([Kind(host, machine) for host in plain for machine in able])
    return _sorted(
        [
            *(Kind(machine, machine) for machine in able),
            *(Kind(host, machine) for host in plain for machine in able),
        ]
    )


def per_machine(machine: Machine, model: Paced) -> int:
    """Return how many replicas of a model one machine has room for."""
    if machine.accelerator != model.setup.accelerator.name:
        return 0
    return machine.accelerator_count // model.setup.count


def _cannot(model: Paced) -> OrchprofError:
    setup = model.setup
    return OrchprofError(
        f"no machine for the model, {setup.count} x {setup.accelerator.name} @ --machine, "
        "name one that has them, or add it with --machines FILE"
    )


def _named(book: Book, name: str) -> Machine:
    names = price_names.candidates(name, book.machines)
    if len(names) > 1:
        raise price_names.ambiguous(name, names, "--machine")
    if not names:
        error = price_names.nothing("machine", name, price_names.machine_names(book.machines), "--machine")
        raise UsageError(f"no price for it: {error}, or state it with --machines FILE")
    return book.machines[names[0]]


def _sorted(unsorted: list[Kind]) -> list[Kind]:
    return sorted(unsorted, key=lambda kind: kind.host.price.value / max(kind.host.vcpus, 1))


@dataclass(frozen=True, slots=True)
class Layout:
    """How workers run on a host.

    Attributes:
        mode: `processes` (a task each), `threads` or `async` (many tasks in each process).
        workers: processes on one machine; None: as many as are needed.
    """

    mode: str = "processes"
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Cores:
    """What a machine's cores are worth in the seconds of the run."""

    count: float
    speed: float


def cores_of(machine: Machine, calibration: Calibration | None, run_speed: float | None) -> Cores:
    """Return the cores of a machine; without a calibration a vCPU is taken for one of the run's cores."""
    if calibration is None or run_speed is None:
        return Cores(float(machine.vcpus), 1.0)
    return Cores(machine.vcpus * calibration.full_share, calibration.core_speed / run_speed)


@dataclass(frozen=True, slots=True)
class Slots:
    """Processes on one machine, and how many tasks each holds at once."""

    processes: int
    per_worker: int

    @property
    def tasks(self) -> int:
        """How many tasks one machine holds at once."""
        return self.processes * self.per_worker


def slots(machine: Machine, layout: Layout, wanted: int, size: tuple[float, float]) -> Slots | None:
    """Return the workers of one machine; None where not even one and its task fit the memory.

    Args:
        machine: whose memory holds them.
        layout: how they run.
        wanted: tasks it is to hold at once, if memory allows.
        size: bytes of a process before any task, and of a task.
    """
    base, each = size
    room = machine.memory_gib * GIB * USABLE_MEMORY
    if base + each > room:
        return None
    if layout.mode == "processes":
        most = int(room // max(base + each, 1.0))
        return Slots(min(layout.workers or wanted, most), 1)
    processes = min(layout.workers or ceil(machine.vcpus), int(room // max(base + each, 1.0)))
    left = (room - processes * base) / processes
    per_worker = max(1, min(ceil(wanted / processes), int(left // max(each, 1.0))))
    return Slots(processes, per_worker)
