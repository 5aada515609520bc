"""Trials: a fleet under a load, simulated several times over; whether it holds, and how full its pools are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Any, Final

import numpy as np

from orchprof.capacity.fleet import GIB, USABLE_MEMORY, Fleet, Slots, cores_of, slots
from orchprof.capacity.interval import predicted
from orchprof.capacity.question import Question
from orchprof.capacity.simulation import Length, Outcome, simulate
from orchprof.capacity.system import INTERPRETER, Host, Replicas, Station, System
from orchprof.models.batch import Limits

Record = dict[str, Any]
# What is not known of a core's speed where nobody calibrated: a tenth either way is what shared cores differ by.
SPEED_DOUBT: Final = 0.1
# Of a pool that is fuller in an open loop, a simulation as short as these does not show how long its queue becomes.
MOST_BUSY: Final = 0.95
_WORK_ITEMS: Final = 40_000  # of a trial of the search
_LEAST_WARM: Final = 20  # tasks
_FILLED: Final = 1.5  # times the tasks in flight come before a fleet is taken to be filled
_MOST_PILOTS: Final = 2  # each warmed up for what the one before met
_SPARE_SLOTS: Final = 4
_MOST_ROOM: Final = (
    8.0  # no more slots than for so many times the tasks that would be in flight without contention
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how often a fleet is simulated; the tasks are as many as `items` hold, within the bounds.

    Of a fleet with more than `in_flight` tasks at once a part is simulated, with its part of the load.
    """

    runs: int
    items: int
    least: int
    most: int
    in_flight: int

    def tasks(self, question: Question) -> int:
        """Return how many tasks each run measures."""
        each = question.mean([float(np.mean([len(path.items) for path in d.paths])) for d in question.asks])
        return int(min(max(self.items / max(each, 1.0), self.least), self.most))


QUICK: Final = Effort(runs=2, items=_WORK_ITEMS // 3, least=80, most=400, in_flight=100)
BRIEF: Final = Effort(runs=3, items=_WORK_ITEMS // 6, least=60, most=200, in_flight=60)
FULL: Final = Effort(runs=6, items=_WORK_ITEMS // 2, least=150, most=600, in_flight=100)


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a fleet.

    Attributes:
        fleet: as it was tried.
        layout: workers and tasks of one host.
        figures: `p50_s`, `p95_s`, the percentiles asked for, `throughput_per_s`, each with `value` and `interval`.
        saturated: the backlog grew without end.
        busy: busy share of each pool, in the mean.
        in_flight: tasks at once on all machines.
        part: share of the fleet that was simulated.
    """

    fleet: Fleet
    layout: Slots
    figures: dict[str, Record]
    saturated: bool
    busy: dict[str, float]
    in_flight: float
    part: float

    def holds(self, question: Question, *, surely: bool) -> bool:
        """Return whether every limit holds: in the mean, or with the target's confidence."""
        if self.saturated or (question.target.users is None and self._is_full(question)):
            return False
        for slo in question.target.slos:
            found = self.figures[f"{slo.name}_s"]
            if found["value"] > slo.most_s or (surely and found["interval"][1] > slo.most_s):
                return False
        return True

    def _is_full(self, question: Question) -> bool:
        """Return whether a pool is fuller than MOST_BUSY, cores as slow as they may be."""
        speed = {"cores": slowest(question), "interpreter": slowest(question)}
        return any(share / speed.get(name, 1.0) > MOST_BUSY for name, share in self.busy.items())


def trial(
    question: Question, fleet: Fleet, rate_per_s: float | None, effort: Effort, flying: float | None = None
) -> Trial | None:
    """Return what comes of a fleet under a load; None where not one worker fits its hosts' memory.

    Args:
        question: the target and the work.
        fleet: what is tried.
        rate_per_s: of the load; None: the target's users.
        effort: how long and how often.
        flying: tasks at once, as one like it had: it is filled with so many; None: as if each task were alone.
    """
    if rate_per_s is None:
        flying = float(question.target.users or 1)
    flying = flying or (rate_per_s or 0.0) * question.no_load_s
    layout = slots(fleet.kind.host, question.layout, _wanted(question, fleet, rate_per_s), question.size)
    if layout is None:
        return None
    part = _part(fleet, flying, effort.in_flight)
    load = question.target.load(rate_per_s, part)
    warm = max(_LEAST_WARM, ceil(_FILLED * flying * part))

    def run(warm: int, number: int) -> Outcome:
        rng = np.random.default_rng([question.target.seed, number])
        return simulate(
            _system(question, fleet, layout, part, rng),
            _mix(question, rng),
            load,
            Length(max(effort.tasks(question), warm // 2), warm),
            question.target.seed + number,
        )

    pilot = run(warm, 0)
    for _ in range(_MOST_PILOTS if rate_per_s is not None else 0):
        filled = _filled(pilot, (rate_per_s or 0.0) * part)
        if not _is_fast(question, pilot) or (filled <= warm and not pilot.saturated):
            break
        warm = ceil(_FILLED * max(filled, warm))
        pilot = run(warm, 0)
    # What one run misses by half no others mend.
    count = effort.runs if _is_fast(question, pilot, 1.5) else 1
    runs = [pilot, *(run(warm, number) for number in range(1, count))]
    return _judged(question, fleet, (layout, part, rate_per_s), runs)


def _is_fast(question: Question, run: Outcome, times: float = 1.0) -> bool:
    return all(run.quantile_s(slo.q) <= times * slo.most_s for slo in question.target.slos)


def _filled(run: Outcome, per_s: float) -> float:
    """Return how many tasks come before as many end as come: those that come while one is under way (Little).

    A measurement that begins before then takes a fleet that fills for one whose backlog grows.
    """
    return per_s * run.mean_s if np.isfinite(run.response_s).all() else 0.0


def _wanted(question: Question, fleet: Fleet, rate_per_s: float | None) -> int:
    """Return how many tasks a host should hold at once: all that come while one takes as long as it may (Little)."""
    if rate_per_s is None:
        return ceil((question.target.users or 1) / fleet.hosts)
    longest_s = max((slo.most_s for slo in question.target.slos), default=2 * question.no_load_s)
    flying = rate_per_s * min(longest_s, _MOST_ROOM * question.no_load_s)
    return ceil(flying / fleet.hosts) + _SPARE_SLOTS


def _judged(
    question: Question, fleet: Fleet, setup: tuple[Slots, float, float | None], runs: Sequence[Outcome]
) -> Trial:
    layout, part, rate_per_s = setup
    named = {"p50": 0.5, "p95": 0.95} | {slo.name: slo.q for slo in question.target.slos}
    # Two-sided, so that the upper end alone holds with the confidence.
    level = 2 * question.target.confidence - 1
    saturated = 2 * sum(run.saturated or not np.isfinite(run.response_s).all() for run in runs) >= len(runs)
    figures: dict[str, Record] = {
        f"{name}_s": predicted([run.quantile_s(q) for run in runs], level) for name, q in named.items()
    }
    per_s = [run.throughput_per_s / part for run in runs]
    figures["throughput_per_s"] = predicted(per_s, level)
    busy = {name: float(np.mean([run.uses[name].busy_share for run in runs])) for name in runs[0].uses}
    flying = float(np.mean([run.uses["workers"].busy for run in runs])) / part
    busy = _named(question, busy)
    busy |= _by_law(question, fleet, layout, rate_per_s or figures["throughput_per_s"]["value"])
    return Trial(fleet, layout, figures, saturated, busy, flying, part)


def _named(question: Question, busy: dict[str, float]) -> dict[str, float]:
    """Return the pools by the names of the record: memory is what workers and tasks hold, replicas are left out."""
    busy.pop(question.model_spec or "", None)
    return {"worker slots" if name == "workers" else name: share for name, share in busy.items()}


def _by_law(question: Question, fleet: Fleet, layout: Slots, rate_per_s: float) -> dict[str, float]:
    """Return which share of cores, interpreters, limits and accelerators a rate takes, by the utilisation law.

    It holds for ever, where the busy share of a simulation hangs on who happened to come. Of the accelerators it is
    the share of their best throughput: a replica that decodes one request is busy, and could decode a hundred.

    Source: Lazowska et al. (1984), Quantitative System Performance, chapter 3.
    """
    cores = cores_of(fleet.kind.host, question.calibration, question.asks[0].core_speed)
    found = {"cores": rate_per_s * question.core_s / (fleet.hosts * cores.count * cores.speed)}
    found |= {
        quota.station: rate_per_s * question.amount(quota.station) / quota.per_s for quota in question.quotas
    }
    if layout.lanes > 1:
        interpreters = fleet.hosts * layout.processes * cores.speed
        found["interpreter"] = rate_per_s * question.amount(INTERPRETER) / interpreters
    if fleet.replicas:
        found["accelerator"] = rate_per_s * least_accelerator_s(question) / fleet.replicas
    return found


def least_accelerator_s(question: Question) -> float:
    """Return a replica's time per task, in the mean, if every batch were as full as the cache allows."""
    model, spec = question.model, question.model_spec
    if model is None:
        return 0.0
    limits = Limits(model.setup.count, model.setup.kv_tokens)
    totals = []
    for each in question.asks:
        calls = [item for path in each.paths for item in path.items if item.need == spec]
        total_s = 0.0
        for call in calls:
            context = round(call.prompt_tokens + call.amount / 2)
            together = max(1, min(limits.sequences, limits.kv_tokens // max(context, 1)))
            steps_s = (call.amount - 1) * model.steps.decode_s(together, together * context) / together
            prompts = max(1, limits.prompt_tokens // max(call.prompt_tokens, 1))
            base_s = model.steps.base_s(prompts * call.prompt_tokens) / prompts
            total_s += steps_s + model.steps.prompt_s(call.prompt_tokens) + base_s
        totals.append(total_s / len(each.paths))
    return question.mean(totals)


def _part(fleet: Fleet, flying: float, most: int) -> float:
    """Return which part of a fleet to simulate: few tasks in flight, on two hosts and replicas at least."""
    if flying <= most or fleet.hosts < 4:  # noqa: PLR2004
        return 1.0
    hosts = max(2, ceil(fleet.hosts * most / flying))
    if fleet.replicas:
        # Whole replicas and whole hosts in nearly the same proportion.
        hosts = max(hosts, ceil(2 * fleet.hosts / fleet.replicas))
    return min(hosts / fleet.hosts, 1.0)


def slowest(question: Question) -> float:
    """Return how slow a core may be by what is known of it, with the target's confidence."""
    return 1.0 if question.calibration else 1.0 - SPEED_DOUBT * (2 * question.target.confidence - 1)


def _system(question: Question, fleet: Fleet, layout: Slots, part: float, rng: np.random.Generator) -> System:
    cores = cores_of(fleet.kind.host, question.calibration, question.asks[0].core_speed)
    doubt = 1.0 if question.calibration else float(rng.uniform(1 - SPEED_DOUBT, 1 + SPEED_DOUBT))
    host = Host(
        cores=cores.count,
        processes=layout.processes,
        lanes=layout.lanes,
        is_loop=question.layout.mode == "async",
        count=max(1, round(fleet.hosts * part)),
        speed=cores.speed * doubt,
    )
    return System(host, _stations(question, fleet, part))


def _stations(question: Question, fleet: Fleet, part: float) -> dict[str, Station]:
    stations: dict[str, Station] = {quota.station: quota.bucket(part) for quota in question.quotas}
    model, spec = question.model, question.model_spec
    if model is not None and spec is not None:
        limits = Limits(model.setup.count, model.setup.kv_tokens)
        stations[spec] = Replicas(model.steps, limits, max(1, int(fleet.replicas * part)))
    return stations


def _mix(question: Question, rng: np.random.Generator) -> list[Any]:
    """Return the workloads, each run's tasks drawn anew: what was measured is a sample too."""
    return [
        each.workload(rng.integers(len(each.paths), size=len(each.paths)).tolist()) for each in question.asks
    ]


def workers(question: Question, found: Trial) -> int:
    """Return the processes of one host: as many as were given, or as the tasks in flight at a busy moment take.

    The simulation may have had more of them at hand. A busy moment has three standard deviations of a Poisson
    variable more in flight than the mean.
    """
    if question.layout.workers is not None or question.layout.mode != "processes":
        return found.layout.processes
    each = found.in_flight / found.fleet.hosts
    return min(found.layout.processes, ceil(each + 3 * sqrt(each)) + 1)


def memory_bytes(question: Question, found: Trial) -> float:
    """Return what the workers and the tasks in flight hold on all hosts."""
    base, each = question.size
    return found.fleet.hosts * workers(question, found) * base + found.in_flight * each


def memory_share(question: Question, found: Trial) -> float:
    """Return the share of the hosts' usable memory that they hold."""
    room = found.fleet.hosts * found.fleet.kind.host.memory_gib * GIB * USABLE_MEMORY
    return memory_bytes(question, found) / room


def with_arrivals(question: Question, kind: str, burstiness: float) -> Question:
    """Return the same question with tasks that arrive otherwise."""
    return replace(question, target=replace(question.target, arrivals=kind, burstiness=burstiness))
