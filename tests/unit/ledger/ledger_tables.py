"""The tables of a small run, written as literals: instants in ns since the run's start."""

import pandas as pd

from orchprof.run.schema import TABLES


class Run:
    """Collects rows; `tables()` types them as the schema says, so that what is not given is null."""

    def __init__(self, start_ns=1000):
        self.zero = start_ns
        self.rows = {name: [] for name in TABLES}

    def at(self, ns):
        return None if ns is None else self.zero + ns

    def task(self, task, start, end, **more):
        row = {"task": task, "start_ns": self.at(start), "end_ns": self.at(end), "warmup": False, "ok": True}
        self.rows["tasks"].append(row | more)

    def strand(self, strand, start, end, *, parent=None, **more):
        row = {
            "strand": strand,
            "kind": "thread",
            "parent": parent,
            "task": 1,
            "pid": 7,
            "name": f"s{strand}",
        }
        self.rows["strands"].append(row | {"start_ns": self.at(start), "end_ns": self.at(end)} | more)

    def segment(self, strand, start, end, role="framework", **more):
        row = {"strand": strand, "start_ns": self.at(start), "end_ns": self.at(end), "role": role}
        row |= {"join": False, "cpu_state": "cpu"}
        counted = {
            f"{name}_ns": more.pop(name, 0) for name in ("cpu", "gc", "profiler", "runq", "gil", "lag")
        }
        self.rows["segments"].append(row | counted | more)

    def joins(self, strand, at, targets):
        for target in targets:
            self.rows["edges"].append({"kind": "join", "src": target, "dst": strand, "at_ns": self.at(at)})

    def span(self, span, role, name, *, parent=None, **more):
        row = {"span": span, "parent": parent, "strand": 1, "task": 1, "role": role, "name": name}
        self.rows["spans"].append(row | {"start_ns": self.at(0), "end_ns": None} | more)

    def wait(self, strand, start, end, targets, role="framework", **more):
        self.segment(strand, start, end, role, join=True, **more)
        self.joins(strand, end, targets)

    def call(self, strand, sent, end, *, first_token=None, **facts):
        row = {"strand": strand, "task": 1, "sent_ns": self.at(sent), "end_ns": self.at(end)}
        row |= {"first_token_ns": self.at(first_token), "provenance": "reported", "granularity": "request"}
        for name in ("total", "queue", "prefill", "decode", "accelerator"):
            row[f"{name}_ns"] = facts.pop(name, None)
        self.rows["model_calls"].append(row | facts)

    def sample(self, pid, at, cpu, children=0, rss=None, task=None, parent=None):
        row = {"pid": pid, "parent": parent, "at_ns": self.at(at), "cpu_ns": cpu, "children_cpu_ns": children}
        self.rows["samples"].append(row | {"rss_bytes": rss, "task": task})

    def tables(self):
        return {
            name: pd.DataFrame(self.rows[name], columns=list(columns)).astype(columns)
            for name, columns in TABLES.items()
        }
