"""Before: what is made ready before a command is started, so that nothing that it does is missed."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from orchprof.capture.log import Log
from orchprof.watch.orphans import Orphans, children
from orchprof.watch.process_events import ProcessEvents


@dataclass(frozen=True, slots=True)
class Before:
    """What was made ready.

    Attributes:
        outside: whether the command is no Python: it is seen from outside only, and its orphans are reaped here.
        events: heard from here on.
        calls: the pipe by which the proxy tells the calls of tools, if there is one.
        own: the children that this process has already.
    """

    outside: bool = False
    calls: int | None = None
    events: ProcessEvents = field(default_factory=ProcessEvents)
    own: set[int] = field(default_factory=children)

    def orphans(self, log: Log, roots: Iterable[int]) -> Orphans | None:
        """Return what reaps; None where that is others' task."""
        return Orphans(log, self.own.union(roots)) if self.outside else None
