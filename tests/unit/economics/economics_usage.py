"""Usage and prices by hand: numbers that can be multiplied on paper."""

from datetime import date
from decimal import Decimal

import numpy as np

from orchprof.economics.bill.external_services import Outside
from orchprof.economics.bill.rates import Tariff
from orchprof.economics.bill.task_usage import Calls, Usage
from orchprof.prices.price import Machine, Price

DAY = date(2026, 11, 1)
S = 1_000_000_000


def price(name, value, unit="usd_per_hour", basis="list"):
    return Price(name, Decimal(value), unit, basis, "by hand", DAY)


def machine(**more):
    facts = {
        "name": "x/small", "provider": "x", "region": "here", "vcpus": 8, "threads_per_core": 2, "memory_gib": 32.0,
        "accelerator": None, "accelerator_count": 0, "price": price("machine/x/small", "0.40"), "spot": None,
    }  # fmt: skip
    return Machine(**(facts | more))


def tariff(**more):
    """Return 0.036 USD a core-hour, 0.0036 a GiB-hour, 3.60 an accelerator-hour: 1e-5, 1e-6 and 1e-3 a second."""
    facts = {
        "machine": machine(), "core": price("core", "0.036"), "memory": price("memory", "0.0036"),
        "accelerator": price("owner/h100-sxm/neocloud", "3.60"), "utilisation": Decimal(1), "tools": {},
        "network": None,
    }  # fmt: skip
    return Tariff(**(facts | more))


def calls(task=(), tokens=(), *, model="m", answered=None, refused=None, **stated):
    """Return calls of tasks by row, each with (input, output) tokens; None: not reported. Each takes 1 s."""
    n = len(task)
    told = {
        name: np.full(n, np.nan) if stated.get(name) is None else np.array(stated[name], dtype=float)
        for name in ("cached_tokens", "cache_write_tokens", "cache_write_1h_tokens", "accelerator_s")
    }
    read, written = (
        np.array([np.nan if each is None else each[k] for each in tokens], dtype=float) for k in (0, 1)
    )
    return Calls(
        task=np.array(task, dtype=np.int64),
        strand=100 + np.arange(n),
        sent_ns=np.arange(n) * S,
        latency_s=np.ones(n),
        model=(model,) * n,
        input_tokens=read,
        output_tokens=written,
        answered=np.ones(n, dtype=bool) if answered is None else np.array(answered),
        refused=np.zeros(n, dtype=bool) if refused is None else np.array(refused),
        **told,
    )


def usage(latency_s=(1.0, 3.0), **more):
    """Return tasks one after the other, each on one core, that ask no model unless told otherwise."""
    latency = np.array(latency_s, dtype=float)
    n = len(latency)
    start = np.concatenate([[0.0], np.cumsum(latency)[:-1]])
    facts = {
        "task": np.arange(1, n + 1), "ok": np.ones(n, dtype=bool), "judged": np.ones(n, dtype=bool),
        "latency_s": latency, "cpu_busy_s": latency / 2, "cpu_reserved_s": latency, "memory_gib_s": latency * 2,
        "accelerator_s": np.zeros(n), "calls": calls(), "tools": {}, "outside": Outside({}, ()),
        "network_gib": None, "endpoint_core_s": None, "joules": (), "cores_per_worker": 1.0,
        "started_ns": (start * S).astype(np.int64), "warmup": 0, "unfinished": 0,
    }  # fmt: skip
    return Usage(**(facts | more))
