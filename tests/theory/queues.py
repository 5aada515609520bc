"""Closed forms, and what the theory tests share: exact work, controlled estimates."""

import math

import numpy as np
from scipy import stats

from orchprof.simulate.system import Item, Path, Workload

LEVEL = 0.99
STRATA = 256


def exponential(strata=STRATA):
    """Return equally likely values that stand for an exponential distribution: its mean and second moment are exact.

    Each of its equally likely strata is two points, its mean and one standard deviation to either side.
    """
    edges = -np.log1p(-np.arange(strata) / strata)
    beyond = np.exp(-edges)

    def inside(of_tail):
        return -np.diff(np.append(of_tail * beyond, 0.0)) * strata

    mean = inside(edges + 1)
    spread = np.sqrt(inside(edges**2 + 2 * edges + 2) - mean**2)
    return np.concatenate([mean - spread, mean + spread])


def workload(*stages, seed=0):
    """Return paths that go through stages (need, seconds of each stratum) one after the other, independently."""
    rng = np.random.default_rng(seed)
    columns = [(need, rng.permutation(seconds).tolist()) for need, seconds in stages]
    paths = zip(*([Item(need, amount) for amount in column] for need, column in columns), strict=True)
    return Workload("queue", [Path(items) for items in paths])


def interval(values, controls=None):
    """Return the mean of runs' values and the half-width of its 99 % interval.

    Args:
        values: (n,) of the runs.
        controls: (n, k) what else came out of them, less what it is known to be in the mean: whatever of the values
            it explains is no part of their error.

    Source: Lavenberg and Welch (1981), A perspective on the use of control variables.
    """
    values = np.asarray(values)
    n = len(values)
    design = np.ones((n, 1)) if controls is None else np.column_stack([np.ones(n), controls])
    found, *_ = np.linalg.lstsq(design, values, rcond=None)
    free = n - design.shape[1]
    left = values - design @ found
    error = math.sqrt(left @ left / free * np.linalg.inv(design.T @ design)[0, 0])
    return float(found[0]), float(error * stats.t.ppf((1 + LEVEL) / 2, free))


def erlang_c(servers, load):
    """Return the mean response of M/M/c in mean services, at a load per server.

    Source: Kleinrock (1975), Queueing systems I, section 3.5.
    """
    offered = servers * load
    none = sum(offered**k / math.factorial(k) for k in range(servers))
    all_ = offered**servers / math.factorial(servers) / (1 - load)
    return 1 + all_ / (none + all_) / (servers * (1 - load))


def pollaczek_khinchine(load, services):
    """Return the mean response of M/G/1 in order of arrival, for equally likely services with mean 1.

    Source: Kleinrock (1975), Queueing systems I, section 5.6.
    """
    return 1 + load * np.mean(np.square(services)) / (2 * (1 - load))


def closed(users, demands_s, think_s, servers):
    """Return throughput and mean response of a closed network of product form by mean value analysis.

    Source: Reiser and Lavenberg (1980), Mean-value analysis of closed multichain queuing networks, with stations of
    several servers by their marginal probabilities, as in Bolch et al. (2006), algorithm 8.2.
    """
    at = [[1.0] + [0.0] * users for _ in demands_s]
    throughput, response_s = 0.0, 0.0
    for n in range(1, users + 1):
        each_s = [
            demand_s * sum(k / min(k, c) * at[i][k - 1] for k in range(1, n + 1))
            for i, (demand_s, c) in enumerate(zip(demands_s, servers, strict=True))
        ]
        response_s = sum(each_s)
        throughput = n / (think_s + response_s)
        for i, (demand_s, c) in enumerate(zip(demands_s, servers, strict=True)):
            more = [throughput * demand_s / min(k, c) * at[i][k - 1] for k in range(1, n + 1)]
            at[i] = [max(0.0, 1 - sum(more)), *more, *([0.0] * (users - n))]
    return throughput, response_s
