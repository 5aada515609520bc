"""Lives: what process events say of the tree: who was born into it, what programs they became, how they ended."""

from dataclasses import dataclass, field

from orchprof.capture.log import Log
from orchprof.watch import proc
from orchprof.watch.orphans import Orphans
from orchprof.watch.process_events import EXEC, FORK, Event, ProcessEvents


@dataclass(slots=True)
class Heard:
    """What happened: births of those that live on (at, parent) and of those known before (at), programs, ends.

    Attributes:
        born: who was born and lives on: when, and whose child it is.
        known: who was known before its birth was heard of: when that was.
        became: who runs another program, and since when.
        ended: who has ended: when, and its status as `waitpid` gives it.
        lost: whether something was missed.
    """

    born: dict[int, tuple[int, int]] = field(default_factory=dict)
    known: dict[int, int] = field(default_factory=dict)
    exec_programs: dict[int, int] = field(default_factory=dict)
    ended: dict[int, tuple[int, int]] = field(default_factory=dict)
    lost: bool = False


class Lives:
    """Keeps who belongs to the tree, and notes every event of theirs; whatever else the machine does is dropped."""

    def __init__(self, log: Log, events: ProcessEvents, orphans: Orphans | None = None) -> None:
        """Hear of processes by `events`; with `orphans`, reap those of the tree that come to this process."""
        self._log, self._events, self._orphans = log, events, orphans
        self._parents: dict[int, int] = {}  # of those in the tree that live
        self.working: set[int] = set()  # those that do a tool's call, and all that were born below them

    @property
    def told(self) -> bool:
        """Whether the kernel tells anything."""
        return not self._events.reason

    def fileno(self) -> int:
        """Return the descriptor that can be read when something has happened; -1 when there is none."""
        return self._events.fileno()

    def close(self) -> None:
        """Hear no more."""
        self._events.close()
        if self._orphans is not None:
            self._orphans.sweep()

    def say_source(self) -> None:
        """Note who tells of processes."""
        source = {"source": "kernel"} if self.told else {"source": "samples", "reason": self._events.reason}
        self._log.note(("events", source))

    def meet(self, pid: int, parent: int) -> None:
        """Take in a process that was found otherwise."""
        if self._parents.setdefault(pid, parent) in self.working:
            self.working.add(pid)

    def part(self, pid: int) -> None:
        """Let go of a process that has ended."""
        parent = self._parents.pop(pid, 0)
        self.working.discard(pid)
        if self._orphans is not None:
            self._orphans.ended(pid, parent)

    def hear(self) -> Heard:
        """Return what has happened in the tree since the last call, and note it."""
        heard = Heard()
        for event in self._events.drain():
            self._take(event, heard)
        for pid, at_ns in heard.exec_programs.items():
            self._log.note(("exec", [at_ns, pid, "" if pid in heard.ended else proc.name_of(pid)]))
        self._note_short(heard)
        if self._events.lost:
            heard.lost, self._events.lost = True, False
            self._log.note(("events", {"source": "kernel", "lost": True}))
        return heard

    def _take(self, event: Event, heard: Heard) -> None:
        kind, at_ns, pid, other = event
        if kind == FORK:
            self._take_birth(event, heard)
        elif pid not in self._parents:
            return
        elif kind == EXEC:
            # A thread that becomes another program ends its process's first one, and takes its place.
            heard.exec_programs[pid] = at_ns
            heard.ended.pop(pid, None)
        else:
            heard.ended[pid] = at_ns, other

    def _take_birth(self, event: Event, heard: Heard) -> None:
        _, at_ns, pid, parent = event
        if pid in self._parents:
            heard.known[pid] = at_ns
        elif parent in self._parents:
            self.meet(pid, parent)
            heard.born[pid] = at_ns, parent
        else:
            return
        self._log.note(("fork", [at_ns, parent, pid]))

    def _note_short(self, heard: Heard) -> None:
        """Note all there is to say of those that were born and have ended since: nobody has seen them."""
        for pid, (at_ns, status) in heard.ended.items():
            self._log.note(("exit", [at_ns, pid, status]))
            heard.exec_programs.pop(pid, None)
        for pid in heard.born.keys() & heard.ended.keys():
            (born_ns, parent), (at_ns, status) = heard.born.pop(pid), heard.ended[pid]
            self._log.note(("died", [pid, at_ns, status]))
            self._log.note(("seen", [pid, parent, born_ns, at_ns, 0, 0]))
            self.part(pid)
