"""Random concurrent programs, simulated: what capture would have recorded of them, as the tables of a run.

A program is a list of operations per strand. `simulate` gives every strand its times by running each until it
waits for something not yet known, so it shares nothing with the ledger's graphs, walks and replays.
"""

import random
from dataclasses import dataclass, field, replace

import pandas as pd
from ledger_tables import Run

ROLES = ("framework", "client", "tool", "user")
WAITS = ("net", "file", "sleep", "lock", None)
KINDS = ("thread", "job", "coroutine", "child")
PARTS = ("gc", "profiler", "cpu", "runq", "gil", "lag", "rest")


@dataclass
class Work:
    role: str
    cpu_state: str
    wait_state: str | None
    parts: dict  # ns in PARTS
    inside: list = field(default_factory=list)  # (ns into it, "spawn" or "send", strand)

    @property
    def length(self):
        return sum(self.parts.values())


@dataclass
class Join:
    role: str
    targets: list
    tail: dict  # runq, lag, cpu, rest: what follows the release
    head: int = 0  # CPU before the wait, in the same segment


@dataclass
class Receive:
    role: str
    sender: int
    nth: int
    tail: dict


@dataclass
class Call:
    strand: int
    span: tuple  # network, queue, prefill, decode, frontend in ns; None: the server said nothing of it


@dataclass
class Stream:
    role: str
    strand: int
    into: int  # ns after the call was sent
    tail: dict


@dataclass
class Program:
    strands: dict  # id -> operations; remote ones have none
    parent: dict
    kind: dict
    calls: dict = field(default_factory=dict)


class Maker:
    """Draws a program."""

    def __init__(self, seed, *, scale=1000, first=1, **kind):
        self.rng = random.Random(seed)
        self.scale = scale
        self.messages, self.heads = kind.get("messages", True), kind.get("heads", True)
        # closed: every strand waits for all it spawned; told: every server gives a full account
        self.closed, self.told = kind.get("closed", False), kind.get("told", False)
        self.program = Program({}, {}, {})
        self.root = self.next = first
        self.budget = self.rng.randint(1, 12)

    def make(self):
        self.next += 1
        self.program.strands[self.root] = []
        self.program.parent[self.root], self.program.kind[self.root] = None, "task"
        self.fill(self.root, depth=0)
        return self.program

    def fill(self, strand, depth):
        ops, loose = self.program.strands[strand], []
        for _ in range(self.rng.randint(2, 7)):
            kind = self.rng.choice(
                ("work", "spawn", "spawn", "join", "join", "call", "receive", "receive", "stream")
            )
            getattr(self, f"add_{kind}")(strand, ops, loose, depth)
        if self.closed and loose:
            ops.append(Join(self.rng.choice(ROLES), list(loose), self.tail()))
        ops.append(self.work(self.rng.choice(ROLES)))

    def add_work(self, strand, ops, loose, depth):
        ops.append(self.work(self.rng.choice(ROLES)))

    def add_spawn(self, strand, ops, loose, depth):
        if self.budget <= 0 or depth > 3:
            return
        self.budget -= 1
        child, self.next = self.next, self.next + 1
        self.program.strands[child] = []
        self.program.parent[child], self.program.kind[child] = strand, self.rng.choice(KINDS)
        work = self.work(self.rng.choice(ROLES))
        work.inside.append((self.rng.randint(0, work.length), "spawn", child))
        ops.append(work)
        loose.append(child)
        self.fill(child, depth + 1)

    def add_join(self, strand, ops, loose, depth):
        if not loose:
            return
        some = self.rng.sample(loose, self.rng.randint(1, len(loose)))
        for each in some:
            if self.closed or self.rng.random() < 0.8:
                loose.remove(each)
        ops.append(Join(self.rng.choice(ROLES), some, self.tail(), self.head()))

    def add_call(self, strand, ops, loose, depth):
        call, self.next = self.next, self.next + 1
        spent = tuple(self.ns() if self.told or self.rng.random() < 0.8 else None for _ in range(5))
        self.program.strands[call] = []
        self.program.parent[call], self.program.kind[call] = strand, "remote"
        self.program.calls[call] = spent
        ops.append(Call(call, spent))
        if self.rng.random() < 0.7:
            ops.append(Join("client", [call], self.tail()))
        else:
            loose.append(call)

    def add_stream(self, strand, ops, loose, depth):
        calls = [each for each in loose if each in self.program.calls]
        if calls and self.messages:
            call = self.rng.choice(calls)
            length = sum(part or 0 for part in self.program.calls[call])
            ops.append(Stream("client", call, self.rng.randint(0, max(length - 1, 0)), self.message_tail()))

    def add_receive(self, strand, ops, loose, depth):
        others = [s for s in self.program.strands if s != strand and s not in self.program.calls]
        if not others or not self.messages:
            return
        sender = self.rng.choice(others)
        theirs = [op for op in self.program.strands[sender] if isinstance(op, Work)]
        if theirs:
            work = self.rng.choice(theirs)
            work.inside.append((self.rng.randint(0, work.length), "send", None))
            sent = sum(kind == "send" for op in theirs for _, kind, _ in op.inside)
            ops.append(
                Receive(self.rng.choice(ROLES), sender, self.rng.randint(0, sent - 1), self.message_tail())
            )

    def work(self, role):
        some = {part: self.ns() if self.rng.random() < 0.5 else 0 for part in PARTS}
        some["cpu"] += 1
        cpu_state = self.rng.choice(("cpu", "serialise", "startup"))
        return Work(role, cpu_state, self.rng.choice(WAITS), some)

    def tail(self):
        return {
            "runq": self.maybe(),
            "gil": self.maybe(),
            "lag": self.maybe(),
            "cpu": self.maybe(),
            "rest": 1 + self.maybe(),
        }

    def message_tail(self):
        return {
            "runq": self.maybe(),
            "gil": self.maybe(),
            "lag": self.maybe(),
            "cpu": self.maybe(),
            "rest": 0,
        }

    def head(self):
        return self.maybe() if self.heads else 0

    def maybe(self):
        return self.ns() if self.rng.random() < 0.4 else 0

    def ns(self):
        return self.rng.randint(1, self.scale)


def joined_in_turn(first, second):
    """Return the program whose root does the first one's work and then the second one's."""
    roots = [next(s for s, p in program.parent.items() if p is None) for program in (first, second)]
    sent = sum(kind == "send" for op in first.strands[roots[0]] for _, kind, _ in getattr(op, "inside", []))

    def moved(op):
        if isinstance(op, Receive) and op.sender == roots[1]:
            return replace(op, sender=roots[0], nth=op.nth + sent)
        return op

    later = {strand: [moved(op) for op in ops] for strand, ops in second.strands.items()}
    strands = {**first.strands, **later}
    strands[roots[0]] = first.strands[roots[0]] + strands.pop(roots[1])
    parent = {s: roots[0] if p == roots[1] else p for s, p in {**first.parent, **second.parent}.items()}
    del parent[roots[1]]
    return Program(strands, parent, {**first.kind, **second.kind}, {**first.calls, **second.calls})


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
