"""Binding: which pool a fleet is the size of, and how full each of them is."""

from collections.abc import Mapping
from math import ceil, sqrt
from typing import Final

from orchprof.plan.fleet import GIB, USABLE_MEMORY, Fleet
from orchprof.plan.question import Question
from orchprof.plan.search.rig import wanted
from orchprof.plan.search.trial import Trial

LATENCY: Final = "latency"
SLOTS: Final = "worker slots"
MEMORY: Final = "memory"
NEAR: Final = 0.9  # a limit this near to the latency of a task alone binds by itself
_IDLE: Final = 0.5  # a single machine that is less full than that is the least there is


def workers(question: Question, tried: Trial) -> int:
    """Return the processes of one host: as many as were given, or as the tasks in flight at a busy moment take.

    The simulation may have had more of them at hand. A busy moment has three standard deviations of a Poisson
    variable more in flight than the mean.
    """
    if question.layout.workers is not None or question.layout.mode != "processes":
        return tried.layout.processes
    each = tried.in_flight / tried.fleet.hosts
    return min(tried.layout.processes, ceil(each + 3 * sqrt(each)) + 1)


def is_slots_bound(question: Question, tried: Trial) -> bool:
    """Return whether there are fewer places for tasks than the load might want: memory or `--workers` limits them."""
    return tried.layout.tasks < wanted(question, tried.fleet, tried.traffic)


def memory_bytes(question: Question, tried: Trial) -> float:
    """Return what the workers and the tasks in flight hold on all hosts at a busy moment."""
    base, each = question.size
    count = workers(question, tried)
    if question.layout.mode == "processes":
        return tried.fleet.hosts * count * (base + each)
    busy = tried.in_flight + 3 * sqrt(tried.in_flight)
    return tried.fleet.hosts * count * base + min(busy, tried.fleet.hosts * tried.layout.tasks) * each


def memory_share(question: Question, tried: Trial) -> float:
    """Return the share of the hosts' usable memory that they hold."""
    room = tried.fleet.hosts * tried.fleet.kind.host.memory_gib * GIB * USABLE_MEMORY
    return memory_bytes(question, tried) / room


def utilisation(question: Question, tried: Trial) -> dict[str, float]:
    """Return the busy share of each pool; places for tasks only where there are not as many as the tasks want."""
    busy = tried.busy | {MEMORY: memory_share(question, tried)}
    if not is_slots_bound(question, tried):
        busy.pop(SLOTS, None)
    return busy


def is_near(question: Question) -> bool:
    """Return whether a task alone takes nearly what is allowed."""
    return any(question.no_load_at(slo.q) > NEAR * slo.most_s for slo in question.target.slos)


def tightest(question: Question, fleet: Fleet, busy: Mapping[str, float]) -> str | None:
    """Return the fullest pool, LATENCY where a task alone nearly takes what is allowed; None where nothing binds."""
    if is_near(question):
        return LATENCY
    fullest = max(busy, key=lambda name: busy[name])
    is_least = fleet.hosts == 1 and fleet.accelerators <= 1
    return None if is_least and busy[fullest] < _IDLE else fullest
