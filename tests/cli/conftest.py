"""A command line in a folder of its own, and a bench whose driver only pretends."""

import copy
import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bad_files import FILES
from support import plain, record_of

from orchprof.bench import driver
from orchprof.cli import main
from orchprof.contract.bench import Bench
from orchprof.contract.report import Report
from orchprof.run import store

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "plan"))

from plan_runs import made

RAG = json.loads((Path(__file__).parents[1] / "golden" / "report" / "rag.json").read_text())


LOAD = {
    "kind": "open", "mode": "async", "concurrency": None, "rate_per_s": 9.0, "arrivals": "constant",
    "duration_s": None, "achieved_per_s": 9.0, "throughput_per_s": 3.0, "send_lag_s": None, "degraded": False,
    "saturated": False,
}  # fmt: skip


@dataclass
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run one command in an empty folder; return its exit code and what it said."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        code = main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return command


@dataclass
class FakeBench:
    """Stands in for the driver and the ledger; `plans` are those that were run."""

    plans: list = field(default_factory=list)
    fails: dict = field(
        default_factory=dict
    )  # workload -> what running it raises, a function of its directory
    refuses: dict = field(default_factory=dict)  # workload -> what checking it raises
    saturated: set = field(default_factory=set)  # names of runs
    ok: int = 9

    def check(self, plan):
        if plan.workload in self.refuses:
            raise self.refuses[plan.workload]

    def run(self, plan, out, notify):
        self.plans.append(plan)
        if plan.workload in self.fails:
            raise self.fails[plan.workload](out)
        out.mkdir()
        tasks = plan.tasks or 10
        for done in range(tasks + 1):
            notify(driver.Event(plan.workload, "tasks", done, tasks, 0))
        return out

    def summary(self, run, *, per_task=False):
        record = copy.deepcopy(RAG)
        record["run"]["id"] = run.name
        record["run"]["workload"] = run.name
        record["tasks"] |= {"ok": self.ok, "failed": 10 - self.ok}
        if run.name in self.saturated:
            record["load"] = LOAD | {"saturated": True}
        if per_task:
            record["per_task"] = []
        return record_of(Report, record)

    def bench_record(self, runs, *, per_task=False, whole=True):
        reports = [self.summary(run, per_task=per_task) for run in runs]
        return Bench(reports=reports, claim=None, cost=[], headline=None)


@pytest.fixture
def bench(monkeypatch):
    fake = FakeBench()
    monkeypatch.setattr("orchprof.bench.driver.check", fake.check)
    monkeypatch.setattr("orchprof.bench.driver.run", fake.run)
    monkeypatch.setattr("orchprof.bench.catalogue.names", lambda: ["rag", "swe"])
    # A run is its directory here: there is nothing in it to be read.
    monkeypatch.setattr("orchprof.run.store.open_run", lambda path: path)
    monkeypatch.setattr("orchprof.run.meta.read_meta", lambda path: path)
    monkeypatch.setattr("orchprof.ledger.load.is_saturated", lambda path: path.name in fake.saturated)
    monkeypatch.setattr("orchprof.cli.report.summary", fake.summary)
    monkeypatch.setattr("orchprof.cli.report.bench_record", fake.bench_record)
    monkeypatch.setattr("orchprof.cli.bench.bench_record", fake.bench_record)
    return fake


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """A run that everything can be asked of."""
    path = tmp_path_factory.mktemp("good") / "good"
    kept = made(20, child=20, call=30, meta={"workload": "rag"})
    store.create(path, plain(kept.meta) | {"id": "good"})
    for name, table in kept.tables.items():
        table.to_parquet(path / f"{name}.parquet")
    store.update(path, sealed=True)
    shutil.rmtree(path / "logs")
    return path


@pytest.fixture
def ask(run, good, tmp_path):
    """Ask one command line of a folder that holds FILES, a pipe, a link to itself, and a run, `RUN`."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    shutil.copytree(good, tmp_path / "RUN")
    return lambda line: run(*shlex.split(line))
