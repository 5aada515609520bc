"""Random programs, simulated: what capture would have recorded of them, as the tables of a run.

`Simulation` gives every strand its times by running each until it waits for something not yet known, so it shares
nothing with the ledger's graphs, walks and replays.
"""

import random

import pandas as pd
from ledger_tables import Run
from programs import PARTS, Work


def never(role, state):
    """Return 1: no label's time changes."""
    return 1


class Simulation:
    """Runs a program; `factor(role, state)` multiplies the time under a label."""

    def __init__(self, program, factor=never):
        self.program, self.factor = program, factor
        self.root = next(s for s, p in program.parent.items() if p is None)
        self.begin, self.end = {self.root: 0}, {}
        self.sent = {s: [] for s in program.strands}
        self.at = dict.fromkeys(program.strands, 0)
        self.clock = {}
        self.rows = []  # (strand, start, end, operation, targets)

    def run(self):
        """Run to the end; what would wait for ever sleeps a little instead."""
        while self.root not in self.end:
            if not self.step_all():
                self.release()
        while self.step_all():
            pass
        return self

    def step_all(self):
        moved = False
        for strand in list(self.program.strands):
            while strand in self.begin and strand not in self.end and self.step(strand):
                moved = True
        return moved

    def release(self):
        stuck = next(s for s in self.program.strands if s in self.begin and s not in self.end)
        ops = self.program.strands[stuck]
        ops[self.at[stuck]] = Work("framework", "cpu", "sleep", dict.fromkeys(PARTS, 0) | {"rest": 1 + stuck})

    def step(self, strand):
        """Do the strand's next operation; return False when it has to wait for one of another strand."""
        now = self.clock.setdefault(strand, self.begin[strand])
        if strand in self.program.calls:
            self.end[strand] = now + sum(self.call_parts(self.program.calls[strand]))
            return True
        ops = self.program.strands[strand]
        if self.at[strand] == len(ops):
            self.end[strand] = now
            return True
        op = ops[self.at[strand]]
        done = getattr(self, type(op).__name__.lower())(strand, now, op)
        if done is None:
            return False
        self.clock[strand] = done
        self.at[strand] += 1
        return True

    def work(self, strand, now, op):
        states = {
            "gc": "gc",
            "cpu": op.cpu_state,
            "runq": "runq",
            "gil": "gil",
            "lag": "loop_lag",
            "rest": op.wait_state or "off",
        }
        length = op.parts["profiler"] * self.factor("profiler", "cpu")
        length += sum(op.parts[part] * self.factor(op.role, state) for part, state in states.items())
        for into, kind, child in sorted(op.inside, key=lambda each: each[0]):
            when = now + (into if length == op.length else into * length / op.length)
            if kind == "spawn":
                self.begin[child] = when
            else:
                self.sent[strand].append(when)
        self.rows.append((strand, now, now + length, op, []))
        return now + length

    def join(self, strand, now, op):
        if any(target not in self.end for target in op.targets):
            return None
        released = max([now + op.head * self.factor(op.role, "cpu"), *(self.end[t] for t in op.targets)])
        return self.woken(strand, now, released, op, op.targets)

    def receive(self, strand, now, op):
        if len(self.sent[op.sender]) <= op.nth:
            return None
        return self.received(strand, now, self.sent[op.sender][op.nth], op, op.sender)

    def stream(self, strand, now, op):
        return self.received(strand, now, self.begin[op.strand] + op.into, op, op.strand)

    def received(self, strand, now, sent, op, sender):
        """A message that is there already is taken without a wait."""
        return now if sent <= now else self.woken(strand, now, sent, op, [sender])

    def call(self, strand, now, op):
        self.begin[op.strand] = now
        return now

    def call_parts(self, spent):
        states = ("net", "queue", "prefill", "decode", "frontend")
        return [(part or 0) * self.factor("model", state) for part, state in zip(spent, states, strict=True)]

    def woken(self, strand, now, released, op, targets):
        states = {"runq": "runq", "gil": "gil", "lag": "loop_lag", "cpu": "cpu", "rest": "wakeup"}
        end = released + sum(op.tail[part] * self.factor(op.role, state) for part, state in states.items())
        self.rows.append((strand, now, end, op, targets))
        return end


def record(programs, unfinished=()):
    """Return the tables of one run in which the programs overlap as its tasks, and each one's latency.

    Args:
        programs: what ran; the ids of their strands differ.
        unfinished: strands whose end the log does not know.
    """
    run, latencies = Run(), []
    for number, program in enumerate(programs):
        run.zero = 10**12 + 137 * number
        latencies.append(_record(run, program, unfinished))
    return run.tables(), latencies


def _record(run, program, unfinished):
    ran = Simulation(program).run()
    run.task(ran.root, 0, ran.end[ran.root])
    for strand, begin in ran.begin.items():
        parent = program.parent[strand]
        end = None if strand in unfinished and strand != ran.root else ran.end.get(strand)
        run.strand(strand, begin, end, parent=parent, task=ran.root, kind=program.kind[strand])
        if strand in program.calls:
            _call(run, strand, begin, ran.end.get(strand), program.calls[strand])
    for strand, begin, end, op, targets in ran.rows:
        if end > begin:
            _segment(run, strand, begin, end, op)
            run.joins(strand, end, targets)
    return ran.end[ran.root]


def _segment(run, strand, begin, end, op):
    if isinstance(op, Work):
        parts = dict(op.parts)
        parts["cpu"] += parts["gc"] + parts["profiler"]
        parts.pop("rest")
        run.segment(strand, begin, end, op.role, cpu_state=op.cpu_state, wait_state=op.wait_state, **parts)
    else:
        parts = dict(op.tail)
        parts.pop("rest")
        parts["cpu"] += getattr(op, "head", 0)
        run.segment(strand, begin, end, op.role, join=True, **parts)


def _call(run, strand, begin, end, spent):
    network, queue, prefill, decode, frontend = spent
    known = [part for part in (queue, prefill, decode, frontend) if part is not None]
    total = None if network is None or end is None else sum(known)
    run.call(strand, begin, end, total=total, queue=queue, prefill=prefill, decode=decode)


def damaged(tables, seed):
    """Return tables that contradict themselves: what a fault of capture, or a crash, could leave."""
    rng = random.Random(seed)
    segments, strands, edges = (tables[name].copy() for name in ("segments", "strands", "edges"))
    ids = strands["strand"].tolist()
    roots = set(tables["tasks"]["task"])
    for row in rng.sample(range(len(edges)), len(edges) // 3):
        edges.loc[row, "src"] = rng.choice(ids)
    extra = []
    for row in rng.sample(range(len(segments)), len(segments) // 3):
        segments.loc[row, "join"] = True
        at, waiter = segments.loc[row, "end_ns"], segments.loc[row, "strand"]
        extra += [
            {"kind": "join", "src": rng.choice(ids), "dst": waiter, "at_ns": at}
            for _ in range(rng.randint(1, 3))
        ]
    for row in rng.sample(range(len(strands)), len(strands) // 4):
        change = rng.choice(("unfinished", "late", "parent", "short"))
        if strands.loc[row, "strand"] in roots:
            continue
        if change == "unfinished":
            strands.loc[row, "end_ns"] = None
        elif change == "late":
            strands.loc[row, "start_ns"] += rng.randint(-50, 50)
        elif change == "parent":
            strands.loc[row, "parent"] = rng.choice(
                [each for each in ids if each < strands.loc[row, "strand"]]
            )
        elif not pd.isna(strands.loc[row, "end_ns"]):
            strands.loc[row, "end_ns"] = (strands.loc[row, "start_ns"] + strands.loc[row, "end_ns"]) // 2
    segments = segments.drop(index=rng.sample(range(len(segments)), len(segments) // 6))
    segments["cpu_ns"] += rng.randint(0, 3)
    edges = pd.concat([edges, pd.DataFrame(extra, columns=list(edges.columns)).astype(edges.dtypes)])
    return {**tables, "segments": segments, "strands": strands, "edges": edges.reset_index(drop=True)}
