"""What the driver tells a worker: its config at the start, and signals afterwards."""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

LOOK_EVERY_S: Final = 0.2
_NS: Final = 1_000_000_000
# The mode of an open loop where nobody chose one: the agent decides.
AUTO: Final = "auto"


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker is told: the workload, set up how, against which model, and how its worker slots run.

    `due` of an open loop: a task number, seconds from the start, and whether it is warm-up, in order of time.
    """

    module: str
    name: str
    variant: str
    settings: dict[str, Any]
    seed: int
    base_url: str
    model: str
    mode: str
    slots: int
    first_slot: int
    tasks: int
    warmup: int
    task_timeout_s: float
    logs: str
    scratch: str
    concurrency: int = 1  # worker slots of all workers together
    is_open: bool = False
    due: list[tuple[int, float, bool]] = field(default_factory=list)
    most_in_flight: int = 0
    duration_s: float | None = None
    ramp_s: float = 0.0

    def mode_of(self, agent: object) -> str:
        """Return the mode; where it was left open, `async` if the agent can be awaited."""
        if self.mode != AUTO:
            return self.mode
        return "async" if hasattr(agent, "arun") else "threads"


@dataclass(slots=True)
class Signals:
    """What the driver said since the config."""

    go: threading.Event = field(default_factory=threading.Event)
    start_ns: int = 0
    halted: bool = False

    def at_ns(self, after_s: float) -> int:
        """Return an instant after the common start, on the monotonic clock."""
        return self.start_ns + int(after_s * _NS)

    def wait(self, until_ns: int) -> bool:
        """Sleep until then; return False at once when told to start nothing more."""
        while not self.halted and (left_ns := until_ns - time.monotonic_ns()) > 0:
            time.sleep(min(left_ns / _NS, LOOK_EVERY_S))
        return not self.halted

    async def await_(self, until_ns: int) -> bool:
        """Do the same on an event loop."""
        # The word to halt comes on another thread; an event of this loop would have to be one per loop.
        while not self.halted and (left_ns := until_ns - time.monotonic_ns()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left_ns / _NS, LOOK_EVERY_S))
        return not self.halted
