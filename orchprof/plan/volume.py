"""Volume: the machines that a rate of tasks takes, and what they cost: what `cost` asks when it is told a volume.

The answer is the plan's: the same machines from the same book, by the same search where a limit of latency is given.
Where none is, no latency is promised: the cheapest machines whose pools are all at most TARGET_BUSY full, by law.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from orchprof.contract.plan import FleetMachine
from orchprof.errors import OrchprofError, UsageError
from orchprof.plan.binding import tightest, utilisation
from orchprof.plan.demand import Demand
from orchprof.plan.fleet import GIB, USABLE_MEMORY, Fleet, Kind, Layout, cores_of, kinds
from orchprof.plan.laws import (
    TARGET_BUSY,
    Traffic,
    batch_of,
    batched_s,
    fleet_of,
    least_accelerator_s,
    response_s,
)
from orchprof.plan.question import Question, Slo, Target, check
from orchprof.plan.search.answer import checked
from orchprof.plan.search.search import Search, refuse_limits
from orchprof.prices.price import Book


@dataclass(frozen=True, slots=True)
class Held:
    """Machines that are enough for a rate.

    Attributes:
        fleet: how many of which.
        usd_per_hour: for all of them, busy or not; tokens of hosted models apart.
        binding: the pool that is full first: `cores`, `accelerator`, `memory`, `interpreter`, `worker slots`, a
            limit, `latency`; None: nothing is, the fleet is the least that can be had.
        utilisation: busy share of each pool.
        rule: in words, what the fleet is the cheapest for.
        accelerator_s: of an accelerator per task in batches as full as this load makes them; 0: none is planned.
    """

    fleet: Fleet
    usd_per_hour: Decimal
    binding: str | None
    utilisation: dict[str, float]
    rule: str
    accelerator_s: float

    def machines(self) -> list[FleetMachine]:
        """Return them as the plan record has them: name, count and price of each, with its source."""
        return self.fleet.machines()


def fleet_for(
    demands: Demand | Sequence[Demand],
    rate_per_s: float,
    book: Book,
    *,
    slos: Sequence[Slo] = (),
    machine: Sequence[str] = (),
    most_busy: float = TARGET_BUSY,
) -> Held:
    """Return the cheapest machines that are enough for a rate of tasks, failed ones among them.

    With limits of latency it is what `orchprof plan` answers to the same question; that takes a second or two.
    Without any it takes milliseconds.

    Args:
        demands: of one run, or of each in a mix: `demand(Run(path, meta, tables))`.
        rate_per_s: tasks that arrive per second, poisson.
        book: what is sold; the only source of prices.
        slos: limits that have to hold; none: pools are to be at most `most_busy` full.
        machine: names to choose from; all when empty.
        most_busy: where no limit is given, share of a pool that may be in use.

    Raises:
        UsageError: a rate that cannot be, a machine that nobody sells.
        OrchprofError: no machine has the memory, none runs the model, or nothing meets the limits.
    """
    if not 0 < rate_per_s < float("inf"):
        raise UsageError(f"not a rate, {rate_per_s!r} tasks/s @ the volume, give a number above 0")
    mix = (demands,) if isinstance(demands, Demand) else tuple(demands)
    question = Question(mix, Target((rate_per_s,), tuple(slos)), Layout())
    check(question)
    candidates = kinds(book, machine, question.model)
    if slos:
        return _searched(question, candidates)
    refuse_limits(question, Traffic(rate_per_s))
    enough = [each for kind in candidates if (each := _by_law(question, kind, rate_per_s, most_busy))]
    if not enough:
        raise OrchprofError(
            f"no machine has the memory, {sum(question.size) / GIB:.1f} GiB of a worker and its task @ --machine, "
            "name a larger one, or add it with --machines FILE"
        )
    return min(enough, key=lambda each: each.usd_per_hour)


def _searched(question: Question, candidates: list[Kind]) -> Held:
    rate_per_s = question.target.rates_per_s[0]
    best, _ = checked(Search(question, Traffic(rate_per_s)), candidates)
    wish = ", ".join(f"{slo.name} < {slo.most_s:g} s" for slo in question.target.slos)
    rule = f"{wish} with confidence {question.target.confidence:.0%}, simulated"
    return _held(question, best.fleet, utilisation(question, best), rule)


def _held(question: Question, fleet: Fleet, busy: dict[str, float], rule: str) -> Held:
    own_s = _own_s(question, question.target.rates_per_s[0], fleet.replicas)
    return Held(fleet, fleet.usd_per_hour, tightest(question, fleet, busy), busy, rule, own_s)


def _by_law(question: Question, kind: Kind, rate_per_s: float, most_busy: float) -> Held | None:
    """Return the fewest machines of a kind whose pools are at most so full; None where no worker fits the memory.

    Source: Lazowska et al. (1984), Quantitative System Performance, chapter 3: utilisation and Little's laws.
    """
    base, each = question.size
    room = kind.host.memory_gib * GIB * USABLE_MEMORY
    if base + each > room:
        return None
    cores = cores_of(kind.host, question.calibration, question.demands[0].core_speed)
    busy = rate_per_s * question.core_s / (cores.count * cores.speed)
    replicas = ceil(rate_per_s * least_accelerator_s(question) / most_busy)
    queued_s = question.core_s * most_busy / (1 - most_busy) / cores.speed
    at_once = rate_per_s * (response_s(question, rate_per_s, replicas) + queued_s)
    held_bytes = at_once * (base + each if question.layout.mode == "processes" else each)
    hosts = max(1, ceil(busy / most_busy), ceil(held_bytes / room / most_busy))
    fleet = fleet_of(question, kind, hosts, max(replicas, 1))
    full = {"cores": busy / fleet.hosts, "memory": held_bytes / room / fleet.hosts}
    if fleet.replicas:
        full["accelerator"] = rate_per_s * least_accelerator_s(question) / fleet.replicas
    rule = f"no pool more than {most_busy:.0%} full, by the utilisation law; no latency is promised"
    return _held(question, fleet, full, rule)


def _own_s(question: Question, rate_per_s: float, replicas: int) -> float:
    """Return accelerator-seconds per task in the batches that a rate makes."""
    if question.model is None or not replicas:
        return 0.0
    own_s = batched_s(question, batch_of(question, rate_per_s, replicas))[0]
    return own_s * question.model.setup.count
