"""What no simulation can be made of, refused in words before it starts."""

from collections.abc import Sequence

from orchprof.errors import OrchprofError, UsageError, unknown
from orchprof.simulate.arrivals import KINDS, Closed, Load, Open
from orchprof.simulate.system import CPU, DELAY, INTERPRETER, Host, Limit, Replicas, Servers, System, Workload


def check(system: System, mix: Sequence[Workload], load: Load, warmup: int, tasks: int) -> None:
    """Refuse what cannot be simulated.

    Raises:
        UsageError: a count, a rate or a capacity that is not positive; nothing to draw from.
        OrchprofError: a task that the memory of no machine ever holds.
    """
    _positive(tasks=tasks)
    _not_negative(warmup=warmup)
    _check_host(system.host)
    for name, station in system.stations.items():
        if name in (CPU, DELAY, INTERPRETER):
            raise UsageError(f"a word of our own, {name!r} @ stations, name the station differently")
        _check_station(station)
    _check_mix(mix)
    _check_load(load, warmup)
    _check_memory(system.host, mix)


def _check_host(host: Host) -> None:
    _positive(
        cores=host.cores, processes=host.processes, slots=host.slots, machines=host.count, speed=host.speed
    )


def _check_station(station: Replicas | Servers | Limit) -> None:
    if isinstance(station, Limit):
        _positive(limit_per_s=station.per_s, burst=station.burst)
    else:
        _positive(count=station.count)


def _check_mix(mix: Sequence[Workload]) -> None:
    if not mix:
        raise UsageError("no workload, 0 @ mix, give one at least")
    for workload in mix:
        if not workload.paths:
            raise UsageError(f"no recorded task, 0 @ {workload.name}, record one at least")
        _positive(weight=workload.weight)


def _check_load(load: Load, warmup: int) -> None:
    if isinstance(load, Open):
        if load.kind not in KINDS:
            raise unknown("arrivals", load.kind, list(KINDS), "load")
        _positive(rate_per_s=load.rate_per_s, spread=load.spread)
    elif isinstance(load, Closed):
        _positive(users=load.users)
        _not_negative(think_s=load.think_s)
    elif len(load.times_s) <= warmup:
        raise UsageError(
            f"a trace of warm-up only, {len(load.times_s)} @ load, give more than {warmup} times"
        )
    elif any(later < earlier for earlier, later in zip((0.0, *load.times_s), load.times_s, strict=False)):
        raise UsageError("back in time @ load, sort the trace and start it at 0 or later")


def _check_memory(host: Host, mix: Sequence[Workload]) -> None:
    if host.memory_bytes is None:
        return
    most = max(path.memory_bytes for workload in mix for path in workload.paths)
    needed = host.processes * host.process_bytes + most
    if needed > host.memory_bytes:
        raise OrchprofError(
            f"memory that no machine has, {needed:.3g} bytes @ {host.processes} processes and a task, "
            f"give it more than {host.memory_bytes:.3g} bytes or fewer processes"
        )


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise UsageError(f"not positive, {value:g} @ {name}, give more than 0")


def _not_negative(**values: float) -> None:
    for name, value in values.items():
        if not value >= 0:
            raise UsageError(f"negative, {value:g} @ {name}, give 0 or more")
