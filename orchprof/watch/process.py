"""One process that is looked at: its threads and what they do, what it has used, what program it runs.

A thread's samples are coded by run length: one row for as long as it does the same.
"""

from dataclasses import dataclass
from typing import Final

from orchprof.capture.log import Log, pack
from orchprof.capture.strands import SAMPLE, STATE_SHIFT, THREAD_SAMPLE
from orchprof.watch import proc
from orchprof.watch.proc import Kept, Line
from orchprof.watch.states.blocked import RUNNING, STATE, awaited, state_of
from orchprof.watch.states.ends import Ends
from orchprof.watch.states.gil import Runtimes

_GIL: Final = STATE["gil"]
# In these a thread may wait for another process, which is told with it.
_FOR_OTHERS: Final = frozenset({STATE["child"], STATE["net"], STATE["other"]})
# Who is at the other end may not have been met yet: so many equal samples later it is asked again.
_ASKED_AGAIN: Final = frozenset({2, 4, 8, 16})
_NOTHING: Final = range(0)
# A thread other than the main one that did the same in so many samples is looked at every so many times.
_LONG_LOOKS, _LONG_EVERY = 4, 8
# A process is sampled at 10, 20, 40 ms of age and so on, then twice a second: most children live shortly.
_FIRST_SAMPLE_NS: Final = 10_000_000
SAMPLE_EVERY_NS: Final = 500_000_000
# Its threads' own clocks are read as often, when it has done something: seldom in a long life.
_CLOCKS_EVERY_NS: Final = (20_000_000, 200_000_000)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the processes of a tree share."""

    log: Log
    kept: Kept
    runtimes: Runtimes
    ends: Ends
    outside: bool = False


class Thread:
    """A thread: the line it was last seen with, and the run of equal samples that goes on."""

    __slots__ = (
        "arg",
        "cpu_ns",
        "delay_ns",
        "file",
        "first_ns",
        "inside",
        "last_ns",
        "line",
        "samples",
        "state",
        "tid",
    )

    def __init__(self, tid: int, file: Line) -> None:
        self.tid, self.file, self.line = tid, file, b""
        self.state: int | None = None
        self.arg = self.first_ns = self.last_ns = self.samples = self.cpu_ns = self.delay_ns = 0


class Process:
    """A process of the tree. A `root` is recorded from inside, so that only its threads are looked at, unless told.

    `since_ns` is when it became the program that it runs, 0 while that is not known to be another than its parent's.
    """

    __slots__ = (
        "_changed", "_cpu_gone_ns", "_delay_gone_ns", "_delays_ns", "_ends", "_identified", "_kept", "_log",
        "_next_sample_ns", "_round", "_runtime", "_runtimes", "_sparing", "_used", "first_ns", "inside", "last_ns",
        "name", "parent", "pid", "refusal", "root", "since_ns", "threads",
    )  # fmt: skip

    def __init__(self, pid: int, parent: int, root: bool, now_ns: int, tools: "Tools") -> None:
        self.pid, self.parent, self.root, self.inside = pid, parent, root, root and not tools.outside
        self.first_ns = self.last_ns = now_ns
        self.threads: dict[int, Thread] = {}
        self.name, self.refusal = "", ""
        self._log, self._kept, self._runtimes, self._ends = tools.log, tools.kept, tools.runtimes, tools.ends
        self._changed, self._delays_ns, self._cpu_gone_ns, self._delay_gone_ns = True, 0, 0, 0
        self._next_sample_ns, self._identified, self.since_ns = now_ns, False, 0
        self._round, self._sparing = (
            0,
            tools.outside,
        )  # who holds the GIL is only asked of those recorded inside
        self._runtime: range | None = None
        self._used: proc.Usage | None = None

    @property
    def cpu_ns(self) -> int:
        """CPU of the threads seen, those gone too."""
        return self._cpu_gone_ns + sum(thread.cpu_ns for thread in self.threads.values())

    @property
    def delay_ns(self) -> int:
        """Run delay of the threads seen, those gone too."""
        return self._delay_gone_ns + sum(thread.delay_ns for thread in self.threads.values())

    def holds_gil(self, address: int) -> bool:
        """Return whether the address lies in this process's `_PyRuntime`, which is looked for once per program."""
        if self._runtime is None:
            runs_python = not self._sparing or self._runs_python()
            self._runtime = (runs_python and self._runtimes.range_of(self.pid)) or _NOTHING
        return address in self._runtime

    def other_end(self, number: int) -> int:
        """Return the process at the other end of one of its descriptors; 0 when there is none known."""
        return self._ends.other(self.pid, number)

    def refresh(self) -> None:
        """Find its threads anew; there are none when it is gone."""
        folder = f"{proc.FOLDER}/{self.pid}/task"
        tids = proc.numbers(folder)
        for gone in self.threads.keys() - set(tids):
            self._drop(self.threads[gone])
        for tid in tids:
            if tid not in self.threads:
                self.threads[tid] = Thread(tid, Line(f"{folder}/{tid}/syscall", self._kept))

    def children(self) -> list[int]:
        """Return the children that its threads started and that have not been reaped."""
        return [child for tid in self.threads for child in proc.children(self.pid, tid)]

    def sample(self, now_ns: int) -> None:
        """Look at every thread once. Those that wait for the GIL are told who was seen running."""
        self.last_ns = now_ns
        owner, waiting = 0, []
        self._round += 1
        for thread in list(self.threads.values()):
            if self._rests(thread):
                continue
            line = self._line(thread)
            if line == RUNNING:
                self._changed, owner = True, owner or thread.tid
            if (
                line == thread.line
                and thread.state != _GIL
                and thread.samples
                and not self._is_asked_again(thread)
            ):
                thread.last_ns = now_ns
                thread.samples += 1
            elif line:
                state = self._state(thread, line)
                if state == _GIL:
                    waiting.append(thread)
                else:
                    self._step(thread, state, awaited(line, self) if state in _FOR_OTHERS else 0, now_ns)
        for thread in waiting:
            self._step(thread, _GIL, owner, now_ns)

    def _rests(self, thread: Thread) -> bool:
        """Return whether a thread is left out this time: one of a pool that has long done the same changes seldom."""
        long = thread.samples >= _LONG_LOOKS and thread.tid != self.pid and self._sparing
        return long and (self._round + thread.tid) % _LONG_EVERY != 0

    @staticmethod
    def _is_asked_again(thread: Thread) -> bool:
        return thread.samples in _ASKED_AGAIN and not thread.arg and thread.state in _FOR_OTHERS

    def account(self, now_ns: int) -> bool:
        """Read what it used, where that is due; return whether it was found to run another program than before."""
        sampled = now_ns >= self._next_sample_ns
        soonest, latest = _CLOCKS_EVERY_NS
        pause_ns = min(max((now_ns - self.first_ns) // 4, soonest), latest)
        if not self.inside and (sampled or (self._changed and now_ns - self._delays_ns >= pause_ns)):
            self._read_delays(now_ns)
        if not sampled:
            return False
        self._next_sample_ns = now_ns + min(max(now_ns - self.first_ns, _FIRST_SAMPLE_NS), SAMPLE_EVERY_NS)
        before, self._used = self._used, proc.usage(self.pid) or self._used
        self._sample(now_ns)
        if self._used is None or (before is None and self._identified):
            return False
        return before is None or before.image != self._used.image

    def exec_programs(self, at_ns: int) -> None:
        """Note the program that it became at an instant."""
        self._used, self.since_ns = None, at_ns
        self.identify()

    def identify(self) -> None:
        """Note what program it runs now."""
        self._runtime, self.refusal, self._identified = None, "", True
        self.name = proc.name_of(self.pid)
        python = self._runs_python() and not self.is_copy()
        self._log.note(("process", [self.pid, self.name, python]))

    def _runs_python(self) -> bool:
        """Return whether it is a Python; by its name alone where none records itself: to read programs takes long."""
        return self.name.startswith("python") if self._sparing else self._runtimes.is_python(self.pid)

    def is_copy(self) -> bool:
        """Return whether it is still what its parent forked: what it will run is not known yet."""
        parent = proc.usage(self.parent)
        return parent is not None and self._used is not None and parent.image == self._used.image

    def died(self, now_ns: int, status: int | None = None) -> None:
        """Note that it has ended, and with what status; what it used is known until somebody reaps it."""
        self._read_delays(now_ns)
        rss_bytes = 0 if self._used is None else self._used.rss_bytes
        self._used = proc.usage(self.pid) or self._used
        self.last_ns = now_ns
        for thread in self.threads.values():
            thread.last_ns = max(thread.last_ns, now_ns)  # nothing says that it did anything else since
        self._log.note(("died", [self.pid, now_ns, proc.status_of(self.pid) if status is None else status]))
        if self.root and self._used is not None:
            used = [max(self._used.cpu_ns, self.cpu_ns), self._used.children_ns, self.delay_ns, rss_bytes]
            self._log.note(("root_used", [self.pid, *used]))

    def end_runs(self, before_ns: int) -> None:
        """Log the runs that began before this instant, so that a kill loses nothing older."""
        for thread in self.threads.values():
            if thread.first_ns < before_ns:
                self._end_run(thread)

    def forget(self) -> None:
        """Log what there is left to say of a process that is gone, or no longer looked at."""
        for thread in list(self.threads.values()):
            self._drop(thread)
        self._sample(self.last_ns)
        self._ends.forget(self.pid)
        if not self.root:
            used = [self.first_ns, self.last_ns, self.delay_ns, self.cpu_ns]
            self._log.note(("seen", [self.pid, self.parent, *used]))

    def _line(self, thread: Thread) -> bytes:
        """Return what the kernel says of a thread now; empty when it is gone or may not be looked at."""
        try:
            return thread.file.read()
        except PermissionError as error:
            self.refusal = error.strerror or type(error).__name__
        except OSError:
            self._drop(thread)
        return b""

    def _state(self, thread: Thread, line: bytes) -> int | None:
        if line == thread.line:
            return thread.state
        self._changed, thread.line = True, line
        return state_of(line, thread.tid, self)

    def _step(self, thread: Thread, state: int | None, arg: int, now_ns: int) -> None:
        if state != thread.state or arg != thread.arg or not thread.samples:
            self._end_run(thread)
            thread.state, thread.arg, thread.first_ns = state, arg, self._begun(thread, now_ns)
        thread.last_ns = now_ns
        thread.samples += 1

    def _begun(self, thread: Thread, now_ns: int) -> int:
        """Return since when a thread does what it is seen to do: at the first sample of a program, since it began."""
        first = self.since_ns > thread.last_ns and thread.tid == self.pid and not self.inside
        return self.since_ns if first else now_ns

    def _end_run(self, thread: Thread) -> None:
        if thread.samples and thread.state is not None:
            what = THREAD_SAMPLE | thread.state << STATE_SHIFT
            times = (thread.first_ns, thread.last_ns, thread.samples)
            self._log.emit(pack(what, *times, 0, thread.tid, self.pid, 0, thread.arg))
        thread.samples, thread.first_ns = 0, thread.last_ns

    def _drop(self, thread: Thread) -> None:
        self._end_run(thread)
        thread.file.close()
        self._cpu_gone_ns += thread.cpu_ns
        self._delay_gone_ns += thread.delay_ns
        del self.threads[thread.tid]

    def _read_delays(self, now_ns: int) -> None:
        self._delays_ns, self._changed = now_ns, False
        for thread in self.threads.values():
            thread.cpu_ns, thread.delay_ns = proc.waited(self.pid, thread.tid) or (
                thread.cpu_ns,
                thread.delay_ns,
            )

    def _sample(self, now_ns: int) -> None:
        used = self._used
        if used is not None and not self.inside:
            cpu_ns = max(used.cpu_ns, self.cpu_ns)
            row = (SAMPLE, now_ns, cpu_ns, used.children_ns, 0, self.pid, 0, 0, used.rss_bytes)
            self._log.emit(pack(*row))
