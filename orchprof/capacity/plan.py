"""Plan: the cheapest fleet that holds a target: bounds that need no simulation first, then as few trials as will do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from orchprof.capacity.fleet import GIB, USABLE_MEMORY, Fleet, Kind, cores_of, per_machine, slots
from orchprof.capacity.question import Question
from orchprof.capacity.trial import (
    BRIEF,
    FULL,
    MOST_BUSY,
    QUICK,
    Effort,
    Trial,
    least_accelerator_s,
    slowest,
    trial,
)
from orchprof.errors import OrchprofError

_MOST_DOUBLINGS: Final = 6
_COARSE: Final = 32  # of large numbers one part in so many is near enough
_HOSTS_FIRST: Final = 3  # so many steps up of the hosts before one of the replicas
_MOST_STEPS: Final = 12  # up from the fleet that holds in the mean to one that surely does


@dataclass(slots=True)
class Search:
    """The search for one load. What was tried is kept: many kinds of machine differ in nothing but their price."""

    question: Question
    rate_per_s: float | None
    last: Effort = FULL  # what the answer itself is simulated with
    considered: int = 0
    tried: int = 0
    flying: float | None = None  # tasks at once, as the last fleet that kept up had
    known: dict[tuple[object, ...], Trial | None] = field(default_factory=dict)

    def look(self, fleet: Fleet, effort: Effort) -> Trial | None:
        """Return a fleet's trial."""
        host = fleet.kind.host
        key = (host.vcpus, host.memory_gib, fleet.hosts, fleet.replicas, effort.runs)
        if key not in self.known:
            self.tried += 1
            self.known[key] = trial(self.question, fleet, self.rate_per_s, effort, self.flying)
        found = self.known[key]
        if found is not None and not found.saturated:
            self.flying = found.in_flight
        return found and Trial(
            fleet, found.layout, found.figures, found.saturated, found.busy, found.in_flight, found.part
        )

    def holds(self, fleet: Fleet, effort: Effort) -> bool:
        """Return whether a fleet holds, surely where the effort is the last one."""
        found = self.look(fleet, effort)
        return found is not None and found.holds(self.question, surely=effort is self.last)


def cheapest(search: Search, kinds: list[Kind]) -> Trial:
    """Return the cheapest fleet that surely holds.

    Raises:
        OrchprofError: no machine has the memory for one worker, or none of these holds however many there are.
    """
    _refuse_limits(search)
    search.considered = len(kinds)
    if all(at_least(search, kind) is None for kind in kinds):
        raise _no_memory(search, kinds)
    replicas = _fewest_replicas(search, [kind for kind in kinds if at_least(search, kind) is not None])
    bounds = {id(kind): at_least(search, kind, replicas) for kind in kinds}
    fitting = [kind for kind in kinds if bounds[id(kind)] is not None]
    best: Trial | None = None
    for kind in sorted(fitting, key=lambda each: _price(bounds[id(each)])):
        least = bounds[id(kind)]
        if best is not None and _price(least) >= best.fleet.usd_per_hour:
            break  # not even at its bound is it cheaper, and those after it are dearer still
        found = _sure(search, kind, replicas, best)
        best = found if found is not None else best
    if best is None:
        raise OrchprofError(
            f"no number of these machines holds it, {_wish(search)} @ --slo, "
            "allow more time, another machine, or less at once"
        )
    return best


def _price(fleet: Fleet | None) -> float:
    return float("inf") if fleet is None else float(fleet.usd_per_hour)


def _wish(search: Search) -> str:
    slo = ", ".join(f"{slo.name} < {slo.most_s:g} s" for slo in search.question.target.slos)
    load = (
        f"{search.question.target.users} users"
        if search.rate_per_s is None
        else f"{search.rate_per_s:g} tasks/s"
    )
    return f"{slo} at {load}"


def at_least(search: Search, kind: Kind, replicas: int = 1) -> Fleet | None:
    """Return the fewest machines that could do, by the utilisation law; None where no worker fits the memory.

    Cores are to be MOST_BUSY at most even as slow as they may be at the target's confidence.

    Args:
        search: for what.
        kind: of machines.
        replicas: of the model that are needed, as far as that is known.

    Source: Lazowska et al. (1984), Quantitative System Performance, chapter 3: cores busy = rate x core-seconds.
    """
    question = search.question
    rate_per_s = search.rate_per_s or 0.0
    if slots(kind.host, question.layout, 1, question.size) is None:
        return None
    cores = cores_of(kind.host, question.calibration, question.asks[0].core_speed)
    busy = rate_per_s * question.core_s / (cores.speed * slowest(question)) / MOST_BUSY
    flying = rate_per_s * question.no_load_s
    memory = flying * question.size[1] / (kind.host.memory_gib * GIB * USABLE_MEMORY)
    hosts = max(1, ceil(busy / cores.count), ceil(memory))
    return fleet_of(question, kind, hosts, max(replicas, ceil(rate_per_s * least_accelerator_s(question))))


def fleet_of(question: Question, kind: Kind, hosts: int, replicas: int) -> Fleet:
    """Return a fleet with at least so many hosts and replicas; machines that do both are as many as either needs."""
    model = question.model
    if model is None or kind.accelerator is None:
        return Fleet(kind, hosts)
    each = per_machine(kind.accelerator, model)
    machines = ceil(replicas / each)
    if kind.is_together:
        machines = max(machines, hosts)
        return Fleet(kind, machines, machines, machines * each)
    return Fleet(kind, hosts, machines, machines * each)


def _refuse_limits(search: Search) -> None:
    """Refuse a rate that a limit does not let through, however many machines there are."""
    question = search.question
    for quota in question.quotas:
        asked = question.amount(quota.station)
        most_per_s = MOST_BUSY * quota.per_s
        if search.rate_per_s and asked * search.rate_per_s > most_per_s:
            raise OrchprofError(
                f"a limit binds, {search.rate_per_s:g} tasks/s ask for {asked * search.rate_per_s:.4g} "
                f"{quota.station}/s of {quota.per_s:.4g} @ --limit, "
                f"plan for {most_per_s / asked:.3g} tasks/s at most, {MOST_BUSY:.0%} of it"
            )


def _no_memory(search: Search, kinds: list[Kind]) -> OrchprofError:
    base, each = search.question.size
    most = max(kind.host.memory_gib for kind in kinds)
    return OrchprofError(
        f"no machine has the memory, {(base + each) / GIB:.1f} GiB of a worker and its task @ --machine, "
        f"the largest has {most:g} GiB, of which {USABLE_MEMORY:.0%} are used: add one with --machines FILE"
    )


def _fewest_replicas(search: Search, kinds: list[Kind]) -> int:
    """Return the fewest replicas that hold the target on hosts that never bind."""
    question = search.question
    if question.model is None:
        return 0
    roomy = max(kinds, key=lambda kind: (kind.host.vcpus, kind.host.memory_gib))
    plenty = at_least(search, roomy)
    assert plenty is not None
    flying = (search.rate_per_s or 0.0) * question.no_load_s + (question.target.users or 0)
    hosts = 4 * plenty.hosts + ceil(flying / roomy.host.vcpus)

    def holds(replicas: int) -> bool:
        return search.holds(Fleet(roomy, hosts, replicas, replicas), QUICK)

    found = _smallest(holds, max(1, ceil((search.rate_per_s or 0.0) * least_accelerator_s(question))))
    if found is None:
        raise OrchprofError(
            f"no number of accelerators holds it, {_wish(search)} @ --slo, allow more time or use a faster one"
        )
    return found


def _smallest(holds: Callable[[int], bool], least: int) -> int | None:
    """Return nearly the smallest number from `least` on that holds, by doubling and halving; None when none does."""
    low, high = least - 1, least
    for _ in range(_MOST_DOUBLINGS):
        if holds(high):
            return _between(holds, low, high)
        low, high = high, 2 * high
    return None


def _between(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return nearly the smallest number that holds, above one that does not and up to one that does."""
    while high - low > max(1, high // _COARSE):
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _sure(search: Search, kind: Kind, replicas: int, best: Trial | None) -> Trial | None:
    """Return the smallest fleet of a kind that surely holds; None when none does, or none cheaper than the best."""
    question = search.question
    least = at_least(search, kind)
    assert least is not None

    def holds(hosts: int) -> bool:
        return search.holds(fleet_of(question, kind, hosts, replicas), QUICK)

    if best is None:
        hosts = _smallest(holds, least.hosts)
    else:
        most = _most_below(question, kind, (least.hosts, replicas), best.fleet)
        hosts = _between(holds, least.hosts - 1, most) if holds(most) else None
    if hosts is None:
        return None
    for step in range(1, _MOST_STEPS + 1):
        fleet = fleet_of(question, kind, hosts, replicas)
        if best is not None and fleet.usd_per_hour >= best.fleet.usd_per_hour:
            return None
        if search.holds(fleet, search.last):
            return search.look(fleet, search.last)
        hosts += max(1, hosts // 16)
        if replicas and step % _HOSTS_FIRST == 0:
            replicas += max(1, replicas // 16)  # then it is not the hosts
    return None


def _most_below(question: Question, kind: Kind, least: tuple[int, int], best: Fleet) -> int:
    """Return how many hosts, of a kind that is cheaper with the least of them, still cost less than the best."""
    hosts, replicas = least
    while fleet_of(question, kind, hosts + 1, replicas).usd_per_hour < best.usd_per_hour:
        hosts += 1
    return hosts


def in_proportion(question: Question, best: Trial, factor: float, rate_per_s: float) -> Trial | None:
    """Return the fewest machines that surely hold a rate, of the best's kind and in its proportions.

    None when none does within a few more than in proportion.
    """
    fleet, flying = best.fleet, best.in_flight * factor
    for more in range(_MOST_STEPS):
        hosts, replicas = (ceil(count * factor) + more for count in (fleet.hosts, fleet.replicas))
        found = trial(question, fleet_of(question, fleet.kind, hosts, replicas), rate_per_s, BRIEF, flying)
        if found is not None and found.holds(question, surely=True):
            return found
    return None
