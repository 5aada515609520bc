"""The tree of processes below the roots, the roots with it: who lives, and one look at all of them."""

import os
import platform
import select
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from orchprof.capture.log import Log
from orchprof.run import cgroup
from orchprof.watch import proc
from orchprof.watch.containers import Containers
from orchprof.watch.ends import Ends
from orchprof.watch.gil import Runtimes
from orchprof.watch.process import Process, Tools
from orchprof.watch.syscalls import HERE

# New processes and threads are looked for when the kernel has numbered one, but not more often than this...
_SEARCH_EVERY_NS: Final = 20_000_000
# ... and at all events this often: not every kernel tells the newest number.
_SEARCH_AT_LEAST_NS: Final = 100_000_000
# The most that searching may take of a core, as far as it is done every tenth of a second all the same.
_SEARCH_SHARE: Final = 0.01
# Where there are hundreds of processes they have their turn, so many in one look, to be looked at and to be accounted
# for: the roots are looked at every time, and what they wait for is not missed for the others' sake.
_TURN_NS: Final = 100_000
_SECOND_NS: Final = 1_000_000_000


class Tree:
    """Looks at processes and all their descendants; one that was seen is looked at until it ends."""

    def __init__(self, roots: Iterable[int], log: Log) -> None:
        self._log, self._kept = log, proc.Kept()
        self._alive: dict[int, Process] = {}
        self._deaths = select.poll()
        self._pidfds: dict[int, int] = {}  # by descriptor
        self._dead: set[int] = set()  # those that nobody has reaped
        self._tools = Tools(log, self._kept, Runtimes(), Ends(lambda: list(self._alive)))
        self._newest_file, self._newest = proc.Line(f"{proc.FOLDER}/loadavg", self._kept), b""
        self._roots = tuple(dict.fromkeys(roots))
        self._containers = Containers(log)
        self._to_look_at: deque[Process] = deque()
        self._to_account: deque[Process] = deque()
        self._searched_ns = self._second_ns = 0
        self._search_gap_ns = _SEARCH_EVERY_NS
        self._blind = False
        self._sees_calls = self._check_calls()
        self._begin(time.monotonic_ns())

    @property
    def empty(self) -> bool:
        """Whether there is nothing to look at."""
        return not self._alive

    def wait(self, seconds: float, stop: int) -> None:
        """Sleep for some seconds, noting at once each process that ends; no longer once `stop` can be read."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ready = [handle for handle, _ in self._deaths.poll(left * 1e3)]
            for handle in ready:
                if handle != stop:
                    self._ended(handle)
            if stop in ready:
                return

    def wake_by(self, stop: int) -> None:
        """Let `wait` end when this descriptor can be read."""
        self._deaths.register(stop, select.POLLIN)

    def _ended(self, handle: int) -> None:
        now_ns = time.monotonic_ns()
        self._deaths.unregister(handle)
        self._kept.close(handle)
        process = self._alive.get(self._pidfds.pop(handle))
        if process is not None:
            self._dead.add(process.pid)
            process.died(now_ns)
            self._forget(process)

    def look(self) -> None:
        """Look at everything once."""
        now_ns = time.monotonic_ns()
        if self._search_due(now_ns):
            self._search(now_ns)
        for pid in self._roots:
            if pid in self._alive:
                self._look_at(self._alive[pid], now_ns)
        self._in_turn(self._to_look_at, self._look_at)
        self._in_turn(self._to_account, self._account)
        self._containers.look(now_ns)
        if now_ns - self._second_ns >= _SECOND_NS:
            self._each_second(now_ns)

    def _in_turn(self, queue: deque[Process], do: Callable[[Process, int], None]) -> None:
        until_ns = time.thread_time_ns() + _TURN_NS
        for _ in range(len(queue)):
            process = queue.popleft()
            if self._alive.get(process.pid) is process:
                queue.append(process)
                do(process, time.monotonic_ns())
            if time.thread_time_ns() > until_ns:
                break

    def _look_at(self, process: Process, now_ns: int) -> None:
        if self._sees_calls and not process.refusal:
            process.look(now_ns)
        if process.refusal:
            self._say_blind(f"{process.name} ({process.pid}): {process.refusal}")
        if not process.threads:
            self._forget(process)

    def _account(self, process: Process, now_ns: int) -> None:
        if process.account(now_ns):
            process.identify()
            self._containers.meet(process.pid, process.name)

    def close(self) -> None:
        """Log what there is left to say of every process."""
        self._throttled(time.monotonic_ns())
        for process in list(self._alive.values()):
            self._forget(process)
        self._containers.close()
        self._newest_file.close()
        for handle in self._pidfds:
            self._kept.close(handle)

    def _begin(self, now_ns: int) -> None:
        for pid in self._roots:
            self._log.note(("root", [pid, now_ns]))
            self._meet(pid, 0, now_ns, root=True)
            if not proc.numbers(f"{proc.FOLDER}/{pid}/task") and _lives(pid):
                self._say_blind(f"the threads of process {pid} cannot be listed")

    def _search_due(self, now_ns: int) -> bool:
        since_ns = now_ns - self._searched_ns
        if since_ns < self._search_gap_ns:
            return False
        try:
            newest = self._newest_file.read().rpartition(b" ")[2]
        except OSError:
            newest = b""
        due = newest != self._newest or since_ns >= _SEARCH_AT_LEAST_NS
        self._newest = newest
        return due

    def _search(self, now_ns: int) -> None:
        began_ns = time.thread_time_ns()
        pending = list(self._alive.values())
        listed: set[int] = set()
        for process in pending:  # grows while it is gone through
            children = process.refresh()
            listed.update(children)
            born = [pid for pid in children if pid not in self._alive and pid not in self._dead]
            pending += [self._meet(pid, process.pid, now_ns, root=False) for pid in born]
            if not process.threads:
                self._forget(process)
        self._dead &= listed
        self._searched_ns = now_ns
        # One long look, at a new program's symbols for instance, must not make what comes next unseen for a second.
        spent_ns = time.thread_time_ns() - began_ns
        self._search_gap_ns = min(max(_SEARCH_EVERY_NS, int(spent_ns / _SEARCH_SHARE)), _SEARCH_AT_LEAST_NS)

    def _meet(self, pid: int, parent: int, now_ns: int, *, root: bool) -> Process:
        process = self._alive[pid] = Process(pid, parent, root, now_ns, self._tools)
        if not root:
            self._to_look_at.append(process)
        self._to_account.append(process)
        handle = self._kept.pidfd(pid)
        if handle >= 0:
            self._pidfds[handle] = pid
            self._deaths.register(handle, select.POLLIN)
        self._account(process, now_ns)
        return process

    def _forget(self, process: Process) -> None:
        if self._alive.pop(process.pid, None) is process:
            process.forget()
            self._containers.part(process.pid)

    def _each_second(self, now_ns: int) -> None:
        for process in self._alive.values():
            process.end_runs(now_ns - _SECOND_NS)
        self._second_ns = now_ns
        self._throttled(now_ns)

    def _throttled(self, now_ns: int) -> None:
        """Note how long the roots' control group was held back: theirs is the watcher's own, or it is not told."""
        own, held_us = proc.read(f"{proc.FOLDER}/self/cgroup"), cgroup.throttled_us()
        for pid in self._roots if held_us is not None else ():
            if proc.read(f"{proc.FOLDER}/{pid}/cgroup") == own:
                self._log.note(("throttled", [now_ns, pid, held_us]))

    def _check_calls(self) -> bool:
        if not HERE:
            self._say_blind(f"the system calls of {platform.machine()} are not known")
        elif not proc.read(f"{proc.FOLDER}/self/syscall"):
            self._say_blind(f"{proc.FOLDER}/self/syscall cannot be read")
        return not self._blind

    def _say_blind(self, reason: str) -> None:
        if not self._blind:
            self._blind = True
            self._log.note(("watch", {"no_syscall": True, "reason": reason}))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
