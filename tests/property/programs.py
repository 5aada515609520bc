"""Random concurrent programs: a list of operations per strand, drawn from a seed."""

import random
from dataclasses import dataclass, field, replace

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
