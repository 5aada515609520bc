"""Rig: a fleet, or a part of it, set up to be simulated, and with how much effort."""

from dataclasses import dataclass
from math import ceil
from typing import Final

from orchprof.models.paced.batch import Limits
from orchprof.plan.fleet import Fleet, Slots, cores_of, slots
from orchprof.plan.laws import Traffic, mean_items, needed_per_s, response_s, tasks_in_flight
from orchprof.plan.question import Question
from orchprof.plan.search.scenarios import Scenario
from orchprof.simulate.arrivals import Closed, Load, Open
from orchprof.simulate.simulation import Length, Outcome, simulate
from orchprof.simulate.system import Host, Replicas, Station, System

SEARCH: Final = 0  # the stream of chances that every fleet of every search is tried with
SAMPLES: Final = (4, 8, 16, 32)  # after so many runs it is seen whether more are needed
_LEAST_WARM: Final = 20  # tasks
FILLED: Final = 1.5  # times the tasks in flight come before a fleet is taken to be filled
_SPARE_SLOTS: Final = 4
# No more slots than for so many times the tasks that would be in flight without contention.
_MOST_ROOM: Final = 8.0
_LEAST_CORES: Final = 8.0  # of a part of a fleet: fewer do not share as many do


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a fleet is simulated.

    Attributes:
        samples: runs for the confidence after which it is seen whether more are needed; () for the mean alone.
        tasks: that each run measures.
        in_flight: of a fleet with more tasks at once a part is simulated, with its part of the load.
    """

    samples: tuple[int, ...]
    items: int
    least: int
    most: int
    in_flight: int

    def tasks(self, question: Question) -> int:
        """Return how many tasks each run measures: as many as `items` hold, within the bounds."""
        return int(min(max(self.items / mean_items(question), self.least), self.most))


MEAN: Final = Effort((), 20_000, 80, 300, 60)
FULL: Final = Effort(SAMPLES, 20_000, 80, 300, 60)


@dataclass(frozen=True, slots=True)
class Rig:
    """A fleet, or a part of it, ready to be simulated."""

    question: Question
    fleet: Fleet
    traffic: Traffic
    layout: Slots
    part: float
    tasks: int
    warm: int

    def run(self, scenario: Scenario) -> Outcome:
        """Return what happens in a scenario."""
        demands = self.question.demands
        rows = scenario.rows or (None,) * len(demands)
        mix = [demand.workload(chosen) for demand, chosen in zip(demands, rows, strict=True)]
        length = Length(max(self.tasks, round(self.warm / FILLED)), self.warm)
        return simulate(self._system(scenario.speed), mix, self._load(), length, scenario.seed)

    def _load(self) -> Load:
        target = self.question.target
        if self.traffic.rate_per_s is None:
            return Closed(max(1, round((self.traffic.users or 1) * self.part)), target.think_s)
        return Open(self.traffic.rate_per_s * self.part, target.arrivals, target.burstiness)

    def _system(self, speed: float) -> System:
        """Return the part: as many whole hosts as come near to it, each with its part of the cores."""
        question, fleet = self.question, self.fleet
        cores = cores_of(fleet.kind.host, question.calibration, question.demands[0].core_speed)
        hosts = fleet.hosts * self.part
        count = max(1, round(hosts))
        host = Host(
            cores=cores.count * hosts / count,
            processes=max(1, round(self.layout.processes * hosts / count)),
            slots=self.layout.per_worker,
            is_loop=question.layout.mode == "async",
            count=count,
            speed=cores.speed * speed,
        )
        return System(host, self._stations())

    def _stations(self) -> dict[str, Station]:
        question = self.question
        stations: dict[str, Station] = {quota.station: quota.bucket(self.part) for quota in question.quotas}
        model, spec = question.model, question.model_spec
        if model is not None and spec is not None:
            limits = Limits(model.setup.count, model.setup.kv_tokens)
            stations[spec] = Replicas(model.steps, limits, max(1, round(self.fleet.replicas * self.part)))
        return stations


def rig_of(
    question: Question, fleet: Fleet, traffic: Traffic, effort: Effort, at_once: float | None
) -> Rig | None:
    """Return a fleet ready to be simulated; None where not one worker fits its hosts' memory."""
    if at_once is None:
        alone_s = response_s(question, needed_per_s(question, traffic), fleet.replicas)
        at_once = tasks_in_flight(question, traffic, alone_s)
    layout = slots(fleet.kind.host, question.layout, wanted(question, fleet, traffic), question.size)
    if layout is None:
        return None
    part = _part(question, fleet, at_once, effort.in_flight)
    # Of users every one has to have sent a task before they send as they will.
    filled = traffic.users if traffic.is_closed and traffic.users else at_once
    warm = max(_LEAST_WARM, ceil(FILLED * filled * part))
    return Rig(question, fleet, traffic, layout, part, effort.tasks(question), warm)


def wanted(question: Question, fleet: Fleet, traffic: Traffic) -> int:
    """Return how many tasks a host should hold at once: all that come while one takes as long as it may (Little)."""
    longest_s = max((slo.most_s for slo in question.target.slos), default=2 * question.no_load_s)
    longest_s = min(longest_s, _MOST_ROOM * question.no_load_s)
    if traffic.is_closed:
        longest_s = max((slo.most_s for slo in question.target.slos), default=longest_s)
    return ceil(tasks_in_flight(question, traffic, longest_s) / fleet.hosts) + _SPARE_SLOTS


def _part(question: Question, fleet: Fleet, at_once: float, most: int) -> float:
    """Return which part of a fleet to simulate: few tasks in flight, on whole replicas and some cores."""
    if at_once <= most:
        return 1.0
    cores = cores_of(fleet.kind.host, question.calibration, question.demands[0].core_speed)
    part = min(1.0, max(most / at_once, _LEAST_CORES / (fleet.hosts * cores.count)))
    if fleet.replicas:
        # One that is full of requests is as good as several; of few requests two share better than one.
        least = 1 if at_once / fleet.replicas >= most else 2
        part = min(fleet.replicas, max(least, ceil(fleet.replicas * part))) / fleet.replicas
    return part
