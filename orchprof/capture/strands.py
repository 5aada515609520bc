"""Strands: who runs, on which thread, since when; and the one way time is cut into segments.

A *thread clock* is an OS thread: it owns the clocks. An *execution* is anything that does one thing at a time: a
thread's own code, an asyncio task, a job in a pool. The thread clock runs one execution at a time. Every change
(another execution, another span, a wait begins or ends) is one *snapshot* of the clocks and of what runs from there on.
Two successive snapshots of a thread clock bound a segment, so a thread's time is tiled without gap or overlap by
construction.
"""

from __future__ import annotations

import itertools
from _thread import get_native_id
from sys import exception

from orchprof.capture.clock import Clock, FakeClock
from orchprof.capture.executions import EXECUTION, Execution
from orchprof.capture.frames import is_ours
from orchprof.capture.here import Asleep, Everywhere, Here, thread_name
from orchprof.capture.log import NOWHERE, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final

    from orchprof.capture.log import Log

    Pool = tuple[int, int]

# Kinds of rows: the low byte of `what`. CUT, ENTER and EXIT carry clocks; the rest are facts about strands.
CUT, ENTER, EXIT, SPAWN, END, WAKE, JOIN, CHILD, SAMPLE, SPAN_END, EXPIRED, THREAD_SAMPLE, LEFT, STEP = range(
    1, 15
)
# Of time-outs: one was set, to the instant in the argument; the wait that ended with the last snapshot was cancelled,
# and would have ended then; a strand does something only because of one: a span, what it waits for from the last
# snapshot on, or after its step. To what the argument says it did: let go of a unit of so many, put an item of that
# number, took it.
LIMIT, NATURAL, FALLBACK, LET_GO, PUT, TOOK = range(15, 21)
IN_WAIT, AFTER_STEP = 0, -1
ROLE_SHIFT, STATE_SHIFT = 8, 16
# A STEP is the WAKE of a strand and the CUT by which it goes on in one row: its waker is the argument, and for how long
# it had been ready stands above the state, where that is less than this.
LAG_SHIFT, LAG_LIMIT_NS = 24, 1 << 38

# Positions in these tuples are what the log stores; append only.
ROLES: Final = ("framework", "client", "tool", "model", "user", "profiler")
WAITS: Final = ("", "join", "net", "file", "child", "lock", "sleep", "timeout", "pool_wait", "startup")
SAMPLED_STATES: Final = ("running", "net", "file", "child", "lock", "sleep", "gil", "other")
KINDS: Final = ("thread", "task", "job", "coroutine", "child", "remote")
ROLE: Final = {name: number << ROLE_SHIFT for number, name in enumerate(ROLES)}
WAIT: Final = {name: number << STATE_SHIFT for number, name in enumerate(WAITS)}
KIND: Final = {name: number << STATE_SHIFT for number, name in enumerate(KINDS)}

# Wakers that are not strands.
BY_IO: Final = -1
BY_TIMER: Final = -2
BY_TIMEOUT: Final = -3

# What a task that was taken to be left is given in place of the strand that goes on without it.
BACK: Final = -1


CLOSE_NS: Final = 10_000
TRUST_NS: Final = 1_000_000
CLOSER_LOOK_ABOVE_NS: Final = 50_000
REREAD_ABOVE_NS: Final = 30_000
_REREADS: Final = 4


class ThreadClock:
    """An OS thread being measured: its clocks, the execution it runs, and who caused what it does now."""

    __slots__ = (
        "_cpu_ns", "_wall_ns", "cause", "clock", "cpu", "delay", "emit", "execution", "gc_ns", "gc_since", "home",
        "ident", "log", "looked_ns", "loose", "next_id", "selected_ns", "strands", "trusted", "wall",
    )  # fmt: skip

    def __init__(self, strands: Strands, clock: Clock | FakeClock, home: Execution) -> None:
        """Start measuring the calling thread, which runs `home` when it runs nothing else."""
        self.strands = strands
        self.log, self.emit, self.next_id = strands.log, strands.log.emit, strands.next_id
        self.clock, self._wall_ns, self._cpu_ns = clock, clock.wall_ns, clock.cpu_ns
        self.ident = strands.next_id()
        self.home = self.execution = self.cause = home
        self.gc_ns = self.gc_since = self.looked_ns = self.selected_ns = self.trusted = 0
        self.loose = False  # what ran last has ended, and only the next row says so
        self.wall, self.cpu, self.delay = clock.wall_ns(), clock.cpu_ns(), clock.delay_ns()

    def snapshot(self, what: int = CUT, arg: int = 0) -> int:
        """Log that the current execution runs from here on, with one snapshot of the clocks; return the wall.

        A thread that was last looked at less than `CLOSE_NS` ago cannot have lost its core for longer than that: its
        CPU is taken to have moved with the wall, which saves a system call per snapshot where spans are dense. The next
        reading, `TRUST_NS` later at the latest, puts right what that took too much.
        """
        try:
            wall = self._wall_ns()
            since = wall - self.wall
            if since < CLOSE_NS and wall < self.trusted:
                cpu = self.cpu + since
            else:
                wall, cpu = self._read()
            self.wall = wall
            self.cpu = cpu
            execution = self.execution
            self.emit(
                pack(  # no tuple of clocks to unpack: this is most of what a span costs
                    what | execution.wait,
                    wall,
                    cpu,
                    self.delay,
                    self.gc_ns,
                    self.ident,
                    execution.strand,
                    execution.span,
                    arg,
                )
            )
        except Exception as error:  # noqa: BLE001 - whatever is wrong with recording is not the program's
            self.strands.fail(error)
        return self.wall

    def step(self, execution: Execution, ready_ns: int, waker: int) -> None:
        """Run `execution` from here on, made ready by `waker`: `Strands.woken` and `mount` in one row."""
        self.execution = self.cause = execution
        try:
            wall = self._wall_ns()
            since = wall - self.wall
            if since < CLOSE_NS and wall < self.trusted:
                cpu = self.cpu + since
            else:
                wall, cpu = self._read()
            self.wall = wall
            self.cpu = cpu
            lag = wall - ready_ns
            if 0 <= lag < LAG_LIMIT_NS:
                what = STEP | execution.wait | lag << LAG_SHIFT
            else:
                self.strands.woken(execution, ready_ns, waker)
                what, waker = CUT | execution.wait, 0
            clocks = (wall, cpu, self.delay, self.gc_ns)
            self.emit(pack(what, *clocks, self.ident, execution.strand, execution.span, waker))
        except Exception as error:  # noqa: BLE001 - as in `snapshot`
            self.strands.fail(error)

    def _read(self) -> tuple[int, int]:
        """Return a consistent (wall, CPU).

        CPU is read before the wall: a thread that loses its core between the two reads sees the wall run ahead,
        as it does after any wait, and only then the snapshot needs a closer look. Run delay costs a system call;
        while wall and CPU agree it cannot have grown by more than the limit.
        """
        cpu = self._cpu_ns()
        wall = self._wall_ns()
        if wall - self.wall - cpu + self.cpu > CLOSER_LOOK_ABOVE_NS:
            wall, cpu = self._look_closer()
        self.trusted = wall + TRUST_NS
        return wall, cpu

    def _look_closer(self) -> tuple[int, int]:
        """Return (wall, CPU) read with the run delay in one go, again when the thread lost its core in between.

        Naive reads put that loss into the wrong segment: up to 2 % of the wall of a contended program.
        """
        for _ in range(_REREADS):
            wall, cpu = self._wall_ns(), self._cpu_ns()
            self.delay = self.clock.delay_ns()
            if self._wall_ns() - wall < REREAD_ABOVE_NS:
                break
        return wall, cpu

    def expired(self) -> None:
        """Say that the wait that ended with the last snapshot ended by a time-out: nobody it waited for released it."""
        self.say(EXPIRED, 0)

    def mount(self, execution: Execution) -> None:
        """Run `execution` from here on."""
        self.execution = self.cause = execution
        self.snapshot()

    def wait(self, state: str) -> None:
        """Say what the current execution waits for from here on; "" when it no longer waits."""
        self.execution.wait = WAIT[state]
        self.snapshot()
        self.trusted = 0  # a wait, however short, is not CPU
        if isinstance(exception(), TimeoutError):
            self.say(FALLBACK, IN_WAIT)

    def joined(self, targets: Iterable[int], then: int = 0) -> int:
        """End a wait for other strands and return the wall; the segment that ends here was a JOIN on `targets`.

        `then` is the wait around it, which goes on: a loop's callback can wait while its thread waits for the loop.
        """
        execution = self.execution
        execution.wait, self.trusted = then, 0
        wall = self.snapshot()
        for target in targets:
            self.say(JOIN, target)
        if execution.late:
            execution.late = False
            self.expired()
        return wall

    def say(self, what: int, arg: int) -> None:
        """Log one more fact about the segment that ended with the last snapshot."""
        execution = self.execution
        try:
            self.emit(pack(what, self.wall, 0, 0, 0, self.ident, execution.strand, execution.span, arg))
        except Exception as error:  # noqa: BLE001 - as in `snapshot`
            self.strands.fail(error)


def _guarded(method: Callable[..., None]) -> Callable[..., None]:
    """Return a method of `Strands` whose own errors never reach the program."""

    def guarded(strands: Strands, *args: Any) -> None:
        try:
            method(strands, *args)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with recording is not the program's
            strands.fail(error)

    guarded.__name__, guarded.__doc__ = method.__name__, method.__doc__
    return guarded


class Strands:
    """All strands of this process: hands out ids and thread clocks, and logs births and deaths.

    What fails in here while the program runs is a fuse: the thread that it happened on is recorded no further.
    """

    def __init__(self, log: Log, new_clock: type[Clock | FakeClock] | None = None) -> None:
        self.log: Any = log
        self.next_id = itertools.count(1).__next__
        self._new_clock = new_clock or Clock
        self.here: Any = Here()
        self.open_tasks: dict[int, Any] = {}  # by strand
        self.children: dict[int, Execution] = {}  # by pid, those started and not yet reaped
        self.asleep = self._failed = False

    def execution_of(self, thing: Any) -> Execution | None:
        """Return the execution that this recording gave to a thread, future, coroutine or child, if it did."""
        execution: Execution | None = getattr(thing, EXECUTION, None)
        return execution if execution is not None and execution.of is self else None

    def thread_clock(self) -> ThreadClock:
        """Return the calling clock, made on first use: the thread then gets a strand of its own."""
        thread_clock: ThreadClock = (
            self.here.thread_clock or self.safely(self.attach, None) or self.here.thread_clock
        )
        return thread_clock

    def attach(self, home: Execution | None, since_ns: int = 0, wait: str = "") -> ThreadClock:
        """Make a thread clock for the calling thread.

        Args:
            home: the execution spawned for it, if there was one.
            since_ns: since when it runs, if that is known; 0 when that is now.
            wait: what it waited for since then, if it did.
        """
        clock = self._new_clock()
        if home is None:
            home = self.spawn("thread", thread_name(), None, since_ns or clock.wall_ns())
        thread_clock = self.here.thread_clock = ThreadClock(self, clock, home)
        if since_ns:
            clocks = (thread_clock.cpu, thread_clock.delay) if wait else (0, 0)
            self.log.emit(pack(CUT | WAIT[wait], since_ns, *clocks, 0, thread_clock.ident, home.strand, 0, 0))
        # Whoever looks at this process from outside knows its threads by the system's numbers.
        self.log.note(("thread_clock", thread_clock.ident, get_native_id()))
        thread_clock.snapshot()
        return thread_clock

    def detach(self) -> None:
        """Stop measuring the calling thread: its own strand ends here."""
        thread_clock = self.here.thread_clock
        if thread_clock is not None and thread_clock.log is not NOWHERE:
            self.end(thread_clock.home.strand, thread_clock.snapshot())
            thread_clock.clock.close()
            self.here.thread_clock = None

    def spawn(
        self, kind: str, name: str, parent: Execution | None, at_ns: int, pool: Pool = (0, 0)
    ) -> Execution:
        """Return the execution of a new strand that `parent` started at `at_ns`; None for one that nobody waits for.

        It begins under the parent's innermost span, so a tool's threads and children are the tool's.
        """
        parent = parent or Execution(0)
        execution = Execution(self.next_id(), parent.span, parent.task)
        execution.of = self
        self.born(kind, name, execution, max(parent.strand, 0), at_ns, pool)
        return execution

    @_guarded
    def born(
        self, kind: str, name: str, execution: Execution, parent: int, at_ns: int, pool: Pool = (0, 0)
    ) -> None:
        """Log the birth of a strand; a job's pool, any number above 0, and its size stand where others have clocks."""
        what, number = SPAWN | KIND[kind], self.log.name(name)
        self.log.emit(pack(what, at_ns, *pool, 0, number, execution.strand, execution.span, parent))

    @_guarded
    def end(self, strand: int, at_ns: int) -> None:
        """Log that a strand has ended."""
        self.log.emit(pack(END, at_ns, 0, 0, 0, 0, strand, 0, 0))

    def woken(self, execution: Execution, ready_ns: int, waker: int) -> None:
        """Log which strand, or what else, made an execution ready to go on, and when."""
        try:  # as `_guarded`, without the cost of one more call per step of a loop
            self.log.emit(pack(WAKE, ready_ns, 0, 0, 0, 0, execution.strand, 0, waker))
        except Exception as error:  # noqa: BLE001 - as in `snapshot`
            self.fail(error)

    @_guarded
    def joined_too(self, thread_clock: ThreadClock, others: list[int]) -> None:
        """Log that what the thread clock goes on with, as of its last snapshot, had waited for these strands too."""
        execution = thread_clock.execution
        for other in others:
            self.log.emit(
                pack(
                    JOIN,
                    thread_clock.wall,
                    0,
                    0,
                    0,
                    thread_clock.ident,
                    execution.strand,
                    execution.span,
                    other,
                )
            )
        others.clear()

    @_guarded
    def child(self, strand: int, end_ns: int, used: tuple[int, int, int]) -> None:
        """Log a reaped child's end and what it used: (CPU ns with its descendants, run delay ns, peak RSS bytes)."""
        cpu_ns, delay_ns, rss_bytes = used
        self.log.emit(pack(CHILD, end_ns, cpu_ns, delay_ns, 0, 0, strand, 0, rss_bytes))

    @_guarded
    def did(self, what: int, thread_clock: ThreadClock, thing: int, number: int) -> None:
        """Log what the running strand did to a thing (LET_GO, PUT, TOOK), maybe long after the last snapshot."""
        self.log.emit(
            pack(what, thread_clock._wall_ns(), number, 0, 0, 0, thread_clock.execution.strand, 0, thing)
        )

    def safely(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return `function(*args)`, one of recording's own steps; None if it failed."""
        try:
            return function(*args)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with recording is not the program's
            self.fail(error)
            return None

    def fail(self, error: Exception) -> None:
        """Note an error of recording's own, and record the calling thread no further.

        Raises:
            Exception: `error`, where it is none of ours.
        """
        if not is_ours(error):
            raise error
        if not self._failed:
            self._failed = True
            self.log.note(("hook", "strands", f"{type(error).__name__}: {error}"))
        if not self.asleep:  # there nobody is recorded yet
            self.here.thread_clock = self._deaf()

    def sleep(self, wake: Callable[[], object]) -> None:
        """Record nothing, in a forked child, until a hook asks who runs here: `wake()` begins another recording."""
        self.log, self.asleep = NOWHERE, True
        self.children, self.open_tasks = {}, {}
        self.here = Asleep(self, wake)

    def mute(self) -> None:
        """Record nothing from here on, on any thread: the log is closed, but loops and threads may go on."""
        self.log, self.asleep = NOWHERE, False
        self.here = Everywhere(self._deaf())

    def _deaf(self) -> ThreadClock:
        """Return a thread clock that every hook can use as any other, and that records nothing."""
        thread_clock = ThreadClock(self, FakeClock(), Execution(0))
        thread_clock.log, thread_clock.emit = NOWHERE, NOWHERE.emit
        return thread_clock
