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
        demands: of one run, or of each in a mix: `demand(run)`.
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
    asked = _Asked(question, rate_per_s, most_busy)
    enough = [fleet for kind in candidates if (fleet := asked.fleet(kind))]
    if not enough:
        raise OrchprofError(
            f"no machine has the memory, {sum(question.size) / GIB:.1f} GiB of a worker and its task @ --machine, "
            "name a larger one, or add it with --machines FILE"
        )
    return asked.held(min(enough, key=lambda fleet: fleet.usd_per_hour))


def _searched(question: Question, candidates: list[Kind]) -> Held:
    rate_per_s = question.target.rates_per_s[0]
    best, _ = checked(Search(question, Traffic(rate_per_s)), candidates)
    wish = ", ".join(f"{slo.name} < {slo.most_s:g} s" for slo in question.target.slos)
    rule = f"{wish} with confidence {question.target.confidence:.0%}, simulated"
    return _held(question, best.fleet, utilisation(question, best), rule)


def _held(question: Question, fleet: Fleet, busy: dict[str, float], rule: str) -> Held:
    own_s = _own_s(question, question.target.rates_per_s[0], fleet.replicas)
    return Held(fleet, fleet.usd_per_hour, tightest(question, fleet, busy), busy, rule, own_s)


class _Asked:
    """A rate for which the fewest machines are sought whose pools are at most so full.

    Source: Lazowska et al. (1984), Quantitative System Performance, chapter 3: utilisation and Little's laws.
    """

    def __init__(self, question: Question, rate_per_s: float, most_busy: float) -> None:
        self.question, self.rate_per_s, self.most_busy = question, rate_per_s, most_busy
        self.served = rate_per_s * least_accelerator_s(question)
        self.replicas = ceil(self.served / most_busy)
        self.response_s = response_s(question, rate_per_s, self.replicas)

    def fleet(self, kind: Kind) -> Fleet | None:
        """Return the fewest machines of a kind; None where no worker fits the memory."""
        base, each = self.question.size
        if base + each > kind.host.memory_gib * GIB * USABLE_MEMORY:
            return None
        busy, held = self._demand(kind)
        hosts = max(1, ceil(busy / self.most_busy), ceil(held / self.most_busy))
        return fleet_of(self.question, kind, hosts, max(self.replicas, 1))

    def _demand(self, kind: Kind) -> tuple[float, float]:
        """Return how many machines of a kind the cores, and the memory, would fill."""
        question = self.question
        base, each = question.size
        cores = cores_of(kind.host, question.calibration, question.demands[0].core_speed)
        queued_s = question.core_s * self.most_busy / (1 - self.most_busy) / cores.speed
        at_once = self.rate_per_s * (self.response_s + queued_s)
        held_bytes = at_once * (base + each if question.layout.mode == "processes" else each)
        busy = self.rate_per_s * question.core_s / (cores.count * cores.speed)
        return busy, held_bytes / (kind.host.memory_gib * GIB * USABLE_MEMORY)

    def held(self, fleet: Fleet) -> Held:
        """Return a fleet with how full its pools are."""
        busy, held = self._demand(fleet.kind)
        full = {"cores": busy / fleet.hosts, "memory": held / fleet.hosts}
        if fleet.replicas:
            full["accelerator"] = self.served / fleet.replicas
        rule = f"no pool more than {self.most_busy:.0%} full, by the utilisation law; no latency is promised"
        return _held(self.question, fleet, full, rule)


def _own_s(question: Question, rate_per_s: float, replicas: int) -> float:
    """Return accelerator-seconds per task in the batches that a rate makes."""
    if question.model is None or not replicas:
        return 0.0
    own_s = batched_s(question, batch_of(question, rate_per_s, replicas))[0]
    return own_s * question.model.setup.count
