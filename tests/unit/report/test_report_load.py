"""Load in reports: a line per open loop, the table of a sweep, labels that tell levels and models apart."""

import copy
import json
from pathlib import Path

import pytest
from support import record_of, render

from orchprof import report
from orchprof.contract.report import Report
from orchprof.report import naming

RAG = json.loads((Path(__file__).parents[2] / "golden" / "report" / "rag.json").read_text())
LOAD = {
    "kind": "open", "mode": "async", "concurrency": None, "rate_per_s": 5.0, "arrivals": "poisson",
    "duration_s": None, "ramp_s": None, "scheduled_per_s": 5.0, "achieved_per_s": 5.08, "throughput_per_s": 4.7,
    "send_lag_s": {"p50": 0.0004, "p99": 0.0021, "max": 0.009}, "degraded": False, "saturated": False,
}  # fmt: skip


def of(spec=None, **load):
    record = copy.deepcopy(RAG)
    record["load"] = LOAD | load
    record["response_s"] = record["latency_s"] | {"p50": 2.0, "p95": 9.0}
    record["run"]["model"]["spec"] = spec or record["run"]["model"]["spec"]
    return record


def bench(*reports):
    record = {
        "schema": "orchprof.bench/1",
        "reports": list(reports),
        "claim": None,
        "cost": [],
        "headline": None,
    }
    report.validate(record)
    return record


def flat(text):
    return " ".join(text.split())


def test_an_open_loop_has_a_line_of_what_came_of_it():
    said = flat(render(bench(of(), of(saturated=True, degraded=True, send_lag_s=None)), "console"))
    assert (
        "Load rag/haystack #1: 5 tasks/s, poisson (async): 5.08/s sent, 4.70/s ended; sent 2.10 ms late at p99; "
        "due to end 2.0 s median, 9.0 s p95 Load"
    ) in said
    assert "9.0 s p95; SATURATED, DEGRADED" in said


def test_arrivals_that_were_not_drawn_as_many_as_asked_say_so():
    assert "5.08/s sent of 5.20 drawn, 4.70/s ended" in flat(render(of(scheduled_per_s=5.2), "console"))


def test_a_trace_has_no_rate_of_its_own():
    text = render(of(rate_per_s=None, arrivals="trace"), "console")
    assert "a trace (async)" in text


def test_a_closed_loop_has_no_line_and_one_level_no_table():
    text = render(of(kind="closed", concurrency=4, rate_per_s=None), "console")
    assert "Load" not in text
    assert "Throughput" not in text


def test_a_sweep_ends_in_a_table_of_its_levels():
    levels = [of(kind="closed", concurrency=n, rate_per_s=None, throughput_per_s=n / 2) for n in (1, 2, 4)]
    text = render(bench(*levels), "console")
    table = text[text.index("Throughput and latency") :].splitlines()[3:]
    assert [line.split()[:4] for line in table] == [
        ["rag/haystack", "c1", "5.08", "0.50"],
        ["rag/haystack", "c2", "5.08", "1"],
        ["rag/haystack", "c4", "5.08", "2"],
    ]  # fmt: skip
    assert all(len(line) <= 80 for line in table)


def test_a_level_that_saturated_says_so_in_the_table():
    text = render(bench(of(), of(rate_per_s=10.0, saturated=True)), "console")
    assert "rag/haystack r10  SATURATED" in text


def test_details_tell_what_was_asked_and_how_late_it_was_sent():
    text = flat(render(of(), "console", details=True))
    assert "Load: open loop, 5 tasks/s, poisson (async) asked per s 5 sent per s 5.08" in text
    assert "sent late, p99 2.10 ms" in text
    assert "due to end, p95 9 s" in text


@pytest.mark.parametrize(
    ("reports", "labels"),
    [
        ([of(), of()], ["rag/haystack #1", "rag/haystack #2"]),
        ([of(), of(rate_per_s=2.5)], ["rag/haystack r5", "rag/haystack r2.5"]),
        ([of("paced:a@b"), of("llama:default")], ["rag/haystack paced", "rag/haystack llama"]),
        ([of("paced:a@b"), of("paced:c@d")], ["rag/haystack a@b", "rag/haystack c@d"]),
        ([of("zero"), of("zero", kind="closed", concurrency=3)], ["rag/haystack r5", "rag/haystack c3"]),
    ],
)
def test_labels_tell_runs_apart_by_what_differs(reports, labels):
    assert naming.labels([record_of(Report, each) for each in reports]) == labels
