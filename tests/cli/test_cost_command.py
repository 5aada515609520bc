"""`orchprof cost`: runs written by hand are priced as on paper; bad input is one clear error or a reason."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

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
    return record


def test_a_run_by_hand(run, tmp_path):
    record = costed(run, keep(tmp_path / "one"), *PRICES, *TERMS, "--tasks-per-month", "1000000")
    part = record["per_task"]
    assert part["cpu_busy_usd"] == pytest.approx(1e-5)
    assert part["cpu_reserved_usd"] == pytest.approx(3e-5)
    assert part["memory_usd"] == pytest.approx(3e-6)
    assert part["accelerator_usd"] == pytest.approx(1e-3)
    assert part["token_usd"] == 0
    assert (part["tool_usd"], part["network_usd"]) == (None, None)
    assert part["total_usd"] == pytest.approx(1.033e-3)
    assert record["partial"] == ["tool", "network"]
    assert {each["part"] for each in record["unpriced"]} == {"tool", "network"}
    assert record["per_success_usd"] == pytest.approx(1.033e-3)
    assert record["per_success_band_usd"] == pytest.approx([0.533e-3, 2.033e-3])
    assert record["average_usd"] == pytest.approx(1.033e-3 + 0.02)
    assert record["usd_per_mtok"] == pytest.approx(10)  # 1e-3 for 100 tokens
    assert record["margin"]["contribution_usd"] == pytest.approx(0.05 - 1.033e-3)
    assert record["break_even"]["tasks_per_month"] == 408_439  # 20,000 / 0.048967, rounded up
    assert sum(row["cpu_reserved_usd"] for row in record["states"]) == pytest.approx(3e-5)
    assert record["claim_in_money"]["cpu_side_share_of_cost"] == pytest.approx(33 / 1033)
    assert record["claim_in_money"]["share_of_latency"]["host"] == pytest.approx(1 / 3)
    assert record["claim_in_money"]["waiting_for_model_usd"] == pytest.approx(2.2e-5)


def test_prices_say_where_they_are_from(run, tmp_path):
    one = keep(tmp_path / "one")
    rows = {row["name"]: row for row in costed(run, one)["prices"]}
    assert rows["core"]["unit"] == "usd_per_core_hour"
    assert rows["owner/h100-sxm/neocloud"]["source"]
    assert rows["core"]["as_of"]
    given = {row["name"]: row for row in costed(run, one, *PRICES)["prices"]}
    assert given["core"] | {"as_of": None} == {
        "name": "core", "value": 0.036, "unit": "usd_per_core_hour", "basis": "cash", "source": "--price",
        "as_of": None, "stale": False,
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


def test_somebodys_server_has_no_price(run, tmp_path):
    own = {"spec": "http://localhost:9/v1#mine", "provenance": "client_only"}
    record = costed(run, keep(tmp_path / "one", model=own, provenance="client_only"))
    assert record["per_task"]["token_usd"] is None
    assert "token" in record["partial"]


@pytest.mark.parametrize("spec", ["zero", "llama:default"])
def test_a_model_without_a_price_is_unpriced_and_said_so(run, tmp_path, spec):
    one = keep(tmp_path / "one", model={"spec": spec, "provenance": "measured"}, provenance="measured")
    record = costed(run, one)
    assert record["per_task"]["accelerator_usd"] is None
    assert record["claim_in_money"]["cpu_side_share_of_cost"] is None
    said = run("cost", one)
    assert "model calls unpriced" in said.out
    assert "what the model costs is NOT in it" in " ".join(said.out.split())


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
    asked = ["What does a successful task cost?", "Which part is CPU side?", "At what price and volume do we earn?",
             "What should we fix first?"]  # fmt: skip
    assert sorted(asked, key=words.index) == asked
    assert "~$0.00103, ~$1.03 per 1,000, partial" in words
    assert "MODELLED" in words
    assert "408,439 tasks a month pay $20,000" in words
    assert "Unpriced network: bytes" in words
    assert "not a measurement" in words


def test_a_month_by_users(run, tmp_path):
    terms = ("--price-per-user-month", "20", "--tasks-per-user-month", "1000", "--tasks-per-month", "10000")
    one = keep(tmp_path / "one")
    said = run("cost", one, *terms, "--fixed-per-month", "5000", "--cash", "90000", "--value-per-task", "0.1")
    words = " ".join(said.out.split())
    assert "one more user costs" in words
    assert "per $1 of revenue" in words
    assert "the cash lasts" in words
    assert "a task is worth" in words


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--cash", "10"], "runway no price"),
        (["--fixed-per-month", "10"], "volume that pays $10.0: no price"),
        (["--value-per-task", "1", "--cash", "10"], "payback no volume"),
        (["--price-per-task", "1", "--tasks-per-month", "1e6", "--cash", "10"], "runway it makes no loss"),
        (
            ["--value-per-task", "1e-6", "--tasks-per-month", "1e3", "--cash", "10"],
            "payback a month brings less",
        ),
        (["--price-per-task", "1", "--tasks-per-month", "1e6"], "fixed $0 none given"),
        (["--value-per-task", "0.000033"], "a task is worth $0.001 below its cost"),
        (["--slo", "2"], "0.0% of tasks are right within 2 s; $1,000 a day buys ~0 of them"),
        (["--slo", "4"], "100.0% of tasks are right within 4 s; $1,000 a day buys ~968,054 of them"),
        (["--price", "tool/serach=0.01"], "no task called tool/serach"),
    ],
)
def test_whatever_is_asked_is_answered_or_has_a_reason(run, tmp_path, asked, said):
    answer = run("cost", keep(tmp_path / "one"), *PRICES, *asked)
    assert (answer.code, answer.err) == (0, "")
    assert said in " ".join(answer.out.split())


def test_a_year_of_successes_is_paid_with_failed_tasks_too(run, tmp_path):
    asked = (*PRICES, "--tasks-per-month", "1000")
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
    assert "What decides it? no task succeeded" in " ".join(alone.split())


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
    table = store.open_run(one).tables["spans"].copy()
    table.loc[table.index[0], "name"] = "parse"
    table.to_parquet(one / "spans.parquet")
    record = costed(run, one, "--price", "tool/search=0.006")
    assert record["per_task"]["tool_usd"] == pytest.approx(0.005)  # 5 calls by 6 tasks
    assert "tool" in record["partial"]
    assert "at least $5.00" in run("cost", one, "--price", "tool/search=0.006").out


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
        (["--machine", "aws/p5.48xlarge"], "a machine with accelerators"),
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


def test_cores_and_accelerator_on_different_bases_are_said_so(run, tmp_path):
    notes = " ".join(costed(run, keep(tmp_path / "one"))["notes"])
    assert "at the median list price" in notes
    assert "at the median list price" not in " ".join(costed(run, tmp_path / "one", *PRICES)["notes"])


def test_no_finished_task(run, tmp_path):
    said = run("cost", keep(tmp_path / "one", tasks=0))
    assert (said.code, said.out) == (1, "")
    assert "no task finished" in said.err
