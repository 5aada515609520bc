"""What is simulated: tasks as graphs of work, and the machines, models and limits that the work needs.

A task is a path: items of work, each of which needs one resource for an amount, and begins when the items it comes
after have ended. What an item needs is a word: DELAY (a wait that nobody competes for), CPU (a core), INTERPRETER (a
core and the process's interpreter lock), or the name of one of the system's stations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from orchprof.models.paced.batch import Limits
from orchprof.models.paced.steps import Steps

DELAY: Final = "delay"
CPU: Final = "cpu"
INTERPRETER: Final = "interpreter"


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of a task's work.

    Attributes:
        need: DELAY, CPU, INTERPRETER or the name of a station of the system.
        amount: seconds of a core of speed 1, of a wait or of a server; output tokens for `Replicas`; units for a
            `Limit` (which only holds the task back: what the tool takes is an item after it).
        after: the items, by their place in the path, that end before this one begins; () begins with the task and
            None follows the item before it in the list.
        prompt_tokens: for `Replicas` only.
    """

    need: str
    amount: float
    after: tuple[int, ...] | None = None
    prompt_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Path:
    """A task as it was recorded: it ends when all its items have. An item stands behind those it comes after.

    Attributes:
        items: its work; an empty path ends as it begins.
        memory_bytes: what it holds from its admission to its end.
    """

    items: tuple[Item, ...]
    memory_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Workload:
    """Recorded tasks of one kind; each simulated task is one of them, drawn whole and with replacement.

    Attributes:
        name: what it is called.
        paths: the recorded tasks, one at least.
        weight: its part of the tasks, relative to the others in the mix.
    """

    name: str
    paths: Sequence[Path]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Host:
    """`count` equal machines with their workers. A task holds one worker slot of one process from admission to end.

    Attributes:
        cores: of one machine; a fraction is allowed (effective cores).
        processes: worker processes on one machine, each with one interpreter.
        slots: tasks at once in one process (threads, or tasks of an event loop).
        is_loop: the slots are an event loop's: who has the interpreter keeps it to the item's end, and others wait
            in order. Otherwise they are threads that share it evenly.
        count: machines.
        speed: of a core, relative to the one that the items' seconds were measured on.
        memory_bytes: of one machine; None is without limit.
        process_bytes: what each process holds before any task.
    """

    cores: float
    processes: int
    slots: int = 1
    is_loop: bool = False
    count: int = 1
    speed: float = 1.0
    memory_bytes: float | None = None
    process_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Replicas:
    """A model on `count` replicas with continuous batching; a request goes to the one with the fewest of them."""

    steps: Steps
    limits: Limits
    count: int = 1


@dataclass(frozen=True, slots=True)
class Servers:
    """A queue in order of arrival before `count` servers: a pool of connections, a server's slots."""

    count: int


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket of units that fills at a rate up to `burst`; requests are let through in order as it holds enough.

    Who asks for more than the burst is let through when the bucket is full and leaves it in debt.
    """

    per_s: float
    burst: float


Station = Replicas | Servers | Limit


@dataclass(frozen=True, slots=True)
class System:
    """Machines for the workers, and everything else that work can need, by name."""

    host: Host
    stations: Mapping[str, Station] = field(default_factory=dict)
