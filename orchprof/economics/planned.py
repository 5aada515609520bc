"""Planned: the machines that a plan buys for a load, and what a task costs on them: one engine for cost and plan."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from orchprof.contract.economics import AtVolume, FixRow
from orchprof.economics.bill.breakdown import Parts
from orchprof.economics.bill.payment import TOKEN
from orchprof.economics.bill.priced_run import Priced
from orchprof.economics.curve import HOUR_S, MONTH_S, Fleet
from orchprof.economics.failures import CALLS, LESS_OFTEN, PER, SOONER
from orchprof.economics.halving import MODEL
from orchprof.errors import OrchprofError
from orchprof.plan.demand import Demand, demand
from orchprof.plan.laws import TARGET_BUSY
from orchprof.plan.question import Slo
from orchprof.plan.volume import Held, fleet_for
from orchprof.prices.price import Book
from orchprof.run.store import Run

_LITTLE_PER_S = 1e-3  # a load that the least machines hold with ease


@dataclass(frozen=True, slots=True)
class Planned:
    """What is bought for loads in tasks per second, failed tasks among them.

    Attributes:
        demand: what a task of the run asks for.
        book: every price there is.
        named: machines to choose from; all when empty.
        alone: what a mean task takes at the load that was measured: accelerators that no plan knows how to batch, and
            what each task pays by itself.
        known: what was found already, by load.
        why: no machines hold the load that is sold, with its limits of latency; None: some do.
    """

    demand: Demand
    book: Book
    named: Sequence[str]
    alone: Fleet
    known: dict[float, Held] = field(default_factory=dict)
    why: str | None = None

    @property
    def per_task_usd(self) -> float:
        """What each task pays however many there are: tokens, tool calls, network."""
        return self.alone.per_task_usd

    @property
    def holds_per_s(self) -> list[float]:
        """The load that the least machines hold."""
        fullest = max(self.held(_LITTLE_PER_S).utilisation.values(), default=0.0)
        return [_LITTLE_PER_S * TARGET_BUSY / fullest] if fullest else []

    def held(self, tasks_per_s: float, slos: Sequence[Slo] = ()) -> Held:
        """Return the plan's machines for a load.

        Raises:
            OrchprofError: no machines hold it.
        """
        if tasks_per_s not in self.known:
            self.known[tasks_per_s] = fleet_for(
                self.demand, tasks_per_s, self.book, slos=slos, machine=self.named
            )
        return self.known[tasks_per_s]

    def batching(self, tasks_per_s: float) -> float:
        """Return accelerator time of a task at a load, in its batches, relative to what was measured; 1: not known."""
        measured_s = self.alone.accelerator_s
        if self.demand.model is None or not measured_s:
            return 1.0
        return min(self.held(tasks_per_s).accelerator_s / measured_s, 1.0)

    def machines(self, tasks_per_s: float) -> int:
        """Return how many machines run the agents."""
        return self.held(tasks_per_s).fleet.hosts

    def accelerators(self, tasks_per_s: float) -> int:
        """Return how many accelerators serve."""
        model = self.demand.model
        if model is None:
            return self.alone.accelerators(tasks_per_s)
        return self.held(tasks_per_s).fleet.replicas * model.setup.count

    def usd_per_hour(self, tasks_per_s: float) -> float:
        """Return what a load costs in an hour: machines, idle or not, and what tasks pay by themselves."""
        return float(self.held(tasks_per_s).usd_per_hour) + self._beside_usd(tasks_per_s)

    def _beside_usd(self, tasks_per_s: float) -> float:
        apart = self.alone.accelerators(tasks_per_s) if self.demand.model is None else 0
        return apart * self.alone.accelerator_usd_per_hour + tasks_per_s * self.per_task_usd * HOUR_S

    def record(self, tasks_per_s: float, success_rate: float) -> AtVolume:
        """Return what a load costs, as `at_volume` of orchprof.cost/1."""
        held, usd = self.held(tasks_per_s), self.usd_per_hour(tasks_per_s)
        return AtVolume(
            tasks_per_s=tasks_per_s,
            machines=held.machines(),
            accelerators=self.accelerators(tasks_per_s),
            usd_per_hour=usd,
            usd_per_month=usd * MONTH_S / HOUR_S,
            per_success_usd=usd / HOUR_S / tasks_per_s / success_rate,
            binding=held.binding,
            utilisation=held.utilisation,
            rule=held.rule,
        )


def planned(run: Priced, recorded: Run, book: Book) -> Planned | str:
    """Return what can be bought for loads of a run's tasks, or why nobody can say.

    The load that is sold is bought for with its limits of latency, where those were asked for.
    """
    if run.options.bill_only:
        return "not asked"
    try:
        asks = demand(recorded)
        # Calls that were simulated here but are paid elsewhere have no replicas to be simulated on.
        is_hosted = run.route.kind == TOKEN and asks.model is not None
        answer = Planned(
            replace(asks, model=None) if is_hosted else asks, book, run.options.machines, run.fleet()
        )
        answer.held(_LITTLE_PER_S)
    except OrchprofError as error:
        return str(error)
    load = run.tasks_per_s()
    if load is None:
        return answer
    try:
        answer.held(load, () if is_hosted else [Slo(*slo) for slo in run.options.slos])
    except OrchprofError as error:
        return replace(answer, why=str(error))
    return answer


def saved_at(rows: list[FixRow], parts: Parts, times: float) -> list[FixRow]:
    """Return what to fix, a year's saving with accelerators shared as at the volume: `times` what was measured.

    Args:
        rows: `fix_first` of orchprof.cost/1; `usd_saved` stays at the load that was measured.
        parts: of a mean task's cost.
        times: accelerator time at the volume, relative to that.
    """
    whole, batched = parts.whole_usd, (parts.accelerator_usd or 0.0) * (1 - times)
    if not whole or not batched:
        return rows
    return [
        row if (yearly := row.usd_saved_per_year) is None
        else replace(row, usd_saved_per_year=yearly * _left(row, whole, batched))
        for row in rows
    ]  # fmt: skip


def _left(row: FixRow, whole: float, batched: float) -> float:
    """Return the share of a saving that batches have not saved already."""
    if row.what == MODEL:
        return 1 - batched / 2 * PER / row.usd_saved if row.usd_saved else 1.0
    return 1 - batched / whole if row.what in (LESS_OFTEN, SOONER, CALLS) else 1.0
