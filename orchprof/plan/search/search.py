"""Plan: the cheapest fleet that meets an SLO: bounds that need no simulation first, then as few trials as will do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import ceil
from typing import Final, NamedTuple

from orchprof.errors import OrchprofError
from orchprof.plan.fleet import GIB, USABLE_MEMORY, Fleet, Kind, slots
from orchprof.plan.laws import MOST_BUSY, Traffic, at_least, fleet_of, least_replicas, needed_per_s
from orchprof.plan.question import Question
from orchprof.plan.search.refusal import no_fleet_meets_slo
from orchprof.plan.search.rig import FULL, MEAN, SEARCH, Effort, wanted
from orchprof.plan.search.scenarios import adverse
from orchprof.plan.search.trial import Trial, has_room, is_below, trial, uncertainty_of

_MOST_DOUBLINGS: Final = 12
_COARSE: Final = 20  # of large numbers one part in so many is near enough
_WORTH: Final = Decimal("0.95")  # of the best price so far: less of a difference is not looked for
# After a fleet that did not meet the SLO, those are looked for that have so many times the room, at least and at most.
_LEAST_MORE: Final = 1.05
_MOST_MORE: Final = 1.1
_MOST_RUNS: Final = 160  # of a search in which nothing met the SLO: it does not hang on the kind of machine
_MOST_EVENTS: Final = 4_000_000  # simulated before no more kinds are tried, if one meets the SLO
_MOST_UP: Final = 8  # steps from machines that seem to meet the SLO, or in proportion would


class Size(NamedTuple):
    """What makes one fleet differ from another in a simulation."""

    vcpus: float
    processes: int
    per_worker: int
    hosts: int
    replicas: int

    def has_all_of(self, other: "Size") -> bool:
        """Return whether it can do all that another can: as much of everything, in machines that are no smaller.

        Source: Smith and Whitt (1981), Resource sharing for efficiency in traffic systems.
        """
        return (
            self.replicas >= other.replicas
            and self.per_worker >= other.per_worker
            and all(
                mine >= its and mine * self.hosts >= its * other.hosts
                for mine, its in ((self.vcpus, other.vcpus), (self.processes, other.processes))
            )
        )


@dataclass(slots=True)
class Search:
    """The search for one load. What was tried is kept: many kinds of machine differ in nothing but their price."""

    question: Question
    traffic: Traffic
    effort: Effort = FULL
    considered: int = 0
    tried: int = 0
    runs: int = 0
    events: int = 0  # of the simulations
    at_once: float | None = None  # tasks in flight, as the last fleet that kept up had
    near_usd: Decimal | None = None  # hourly price of the cheapest that met the SLO, nothing in doubt
    refuted: list[Fleet] = field(default_factory=list)
    known: dict[Size, Trial] = field(default_factory=dict)
    seemed: dict[Size, Trial] = field(default_factory=dict)
    room: float = 1.0  # in the bad case, of what seems to meet the SLO

    def look(self, fleet: Fleet) -> Trial | None:
        """Return a fleet's trial; None where not one worker fits its hosts' memory."""
        size = self._size(fleet)
        if size is None:
            return None
        if size not in self.known:
            self.tried += 1
            tried = trial(self.question, fleet, self.traffic, self.effort, self.at_once)
            assert tried is not None
            self.known[size] = tried
            self.runs += 1 + len(tried.runs)
            self.events += tried.events
        tried = self.known[size]
        if not tried.saturated:
            self.at_once = tried.in_flight
        if tried.is_near and (self.near_usd is None or fleet.usd_per_hour < self.near_usd):
            self.near_usd = fleet.usd_per_hour
        return replace(tried, fleet=fleet)

    def meets_slo(self, fleet: Fleet) -> bool:
        """Return whether a fleet surely meets the SLO."""
        size = self._size(fleet)
        if size is None or self._is_refuted(fleet):
            return False
        if any(known.has_all_of(size) and not tried.is_sure for known, tried in self.known.items()):
            return False
        tried = self.look(fleet)
        return tried is not None and tried.is_sure

    def seems_to_meet_slo(self, fleet: Fleet) -> bool:
        """Return whether a fleet meets the SLO in a bad case, by a run of it or of one that has more, or less."""
        size = self._size(fleet)
        if size is None or self._is_refuted(fleet):
            return False
        for other, tried in self.seemed.items():
            is_enough = is_below(self.question, tried, self.room)
            if size.has_all_of(other) if is_enough else other.has_all_of(size):
                return is_enough
        return is_below(self.question, self._bad(size, fleet), self.room)

    def learn(self, fleet: Fleet) -> None:
        """Let what seems to meet the SLO have as much room in the bad case as a fleet lacked that did not."""
        size = self._size(fleet)
        tried = None if size is None else self.known.get(size)
        asked = 0.0
        if size is not None and tried is not None:
            asked = uncertainty_of(self.question, tried, self._bad(size, fleet))
        self.room *= min(max(asked / self.room, _LEAST_MORE), _MOST_MORE)

    def _bad(self, size: Size, fleet: Fleet) -> Trial:
        if size not in self.seemed:
            case = adverse(self.question, SEARCH)
            tried = trial(self.question, fleet, self.traffic, MEAN, self.at_once, case)
            assert tried is not None
            self.seemed[size] = tried
            self.runs += 1
            self.events += tried.events
        return self.seemed[size]

    def refute(self, fleet: Fleet) -> None:
        """Take a fleet, and those that are hardly larger, for ones that miss the SLO, whatever a trial says."""
        self.refuted.append(fleet)

    def _size(self, fleet: Fleet) -> Size | None:
        question, host = self.question, fleet.kind.host
        layout = slots(host, question.layout, wanted(question, fleet, self.traffic), question.size)
        if layout is None:
            return None
        return Size(host.vcpus, layout.processes, layout.per_worker, fleet.hosts, fleet.replicas)

    def _is_refuted(self, fleet: Fleet) -> bool:
        return any(
            fleet.kind.host.vcpus <= each.kind.host.vcpus
            and fleet.hosts <= each.hosts + each.hosts // _COARSE
            and fleet.replicas <= each.replicas + each.replicas // _COARSE
            for each in self.refuted
        )


def cheapest(search: Search, kinds: list[Kind]) -> Trial:
    """Return the cheapest fleet that surely meets the SLO.

    Raises:
        OrchprofError: no machine has the memory for one worker, or none of these is enough however many there are.
    """
    question, traffic = search.question, search.traffic
    refuse_limits(question, traffic)
    search.considered = len(kinds)
    fitting = [kind for kind in kinds if at_least(question, kind, traffic) is not None]
    if not fitting:
        raise _no_memory(question, kinds)
    least = min((bound for _, bound in _bounds(question, fitting, traffic, 0)), key=_price)
    if not traffic.is_closed and search.meets_slo(least):
        tried = search.look(least)
        assert tried is not None
        return tried  # nothing can be cheaper
    replicas = _fewest_replicas(search, fitting)
    search.near_usd = None  # those had hosts that nobody would pay for
    best: Trial | None = None
    for kind, least in sorted(
        _bounds(question, fitting, traffic, replicas), key=lambda each: _price(each[1])
    ):
        if best is not None and least.usd_per_hour >= _WORTH * best.fleet.usd_per_hour:
            break  # not even at its bound is it cheaper, and those after it are dearer still
        if best is not None and search.events > _MOST_EVENTS:
            break  # those that are left could be a little cheaper
        if best is None and search.runs > _MOST_RUNS:
            break  # it is not the machines
        tried = _fewest(search, kind, fitting, best)
        best = tried if tried is not None else best
    if best is None:
        raise no_fleet_meets_slo(question, traffic, "these machines")
    return best


def _bounds(
    question: Question, kinds: list[Kind], traffic: Traffic, replicas: int
) -> Iterator[tuple[Kind, Fleet]]:
    """Yield each kind with the fewest machines of it that could do."""
    for kind in kinds:
        fleet = at_least(question, kind, traffic, replicas)
        if fleet is not None:
            yield kind, fleet


def _price(fleet: Fleet) -> Decimal:
    return fleet.usd_per_hour


def refuse_limits(question: Question, traffic: Traffic) -> None:
    """Refuse a load that a limit does not let through, however many machines there are.

    Raises:
        OrchprofError: there is such a limit.
    """
    per_s = needed_per_s(question, traffic)
    for quota in question.quotas:
        asked = question.amount(quota.station)
        most_per_s = MOST_BUSY * quota.per_s
        if asked * per_s > most_per_s:
            times = most_per_s / (asked * per_s)
            raise OrchprofError(
                f"a limit binds, {traffic} ask for {asked * per_s:.4g} "
                f"{quota.station}/s of {quota.per_s:.4g} @ --limit, "
                f"plan for {traffic.times(times)} at most, {MOST_BUSY:.0%} of it"
            )


def _no_memory(question: Question, kinds: list[Kind]) -> OrchprofError:
    base, each = question.size
    most = max(kind.host.memory_gib for kind in kinds)
    return OrchprofError(
        f"no machine has the memory, {(base + each) / GIB:.1f} GiB of a worker and its task @ --machine, "
        f"the largest has {most:g} GiB, of which {USABLE_MEMORY:.0%} are used: add one with --machines FILE"
    )


def _fewest_replicas(search: Search, kinds: list[Kind]) -> int:
    """Return the fewest replicas that meet the SLO on hosts that never bind."""
    question, traffic = search.question, search.traffic
    if question.model is None:
        return 0
    roomy = max(kinds, key=lambda kind: (kind.host.vcpus, kind.host.memory_gib))
    plenty = at_least(question, roomy, traffic)
    assert plenty is not None
    at_once = needed_per_s(question, traffic) * question.no_load_s
    hosts = 4 * plenty.hosts + ceil(at_once / roomy.host.vcpus)
    fewest = _smallest(
        lambda replicas: search.seems_to_meet_slo(Fleet(roomy, hosts, replicas, replicas)),
        least_replicas(question, traffic),
        is_bound=not traffic.is_closed,
    )
    if fewest is None:
        raise no_fleet_meets_slo(question, traffic, "accelerators")
    return fewest


def _smallest(is_enough: Callable[[int], bool], least: int, *, is_bound: bool) -> int | None:
    """Return nearly the smallest number that is enough, from `least` on by doubling and halving; None when none is.

    Where `least` is no bound but where to begin, smaller ones are tried too.
    """
    low, high = least - 1, least
    for _ in range(_MOST_DOUBLINGS):
        if is_enough(high):
            break
        low, high = high, 2 * high
    else:
        return None
    if high == least and not is_bound:
        low = _below(is_enough, least)
        high = min(high, 2 * low + 1)
    return _between(is_enough, low, high)


def _below(is_enough: Callable[[int], bool], number: int) -> int:
    """Return a number that is not enough, the first by halving one that is; 0 where all of them are."""
    while number > 0 and is_enough(number):
        number //= 2
    return number


def _between(is_enough: Callable[[int], bool], low: int, high: int) -> int:
    """Return nearly the smallest number that is enough, above one that is not and up to one that is."""
    while high - low > max(1, high // _COARSE):
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _fewest(search: Search, kind: Kind, kinds: list[Kind], best: Trial | None) -> Trial | None:
    """Return the cheapest fleet of a kind that surely meets the SLO; None when none does for less than the best.

    It is the cheapest that seems to meet it, with as much room as those lacked that seemed so and did not.
    """
    below_usd = None if best is None else _WORTH * best.fleet.usd_per_hour
    for _ in range(_MOST_UP):
        fleet = _seeming(search, kind, _fewest_replicas(search, kinds), below_usd)
        if fleet is None:
            return None
        if search.meets_slo(fleet):
            return search.look(fleet)
        search.learn(fleet)
        search.refute(fleet)
    return None


def _seeming(search: Search, kind: Kind, replicas: int, below_usd: Decimal | None) -> Fleet | None:
    """Return the cheapest fleet of a kind that seems to meet the SLO, with as many replicas as pay."""
    cheapest_seen: Fleet | None = None
    for _ in range(_MOST_UP):
        least = at_least(search.question, kind, search.traffic, replicas)
        hosts = None if least is None else _fewest_hosts(search, kind, (least.hosts, replicas), below_usd)
        if hosts is None:
            break
        cheapest_seen = fleet_of(search.question, kind, hosts, replicas)
        if not replicas:
            break
        below_usd = cheapest_seen.usd_per_hour
        replicas = max(cheapest_seen.replicas, replicas) + max(1, replicas // _COARSE)
    return cheapest_seen


def _fewest_hosts(
    search: Search, kind: Kind, least: tuple[int, int], below_usd: Decimal | None
) -> int | None:
    question, (hosts, replicas) = search.question, least

    def seems(count: int) -> bool:
        return search.seems_to_meet_slo(fleet_of(question, kind, count, replicas))

    if below_usd is None:
        return _smallest(seems, hosts, is_bound=not search.traffic.is_closed)
    if fleet_of(question, kind, hosts, replicas).usd_per_hour >= below_usd:
        return None
    most = _most_below(question, kind, least, below_usd)
    if not seems(most):
        return None
    return _between(seems, _below(seems, hosts) if search.traffic.is_closed else hosts - 1, most)


def _most_below(question: Question, kind: Kind, least: tuple[int, int], usd_per_hour: Decimal) -> int:
    """Return how many hosts, of a kind that costs less with the least of them, still do."""
    hosts, replicas = least
    step = 1
    while fleet_of(question, kind, hosts + step, replicas).usd_per_hour < usd_per_hour:
        hosts, step = hosts + step, 2 * step
    while step := step // 2:
        if fleet_of(question, kind, hosts + step, replicas).usd_per_hour < usd_per_hour:
            hosts += step
    return hosts


def in_proportion(question: Question, best: Trial, factor: float) -> Trial | None:
    """Return the fewest machines that meet the SLO at a multiple of a load, of the best's kind and in its proportions.

    They meet it where nothing is in doubt, with as much room as the best's doubt takes. None when none does within
    a few more than in proportion.
    """
    fleet, traffic = best.fleet, best.traffic.times(factor)
    least = [ceil(count * factor) for count in (fleet.hosts, fleet.replicas)]
    for more in range(_MOST_UP):
        hosts, replicas = (count + ceil(more * count / 16) for count in least)
        changed = fleet_of(question, fleet.kind, hosts, replicas)
        tried = trial(question, changed, traffic, MEAN, best.in_flight * factor)
        if tried is not None and has_room(question, tried, best):
            return tried
    return None
