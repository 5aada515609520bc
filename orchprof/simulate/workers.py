"""Workers: slots of processes that tasks hold from admission to end, given out in order and if memory allows."""

from collections import deque
from dataclasses import dataclass, field
from math import inf

from orchprof.simulate.calendar import Calendar, Level, Node, Task
from orchprof.simulate.cores import Cores
from orchprof.simulate.interpreters import Interpreters, Loop, Threads
from orchprof.simulate.system import Host


@dataclass(slots=True, eq=False)
class Machine:
    """One of the hosts: its cores, and the bytes that no process and no task holds."""

    cores: Cores
    free_bytes: float


@dataclass(slots=True, eq=False)
class Process:
    """One worker process."""

    machine: Machine
    interpreter: Loop | Threads


@dataclass(slots=True)
class Total:
    """The cores of all machines as one pool."""

    machines: list[Machine]
    size: float

    def integrals(self, now_s: float) -> tuple[float, float]:
        """Return the sums over machines."""
        each = [machine.cores.integrals(now_s) for machine in self.machines]
        return sum(busy for busy, _ in each), sum(waiting for _, waiting in each)


@dataclass(slots=True)
class Gauge:
    """A pool that is counted by two levels: what is held, and who waits."""

    size: float
    held: Level = field(default_factory=Level)
    waiting: Level = field(default_factory=Level)

    def integrals(self, now_s: float) -> tuple[float, float]:
        """Return both integrals."""
        return self.held.integral(now_s), self.waiting.integral(now_s)


class Workers:
    """Every slot of every process of every machine."""

    def __init__(self, calendar: Calendar, host: Host) -> None:
        start_bytes = host.processes * host.process_bytes
        memory_bytes = inf if host.memory_bytes is None else host.memory_bytes
        self.host = host
        self.machines = [
            Machine(Cores(calendar, host.cores, host.speed), memory_bytes - start_bytes)
            for _ in range(host.count)
        ]
        self.interpreters = Interpreters(host.processes * host.count)
        kind = Loop if host.is_loop else Threads
        processes = [
            Process(machine, kind(machine.cores, self.interpreters))
            for _ in range(host.processes)
            for machine in self.machines
        ]
        # The slot that has been free for longest comes first: work spreads over machines and processes.
        self._free = deque(processes * host.slots)
        self._waiting: deque[Task] = deque()
        self.slots = Gauge(len(self._free))
        self.memory = Gauge(memory_bytes * host.count)
        self.memory.held.value = start_bytes * host.count
        self.cores = Total(self.machines, host.cores * host.count)

    def enter(self, now_s: float, task: Task) -> None:
        """Let a task begin, now or when it is its turn and there is a slot and memory for it."""
        if self._waiting or not self._begin(now_s, task):
            self._waiting.append(task)
            self.slots.waiting.change(now_s, 1)

    def leave(self, now_s: float, task: Task) -> None:
        """Take a task's slot and memory back, and let those begin who now can."""
        process: Process = task.process
        held_bytes = task.path.memory_bytes
        self._free.append(process)
        self.slots.held.change(now_s, -1)
        if held_bytes:
            process.machine.free_bytes += held_bytes
            self.memory.held.change(now_s, -held_bytes)
        while self._waiting and self._begin(now_s, self._waiting[0]):
            self._waiting.popleft()
            self.slots.waiting.change(now_s, -1)

    def _begin(self, now_s: float, task: Task) -> bool:
        path, free = task.path, self._free
        bytes_ = path.memory_bytes
        if not free or (bytes_ and not self._turn(bytes_)):
            return False
        task.process = process = free.popleft()
        if bytes_:
            process.machine.free_bytes -= bytes_
            self.memory.held.change(now_s, bytes_)
        self.slots.held.change(now_s, 1)
        start = path.start
        start.enter(now_s, task, start)
        return True

    def _turn(self, bytes_: float) -> bool:
        """Turn the free slots until the first one's machine has so much memory left; return whether one has."""
        free = self._free
        for _ in range(len(free)):
            if bytes_ <= free[0].machine.free_bytes:
                return True
            free.rotate(-1)
        return False

    def compute(self, now_s: float, task: Task, node: Node) -> None:
        """Let a task have a core of its machine for the node's seconds."""
        task.process.machine.cores.enter(now_s, task, node)

    def interpret(self, now_s: float, task: Task, node: Node) -> None:
        """Let a task have its process's interpreter, and a core, for the node's seconds."""
        task.process.interpreter.enter(now_s, task, node)
