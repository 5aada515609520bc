"""From paths of items to graphs of nodes that lead from station to station."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from orchprof.capacity.events import Compiled, Enter, Node, fork, join
from orchprof.capacity.system import CPU, DELAY, INTERPRETER, Item, Path, Replicas, System, Workload
from orchprof.errors import OrchprofError, UsageError, unknown

_EVENTS = 3  # of a visit: it joins the queue, its service begins, its service ends
Enters = Mapping[str, Enter]


@dataclass(frozen=True, slots=True)
class Draft:
    """A path under way to its graph: what has to go before and what comes after each item; the end is the last."""

    before: list[tuple[int, ...]]
    after: list[list[int]]

    @property
    def is_chain(self) -> bool:
        """Whether no two items are ever under way at once."""
        return all(before == ((index - 1,) if index else ()) for index, before in enumerate(self.before))


def compiled(system: System, mix: Sequence[Workload], enters: Enters, end: Enter) -> list[list[Compiled]]:
    """Return every workload's paths, ready to run; `enters` begins an item by what it needs, `end` ends a task."""
    # A mix that was resampled holds some paths more than once: they are the same graph.
    drafts = [{id(path): (path, _draft(path, each.name)) for path in _distinct(each.paths)} for each in mix]
    chains = all(draft.is_chain for graphs in drafts for _, draft in graphs.values())
    # Who has a process to itself and does one thing at a time never waits for the interpreter.
    if system.host.lanes == 1 and chains:
        enters = {**enters, INTERPRETER: enters[CPU]}
    found = []
    for index, (workload, graphs) in enumerate(zip(mix, drafts, strict=True)):
        make = _maker(system, enters, workload.name)
        ready = {key: _graph(path, draft, make, end, index) for key, (path, draft) in graphs.items()}
        found.append([ready[id(path)] for path in workload.paths])
    return found


def _distinct(paths: Sequence[Path]) -> Iterable[Path]:
    return {id(path): path for path in paths}.values()


def _draft(path: Path, where: str) -> Draft:
    before: list[tuple[int, ...]] = []
    for index, item in enumerate(path.items):
        first = (index - 1,) if index else ()
        before.append(first if item.after is None else tuple(sorted(set(item.after))))
        if any(not 0 <= other < index for other in before[-1]):
            raise UsageError(
                f"work comes after what stands before it, {item.after} @ {where}, order the items"
            )
    after: list[list[int]] = [[] for _ in before]
    for index, others in enumerate(before):
        for other in others:
            after[other].append(index)
    end = tuple(index for index, others in enumerate(after) if not others)
    for index in end:
        after[index].append(len(before))
    return Draft([*before, end], after)


def _maker(system: System, enters: Enters, where: str) -> Callable[[Item], Node]:
    def make(item: Item) -> Node:
        if item.need not in enters:
            raise unknown("resource", item.need, [CPU, INTERPRETER, DELAY, *system.stations], where)
        if not (isfinite(item.amount) and item.amount >= 0):
            raise UsageError(
                f"no amount of work, {item.amount} @ {item.need} of {where}, give a number of 0 or more"
            )
        station = system.stations.get(item.need)
        if not isinstance(station, Replicas):
            return Node(enters[item.need], item.amount)
        return _request(station, item, enters[item.need], where)

    return make


def _request(station: Replicas, item: Item, enter: Enter, where: str) -> Node:
    tokens = int(item.amount)
    if min(tokens, item.prompt_tokens) < 1:
        raise UsageError(f"a request has a token each way at least, {item} @ {where}, give it one")
    if tokens + item.prompt_tokens > station.limits.kv_tokens:
        raise OrchprofError(
            f"a request that does not fit, {tokens + item.prompt_tokens} tokens @ {item.need} of {where}, "
            f"give it accelerators with more memory than {station.limits.kv_tokens} tokens need"
        )
    return Node(
        enter,
        tokens=tokens,
        prompt_tokens=item.prompt_tokens,
        cache_tokens=tokens + item.prompt_tokens,
        prompt_s=station.steps.prompt_s(item.prompt_tokens),
    )


def _graph(path: Path, draft: Draft, make: Callable[[Item], Node], end: Enter, workload: int) -> Compiled:
    nodes = [*map(make, path.items), Node(end)]
    joins: list[int] = []
    entries = [_entry(node, len(others), joins) for node, others in zip(nodes, draft.before, strict=True)]
    for node, followers in zip(nodes[:-1], draft.after, strict=True):
        node.then = _all_of([entries[index] for index in followers])
    first = [index for index, others in enumerate(draft.before) if not others]
    start = _all_of([entries[index] for index in first])
    return Compiled(start, joins, path.memory_bytes, workload, _EVENTS * len(nodes))


def _entry(node: Node, awaited: int, joins: list[int]) -> Node:
    """Return where to come to for a node: itself, or the join in front of it."""
    if awaited <= 1:
        return node
    entry = Node(join, place=len(joins))
    entry.then = node
    joins.append(awaited)
    return entry


def _all_of(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Node(fork, forks=tuple(nodes))
