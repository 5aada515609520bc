"""The report record: counts, means, names, calls, resources and findings of small runs."""

import numpy as np
import pytest
from ledger_tables import Run
from support import summarise

from orchprof.contract.schema.validation import validate
from orchprof.ledger.checks import FINDINGS
from orchprof.ledger.shares import NEED_LABELS, SHARES

MS = 10**6
META = {"id": "r", "created": "2026-01-01T00:00:00+00:00", "workload": "w", "labelled": True}


def add_task(run, task, length, start=0, **more):
    """A task on one strand: half framework CPU, half a tool's sleep."""
    run.task(task, start, start + length, **more)
    run.strand(task, start, start + length, kind="task", task=task)
    run.segment(task, start, start + length // 2, cpu=length // 2)
    run.segment(task, start + length // 2, start + length, "tool", wait_state="sleep")


def report(run, meta=None, **options):
    record = summarise(run.tables(), META | (meta or {}), **options)
    validate(record)
    return record


def codes(record):
    return [finding["code"] for finding in record["checks"]["findings"]]


def test_no_task_at_all():
    record = report(Run(), per_task=True)
    counts = {"n": 0, "ok": 0, "failed": 0, "timed_out": 0, "unfinished": 0, "warmup": 0}
    assert record["tasks"] == counts | {"ok_ci95": None, "reasons": []}
    assert set(record["latency_s"].values()) == {0, None}
    assert record["shares"] == dict.fromkeys(SHARES)
    assert record["ledger"] == record["by_name"] == record["per_task"] == []
    assert set(record["resources"].values()) == {None}
    assert codes(record) == ["no_task"]


def test_counts():
    run = Run()
    add_task(run, 1, 10, warmup=True)
    add_task(run, 2, 10)
    add_task(run, 3, 10, ok=False, reason="wrong")
    add_task(run, 4, 10, ok=None)
    add_task(run, 5, 10, ok=None, timed_out=True)
    run.task(6, 0, None)
    record = report(run)
    low, high = record["tasks"].pop("ok_ci95")
    assert 0.1 < low < 2 / (2 + 2) < high < 0.9  # of those that were judged
    assert record["tasks"].pop("reasons") == [{"reason": "wrong", "n": 1}]
    assert record["tasks"] == {"n": 5, "ok": 1 + 1, "failed": 2, "timed_out": 1, "unfinished": 1, "warmup": 1}
    assert record["latency_s"]["n"] == 2


def test_one_task():
    run = Run()
    add_task(run, 1, 10 * MS)
    record = report(run, per_task=True)
    assert record["latency_s"] == {
        "n": 1, "mean": 0.01, "std": None, "min": 0.01, "p50": 0.01, "p90": None, "p95": None, "p99": None,
        "max": 0.01, "ci95": None, "p50_ci95": None,
    }  # fmt: skip
    half = {"cp": 0.5, "eq": 0.5, "exposed": 0.5, "any": 0.5, "ci95": None}
    assert (
        record["shares"]["orchestration"] == record["shares"]["tool_wait"] == record["shares"]["host"] == half
    )
    assert record["shares"]["not_model"]["cp"] == 1.0
    row = {"cp_s": 0.005, "eq_s": 0.005, "exposed_s": 0.005, "any_s": 0.005, "rs_s": 0.005}
    assert record["ledger"] == [
        {"role": "framework", "state": "cpu", **row},
        {"role": "tool", "state": "sleep", **row},
    ]
    (own,) = record["per_task"]
    assert (own["task"], own["ok"], own["latency_s"]) == (1, True, 0.01)
    assert own["ledger"] == record["ledger"]
    assert own["shares"] == record["shares"]
    assert record["checks"]["conservation_error_s"] == 0.0
    assert record["checks"]["replay_error"] == 0.0
    assert codes(record) == ["too_few_tasks"]


def test_a_task_that_fails_makes_nothing_look_faster_but_costs():
    run = Run()
    for number, length, ok in ((1, 100, True), (2, 100, None), (3, 1, False), (4, 900, False)):
        add_task(run, number, length * MS, ok=ok, start=number * 1000 * MS)
        for at, cpu in ((number * 1000, number * 10), (number * 1000 + length, number * 10 + 7)):
            run.sample(7, at * MS, cpu * MS, task=number)
    record = report(run)
    assert (record["latency_s"]["n"], record["latency_s"]["max"]) == (2, 0.1)
    assert record["tasks"]["failed"] == 2
    assert record["resources"]["core_s_busy"] == pytest.approx(4 * 0.007 / 4)
    assert "only_failed" not in codes(record)


def test_where_every_task_failed_the_failed_ones_are_shown_and_called_so():
    run = Run()
    add_task(run, 1, 10 * MS, ok=False)
    record = report(run)
    assert record["latency_s"]["n"] == 1
    assert "only_failed" in codes(record)


def test_what_the_replies_say_of_the_model_counts_more_than_its_address():
    run = Run()
    add_task(run, 1, 100 * MS)
    run.strand(11, 0, 10 * MS, parent=1, kind="remote")
    run.call(11, 0, 10 * MS, total=8 * MS, provenance="modelled", decisions="scripted")
    record = report(run, {"model": {"spec": "http://x/v1#m", "provenance": "reported", "decisions": "model"}})
    assert record["run"]["model"]["provenance"] == "modelled"
    assert record["run"]["model"]["decisions"] == "scripted"
    assert {"modelled", "scripted"} <= set(codes(record))


def test_the_memory_of_children_that_live_together_adds_up():
    run = Run()
    add_task(run, 1, 100 * MS)
    run.sample(7, 0, 0, 0, 50, 1)
    run.sample(7, 100 * MS, 0, 0, 60, 1)
    for number, start, end, peak in ((11, 0, 50, 100), (12, 40, 90, 70), (13, 90, 95, 120)):
        run.strand(number, start * MS, end * MS, parent=1, kind="child", peak_rss_bytes=peak)
    assert report(run)["resources"]["rss_per_task_bytes"] == 10 + 170


def test_shares_are_ratios_of_sums_and_the_ledger_means_per_task():
    run = Run()
    run.task(1, 0, 10 * MS)
    run.strand(1, 0, 10 * MS, kind="task")
    run.segment(1, 0, 10 * MS, cpu=10 * MS)
    run.task(2, 0, 30 * MS)
    run.strand(2, 0, 30 * MS, kind="task", task=2)
    run.segment(2, 0, 30 * MS, "tool", cpu=15 * MS, wait_state="net")
    record = report(run)
    assert record["shares"]["orchestration"]["cp"] == pytest.approx(0.25)
    assert record["shares"]["tool_cpu"]["cp"] == pytest.approx(0.375)
    assert record["shares"]["tool_cpu"]["ci95"] is None  # two tasks cannot say
    assert sum(row["cp_s"] for row in record["ledger"]) == pytest.approx(record["latency_s"]["mean"])
    assert {(row["role"], row["state"]): row["rs_s"] for row in record["ledger"]} == pytest.approx(
        {("framework", "cpu"): 0.005, ("tool", "cpu"): 0.0075, ("tool", "net"): 0.0075}
    )


def test_percentiles_appear_when_there_are_enough_tasks():
    run = Run()
    for task in range(1, 21):
        add_task(run, task, task * MS, start=task * 100 * MS)
    record = report(run)
    assert record["latency_s"]["p90"] == pytest.approx(np.quantile(np.arange(1, 21), 0.9) / 1000)
    assert record["latency_s"]["p95"] is not None
    assert record["latency_s"]["p99"] is None
    (finding,) = [each for each in record["checks"]["findings"] if each["code"] == "too_few_tasks"]
    assert finding["message"] == "20 tasks are too few for p99 (needs 100)"


def test_shares_that_need_labels():
    run = Run()
    run.task(1, 0, 10)
    run.strand(1, 0, 10, kind="task")
    run.segment(1, 0, 10, cpu=10)
    bare = report(run, {"labelled": None}, per_task=True)
    assert {name for name, share in bare["shares"].items() if share is None} == set(NEED_LABELS)
    assert bare["shares"]["host"]["cp"] == 1.0
    assert bare["per_task"][0]["shares"]["tool_local"] is None
    assert "unlabelled" in codes(bare)
    told = report(run)
    assert told["shares"]["tool_local"]["cp"] == 0.0
    assert "unlabelled" not in codes(told)
    run.span(1, "tool", "search")
    assert report(run, {"labelled": None})["shares"]["orchestration"]["cp"] == 1.0


def test_a_span_owns_what_no_tool_or_call_inside_it_owns():
    """agent 0-100 on the root; in it tool `search`, whose framework span `inner` and child process are its own."""
    run = Run()
    run.task(1, 0, 100 * MS)
    run.strand(1, 0, 100 * MS, kind="task")
    run.span(1, "framework", "agent")
    run.span(2, "tool", "search", parent=1)
    run.span(3, "framework", "inner", parent=2)
    run.span(4, "client", "chat", parent=2)
    run.segment(1, 0, 10 * MS, cpu=10 * MS, span=1)
    run.segment(1, 10 * MS, 30 * MS, "tool", cpu=5 * MS, span=2)
    run.segment(1, 30 * MS, 40 * MS, cpu=10 * MS, span=3)
    run.wait(1, 40 * MS, 60 * MS, [2], "client", span=4)
    run.wait(1, 60 * MS, 100 * MS, [3], "tool", span=2)
    run.strand(2, 40 * MS, 60 * MS, parent=1, kind="remote")
    run.call(2, 40 * MS, 60 * MS)
    run.strand(3, 60 * MS, 100 * MS, parent=1, kind="child")
    run.segment(3, 60 * MS, 100 * MS, "tool", cpu=8 * MS, cpu_state="child", wait_state="net")
    record = report(run)
    rows = {
        (row["role"], row["name"]): [row["cp_s"], row["exposed_s"], row["core_s"]]
        for row in record["by_name"]
    }
    assert rows["framework", "agent"] == pytest.approx([0.01, 0.01, 0.01])
    assert rows["tool", "search"] == pytest.approx([0.07, 0.07, 0.023])
    assert rows["client", "chat"] == pytest.approx([0.02, 0.02, 0.0])
    assert rows["framework", "inner"] == [0.0, 0.0, 0.0]
    assert {row["calls_per_task"] for row in record["by_name"]} == {1.0}


def test_model_calls_are_means_per_call():
    run = Run()
    add_task(run, 1, 100 * MS)
    add_task(run, 2, 100 * MS)
    facts = {"total": 8 * MS, "queue": 1 * MS, "prefill": 2 * MS, "decode": 4 * MS, "accelerator": 3 * MS}
    run.strand(11, 0, 10 * MS, parent=1, kind="remote")
    run.call(11, 0, 10 * MS, first_token=4 * MS, input_tokens=100, output_tokens=7, **facts)
    run.strand(12, 10 * MS, 20 * MS, parent=1, kind="remote")
    run.call(12, 10 * MS, 20 * MS, input_tokens=50, provenance="modelled")
    run.strand(13, 20 * MS, 30 * MS, parent=1, kind="remote")
    run.call(13, 20 * MS, 30 * MS, total=12 * MS, provenance="client_only", error="ReadError")
    record = report(run)
    calls = record["model_calls"]
    assert calls["n_per_task"] == 1.5
    assert (calls["input_tokens"], calls["output_tokens"], calls["cached_tokens"]) == (75, 7, None)
    times = {
        key: calls[key]
        for key in ("queue_s", "prefill_s", "decode_s", "frontend_s", "network_s", "ttft_s", "tpot_s")
    }
    assert times == pytest.approx(
        {"queue_s": 0.001, "prefill_s": 0.002, "decode_s": 0.004, "frontend_s": 0.001, "network_s": 0.001,
         "ttft_s": 0.004, "tpot_s": 0.004 / 6}
    )  # fmt: skip
    assert (calls["provenance"], calls["granularity"]) == ("modelled", "request")
    assert record["resources"]["accelerator_s"] == pytest.approx(0.0045)
    messages = {each["code"]: each["message"] for each in record["checks"]["findings"]}
    assert messages["client_only"].startswith("1 of 3 model calls")
    assert messages["clock_mismatch"].startswith(
        "1 model calls took less time than their server says, by up to 2.0 ms"
    )


def test_refused_attempts_are_told_apart_and_weigh_nothing():
    run = Run()
    add_task(run, 1, 100 * MS)
    for call, facts in (
        (11, {"status": 429, "provenance": "client_only"}), (12, {"status": 503, "provenance": "client_only"}),
        (13, {"status": 200, "total": 8 * MS, "accelerator": 3 * MS, "input_tokens": 9, "cache_write_tokens": 4}),
    ):  # fmt: skip
        run.strand(call, 0, 10 * MS, parent=1, kind="remote")
        run.call(call, 0, 10 * MS, **facts)
    record = report(run)
    calls = record["model_calls"]
    assert (calls["n_per_task"], calls["refused_per_task"]) == (3, 2)
    assert (calls["input_tokens"], calls["cache_write_tokens"], calls["reasoning_tokens"]) == (9, 4, None)
    assert calls["provenance"] == "reported"
    assert record["resources"]["accelerator_s"] == pytest.approx(0.003)
    assert "client_only" not in {each["code"] for each in record["checks"]["findings"]}


def test_an_error_status_with_tokens_was_served():
    run = Run()
    add_task(run, 1, 100 * MS)
    run.strand(11, 0, 10 * MS, parent=1, kind="remote")
    run.call(11, 0, 10 * MS, status=500, output_tokens=3)
    assert report(run)["model_calls"]["refused_per_task"] == 0


def test_resources_are_of_all_finished_tasks_latency_of_the_successful_ones():
    run = Run()
    add_task(run, 1, 100 * MS)
    add_task(run, 2, 300 * MS, start=100 * MS, ok=False)
    for at, cpu, task in ((0, 0, 1), (100, 10, 1), (100, 10, 2), (400, 50, 2)):
        run.sample(7, at * MS, cpu * MS, 0, None, task)
    record = report(run)
    assert record["latency_s"]["mean"] == pytest.approx(0.1)
    assert record["resources"]["core_s_busy"] == pytest.approx(0.025)
    assert record["resources"]["core_s_reserved"] == pytest.approx(0.2)


def test_resources_from_process_clocks():
    run = Run()
    add_task(run, 1, 100 * MS, warmup=True)
    add_task(run, 2, 100 * MS, start=100 * MS)
    add_task(run, 3, 100 * MS, start=100 * MS)
    for at, cpu, children, rss, task in (
        (0, 0, 0, 50, 1), (90, 30, 5, 50, 1), (100, 40, 5, 100, 2), (110, 41, 5, 100, 3), (150, 60, 5, 180, None),
        (190, 80, 25, 120, 2), (200, 90, 25, 120, 3), (250, 99, 25, 90, None),
    ):  # fmt: skip
        run.sample(7, at * MS, cpu * MS, children * MS, rss, task)
    run.sample(8, 120 * MS, 0, task=None)
    held = report(run, {"params": {"cores_per_worker": 2}, "machine": {"core_speed": 31.5}})["resources"]
    assert held["core_s_busy"] == pytest.approx((50 + 20) / 2 / 1000)
    assert held["core_s_reserved"] == pytest.approx(0.2)
    assert held["accelerator_s"] == 0.0
    assert (held["rss_base_bytes"], held["rss_per_task_bytes"]) == (100.0, 40.0)
    assert held["core_speed"] == 31.5


def test_cpu_between_tasks_is_nobodys():
    run = Run()
    add_task(run, 1, 100 * MS)
    add_task(run, 2, 100 * MS, start=200 * MS)
    for at, cpu, task in ((0, 0, 1), (100, 10, 1), (200, 80, 2), (250, 85, None), (300, 90, 2)):
        run.sample(7, at * MS, cpu * MS, 0, None, task)
    assert report(run)["resources"]["core_s_busy"] == pytest.approx((10 + 10) / 2 / 1000)


def test_memory_is_unknown_where_it_was_not_sampled():
    run = Run()
    add_task(run, 1, 100 * MS)
    run.sample(7, 0, 0, task=1)
    run.sample(7, 100 * MS, 50 * MS, task=1)
    held = report(run)["resources"]
    assert (held["core_s_busy"], held["rss_base_bytes"], held["rss_per_task_bytes"]) == (0.05, None, None)


def test_a_run_that_was_cut_short_says_by_whom_and_when():
    run = Run()
    add_task(run, 1, 10 * MS)
    run.task(2, 0, None)
    params = {"params": {"tasks": 300}}
    for meta, code, who in (
        (
            params | {"interrupted": True, "complete": False},
            "interrupted",
            "stopped by the user after 1 of 300 tasks",
        ),
        (params | {"complete": False}, "killed", "whoever drove the run died after 1 of 300 tasks"),
        (params | {"complete": True}, "unfinished", "1 of 2 tasks never ended and are left out"),
    ):
        found = {each["code"]: each["message"] for each in report(run, meta)["checks"]["findings"]}
        assert found[code] == who
        assert len({"interrupted", "killed", "unfinished"} & set(found)) == 1


def test_findings_from_the_tables_and_run_json():
    run = Run()
    run.task(1, 0, 100)
    run.strand(1, 0, 100, kind="task")
    run.segment(1, 0, 40, "tool", cpu=40, profiler=10)
    run.segment(1, 40, 70)
    run.task(2, 0, None)
    machine = {
        "core_speed_before": 100.0,
        "core_speed_after": 60.0,
        "load_average": [3.0, 0, 0],
        "cores": 2.0,
    }
    captured = [{"code": "no_run_delay", "message": "no delay"}] * 2 + [
        {"code": "from the future", "message": "?"}
    ]
    meta = {
        "machine": machine, "interrupted": True, "model": {"provenance": "modelled", "decisions": "scripted"},
        "findings": captured,
    }  # fmt: skip
    record = report(run, meta)
    assert codes(record) == [
        "no_run_delay", "from the future", "interrupted", "too_few_tasks", "unexplained",
        "no_sampler", "overhead", "scripted", "modelled", "two_speeds", "loaded",
    ]  # fmt: skip
    messages = {each["code"]: each["message"] for each in record["checks"]["findings"]}
    assert messages["unexplained"] == "30.0% of latency is unexplained; the CPU side takes 30.0% to 60.0%"
    assert messages["no_sampler"].startswith("30.0% of latency")
    assert messages["two_speeds"].startswith("a core was 40% slower after the run")
    assert record["checks"]["overhead_share"] == pytest.approx(0.1)
    assert record["checks"]["unexplained_share"] == pytest.approx(0.3)
    for finding in record["checks"]["findings"]:
        assert finding["remedy"] == (
            FINDINGS[finding["code"]].remedy if finding["code"] in FINDINGS else None
        )


def test_a_call_named_twice_is_one_call():
    run = Run()
    run.task(1, 0, 10)
    run.strand(1, 0, 10, kind="task")
    run.span(5, "tool", "search", strand=1)
    run.span(6, "tool", "search", strand=1, parent=5)
    run.span(7, "tool", "other", strand=1, parent=5)
    run.segment(1, 0, 10, "tool", cpu=10, span=6)
    calls = {row["name"]: row["calls_per_task"] for row in report(run)["by_name"]}
    assert calls == {"search": 1.0, "other": 1.0}
