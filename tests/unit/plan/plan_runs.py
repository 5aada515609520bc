"""Runs of equal tasks, as a plan takes them: work in the agent, a child, a wait, and a call of a paced model."""

import json
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))

from ledger_tables import Run as Rows
from support import run_meta

from orchprof import report
from orchprof.cli.words import limits
from orchprof.plan import plan as product
from orchprof.plan.demand import demand
from orchprof.plan.fleet import Layout, kinds
from orchprof.plan.laws import traffic_of
from orchprof.plan.question import Question, Slo, Target, Tokens, check
from orchprof.plan.search.answer import answer
from orchprof.plan.search.search import Search, cheapest
from orchprof.prices.price import Book, Machine, Price
from orchprof.run.store import Run

MS = 1_000_000
PACED = "paced:llama-3.1-8b@h100-sxm"
MACHINE = {"cpu_model": "some", "architecture": "x86_64", "cores": 2.0, "core_speed": 10.0}


def task_rows(rows, task, at, times):
    """Add a task: `cpu` of its own, a `child` that computes, a `net` wait, a model `call`, in ms one after another."""
    cpu, child, net, call = (times[name] * MS for name in ("cpu", "child", "net", "call"))
    runq = times.get("runq", 0) * MS
    ends = [at + cpu + runq]
    for each in (child, net, call):
        ends.append(ends[-1] + each)
    rows.task(task, at, ends[-1], index=task)
    rows.strand(task, at, ends[-1], task=task)
    rows.segment(task, at, ends[0], "framework", cpu=cpu, runq=runq)
    if child:
        rows.strand(1000 + task, ends[0], ends[1], kind="child", parent=task, task=task)
        rows.segment(1000 + task, ends[0], ends[1], "tool", cpu=child, cpu_state="child")
        rows.wait(task, ends[0], ends[1], [1000 + task], "tool")
    rows.segment(task, ends[1], ends[2], "tool", wait_state="net")
    if call:
        rows.strand(2000 + task, ends[2], ends[3], kind="remote", parent=task, task=task)
        rows.wait(task, ends[2], ends[3], [2000 + task], "client")
        served = {"total": call, "queue": 0, "prefill": call // 4, "decode": call - call // 4}
        rows.call(2000 + task, ends[2], ends[3], task=task, input_tokens=200, output_tokens=20, **served)
    rows.sample(7, at, task * (cpu + child), task=task, rss=100 << 20)
    rows.sample(7, ends[-1], task * (cpu + child) + cpu + child, task=task, rss=110 << 20)
    return ends[-1]


def made(tasks=20, *, model=PACED, meta=(), params=(), **times):
    """Return a run of tasks of these times (ms), each a tenth longer than the one before, one after another."""
    rows, at = Rows(), 0
    times = {"cpu": 10, "child": 0, "net": 5, "call": 0} | times
    for task in range(1, tasks + 1):
        longer = {name: round(value * (1 + (task % 5) / 10), 3) for name, value in times.items()}
        at = task_rows(rows, task, at, {name: int(value) for name, value in longer.items()}) + MS
    chosen = {"mode": "sequential", "concurrency": 1, "tasks": tasks, "settings": {}, "quick": False}
    facts = {
        "id": "made", "workload": "made", "variant": None, "seed": 0, "model": {"spec": model}, "machine": MACHINE,
        "params": chosen | {"task_timeout_s": 9.0} | dict(params), "labelled": True, "complete": True,
    }  # fmt: skip
    return Run(Path("made"), run_meta(**facts | dict(meta)), rows.tables())


HOSTED = "http://localhost:1/v1#m"


def machine(name, vcpus, usd, *, memory=64.0, accelerators=0):
    price = Price(f"machine/{name}", Decimal(str(usd)), "usd_per_hour", "list", "test", date(2026, 1, 1))
    chip = "h100-sxm" if accelerators else None
    return Machine(name, "x", "r", vcpus, 2, memory, chip, accelerators, price, None)


SMALL, LARGE = machine("x/small", 2, "0.10"), machine("x/large", 16, "0.90")
GPU = machine("x/gpu", 8, "3.00", accelerators=1)
BOOK = Book({}, {each.name: each for each in (SMALL, LARGE, GPU)})


def slos(text):
    return tuple(Slo(*each) for each in limits(text))


def asked(run=None, rate=20.0, slo="p95=2s", **more):
    run = run or made(cpu=50, net=20, model=HOSTED)
    layout = more.pop("layout", Layout())
    rest = {name: more.pop(name) for name in ("quotas", "calibration") if name in more}
    target = Target((rate,) if rate else (), slos(slo), **more)
    return Question((demand(run, quotas=rest.get("quotas", ())),), target, layout, **rest, tokens=Tokens(0.0))


def best(question, book=BOOK, names=()):
    check(question)
    search = Search(question, traffic_of(question))
    return cheapest(search, kinds(book, names, question.model))


def settled(question, names=("x/small",)):
    search = Search(question, traffic_of(question))
    return answer(search, kinds(BOOK, names, question.model))


def counts(found):
    return {each.name: each.count for each in found.fleet.machines()}


def plan(question, kinds):
    """Return the plan as it is written."""
    return json.loads(report.render(product.plan(question, kinds), "json"))
