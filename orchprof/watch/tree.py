"""The tree of processes below the roots, the roots with it: who lives, and one look at all of them."""

import platform
import select
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from orchprof.capture.log import Log
from orchprof.run import cgroup
from orchprof.watch import proc
from orchprof.watch.before import Before
from orchprof.watch.containers import Containers
from orchprof.watch.lives import Heard, Lives
from orchprof.watch.process import Process, Tools
from orchprof.watch.sockets import Sockets
from orchprof.watch.states.ends import Ends
from orchprof.watch.states.gil import Runtimes
from orchprof.watch.states.syscalls import HERE
from orchprof.watch.tool_calls import ToolCalls
from orchprof.watch.tool_calls import note as noted

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
# The kernel's events wake the watcher as long as this share of a core pays for it, and so much more once in a while; in
# a storm of them they are heard when a sample is due. An end is told of a moment after it can be seen.
_HEARING_SHARE: Final = 0.005
_HEARING_CREDIT_NS: Final = 10_000_000
_TOLD_SOON_S: Final = 0.0005
# What a sample is taken to cost that news bring forward, and how soon it comes.
_LOOK_COSTS_NS: Final = 200_000
_NEW_LOOKED_AT_S: Final = 0.005
_TOLD_WITHIN_NS: Final = 50_000_000
# Who ended so long before its last thread did, ended with that.
_LAST_THREAD_NS: Final = 20_000_000


class Tree:
    """Looks at processes and all their descendants; one that was seen is looked at until it ends."""

    def __init__(self, roots: Iterable[int], log: Log, before: Before | None = None) -> None:
        """Look at `roots` and all below; what was listened to since before they were started misses nothing."""
        self._log, self._kept, before = log, proc.Kept(), before or Before()
        self._roots = tuple(dict.fromkeys(roots))
        self._lives = Lives(log, before.events, before.orphans(log, self._roots))
        self._alive: dict[int, Process] = {}
        self._wakes = select.poll()
        self._pidfds: dict[int, int] = {}  # by descriptor
        self._dead: set[int] = set()  # those that nobody has reaped, where nobody tells of births
        self._ends: dict[int, tuple[int, int | None]] = {}  # as they were told
        self._early: dict[int, tuple[int, int | None]] = {}
        self._late: dict[int, int] = {}  # those of which the end was seen, and not told yet
        self._unlisted: list[Process] = []
        self._tools = Tools(
            log, self._kept, Runtimes(), Ends(lambda: list(self._alive)), before.outside is not None
        )
        self._newest_file, self._newest = proc.Line(f"{proc.FOLDER}/loadavg", self._kept), b""
        self._containers = Containers(log)
        outside = before.outside
        self._sockets = None if outside is None else Sockets(log, lambda: self._alive, outside.ports)
        self._calls = None if outside is None or outside.calls is None else ToolCalls(outside.calls)
        self._to_sample: deque[Process] = deque()
        self._to_account: deque[Process] = deque()
        self._searched_ns = self._second_ns = self._paid_ns = self._news_ns = 0
        self._search_gap_ns, self._credit_ns = _SEARCH_EVERY_NS, _HEARING_CREDIT_NS
        self._blind, self._missed, self._changed = False, True, False
        self._sees_calls = self._check_calls()
        self._begin(time.monotonic_ns())

    @property
    def empty(self) -> bool:
        """Whether there is nothing to look at."""
        return not self._alive

    def wait(self, seconds: float, stop: int) -> None:
        """Sleep for some seconds, noting at once what happens to processes; no longer once `stop` can be read."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ready = [handle for handle, _ in self._wakes.poll(left * 1e3)]
            if any(handle != stop for handle in ready):
                self._woken()
            if stop in ready:
                return
            if self._changed and self._credit_ns > 0:
                # What has just begun is looked at soon: a long pause would miss what it does first.
                self._credit_ns -= _LOOK_COSTS_NS
                until = min(until, time.monotonic() + _NEW_LOOKED_AT_S)
            self._changed = False

    def wake_by(self, stop: int) -> None:
        """Let `wait` end when this descriptor can be read."""
        self._wakes.register(stop, select.POLLIN)

    def _hear_news(self) -> None:
        """Take in what is new, on the account of news."""
        began_ns = time.thread_time_ns()
        self.hear()
        spent_ns = time.thread_time_ns() - began_ns
        self._credit_ns -= spent_ns
        self._news_ns += spent_ns

    def _woken(self) -> None:
        self._hear_news()
        if self._credit_ns < 0 and self._lives.told:
            self._wakes.modify(self._lives.fileno(), 0)

    def news_s(self) -> float:
        """Return the CPU seconds that news have taken since the last call."""
        spent_ns, self._news_ns = self._news_ns, 0
        return spent_ns / 1e9

    def _listen_again(self, now_ns: int) -> None:
        earned_ns = int((now_ns - self._paid_ns) * _HEARING_SHARE)
        was_ns, self._paid_ns = self._credit_ns, now_ns
        self._credit_ns = min(was_ns + earned_ns, _HEARING_CREDIT_NS)
        if was_ns < 0 <= self._credit_ns and self._lives.told:
            self._wakes.modify(self._lives.fileno(), select.POLLIN)

    def hear(self) -> None:
        """Take in what the kernel has told of processes, and who has ended."""
        ready = [handle for handle, _ in self._wakes.poll(0)]
        if self._credit_ns < 0 or self._lives.fileno() in ready:
            self._take(self._lives.hear())
            ready = [handle for handle, _ in self._wakes.poll(0)]
        if self._calls is not None and self._calls.fileno() in ready:
            self._hear_calls(self._calls, self._calls.fileno())
        ended = {handle: self._pidfds[handle] for handle in ready if handle in self._pidfds}
        now_ns = time.monotonic_ns()
        for handle, pid in ended.items():
            self._close(handle)
            self._ended(pid, now_ns)
        # Their main threads have ended, and others go on.
        self._early |= self._ends
        self._ends.clear()

    def _ended(self, pid: int, now_ns: int) -> None:
        """Note the end of a process whose descriptor says that it has ended, or wait for the kernel to tell when."""
        early_ns, status = self._early.pop(pid, (0, None))
        if pid in self._ends:
            self._end(pid, self._ends.pop(pid))
        elif early_ns:
            self._end(pid, (early_ns if now_ns - early_ns < _LAST_THREAD_NS else now_ns, status))
        elif self._lives.told:
            self._late[pid] = now_ns
        else:
            self._end(pid, (now_ns, None))

    def _end_late(self, before_ns: int) -> None:
        """Give up waiting to be told of ends that were seen before an instant."""
        for pid, at_ns in [each for each in self._late.items() if each[1] < before_ns]:
            self._end(pid, (at_ns, None))

    def _take(self, heard: Heard) -> None:
        for pid, at_ns in heard.known.items():
            if pid in self._alive:
                self._alive[pid].first_ns = min(at_ns, self._alive[pid].first_ns)
        for pid, (at_ns, parent) in heard.born.items():
            self._unlisted.append(self._meet(pid, parent, at_ns, root=False))
        self._changed = self._changed or bool(heard.exec_programs)
        for pid in heard.exec_programs.keys() & self._alive.keys():
            self._alive[pid].exec_programs(heard.exec_programs[pid])
            self._identified(self._alive[pid])
        followed = set(self._pidfds.values()) if heard.ended else set()
        for pid, end in heard.ended.items():
            if pid in followed:
                self._ends[pid] = end
            elif pid in self._late or not proc.runs(pid):
                self._end(pid, end)
        if not self._searched_ns:
            self._dead |= heard.ended.keys()
        self._missed = self._missed or heard.lost

    def _close(self, handle: int) -> None:
        self._wakes.unregister(handle)
        self._kept.close(handle)
        del self._pidfds[handle]

    def _end(self, pid: int, end: tuple[int, int | None]) -> None:
        self._late.pop(pid, None)
        process = self._alive.get(pid)
        if process is not None:
            if not self._lives.told:
                self._dead.add(pid)
            process.died(*end)
            self._forget(process)

    def sample(self) -> None:
        """Look at everything once."""
        now_ns = time.monotonic_ns()
        self._hear_news()
        self._end_late(now_ns - _TOLD_WITHIN_NS)
        self._listen_again(now_ns)
        self._list_new(now_ns)
        if self._search_due(now_ns):
            self._search(now_ns)
        for pid in self._roots:
            if pid in self._alive:
                self._sample_process(self._alive[pid], now_ns)
        self._in_turn(self._to_sample, self._sample_process)
        self._in_turn(self._to_account, self._account)
        self._containers.sample(now_ns)
        if self._sockets is not None:
            self._sockets.sample(now_ns)
        if now_ns - self._second_ns >= _SECOND_NS:
            self._each_second(now_ns)

    def _list_new(self, now_ns: int) -> None:
        for process in self._unlisted:
            if self._alive.get(process.pid) is process:
                process.refresh()
                self._account(process, now_ns)
        self._unlisted.clear()

    def _in_turn(self, queue: deque[Process], do: Callable[[Process, int], None]) -> None:
        until_ns = time.thread_time_ns() + _TURN_NS
        for _ in range(len(queue)):
            process = queue.popleft()
            if self._alive.get(process.pid) is process:
                queue.append(process)
                do(process, time.monotonic_ns())
            if time.thread_time_ns() > until_ns:
                break

    def _sample_process(self, process: Process, now_ns: int) -> None:
        if self._sees_calls and not process.refusal:
            process.sample(now_ns)
        if process.refusal:
            self._say_blind(f"{process.name} ({process.pid}): {process.refusal}")
        if not process.threads and not self._lives.told:
            self._forget(process)

    def _account(self, process: Process, now_ns: int) -> None:
        if process.account(now_ns):
            process.identify()
            self._identified(process)

    def _identified(self, process: Process) -> None:
        self._containers.meet(process.pid, process.name)
        if not (self._lives.told or process.root or process.is_copy()):
            process.since_ns = time.monotonic_ns()
        self._join(process)

    def _join(self, process: Process) -> None:
        """Note the call of a tool that a process does, unless it is part of one that does it."""
        if self._calls is None or not process.since_ns or process.root or process.pid in self._lives.working:
            return
        call = self._calls.take(process.pid, process.since_ns)
        if call is not None:
            self._lives.working.add(process.pid)
            self._log.note(noted(call, process.pid, process.since_ns))

    def _hear_calls(self, calls: ToolCalls, handle: int) -> None:
        if calls.read():
            for process in self._alive.values():
                self._join(process)
        if calls.fileno() < 0:
            self._wakes.unregister(handle)

    def close(self) -> None:
        """Log what there is left to say of every process."""
        self.hear()
        until_ns = time.monotonic_ns() + _TOLD_WITHIN_NS
        while self._late and time.monotonic_ns() < until_ns:
            time.sleep(_TOLD_SOON_S)
            self.hear()
        self._end_late(until_ns)
        self._throttled(time.monotonic_ns())
        for process in list(self._alive.values()):
            self._forget(process)
        self._containers.close()
        self._newest_file.close()
        for handle in self._pidfds:
            self._kept.close(handle)
        self._lives.close()
        if self._sockets is not None:
            self._sockets.close()

    def _begin(self, now_ns: int) -> None:
        self._lives.say_source()
        for pid in self._roots:
            self._lives.meet(pid, 0)
        heard = self._lives.hear()
        for handle in (self._lives.fileno(), -1 if self._calls is None else self._calls.fileno()):
            if handle >= 0:
                self._wakes.register(handle, select.POLLIN)
        for pid in self._roots:
            start_ns = heard.known.get(pid, now_ns)
            self._log.note(("root", [pid, start_ns]))
            self._account(self._meet(pid, 0, start_ns, root=True), now_ns)
            if not proc.numbers(f"{proc.FOLDER}/{pid}/task") and proc.exists(pid):
                self._say_blind(f"the threads of process {pid} cannot be listed")
        self._take(heard)

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
        if self._lives.told and not self._missed:
            for process in self._alive.values():
                process.refresh()
        else:
            self._search_all(now_ns)
        self._missed, self._searched_ns = False, now_ns
        # One long look, at a new program's symbols for instance, must not make what comes next unseen for a second.
        spent_ns = time.thread_time_ns() - began_ns
        self._search_gap_ns = min(max(_SEARCH_EVERY_NS, int(spent_ns / _SEARCH_SHARE)), _SEARCH_AT_LEAST_NS)

    def _search_all(self, now_ns: int) -> None:
        """Find who was born and who is gone, where nobody has told, or not all."""
        pending = list(self._alive.values())
        listed: set[int] = set()
        for process in pending:  # grows while it is gone through
            process.refresh()
            children = process.children()
            listed.update(children)
            born = [pid for pid in children if pid not in self._alive and self._lives_on(pid)]
            for pid in born:
                pending.append(self._meet(pid, process.pid, now_ns, root=False))
                self._account(pending[-1], now_ns)
            # Of one that has just gone the kernel tells, unless that was lost.
            if not process.threads and (self._searched_ns or not self._lives.told):
                self._forget(process)
        self._dead &= listed

    def _lives_on(self, pid: int) -> bool:
        """Return whether a child is to be met; one that had ended before anybody looked is, if nobody told of it."""
        if pid in self._dead:
            return False
        return not (self._lives.told and self._searched_ns) or proc.runs(pid)

    def _meet(self, pid: int, parent: int, now_ns: int, *, root: bool) -> Process:
        process = self._alive[pid] = Process(pid, parent, root, now_ns, self._tools)
        self._lives.meet(pid, parent)
        if not root:
            self._to_sample.append(process)
        self._to_account.append(process)
        handle = self._kept.pidfd(pid)
        if handle >= 0:
            self._pidfds[handle] = pid
            self._wakes.register(handle, select.POLLIN)
        return process

    def _forget(self, process: Process) -> None:
        if self._alive.pop(process.pid, None) is process:
            process.forget()
            self._lives.part(process.pid)
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
