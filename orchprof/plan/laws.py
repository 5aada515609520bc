"""Laws: what a load takes of machines without simulating them: utilisation, Little's, and users' response time."""

from dataclasses import dataclass
from math import ceil, hypot, inf
from typing import Final

import numpy as np
from scipy import stats

from orchprof.models.paced.batch import Limits
from orchprof.plan.fleet import GIB, USABLE_MEMORY, Fleet, Kind, Slots, cores_of, per_machine, slots
from orchprof.plan.question import Question
from orchprof.simulate.system import CPU, INTERPRETER

# What is not known of a core's speed where nobody calibrated: shared cores are up to a tenth slower than the run's.
SPEED_UNCERTAINTY: Final = 0.1
# Of a pool that is fuller in an open loop, a simulation as short as ours does not show how long its queue becomes.
MOST_BUSY: Final = 0.95
_MOST_BATCH: Final = 4096
TARGET_BUSY: Final = 0.7  # what pools are planned for where no limit of latency says better


@dataclass(frozen=True, slots=True)
class Traffic:
    """What comes.

    Attributes:
        rate_per_s: of tasks, however many are under way; None: users send the next when they have an answer.
        users: who send them; None: nobody said.
    """

    rate_per_s: float | None
    users: int | None = None

    @property
    def is_closed(self) -> bool:
        """Whether who waits for an answer sends nothing meanwhile."""
        return self.rate_per_s is None

    def times(self, factor: float) -> "Traffic":
        """Return a multiple of it."""
        users = None if self.users is None else max(1, round(self.users * factor))
        return Traffic(None if self.rate_per_s is None else self.rate_per_s * factor, users)

    def __str__(self) -> str:
        """Return it as messages say it."""
        return f"{self.users} users" if self.users is not None else f"{self.rate_per_s:.4g} tasks/s"


def traffic_of(question: Question) -> Traffic:
    """Return the first load of a target.

    Users who think for longer than they may wait hardly hold each other up: their tasks come like a stream at the
    rate of users whose tasks run alone, which is the most that they send.
    """
    target = question.target
    if target.users is None:
        return Traffic(next(iter(target.rates_per_s)))
    longest_s = max((slo.most_s for slo in target.slos), default=0.0)
    if target.think_s < longest_s:
        return Traffic(None, target.users)
    return Traffic(target.users / (target.think_s + question.no_load_s), target.users)


def slowest(question: Question) -> float:
    """Return how slow a core may be by what is known of it, with the target's confidence."""
    return 1.0 if question.calibration else 1.0 - SPEED_UNCERTAINTY * question.target.confidence


def more_busy(question: Question, need: str) -> float:
    """Return by how much busier a pool may be than is measured, with the target's confidence.

    Cores may be slower, and the measured tasks are a sample: their mean has a standard error. Independent of each
    other, the two add as squares.
    """
    if ("busier", need) not in question.memo:
        slow = 1 / slowest(question) - 1 if need == CPU else 0.0
        question.memo["busier", need] = 1 + hypot(slow, _uncertainty(question, need))
    return float(question.memo["busier", need])


def _uncertainty(question: Question, need: str) -> float:
    """Return the relative half-width of the mean of what tasks ask for, one-sided.

    Source: Student's t interval of a mean; of a mix the weighted sum of its parts.
    """
    needs = (CPU, INTERPRETER) if need == CPU else (need,)
    means, errors = [], []
    for demand in question.demands:
        asked = np.array(
            [sum(item.amount for item in path.items if item.need in needs) for path in demand.paths]
        )
        student = float(stats.t.ppf(question.target.confidence, len(asked) - 1))
        means.append(float(asked.mean()))
        errors.append(student * float(asked.std(ddof=1)) / np.sqrt(len(asked)))
    whole = question.mean(means)
    weights = np.array([demand.weight for demand in question.demands])
    squares = (np.array(errors) * weights / weights.sum()) ** 2
    return float(np.sqrt(squares.sum())) / whole if whole else 0.0


def needed_per_s(question: Question, load: Traffic) -> float:
    """Return the tasks per second that machines must end, for users those that keep the limits' times in the mean.

    N users who think for Z and are to wait R at most send N / (Z + R). A limit on a percentile is taken as one on the
    mean that is as much below it as the mean of a task alone is: where everything waits, all tasks grow alike.

    Source: Lazowska et al. (1984), Quantitative System Performance, chapter 3: the response time law.
    """
    if load.rate_per_s is not None or load.users is None:
        return load.rate_per_s or 0.0
    longest_s = min(
        slo.most_s * question.no_load_s / max(question.no_load_at(slo.q), 1e-9)
        for slo in question.target.slos
    )
    return load.users / (question.target.think_s + longest_s)


def tasks_in_flight(question: Question, load: Traffic, response_s: float) -> float:
    """Return the tasks at once when each takes so long. Source: Little's law."""
    if load.rate_per_s is not None or load.users is None:
        return (load.rate_per_s or 0.0) * response_s
    cycle_s = question.target.think_s + response_s
    return load.users * response_s / cycle_s if cycle_s else float(load.users)


def core_hosts(question: Question, kind: Kind, per_s: float, most_busy: float = MOST_BUSY) -> float:
    """Return the machines whose cores a rate keeps as busy as they may be, cores as slow as they may be.

    Source: Lazowska et al. (1984), chapter 3: the utilisation law, cores busy = rate x core-seconds.
    """
    cores = cores_of(kind.host, question.calibration, question.demands[0].core_speed)
    busy = per_s * question.core_s * more_busy(question, CPU) / cores.speed
    return busy / most_busy / cores.count


def memory_hosts(question: Question, kind: Kind, at_once: float) -> float:
    """Return the machines whose memory holds so many tasks; inf where not even one fits."""
    per_host = slots(kind.host, question.layout, ceil(at_once) + 1, question.size)
    if per_host is None:
        return inf
    return at_once / per_host.tasks


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


def at_least(question: Question, kind: Kind, load: Traffic, replicas: int = 1) -> Fleet | None:
    """Return the fewest machines that could do; None where no worker fits the memory.

    For users it is where a search begins, not a bound: see `needed_per_s`.

    Args:
        question: for what.
        kind: of machines.
        load: that comes to them.
        replicas: of the model that are needed, as far as that is known.
    """
    per_s = needed_per_s(question, load)
    if slots(kind.host, question.layout, 1, question.size) is None:
        return None
    at_once = per_s * question.no_load_s
    memory = at_once * question.size[1] / (kind.host.memory_gib * GIB * USABLE_MEMORY)
    hosts = max(1, ceil(core_hosts(question, kind, per_s)), ceil(memory))
    return fleet_of(question, kind, hosts, max(replicas, least_replicas(question, load)))


def least_replicas(question: Question, load: Traffic) -> int:
    """Return the fewest replicas of the model that could do, 1 at least."""
    own_s = least_accelerator_s(question) * more_busy(question, question.model_spec or "")
    return max(1, ceil(needed_per_s(question, load) * own_s))


def least_accelerator_s(question: Question) -> float:
    """Return a replica's time per task, in the mean, if every batch were as full as the cache allows."""
    return batched_s(question, None)[0]


def batched_s(question: Question, batch: int | None) -> tuple[float, float]:
    """Return a replica's time per task and how long a task is served, in batches of so many requests.

    Args:
        question: for what.
        batch: requests at once; None, or more than the cache holds: as many as it does.
    """
    if ("batch", batch) not in question.memo:
        question.memo["batch", batch] = _batched_s(question, batch)
    own_s, served_s = question.memo["batch", batch]
    return own_s, served_s


def _batched_s(question: Question, batch: int | None) -> tuple[float, float]:
    model, spec = question.model, question.model_spec
    if model is None:
        return 0.0, 0.0
    limits = Limits(model.setup.count, model.setup.kv_tokens)
    own, served = [], []
    for demand in question.demands:
        own_s = served_s = 0.0
        for call in (item for path in demand.paths for item in path.items if item.need == spec):
            context = round(call.prompt_tokens + call.amount / 2)
            room = max(1, min(limits.sequences, limits.kv_tokens // max(context, 1)))
            together = min(batch or room, room)
            steps_s = (call.amount - 1) * model.steps.decode_s(together, together * context)
            prompts = min(together, max(1, limits.prompt_tokens // max(call.prompt_tokens, 1)))
            base_s = model.steps.base_s(prompts * call.prompt_tokens)
            prompt_s = model.steps.prompt_s(call.prompt_tokens)
            own_s += steps_s / together + prompt_s + base_s / prompts
            served_s += steps_s + together * prompt_s + base_s
        own.append(own_s / len(demand.paths))
        served.append(served_s / len(demand.paths))
    return question.mean(own), question.mean(served)


def batch_of(question: Question, rate_per_s: float, replicas: int) -> int:
    """Return the requests at once, to a power of two, with which so many replicas keep up with a rate."""
    batch = 1
    while batch < _MOST_BATCH and batched_s(question, batch)[0] * rate_per_s > replicas:
        batch *= 2
    return batch


def response_s(question: Question, rate_per_s: float, replicas: int) -> float:
    """Return how long a task takes in the batches that a rate makes, with nothing else to wait for."""
    if not replicas:
        return question.no_load_s
    longer_s = batched_s(question, batch_of(question, rate_per_s, replicas))[1] - batched_s(question, 1)[1]
    return question.no_load_s + max(longer_s, 0.0)


def shares(question: Question, fleet: Fleet, layout: Slots, rate_per_s: float) -> dict[str, float]:
    """Return which share of cores, interpreters, limits and accelerators a rate takes, by the utilisation law.

    It holds for ever, where the busy share of a simulation hangs on who happened to come. Of the accelerators it is
    the share of their best throughput: a replica that decodes one request is busy, and could decode a hundred.
    """
    cores = cores_of(fleet.kind.host, question.calibration, question.demands[0].core_speed)
    by_pool = {"cores": rate_per_s * question.core_s / (fleet.hosts * cores.count * cores.speed)}
    by_pool |= {
        quota.station: rate_per_s * question.amount(quota.station) / quota.per_s for quota in question.quotas
    }
    if layout.per_worker > 1:
        interpreters = fleet.hosts * layout.processes * cores.speed
        by_pool["interpreter"] = rate_per_s * question.amount(INTERPRETER) / interpreters
    if fleet.replicas:
        by_pool["accelerator"] = rate_per_s * least_accelerator_s(question) / fleet.replicas
    return by_pool


def most_per_s(question: Question, fleet: Fleet, layout: Slots) -> tuple[float, str | None]:
    """Return the rate at which a fleet's fullest pool is as busy as it may be, and its name; inf where none is."""
    needs = {"cores": CPU, "interpreter": CPU, "accelerator": question.model_spec or ""}
    each = {
        name: share * (more_busy(question, needs[name]) if name in needs else 1.0)
        for name, share in shares(question, fleet, layout, 1.0).items()
    }
    fullest = max(each, key=lambda name: each[name])
    return (MOST_BUSY / each[fullest], fullest) if each[fullest] else (inf, None)


def mean_items(question: Question) -> float:
    """Return the items of a task's work, in the mean."""
    each = [float(np.mean([len(path.items) for path in demand.paths])) for demand in question.demands]
    return max(question.mean(each), 1.0)
