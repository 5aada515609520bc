"""`orchprof cost`: runs written by hand are priced as on paper; bad input is one clear error or a reason."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import convert
from support import KINDS, plain

from orchprof import report
from orchprof.run import store

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "ledger"))

from ledger_tables import Run

S = 1_000_000_000
GIB = 2**30
PACED = {"spec": "paced:llama-3.1-8b@h100-sxm", "provenance": "modelled", "band": [0.5, 2.0]}
HOSTED = {"spec": "https://api.openai.com/v1#gpt-5", "provenance": "client_only"}
# 1e-5 USD a core-second, 1e-6 a GiB-second, 1e-3 an accelerator-second
PRICES = ("--price", "core=0.036", "--price", "memory=0.0036", "--price", "accelerator/h100-sxm=3.6")
TERMS = ("--price-per-task", "0.05", "--fixed-per-month", "20000")


def keep(path, tasks=6, *, ok=True, calls=True, model=PACED, provenance="modelled", sampled=True):
    """Store tasks of 3 s: 1 s of a tool at work on a core, then 2 s of a model that takes 1 s of an accelerator."""
    run = Run()
    for task in range(1, tasks + 1):
        at = [(task * 4 + each) * S for each in (0, 1, 3)]
        run.task(task, at[0], at[2], ok=ok if isinstance(ok, bool | None) else ok[task - 1])
        run.strand(task, at[0], at[2], task=task)
        run.span(500 + task, "tool", "search", strand=task, task=task)
        run.segment(task, at[0], at[1], "tool", cpu=S, span=500 + task)
        if sampled:
            run.sample(7, at[0], task * S, rss=GIB, task=task)
            run.sample(7, at[2], (task + 1) * S, rss=GIB, task=task)
        run.wait(task, at[1], at[2], [100 + task] if calls else [], "model")
        if calls:
            run.strand(100 + task, at[1], at[2], kind="remote", parent=task, task=task)
            spent = {"accelerator": S, "decode": S} if model is PACED else {}
            run.call(
                100 + task, at[1], at[2], task=task, provenance=provenance, model="gpt-5",
                input_tokens=1000, output_tokens=100, cached_tokens=0, **spent,
            )  # fmt: skip
    meta = {
        "id": path.name, "workload": "rag", "variant": None, "model": model, "params": {"cores_per_worker": 1},
        "machine": {"cpu_model": "a", "architecture": "x86_64", "cores": 2},
    }  # fmt: skip
    store.create(path, meta)
    for name, table in run.tables().items():
        table.to_parquet(path / f"{name}.parquet")
    store.update(path, sealed=True)
    return path


def costed(run, *arguments):
    said = run("cost", *arguments, "--format", "json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    report.validate(record)
    assert plain(convert(record, KINDS[record["schema"]])) == record  # every key has its place in the type
    return record


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


def test_prices_say_where_they_are_from(run, tmp_path):
    one = keep(tmp_path / "one")
    rows = {row["name"]: row for row in costed(run, one)["prices"]}
    assert rows["core"]["unit"] == "usd_per_core_hour"
    accelerator = rows["accelerator/h100-sxm"]
    assert (accelerator["value"], accelerator["purchase"], accelerator["region"]) == (
        2.95,
        "on-demand",
        "eu-north1",
    )
    assert (accelerator["as_of"], accelerator["stale"]) == (None, True)
    assert "host included" in accelerator["source"]
    assert rows["core"]["as_of"]
    given = {row["name"]: row for row in costed(run, one, *PRICES)["prices"]}
    assert given["core"] | {"as_of": None} == {
        "name": "core", "value": 0.036, "unit": "usd_per_core_hour", "basis": "cash", "source": "--price",
        "as_of": None, "stale": False, "purchase": None, "region": None,
    }  # fmt: skip
    assert given["core"]["as_of"] == datetime.now(UTC).date().isoformat()


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


def test_a_vendors_model_is_paid_by_tokens(run, tmp_path):
    hosted = keep(tmp_path / "one", model=HOSTED, provenance="client_only")
    record = costed(run, hosted, "--tornado")
    # gpt-5: 1.25 USD a million tokens in, 10 out
    assert record["per_task"]["token_usd"] == pytest.approx(1000 * 1.25e-6 + 100 * 10e-6)
    assert record["per_task"]["accelerator_usd"] == 0
    assert record["route"]["kind"] == "token"
    assert record["per_success_band_usd"] is None
    assert any(row["name"].startswith("token/") for row in record["prices"])
    assert "gpu_price" not in {row["input"] for row in record["sensitivity"]}


def test_recorded_tokens_at_another_models_price(run, tmp_path):
    record = costed(run, keep(tmp_path / "one"), "--token-model", "gpt-5-mini")
    assert record["per_task"]["token_usd"] == pytest.approx(1000 * 0.25e-6 + 100 * 2e-6)
    assert record["per_task"]["accelerator_usd"] == 0


def test_a_model_without_a_price_leaves_no_cost_no_margin_and_no_frontier(run, tmp_path):
    bench = tmp_path / "bench"
    bench.mkdir()
    own = {"spec": "http://localhost:9/v1#mine", "provenance": "client_only"}
    keep(bench / "one", 25, model=own, provenance="client_only")
    keep(bench / "two", 25)
    record = costed(
        run, bench / "one", *TERMS, "--tasks-per-month", "1000", "--tornado", "--monte-carlo", "100"
    )
    assert record["per_task"]["token_usd"] is None
    assert "token" in record["partial"]
    for name in ("per_success_usd", "average_usd", "marginal_usd", "marginal_with_room_usd"):
        assert record[name] is None
        assert "no token price" in record["reasons"][name]
    assert record["per_success_at_least_usd"] > 0
    for name in ("contribution_margin", "gross_margin", "operating_margin", "cogs_usd_per_month"):
        assert record["margin"][name] is None
        assert record["margin"]["reasons"][name]
    assert record["break_even"]["price_usd"] is None
    assert record["claim_in_money"]["cpu_side_share_of_cost"] is None
    assert (record["sensitivity"], record["curve"], record["per_success_range"]) == ([], [], None)
    assert (record["monte_carlo"]["p50"], "not known" in record["monte_carlo"]["reason"]) == (None, True)
    words = " ".join(run("cost", bench / "one", *TERMS).out.split())
    assert words.startswith("Cost per 1,000 successful tasks: unknown, the model has no price; all else: $")
    assert "% contribution" not in words
    assert "of total" not in words
    rows = {row["name"]: row for row in costed(run, bench)["frontier"]}
    assert (rows["one"]["on_frontier"], rows["one"]["reason"]) == (None, "unpriced")
    assert "No cost rag" in " ".join(run("cost", bench).out.split())


@pytest.mark.parametrize("spec", ["zero", "llama:default"])
def test_a_model_without_a_price_is_unpriced_and_said_so(run, tmp_path, spec):
    one = keep(tmp_path / "one", model={"spec": spec, "provenance": "measured"}, provenance="measured")
    record = costed(run, one)
    assert record["per_task"]["accelerator_usd"] is None
    assert record["claim_in_money"]["cpu_side_share_of_cost"] is None
    said = run("cost", one)
    assert ("model calls have no price" in said.out) == (spec == "zero")
    assert "the model has no price; all else: $" in said.out


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


def test_all_prices_known_make_a_whole_total(run, tmp_path):
    free = ("--price", "tool/search=free", "--price", "network=free")
    record = costed(run, keep(tmp_path / "one"), *PRICES, *free, "--price", "accelerator/h100-sxm=free")
    part = record["per_task"]
    assert (part["tool_usd"], part["network_usd"], part["accelerator_usd"]) == (0, 0, 0)
    assert (record["partial"], record["unpriced"]) == ([], [])
    assert record["usd_per_mtok"] == 0  # known, and not null
    assert record["per_success_usd"] == pytest.approx(3.3e-5)


def test_a_part_known_in_part_says_at_least(run, tmp_path):
    one = keep(tmp_path / "one")
    spans, segments = (store.open_run(one).tables[name].copy() for name in ("spans", "segments"))
    spans.loc[spans.index[0], "name"] = "parse"
    spans.to_parquet(one / "spans.parquet")
    segments.loc[segments["role"] == "tool", ["wait_state", "cpu_ns"]] = ["net", 0]
    segments.to_parquet(one / "segments.parquet")
    record = costed(run, one, "--price", "tool/search=0.006", *TERMS)
    assert record["per_task"]["tool_usd"] == pytest.approx(0.005)  # 5 calls by 6 tasks
    assert (record["partial"], record["at_least"]) == (["tool", "network"], True)
    words = " ".join(run("cost", one, "--price", "tool/search=0.006", *TERMS).out.split())
    assert "Cost per 1,000 successful tasks: at least ~$" in words
    assert "at least $5.00" in words
    assert "Margin at most ~" in words
    assert "parse reached a connection whose other end was not seen" in words


def test_several_runs_have_a_frontier(run, tmp_path):
    bench = tmp_path / "bench"
    bench.mkdir()
    keep(bench / "one", 25)
    keep(bench / "two", 25, ok=[True] * 20 + [False] * 5)
    keep(bench / "dead", 0)
    record = costed(run, bench, "--slo", "5")
    assert record["schema"] == "orchprof.costs/1"
    assert [each["schema"] for each in record["costs"]] == ["orchprof.cost/1"] * 2
    rows = {row["name"]: row for row in record["frontier"]}
    assert rows["one"]["on_frontier"]
    assert rows["two"]["beaten_by"] == "one"
    assert rows["one"]["good_per_day"] == pytest.approx(1000 / record["costs"][0]["per_task"]["total_usd"])
    assert [left["run"] for left in record["left_out"]] == ["dead"]
    said = run("cost", bench, "--details")
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= 80
    assert "beaten by" in said.out


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


@pytest.mark.parametrize(
    ("basis", "usd", "other"),
    [
        ("spot", 1.25, "no price on the basis spot, so on another one: aws/m8i.2xlarge (on-demand)"),
        ("3y", 1.3, "no price on the basis 3y, so on another one: aws/m8i.2xlarge (on-demand)"),
        ("owned", 1.69, "no price on the basis owned, so on another one: aws/m8i.2xlarge (on-demand)"),
        ("on-demand", 2.95, None),
    ],
)
def test_the_basis_is_one_for_all_that_has_it_and_the_rest_is_named(run, tmp_path, basis, usd, other):
    record = costed(run, keep(tmp_path / "one"), "--basis", basis)
    prices = {each["name"]: each for each in record["prices"]}
    paid = prices["accelerator/h100-sxm"]
    assert (paid["value"], paid["purchase"], record["assumed"]["basis"]) == (usd, basis, basis)
    assert [note for note in record["notes"] if "on the basis" in note] == ([other] if other else [])


BOXES = """provider,instance,vcpus,memory_gib,usd_per_hour,accelerator,accelerator_count,usd_per_hour_1y
me,small,16,200,4,h100-sxm,1,2
me,large,128,1600,40,h100-sxm,8,30
"""


@pytest.mark.parametrize(
    ("basis", "low", "high"),
    [
        ("on-demand", 1.3, 12.29),
        ("spot", 1.25, 6.6034),
        ("3y", 1.3, 1.3),
        ("owned", 1.3, 1.69),
        ("1y", 2, 3.75),
    ],
)
def test_a_cost_lies_within_its_own_draws_whatever_the_basis(run, tmp_path, basis, low, high):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(BOXES)
    asked = (
        "--basis",
        basis,
        *(("--machines", boxes) if basis == "1y" else ()),
        "--tornado",
        "--monte-carlo",
        "2000",
    )
    record = costed(run, keep(tmp_path / "one", 20), *asked)
    drawn = record["monte_carlo"]
    assert drawn["p5"] <= record["per_success_usd"] <= drawn["p95"]
    (gpu,) = (row for row in record["sensitivity"] if row["input"] == "gpu_price")
    assert (gpu["low"], gpu["high"]) == (low, high)
    assert "OUTSIDE" not in run("cost", tmp_path / "one", *asked).out


@pytest.mark.parametrize(
    "asked",
    [[], ["--basis", "spot"], ["--basis", "owned"], ["--price", "h100=2"], ["--machine", "aws/p5.4xlarge"]],
)
def test_cost_and_plan_pay_the_same_for_an_accelerator(run, tmp_path, asked):
    one = keep(tmp_path / "one", 20)
    prices = {each["name"]: each for each in costed(run, one, *asked)["prices"]}
    (paid,) = (each for name, each in prices.items() if name.startswith("accelerator/"))
    said = run("plan", one, "--rate", "1", "--slo", "p50=60s", *asked, "--format", "json")
    assert said.code == 0, said.err
    machines = json.loads(said.out)["machines"]
    report.validate(json.loads(said.out))
    (has,) = (each for each in machines if each["accelerator"])
    assert has["usd_per_hour"] / has["accelerators"] == pytest.approx(paid["value"])
    assert (has["purchase"], has["stale"]) == (paid["purchase"], paid["stale"])
    words = " ".join(run("plan", one, "--rate", "1", "--slo", "p50=60s", *asked).out.split())
    assert ("a STALE price" in words) == paid["stale"]


def test_a_machine_that_is_named_is_the_offer(run, tmp_path):
    one = keep(tmp_path / "one")
    record = costed(run, one, "--machine", "aws/p5.48xlarge", "--machine", "aws/m8i.large")
    prices = {each["name"]: each["value"] for each in record["prices"]}
    assert prices["accelerator/h100-sxm"] == pytest.approx(55.04 / 8)
    assert record["assumed"]["machine"] == "aws/m8i.large"
    notes = " ".join(costed(run, one, "--price", "aws/p5.48xlarge=54")["notes"])
    assert "the price of aws/p5.48xlarge is not used, as nebius/gpu-h100" in notes


def test_what_is_asked_of_several_runs_is_answered_for_each(run, tmp_path):
    bench = tmp_path / "bench"
    bench.mkdir()
    keep(bench / "one")
    keep(bench / "two", ok=[True, False] * 3)
    plain = run("cost", bench).out
    for asked, said in [
        (["--tornado"], "Sensitivity, one input at a time"),
        (["--monte-carlo", "200"], "Monte Carlo"),
        (["--market"], "The CPU market in 2030"),
        (["--price-per-task", "0.05"], "Unit economics"),
        (["--fixed-per-month", "10"], "Unit economics"),
        (["--tasks-per-month", "10"], "Unit economics"),
        (["--cash", "10"], "Unit economics"),
        (["--value-per-task", "10"], "Unit economics"),
        (["--tasks-per-user-month", "10"], "Unit economics"),
    ]:
        assert said not in plain
        out = run("cost", bench, *asked).out
        assert out.count(f"\n{said}") == 2, asked
        assert [line for line in out.splitlines() if line in ("rag #1:", "rag #2:")] == ["rag #1:", "rag #2:"]


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
    assert rows["tool slow"]["latency_saved_s"] == pytest.approx(1.5)
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
