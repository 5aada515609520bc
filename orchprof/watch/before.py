"""Before: what is made ready before a command is started, so that nothing that it does is missed."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from orchprof.capture.log import Log
from orchprof.watch.orphans import Orphans, children
from orchprof.watch.process_events import ProcessEvents


@dataclass(frozen=True, slots=True)
class Outside:
    """How a command that is no Python is looked at: what it loses is reaped, and its use of the network is followed.

    Attributes:
        calls: a pipe by which a proxy tells the calls of tools, for their processes to be found; it stays the caller's.
        ports: of this machine, to which connections are told of by others: the proxy's.
    """

    calls: int | None = None
    ports: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Before:
    """What was made ready.

    Attributes:
        outside: how the command is looked at from outside only; None for one that records itself.
        events: heard from here on.
        own: the children that this process has already.
    """

    outside: Outside | None = None
    events: ProcessEvents = field(default_factory=ProcessEvents)
    own: set[int] = field(default_factory=children)

    def orphans(self, log: Log, roots: Iterable[int]) -> Orphans | None:
        """Return what reaps; None where that is others' task."""
        return Orphans(log, self.own.union(roots)) if self.outside else None
