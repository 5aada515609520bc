"""Logs written by hand, so that what finalizing makes of them can be worked out on paper."""

from orchprof.capture import strands as rec
from orchprof.capture.log import VERSION, Log, pack
from orchprof.run.finalize.finalize import finalize

MS = 1_000_000


class HandLog:
    """One process's log; every time is in ms, every id a small number of the test's choosing."""

    def __init__(self, directory, pid=1, **meta):
        self.log = Log(directory)
        self.name = self.log.path.name
        self.log.note(("meta", {"version": VERSION, "pid": pid, "python": "3.11", **meta}))

    def row(self, what, wall, cpu=0, delay=0, thread_clock=0, strand=0, span=0, arg=0):
        times = (round(wall * MS), round(cpu * MS), round(delay * MS), 0)
        self.log.emit(pack(what, *times, thread_clock, strand, span, arg))
        return self

    def note(self, *note):
        self.log.note(note)
        return self

    def born(self, strand, at, kind="thread", parent=0, span=0, name="s"):
        return self.row(
            rec.SPAWN | rec.KIND[kind],
            at,
            thread_clock=self.log.name(name),
            strand=strand,
            span=span,
            arg=parent,
        )

    def cut(self, at, cpu, strand, span=0, wait="", thread_clock=9, delay=0):
        return self.row(rec.CUT | rec.WAIT[wait], at, cpu, delay, thread_clock, strand, span)

    def enter(self, at, cpu, strand, span, role, thread_clock=9):
        return self.row(
            rec.ENTER | rec.ROLE[role], at, cpu, 0, thread_clock, strand, span, self.log.name(role)
        )

    def exit(self, at, cpu, strand, span, outer=0, thread_clock=9):
        return self.row(rec.EXIT, at, cpu, 0, thread_clock, strand, outer, span)

    def wake(self, strand, at, by):
        return self.row(rec.WAKE, at, strand=strand, arg=by)

    def join(self, strand, at, target):
        return self.row(rec.JOIN, at, thread_clock=9, strand=strand, arg=target)

    def end(self, strand, at):
        return self.row(rec.END, at, strand=strand)

    def task(self, strand, at, parent=0, name="t"):
        return self.born(strand, at, "task", parent, name=name).note("task", strand, {"index": None})


class HandWatch(HandLog):
    """What somebody outside saw."""

    def __init__(self, directory):
        super().__init__(directory, pid=0)

    def looked(self, state, first, last, tid=7, pid=1, owner=0):
        """See a thread in a state at `first`, at `last`, and about every 10 ms in between."""
        what, samples = (
            rec.THREAD_SAMPLE | rec.SAMPLED_STATES.index(state) << rec.STATE_SHIFT,
            (last - first) // 10 + 1,
        )
        return self.row(what, first, last, samples / MS, tid, pid, 0, owner)

    def seen(self, pid, parent, first, last, delay=0):
        return self.note("seen", [pid, parent, first * MS, last * MS, delay * MS])


def sealed(directory, *logs, **options):
    """Write the logs, finalize them, and return the tables and findings."""
    for log in logs:
        log.log.close()
        if isinstance(log, HandWatch):
            log.log.path.rename(directory / "watch.bin")  # read last: programs' logs are numbered from 1
    return finalize(sorted(directory.glob("*.bin")), **options)


def own(strand, log=1):
    """Return the number that a strand of a log has in the run."""
    return log << 40 | strand


def rows(tables, strand, log=1):
    """Return (role, state, start, end, cpu) of a strand's segments in ms; a JOIN or its wait's state for the state."""
    table = tables["segments"]
    table = table[table["strand"] == own(strand, log)].sort_values("start_ns")
    found = []
    for _, row in table.iterrows():
        held = next(
            (name for name in ("gil", "lag") if row[f"{name}_ns"] == row["end_ns"] - row["start_ns"]), None
        )
        told = None if row.isna()["wait_state"] else row["wait_state"]
        state = "join" if row["join"] else held or told
        found.append((row["role"], state, row["start_ns"] / MS, row["end_ns"] / MS, row["cpu_ns"] / MS))
    return found


def joins(tables):
    """Return (waiter, target, at) of the join edges: ids within their logs, and ms."""
    edges = tables["edges"].query("kind == 'join'")
    low = (1 << 40) - 1
    columns = (edges["dst"] & low, edges["src"] & low, edges["at_ns"] / MS)
    return sorted(zip(*columns, strict=True))
