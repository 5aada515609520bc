"""Order: things so that each comes after those it needs, and where possible after those it would rather have first."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

Pairs = tuple[Sequence[int], Sequence[int]]  # those that come first, and those that follow


def in_order(given: Sequence[int], hard: Pairs, soft: Pairs) -> list[int]:
    """Return all things in an order that holds to every hard pair, and to each soft one that can be held to.

    Args:
        given: the things, in an order that holds to the hard pairs; it is kept as far as possible.
        hard: pairs that must be held to.
        soft: pairs that give way where they cannot be.
    """
    place = {thing: at for at, thing in enumerate(given)}
    then: dict[int, list[tuple[int, int]]] = {}
    needs = [[0, 0] for _ in given]
    for kind, (before, after) in enumerate((hard, soft)):
        for first, second in zip(before, after, strict=True):
            then.setdefault(place[first], []).append((place[second], kind))
            needs[place[second]][kind] += 1
    free = [at for at, (musts, wishes) in enumerate(needs) if not musts and not wishes]
    stuck = [at for at, (musts, wishes) in enumerate(needs) if not musts and wishes]
    heapify(free)
    heapify(stuck)
    done = [False] * len(given)
    found: list[int] = []
    while free or stuck:
        at = heappop(free or stuck)
        if done[at]:
            continue
        done[at] = True
        found.append(given[at])
        for other, kind in then.get(at, ()):
            needs[other][kind] -= 1
            if not needs[other][0]:
                heappush(stuck if needs[other][1] else free, other)
    return found
