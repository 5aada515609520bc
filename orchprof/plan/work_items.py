"""Task work: a recorded task as items that need resources, its contention taken out: the simulation makes its own.

Waiting for a core, for the interpreter, for a busy event loop and for a thread of a pool is contention; every other
wait stays as long as it was. What a model takes stays too, unless its replicas are simulated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Final

import numpy as np

from orchprof.ledger.graph.columns import Bools, Ints
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.labels import BUSY, LABELS
from orchprof.ledger.replay.replay import network
from orchprof.simulate.system import CPU, DELAY, INTERPRETER, Item
from orchprof.units import NS_PER_S

CONTENTION: Final = ("runq", "gil", "loop_lag", "pool_wait")
# A model's own times; the rest of a call is the way to it and back.
_SERVED: Final = ("queue", "prefill", "decode")
_OWN: Final = (CPU, INTERPRETER, DELAY)
_MOST_AFTER: Final = 3
# After so long CPython asks who holds the interpreter to let another thread have it; longer work has few longer turns.
SWITCH_S: Final = 0.005
_MOST_TURNS: Final = 20

_IS_BUSY: Final = np.array([state in BUSY for _, state in LABELS])
_IS_CONTENTION: Final = np.array([state in CONTENTION for _, state in LABELS])
_IS_SERVED: Final = np.array([role == "model" and state in _SERVED for role, state in LABELS])
CPU_SLOTS: Final = 3  # the garbage collector, the profiler and the rest: BUSY under another slot is a wait

Pieces = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a model whose replicas are simulated."""

    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Setting:
    """What a graph does not know of itself.

    Attributes:
        process: of each strand, by strand; what runs in the root's process needs its interpreter.
        threads: strands that have a thread of their own, whose work takes turns with the others of the process.
        calls: requests by their remote strand, where the model is to be simulated.
        model: the station that simulates it.
        serving_s: CPU that the model's endpoint takes per request on the host; part of the way, not on top of it.
        metered: `(strand, ns since the task's start, station, units)` of a rate limit, in order.
        small_s: shorter pieces of work join one like them nearby: they are many and change nothing.
    """

    process: Mapping[int, int]
    threads: frozenset[int] = frozenset()
    calls: Mapping[int, Call] = field(default_factory=dict)
    model: str = ""
    serving_s: float = 0.0
    metered: tuple[tuple[int, int, str, float], ...] = ()
    small_s: float = 2e-4


def items_of(graph: TaskGraph, setting: Setting) -> tuple[Item, ...]:
    """Return a task's items in an order in which each comes after those it waits for."""
    return _Builder(graph, setting).build()


class _Builder:
    """One task on its way to items; `ends` holds, per event of its network, the items that end with it."""

    def __init__(self, graph: TaskGraph, setting: Setting) -> None:
        self.graph, self.setting, self.events = graph, setting, network(graph)
        self.items: list[Item] = []
        self.ends: list[tuple[int, ...]] = []
        self.ids = graph.strands.id.tolist()
        self.cpu_s, self.served_s, self.wait_s = _seconds(graph)
        pieces = graph.pieces
        self.length = (pieces.end - pieces.start).tolist()
        self.strand = pieces.strand.tolist()
        self.piece, self.into = self.events.piece.tolist(), self.events.into.tolist()
        # A strand's first event stands where the pieces of the strand before it end.
        self.last = {
            self._strand_of(event): event for event, before in enumerate(self.events.before) if before >= 0
        }
        self.meters = self._meters()
        self.carried: dict[int, Pieces] = {}  # small work of a strand, on its way to the strand's next event

    def build(self) -> tuple[Item, ...]:
        for event, before in enumerate(self.events.before):
            ends = self._work(event, before) if before >= 0 else ()
            waits = [self.ends[other] for other in self.events.waits.get(event, ())]
            self.ends.append(self._together({*ends, *(item for wait in waits for item in wait)}))
        return tuple(self.items)

    def _strand_of(self, event: int) -> int:
        return self.strand[self.piece[event]] if self.piece[event] >= 0 else -1

    def _work(self, event: int, before: int) -> tuple[int, ...]:
        """Add what the strand does between two events, and return the items that end with it."""
        after = self.ends[before]
        for item in self._needs(event, before):
            self.items.append(Item(item.need, item.amount, after, item.prompt_tokens))
            after = (len(self.items) - 1,)
        return after

    def _needs(self, event: int, before: int) -> list[Item]:
        strand = self._strand_of(event)
        if strand < 0:
            return []
        call = self.setting.calls.get(self.ids[strand])
        pieces = self._pieces(event, before, is_simulated=call is not None)
        if not self.graph.strands.joined[strand]:
            pieces = [
                piece for piece in pieces if piece[0] != DELAY
            ]  # nobody waits, but it needs what it needs
        pieces = self.carried.pop(strand, []) + pieces
        is_last = self.last[strand] == event
        if call is not None and is_last:
            return self._called(call, pieces)
        if not is_last and _is_small(pieces, self.setting.small_s):
            self.carried[strand] = pieces
            return []
        merged = _merged(pieces, self.setting.small_s)
        if self.ids[strand] not in self.setting.threads:
            return [Item(need, amount) for need, amount in merged]
        return [Item(need, part) for need, amount in merged for part in turns(need, amount)]

    def _called(self, call: Call, pieces: Pieces) -> list[Item]:
        """Return a model call: half of the way, the endpoint's own work, the replica, and half of the way back."""
        metered = [Item(need, amount) for need, amount in pieces if need not in _OWN]
        way_s = sum(amount for need, amount in pieces if need in _OWN)
        serving_s = self.setting.serving_s
        half_s = max(way_s - serving_s, 0.0) / 2
        request = Item(self.setting.model, float(call.output_tokens), None, call.prompt_tokens)
        parts = [Item(DELAY, half_s), Item(CPU, serving_s), request, Item(DELAY, half_s)]
        return [*metered, *(part for part in parts if part.amount > 0)]

    def _pieces(self, event: int, before: int, *, is_simulated: bool) -> Pieces:
        """Return needs and seconds between two events of a strand, in order."""
        needs: Pieces = []
        need = self._interpreter(self._strand_of(event))
        for piece in range(max(self.piece[before], 0), self.piece[event] + 1):
            needs += self.meters.pop(piece, [])
            share = self._share(piece, event, before)
            served_s = 0.0 if is_simulated else self.served_s[piece]
            needs += [(need, share * self.cpu_s[piece]), (DELAY, share * (self.wait_s[piece] + served_s))]
        return needs

    def _share(self, piece: int, event: int, before: int) -> float:
        """Return which share of a piece lies between two events."""
        length = self.length[piece]
        low = length - self.into[before] if piece == self.piece[before] else 0
        high = length - self.into[event] if piece == self.piece[event] else length
        return (high - low) / length if length else 0.0

    def _interpreter(self, strand: int) -> str:
        process = self.setting.process
        return INTERPRETER if process.get(self.ids[strand]) == process.get(self.ids[0]) else CPU

    def _together(self, ends: set[int]) -> tuple[int, ...]:
        """Return the items without those that others of them come after, as one when they are many."""
        ends -= {before for item in ends for before in self.items[item].after or ()}
        if len(ends) <= _MOST_AFTER:
            return tuple(sorted(ends))
        self.items.append(Item(DELAY, 0.0, tuple(sorted(ends))))
        return (len(self.items) - 1,)

    def _meters(self) -> dict[int, Pieces]:
        """Return what is asked of rate limits, by the piece before which it is asked."""
        by_piece: dict[int, Pieces] = {}
        places = {strand: place for place, strand in enumerate(self.ids)}
        start, first = self.graph.pieces.start, self.graph.strands.first
        for strand, at, station, units in self.setting.metered:
            if strand not in places:
                continue  # nothing of it lies within the task
            low, high = (int(first[places[strand] + k]) for k in (0, 1))
            piece = low + int(np.searchsorted(start[low:high], at))
            if low < high:
                by_piece.setdefault(min(piece, high - 1), []).append((station, units))
        return by_piece


def turns(need: str, amount: float) -> list[float]:
    """Return the amounts in which a thread does its work: in turns, where it needs the interpreter."""
    count = min(max(1, ceil(amount / SWITCH_S)), _MOST_TURNS) if need == INTERPRETER else 1
    return [amount / count] * count


def _seconds(graph: TaskGraph) -> tuple[list[float], list[float], list[float]]:
    """Return, of each piece, its seconds of CPU, of a model's own times, and of waits that stay; contention is none."""
    label = graph.pieces.label
    busy, served = _IS_BUSY[label], _IS_SERVED[label]
    busy[:, CPU_SLOTS:] = False
    waits = ~(busy | served | _IS_CONTENTION[label])
    cpu_s, served_s, wait_s = (_sum_s(graph.pieces.ns, chosen) for chosen in (busy, served, waits))
    return cpu_s, served_s, wait_s


def _sum_s(ns: Ints, chosen: Bools) -> list[float]:
    total: list[float] = (np.where(chosen, ns, 0).sum(axis=1) / NS_PER_S).tolist()
    return total


def _is_small(pieces: Pieces, small_s: float) -> bool:
    return all(need in _OWN for need, _ in pieces) and sum(amount for _, amount in pieces) < small_s


def _merged(pieces: Pieces, small_s: float) -> Pieces:
    """Return pieces with neighbours of one need as one, and small ones put to the last of their need.

    Their sum stays what it was; a rate limit is never put together with another.
    """
    merged: Pieces = []
    last: dict[str, int] = {}
    for need, amount in pieces:
        place = last.get(need)
        near = place is not None and (place == len(merged) - 1 or amount < small_s)
        if near and place is not None and need in _OWN:
            merged[place] = need, merged[place][1] + amount
        elif amount > 0:
            last[need] = len(merged)
            merged.append((need, amount))
    return merged


def no_load_s(items: tuple[Item, ...], served_s: Callable[[Item], float]) -> float:
    """Return how long the items take as they wait for each other, with nobody else there.

    Args:
        items: a task's.
        served_s: how long an idle station takes for an item.
    """
    ends: list[float] = []
    for index, item in enumerate(items):
        after = (index - 1,) if item.after is None else item.after
        begins = max((ends[place] for place in after if place >= 0), default=0.0)
        ends.append(begins + (item.amount if item.need in _OWN else served_s(item)))
    return max(ends, default=0.0)
