"""From paths of items to graphs of nodes that lead from station to station."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import inf

from orchprof.errors import OrchprofError, UsageError, unknown
from orchprof.simulate.calendar import Compiled, Enter, Node, fork, join
from orchprof.simulate.system import CPU, DELAY, INTERPRETER, Item, Path, Replicas, System, Workload

_EVENTS = 3  # of a visit: it joins the queue, its service begins, its service ends
Enters = Mapping[str, Enter]
Order = list[tuple[int, ...]] | None  # what has to go before each item; None is a chain: nothing at once


def compiled(system: System, mix: Sequence[Workload], enters: Enters, end: Enter) -> list[list[Compiled]]:
    """Return every workload's paths, ready to run; `enters` begins an item by what it needs, `end` ends a task."""
    # A mix that was resampled holds some paths more than once: they are the same graph.
    orders = [{id(path): (path, _order(path, each.name)) for path in _distinct(each.paths)} for each in mix]
    # Who has a process to itself and does one thing at a time never waits for the interpreter.
    if system.host.slots == 1 and not any(order for by_path in orders for _, order in by_path.values()):
        enters = {**enters, INTERPRETER: enters[CPU]}
    compiled = []
    for index, (workload, each) in enumerate(zip(mix, orders, strict=True)):
        make = _maker(system, enters, workload.name)
        ready = {key: _graph(path, order, make, end, index) for key, (path, order) in each.items()}
        compiled.append([ready[id(path)] for path in workload.paths])
    return compiled


def _distinct(paths: Sequence[Path]) -> Iterable[Path]:
    return {id(path): path for path in paths}.values()


def _order(path: Path, where: str) -> Order:
    before: list[tuple[int, ...]] = []
    chain = [(), *((index,) for index in range(len(path.items) - 1))]
    for index, item in enumerate(path.items):
        before.append(chain[index] if item.after is None else tuple(sorted(set(item.after))))
        if item.after and not all(0 <= other < index for other in item.after):
            raise UsageError(
                f"work comes after what stands before it, {item.after} @ {where}, order the items"
            )
    return before if before != chain[: len(before)] else None


def _maker(system: System, enters: Enters, where: str) -> Callable[[Item], Node]:
    models = {name: station for name, station in system.stations.items() if isinstance(station, Replicas)}

    def make(item: Item) -> Node:
        need, amount = item.need, item.amount
        if need not in enters:
            raise unknown("resource", need, [CPU, INTERPRETER, DELAY, *system.stations], where)
        if not 0 <= amount < inf:
            raise UsageError(f"no amount of work, {amount} @ {need} of {where}, give a number of 0 or more")
        if need in models:
            return _request(models[need], item, enters[need], where)
        return Node(enters[need], amount)

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
    prompt_s = station.steps.prompt_s(item.prompt_tokens)
    return Node(enter, request=(tokens, item.prompt_tokens, tokens + item.prompt_tokens, prompt_s))


def _graph(path: Path, order: Order, make: Callable[[Item], Node], end: Enter, workload: int) -> Compiled:
    nodes = [*map(make, path.items), Node(end)]
    joins: list[int] = []
    start = _mesh(nodes, order, joins) if order else _chain(nodes)
    return Compiled(start, joins, path.memory_bytes, workload, _EVENTS * len(nodes))


def _chain(nodes: list[Node]) -> Node:
    for node, then in pairwise(nodes):
        node.then = then
    return nodes[0]


def _mesh(nodes: list[Node], order: list[tuple[int, ...]], joins: list[int]) -> Node:
    """Link nodes with forks and joins; return where to start. The last node comes after all that nothing follows."""
    followed = {other for others in order for other in others}
    order = [*order, tuple(index for index in range(len(order)) if index not in followed)]
    entries = [_entry(node, len(others), joins) for node, others in zip(nodes, order, strict=True)]
    after: list[list[Node]] = [[] for _ in nodes]
    for entry, others in zip(entries, order, strict=True):
        for other in others:
            after[other].append(entry)
    for node, followers in zip(nodes[:-1], after, strict=False):
        node.then = _all_of(followers)
    return _all_of([entry for entry, others in zip(entries, order, strict=True) if not others])


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
