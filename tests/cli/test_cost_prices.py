"""`orchprof cost`: which prices a run is billed at, what has none, and runs beside each other."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchprof import report
from orchprof.run import store

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "ledger"))

from costed_runs import HOSTED, PRICES, TERMS, costed, keep


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
