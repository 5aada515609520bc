"""A bench with its claim, headline and costs: the golden text of DESIGN's example, and what may be missing."""

import copy

import pytest
from support import render

from orchprof import report

VERDICTS = {  # per workload: host, not_model, orchestration
    "rag": ("within", "within", "below"),
    "math": ("below", "within", "below"),
    "swe": ("undecided", "above", "below"),
}
DEFINITIONS = ("host", "not_model", "orchestration")


def row(workload, definition, verdict):
    return {
        "run": f"b/{workload}", "workload": workload, "setting": "s", "model": "m", "provenance": "modelled",
        "band": None, "reading": definition, "share": {"orchestration": 0.01}.get(definition, 0.8), "ci95": None,
        "share_in_band": None, "verdict": verdict, "reason": None, "published": [], "notes": [],
        "unexplained": 0.0,
    }  # fmt: skip


def chip(workload, accelerator, year, ratio, share):
    return {
        "run": f"b/{workload}", "workload": workload, "setting": "s", "accelerator": accelerator, "year": year,
        "year_source": "x", "spec": "m", "basis": "fitted", "ratio": ratio, "band": None, "reason": None,
        "shares": {"host": {"share": share, "at_low": share, "at_high": share}},
    }  # fmt: skip


def claim():
    return {
        "schema": "orchprof.claim/1", "claim": {"low": 0.5, "high": 0.9}, "method": "m", "reach": [0.1, 10.0],
        "rows": [
            row(workload, definition, verdict)
            for workload, verdicts in VERDICTS.items()
            for definition, verdict in zip(DEFINITIONS, verdicts, strict=True)
        ],
        "made_of": [], "crossings": [], "extrapolated": [],
        "generations": [
            chip("rag", "h100-sxm", 2022, 1.0, 0.81), chip("rag", "b200-sxm", 2024, 0.6, 0.86),
            chip("math", "h100-sxm", 2022, 1.0, 0.05), chip("math", "b200-sxm", 2024, 0.6, 0.09),
        ],
        "map": {"points": []}, "left_out": [], "paragraph": "",
    }  # fmt: skip


@pytest.fixture
def bench(rag):
    """Three workloads as of one bench, judged; no cost is known."""
    reports = []
    rag["checks"]["findings"] = []
    for workload in VERDICTS:
        reports.append(copy.deepcopy(rag))
        reports[-1]["run"] |= {"id": f"b/{workload}", "workload": workload}
    return {
        "schema": "orchprof.bench/1", "reports": reports, "claim": claim(), "cost": [],
        "headline": {
            "win": {
                "run": "b/rag", "workload": "rag", "role": "tool", "name": "search_index", "scale": 0.5, "base_s": 1.4,
                "replayed_s": 0.84, "gain_share": 0.4,
            },
            "scale": {
                "run": "b/rag", "workload": "rag", "rate_per_s": 50.0, "busy_share": 0.7, "core_s_busy": 1.15,
                "cores": 82.14,
            },
        },
    }  # fmt: skip


def cost(workload, cpu, total, per_success, accelerator=0.05):
    per_task = {
        "cpu_reserved_usd": cpu, "memory_usd": 0.001, "accelerator_usd": accelerator, "token_usd": 0.0,
        "total_usd": total,
    }  # fmt: skip
    run = {"id": f"b/{workload}"}
    return {"schema": "orchprof.cost/1", "run": run, "per_task": per_task, "per_success_usd": per_success}


def said(record):
    return " ".join(render(record, "console").split())


def test_golden_bench(bench, golden):
    report.validate(bench)
    assert render(bench, "console") == golden("bench.txt")


def test_golden_bench_with_costs(bench, golden):
    bench["cost"] = [
        cost("rag", 0.008, 0.1, 0.0002),
        cost("math", 0.001, 0.1, 0.0007),
        cost("swe", None, None, None),
    ]
    assert render(bench, "console") == golden("bench_cost.txt")


def test_the_lines_fit_a_terminal_with_every_column(bench):
    bench["cost"] = [cost("rag", 0.008, 0.1, 0.2)]
    for each in bench["reports"]:
        each["run"]["variant"] = "a-long-framework-name"
        each["shares"]["host"]["ci95"] = [0.6, 0.9]
    assert max(map(len, render(bench, "console").splitlines())) <= 80
    assert "a-long-framework-name" not in render(bench, "console").split("Does")[0].split("===")[0]


def test_a_run_that_says_nothing_has_no_verdict(bench):
    bench["claim"]["rows"] = [each for each in bench["claim"]["rows"] if each["workload"] != "math"]
    text = render(bench, "console")
    assert next(line for line in text.splitlines() if line.startswith("math")).split()[-2] == "-"
    assert "1 of 2 within, 1 undecided" in text


def test_runs_of_one_id_keep_their_verdicts(bench):
    twin = copy.deepcopy(bench["reports"][0])
    bench["reports"].append(twin)
    bench["claim"]["rows"].append(row("rag", "host", "above") | {"run": "b/rag #2"})
    rows = [line for line in render(bench, "console").splitlines() if line.startswith("rag/")]
    assert [line.split()[-2] for line in rows] == ["within", "above"]


def test_no_faster_chip_than_the_newest(bench):
    bench["claim"]["generations"] = [
        chip("rag", "b200-sxm", 2024, 1.0, 0.8),
        chip("rag", "h100-sxm", 2022, 2.0, 0.6),
    ]
    assert "faster chip" not in said(bench)


def test_without_a_claim_there_is_no_verdict_and_the_answers_are_counted(bench):
    bench |= {"claim": None, "headline": {"win": None, "scale": None}}
    text = said(bench)
    assert "Does the CPU side" not in text
    assert "within" not in text
    assert "9/10" in text


def test_what_nobody_told_apart_is_not_nothing(bench):
    for each in bench["claim"]["rows"]:
        if each["reading"] == "orchestration":
            each |= {"share": None, "verdict": "undecided"}
    assert "alone: 0 of 3 (not told apart)" in said(bench)


def test_a_missing_price_makes_no_share_of_cost(bench):
    bench["cost"] = [cost("rag", None, None, 0.2)]
    text = said(bench)
    assert "Cost" not in text
    assert "~200" in text


def test_a_cost_without_the_models_is_none(bench):
    bench["cost"] = [cost("rag", 0.008, 0.009, 0.0002, accelerator=None)]
    text = said(bench)
    assert "Cost" not in text
    assert "$ per" not in text
    bench["cost"].append(cost("math", 0.001, 0.1, 0.0007))
    rows = [line for line in render(bench, "console").splitlines() if "haystack  " in line[:18]]
    assert [row.split()[-1] for row in rows] == ["-", "~0.70", "-"]


def test_a_cost_that_leaves_something_out_is_a_lower_bound_and_one_without_its_model_is_none(bench):
    least = cost("rag", 0.008, 0.1, 0.0002) | {"at_least": True}
    unpriced = cost("math", 0.001, 0.1, None, accelerator=None)
    bench["cost"] = [least, unpriced]
    words = said(bench)
    assert ">~0.20" in words
    assert "81 % of latency but at most ~9 % of cost is CPU side" in words
    assert "math: " not in words
