"""`orchprof cost`: runs written by hand are priced as on paper; bad input is one clear error or a reason."""

import sys
from pathlib import Path

import pytest

from orchprof.run import store

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "ledger"))

from costed_runs import GIB, PRICES, TERMS, S, costed, keep
from ledger_tables import Run


def test_a_run_by_hand(run, tmp_path):
    record = costed(run, keep(tmp_path / "one"), *PRICES, *TERMS, "--tasks-per-month", "1000000")
    part = record["per_task"]
    assert part["cpu_busy_usd"] == pytest.approx(1e-5)
    assert part["cpu_reserved_usd"] == pytest.approx(3e-5)
    assert part["memory_usd"] == pytest.approx(3e-6)
    assert part["accelerator_usd"] == pytest.approx(1e-3)
    assert part["token_usd"] == 0
    assert (part["tool_usd"], part["network_usd"]) == (0, 0)  # neither left the machine
    assert part["total_usd"] == pytest.approx(1.033e-3)
    assert (record["partial"], record["unpriced"], record["at_least"]) == ([], [], False)
    assert record["per_success"]["total_usd"] == pytest.approx(1.033e-3)
    assert record["per_success_usd"] == pytest.approx(1.033e-3)
    assert record["per_success_band_usd"] == pytest.approx([0.533e-3, 2.033e-3])
    # Half the band at full utilisation, twice the band at half the utilisation; all tasks are alike.
    found = record["per_success_range"]
    assert (found["low"], found["high"]) == pytest.approx((0.533e-3, 4.033e-3))
    assert {each["cause"]: [each["low"], each["high"]] for each in found["parts"]} == {
        "sampling": pytest.approx([1.033e-3, 1.033e-3]),
        "model time band": pytest.approx([0.533e-3, 2.033e-3]),
        "utilisation": pytest.approx([1.033e-3, 2.033e-3]),
    }
    load = record["measured_at"]
    assert (load["tasks_at_once"], load["calls_at_once"], load["utilisation"]) == pytest.approx((1, 1, 1))
    assert (load["machines"], load["accelerators"]) == (1, 1)
    assert record["average_usd"] == pytest.approx(1.033e-3 + 0.02)
    assert record["usd_per_mtok"] == pytest.approx(10)  # 1e-3 for 100 tokens
    # At a volume calls share their accelerators' batches, more or less as the plan's model says.
    assert record["margin"]["cost_at"] == "volume"
    assert 3.3e-5 < record["margin"]["cost_per_success_usd"] <= 1.033e-3
    alone = costed(run, tmp_path / "one", *PRICES, *TERMS)
    assert alone["margin"]["cost_at"] == "measured"
    assert alone["margin"]["contribution_usd"] == pytest.approx(0.05 - 1.033e-3)
    assert alone["break_even"]["tasks_per_month"] == 408_439  # 20,000 / 0.048967, rounded up
    assert sum(row["cpu_reserved_usd"] for row in record["states"]) == pytest.approx(3e-5)
    assert record["claim_in_money"]["cpu_side_share_of_cost"] == pytest.approx(33 / 1033)
    assert record["claim_in_money"]["share_of_latency"]["host"] == pytest.approx(1 / 3)
    assert record["claim_in_money"]["waiting_for_model_usd"] == pytest.approx(2.2e-5)


def test_failures_are_paid_for(run, tmp_path):
    some = keep(tmp_path / "some", 8, ok=[True, False] * 4)
    record = costed(run, some, *PRICES)
    assert record["per_success_usd"] == pytest.approx(2 * record["per_task"]["total_usd"])
    assert (record["tasks"]["n"], record["tasks"]["ok"], record["tasks"]["failed"]) == (8, 4, 4)
    assert any("failed and are paid for" in note for note in record["notes"])


def test_without_a_success_there_is_no_cost_of_one(run, tmp_path):
    none = keep(tmp_path / "none", ok=False)
    record = costed(run, none, *TERMS, "--tasks-per-month", "1000", "--tornado", "--monte-carlo", "100")
    assert record["per_success_usd"] is None
    assert record["break_even"]["price_usd"] is None
    assert "no task succeeded" in record["break_even"]["reasons"]["price_usd"]
    assert record["per_task"]["total_usd"] > 0
    assert record["monte_carlo"]["reason"]
    said = run("cost", none, *TERMS, "--tornado")
    assert said.code == 0
    assert "no task succeeded" in " ".join(said.out.split())


def test_a_run_that_asks_no_model_pays_none(run, tmp_path):
    record = costed(run, keep(tmp_path / "one", calls=False), *PRICES)
    assert (record["per_task"]["accelerator_usd"], record["per_task"]["token_usd"]) == (0, 0)
    assert record["per_task"]["total_usd"] == pytest.approx(3.3e-5)
    assert (record["usd_per_mtok"], record["reasons"]["usd_per_mtok"]) == (None, "no task asked a model")
    assert record["route"]["calls"] == 0
    assert "| no model calls" in run("cost", tmp_path / "one").out


def test_what_was_not_sampled_is_unpriced(run, tmp_path):
    record = costed(run, keep(tmp_path / "one", sampled=False))
    assert (record["per_task"]["memory_usd"], record["per_task"]["cpu_busy_usd"]) == (None, None)
    assert "memory" in record["partial"]


def test_a_model_on_this_machines_cores_is_paid_by_its_servers_cpu(run, tmp_path):
    model = {"spec": "llama:default", "provenance": "measured"}
    one = keep(tmp_path / "one", model=model, provenance="measured")
    store.update(one, metered={"endpoint_core_s": 12.0, "energy": [], "energy_reason": "none here"})
    record = costed(run, one, *PRICES, "--tornado")
    # 12 core-seconds of 6 tasks at 1e-5, beside 3 of the agent's and 3 GiB-seconds at 1e-6
    assert record["route"]["kind"] == "cpu"
    assert record["per_task"]["accelerator_usd"] == pytest.approx(2e-5)
    assert record["per_success_usd"] == pytest.approx(5.3e-5)
    assert record["measured_at"]["utilisation"] is None
    assert record["assumed"]["machine_holds_tasks_per_s"] == pytest.approx(8 / 5)
    base = {row["input"]: row for row in record["sensitivity"]}["core_price"]
    assert base["usd_high"] == pytest.approx(3e-6 + 5e-5 * base["high"] / 0.036)
    words = " ".join(run("cost", one, *PRICES).out.split())
    assert "model server's CPU $0.02" in words
    assert "paid by the CPU time of their server" in words


def test_energy_is_what_counters_said_where_there_were_any(run, tmp_path):
    one = keep(tmp_path / "one")
    store.update(one, metered={"energy": [
        {"part": "cpu", "joules": 60.0, "tier": "measured:rapl"},
        {"part": "accelerator", "joules": 90.0, "tier": "measured:nvml"},
    ]})  # fmt: skip
    parts = {part["part"]: part for part in costed(run, one)["energy"]["parts"]}
    assert (parts["cpu"]["joules"], parts["cpu"]["tier"]) == (10.0, "measured:rapl")
    # The accelerator of this machine is not the one that is modelled.
    assert parts["accelerator"]["tier"] == "modelled:spec"
    assert parts["accelerator"]["joules"] != 15.0


def test_for_a_person(run, tmp_path):
    said = run(
        "cost",
        keep(tmp_path / "one"),
        *PRICES,
        *TERMS,
        "--tornado",
        "--monte-carlo",
        "200",
        "--market",
        "--details",
    )
    assert (said.code, said.err) == (0, "")
    assert max(map(len, said.out.splitlines())) <= 80
    words = " ".join(said.out.split())
    asked = ["Cost per 1,000 successful tasks: ~$1.03", "Range $0.533-4.03", "Load as measured: ",
             "Not included nothing", "Margin ~97.9% contribution margin", "llama-3.1-8b@h100-sxm", "of total",
             "CPU side", "Unit economics", "Fix first", "Sensitivity", "Monte Carlo"]  # fmt: skip
    assert sorted(asked, key=words.index) == asked
    assert "MODELLED" in words
    assert "408,439 tasks a month pay $20,000" in words
    assert "not a measurement" in words
    assert "network: every connection stayed on this machine" in words


@pytest.mark.parametrize(
    "word",
    ["a success ", "partial", "reserved", "at work", "in band", "from task to task", "good a day", "service"],
)
def test_words_that_a_buyer_would_not_know_are_not_in_it(run, tmp_path, word):
    bench = tmp_path / "bench"
    bench.mkdir()
    keep(bench / "one")
    keep(bench / "two", ok=[True, False] * 3)
    asked = (*TERMS, "--tornado", "--monte-carlo", "200", "--market", "--slo", "5", "--details")
    for said in (run("cost", bench, *asked), run("cost", bench / "two", *asked)):
        assert said.code == 0
        assert word not in said.out


def test_the_headline_is_placed_in_its_monte_carlo(run, tmp_path):
    drawn = costed(run, keep(tmp_path / "one", 20), "--monte-carlo", "2000")["monte_carlo"]
    assert drawn["p5"] <= drawn["base"] <= drawn["p95"]
    assert 0.05 <= drawn["base_quantile"] <= 0.95
    words = " ".join(run("cost", tmp_path / "one", "--monte-carlo", "500").out.split())
    assert "above is dearer than" in words
    far = ("--monte-carlo", "500", "--range", "gpu_price=90:99")
    assert "OUTSIDE that" in " ".join(run("cost", tmp_path / "one", *far).out.split())


def test_a_month_by_users(run, tmp_path):
    terms = ("--price-per-user-month", "20", "--tasks-per-user-month", "1000", "--tasks-per-month", "10000")
    one = keep(tmp_path / "one")
    said = run("cost", one, *terms, "--fixed-per-month", "5000", "--cash", "90000", "--value-per-task", "0.1")
    words = " ".join(said.out.split())
    assert "per user costs" in words
    assert "per $1 of revenue" in words
    assert "the cash lasts" in words
    assert "a task is worth" in words


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--cash", "10"], "runway no price"),
        (["--fixed-per-month", "10"], "break-even of $10.0 fixed cost: no price"),
        (["--value-per-task", "1", "--cash", "10"], "payback no volume"),
        (["--price-per-task", "1", "--tasks-per-month", "1e6", "--cash", "10"], "runway it makes no loss"),
        (
            ["--value-per-task", "1e-6", "--tasks-per-month", "1e3", "--cash", "10"],
            "payback a month brings less",
        ),
        (["--price-per-task", "1", "--tasks-per-month", "1e6"], "fixed cost $0 none given"),
        (["--value-per-task", "0.000033"], "a task is worth $0.001 below its cost"),
        (["--slo", "2"], "0.0% of tasks are correct within 2 s; $1,000 buys ~0 of them"),
        (["--slo", "4"], "100.0% of tasks are correct within 4 s; $1,000 buys ~968,054 of them"),
        (["--price", "tool/serach=0.01"], "no task called tool/serach"),
    ],
)
def test_whatever_is_asked_is_answered_or_has_a_reason(run, tmp_path, asked, said):
    answer = run("cost", keep(tmp_path / "one"), *PRICES, *asked)
    assert (answer.code, answer.err) == (0, "")
    assert said in " ".join(answer.out.split())


def test_a_year_of_successes_is_paid_with_failed_tasks_too(run, tmp_path):
    asked = (*PRICES, "--token-model", "gpt-4o", "--tasks-per-month", "1000")  # tokens know no batches
    whole = costed(run, keep(tmp_path / "one"), *asked)["fix_first"][0]
    half = costed(run, keep(tmp_path / "half", ok=[True, False] * 3), *asked)["fix_first"][0]
    assert whole["usd_saved_per_year"] == pytest.approx(12 * whole["usd_saved"])
    assert half["usd_saved_per_year"] == pytest.approx(2 * 12 * half["usd_saved"])


def test_without_a_success_nothing_is_marked_or_ranked(run, tmp_path):
    bench = tmp_path / "bench"
    bench.mkdir()
    keep(bench / "one")
    keep(bench / "none", ok=False)
    out = run("cost", bench).out
    assert "~-" not in out
    assert "Runs rag #1: none; rag #2: one" in " ".join(out.split())
    alone = run("cost", bench / "none", "--tornado").out
    assert "Sensitivity no task succeeded" in " ".join(alone.split())


def test_nothing_is_said_of_cash_that_nobody_named(run, tmp_path):
    out = run("cost", keep(tmp_path / "one"), *TERMS, "--value-per-task", "1").out
    assert "runway" not in out
    assert "payback" not in out


def test_the_latest_run_is_the_default(run, tmp_path):
    keep(tmp_path / "orchprof-runs" / "one")
    assert costed(run)["run"]["id"] == "one"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--price-per-task", "-1"], "@ --price-per-task"),
        (["--price-per-task", "0"], "@ --price-per-task"),
        (["--price-per-task", "nan"], "@ --price-per-task"),
        (["--price-per-task", "inf"], "@ --price-per-task"),
        (["--price-per-task", "1e13"], "@ --price-per-task"),
        (["--price-per-task", "1000001"], "at most 1,000,000"),
        (["--value-per-task", "1e7"], "@ --value-per-task"),
        (["--tasks-per-month", "many"], "@ --tasks-per-month"),
        (["--fixed-per-month", "-5"], "@ --fixed-per-month"),
        (["--cash", "0"], "@ --cash"),
        (["--utilisation", "1.5"], "@ --utilisation"),
        (["--utilisation", "0"], "@ --utilisation"),
        (["--monte-carlo", "5"], "@ --monte-carlo"),
        (["--machine", "no-such"], "unknown machine"),
        (["--machine", "aws/g6.xlarge"], "1 x l4 @ --machine aws/g6.xlarge, the model needs 1 x h100-sxm"),
        (["--machine", "aws/p5.48xlarge", "--machine", "aws/p5.4xlarge"], "two machines for one thing"),
        (["--machine", "aws/m8i.large", "--machine", "aws/m8i.2xlarge"], "two machines for one thing"),
        (["--token-model", ""], "no name, '' @ --token-model"),
        (["--accelerator", " "], "no name, ' ' @ --accelerator"),
        (["--basis", "2y"], "unknown basis, '2y' @ --basis"),
        (["--basis", "1y"], "nothing has a price on this basis, '1y' @ --basis"),
        (["--route", "both"], "unknown route"),
        (["--token-model", "no-such-9"], "no token price"),
        (["--token-model", "gpt-5", "--route", "accelerator"], "two routes"),
        (["--accelerator", "b200"], "@ --accelerator"),
        (["--price", "core=-1"], "a negative price"),
        (["--price", "core=nan"], "not a finite amount"),
        (["--price", "core=1e9"], "an absurd price"),
        (["--price-per-user-month", "20"], "--tasks-per-user-month"),
        (
            ["--price-per-user-month", "20", "--tasks-per-user-month", "9", "--price-per-task", "1"],
            "two prices",
        ),
        (["--range", "gpu_price=1:2"], "@ --range"),
        (["--tornado", "--range", "gpu_price=2:1"], "no range"),
        (["--market", "--assume", "no_such=1"], "unknown assumption"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, arguments, said):
    answer = run("cost", keep(tmp_path / "one"), *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_tasks_that_share_a_worker_and_use_more_than_it_holds_are_said_so(run, tmp_path):
    both = Run()
    for task in (1, 2):
        both.task(task, 0, S, ok=None)
        both.strand(task, 0, S, task=task)
        both.segment(task, 0, S, "framework", cpu=S)
        both.sample(7, 0, 0, rss=GIB, task=task)
        both.sample(7, S, 5 * S, rss=GIB, task=task)
    path = tmp_path / "both"
    store.create(
        path, {"id": "both", "workload": "w", "variant": None, "model": {}, "params": {}, "machine": {}}
    )
    for name, table in both.tables().items():
        table.to_parquet(path / f"{name}.parquet")
    store.update(path, sealed=True)
    notes = " ".join(costed(run, path)["notes"])
    assert "2.0 tasks at a time shared a worker" in notes
    assert "busy on 2.5 cores but 1 is counted" in notes
    assert "2 of 2 answers were judged by nobody" in notes
    said = run("cost", path)
    assert said.code == 0
    assert "unknown model" in said.out


def test_a_market_is_not_stated_from_one_request_at_a_time(run, tmp_path):
    found = costed(run, keep(tmp_path / "one"), "--market")["market"]
    for row in found["implied"]:
        assert (row["usd"], row["cpus"], row["against_published"]) == (None, None, None)
        assert row["cores_per_accelerator"] > 0
        assert "served one at a time" in row["reason"]
    words = " ".join(run("cost", tmp_path / "one", "--market").out.split())
    assert "bn a year" not in words
    assert "caveat a task's accelerator time is its share of the batch" in words


def test_a_tool_that_fails_slowly_is_what_to_fix_first(run, tmp_path):
    failing = Run()
    for task in range(1, 11):
        start, fails = task * 20 * S, task > 7
        end = start + (10 if fails else 1) * S
        failing.task(task, start, end, ok=not fails)
        failing.strand(task, start, end, task=task)
        failing.span(500 + task, "tool", "slow" if fails else "quick", strand=task, task=task)
        failing.segment(task, start, end, "tool", cpu=end - start, span=500 + task)
    path = tmp_path / "one"
    store.create(
        path, {"id": "one", "workload": "w", "variant": None, "model": {}, "params": {}, "machine": {}}
    )
    for name, table in failing.tables().items():
        table.to_parquet(path / f"{name}.parquet")
    store.update(path, sealed=True)
    rows = {row["what"]: row for row in costed(run, path, "--price", "core=0.036")["fix_first"]}
    # 37 s of one core at 1e-5 for 10 tasks: half of the slow tool's 30 s are 15e-5 USD.
    # It ran in no task that succeeded, and a latency is of those.
    assert rows["tool slow"]["latency_saved_s"] == 0
    assert rows["tool slow"]["usd_saved"] == pytest.approx(1000 * 1.5e-5)
    assert rows["tool slow"]["usd_saved_per_success"] == pytest.approx(15e-5 / 7)
    assert rows["tool quick"]["usd_saved"] == pytest.approx(1000 * 0.35e-5)
    assert rows["fail in half the time"]["usd_saved"] == pytest.approx(1000 * 1.5e-5)
    # 37 s for 7; with half of the failures mended 7 + 1.5 + 15 s for 8.5.
    assert rows["fail half as often"]["usd_saved"] == pytest.approx(1000 * 0.7 * 1e-5 * (37 / 7 - 23.5 / 8.5))
    # The CPU side is of those that succeeded: their 7 s of one core, beside no model.
    assert costed(run, path, "--price", "core=0.036")["claim_in_money"]["cpu_side_usd"] == pytest.approx(1e-5)
    words = " ".join(run("cost", path).out.split())
    assert "of the tasks that succeeded" in words
    assert "money of all tasks, 10, 3 failed ones among them" in words


def test_no_finished_task(run, tmp_path):
    said = run("cost", keep(tmp_path / "one", tasks=0))
    assert (said.code, said.out) == (1, "")
    assert "no task finished" in said.err
