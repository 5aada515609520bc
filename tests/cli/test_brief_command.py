"""`orchprof brief`: its figures are those of report, plan and cost; each has its provenance, or a reason."""

import json

import pytest
from costed_runs import HOSTED, PRICES, TERMS, costed, keep
from msgspec import convert
from support import plain

from orchprof import report
from orchprof.contract.brief import Brief

MONTH_S = 365.25 * 86_400 / 12
ONE_A_SECOND = ("--tasks-per-month", str(MONTH_S))
SLO = ("--slo", "p50=60s")


def asked(run, command, *arguments):
    said = run(command, *arguments, "--format", "json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    report.validate(record)
    if command == "brief":
        assert plain(convert(record, Brief)) == record  # every key has its place in the type
    return record


def briefed(run, *arguments):
    record = asked(run, "brief", *arguments)
    figures = {(each["for"], each["key"]): each for each in record["figures"]}
    assert len(figures) == len(record["figures"])
    for each in record["figures"]:
        assert (each["value"] is None) == (each["provenance"] is None)
        assert (each["value"] is None) == (each["why"] is not None)
    return record, {key: each["value"] for (_, key), each in figures.items()}


def test_a_volume_costs_what_the_machines_of_the_plan_cost(run, tmp_path):
    one = keep(tmp_path / "one", 20)
    volume = costed(run, one, *SLO, *ONE_A_SECOND)["at_volume"]
    plan = asked(run, "plan", one, *SLO, "--rate", "1")
    assert volume["tasks_per_s"] == pytest.approx(1)
    assert volume["machines"] == plan["machines"]
    assert volume["usd_per_hour"] == pytest.approx(plan["usd_per_hour"])
    assert volume["per_success_usd"] == pytest.approx(plan["usd_per_hour"] / 3600)
    assert volume["usd_per_month"] == pytest.approx(plan["usd_per_hour"] * MONTH_S / 3600)


def test_a_price_of_cores_that_is_stated_is_the_plans_too(run, tmp_path):
    one = keep(tmp_path / "one", 20, calls=False)
    stated = ("--price", "core=1", "--price", "memory=0.1", "--machine", "aws/m8i.2xlarge")
    volume = costed(run, one, *SLO, *ONE_A_SECOND, *stated)["at_volume"]
    plan = asked(run, "plan", one, *SLO, "--rate", "1", *stated)
    count = volume["machines"][0]["count"]
    assert volume["usd_per_hour"] == pytest.approx(count * (8 * 1 + 32 * 0.1))
    assert plan["usd_per_hour"] == pytest.approx(volume["usd_per_hour"])


def test_a_volume_of_tokens_costs_them_and_the_machines_of_the_agents(run, tmp_path):
    one = keep(tmp_path / "one", 20, model=HOSTED)
    record = costed(run, one, *SLO, *ONE_A_SECOND)
    volume, tokens = record["at_volume"], record["per_task"]["token_usd"]
    assert tokens > 0
    assert volume["accelerators"] == 0
    machines = sum(each["count"] * each["usd_per_hour"] for each in volume["machines"])
    assert volume["usd_per_hour"] == pytest.approx(machines + 3600 * tokens)


def test_a_volume_that_no_machines_hold_has_a_reason_and_no_margin(run, tmp_path):
    one = keep(tmp_path / "one", 20)
    record = costed(run, one, "--slo", "p50=1ms", *ONE_A_SECOND, *TERMS)
    assert record["at_volume"]["per_success_usd"] is None
    assert "no machines can hold it" in record["at_volume"]["reason"]
    assert record["margin"]["cost_at"] == "measured"
    assert "measured" in [row["at"] for row in record["curve"]]
    assert record["margin"]["gross_margin"] is None
    assert "At volume    not known" in run("cost", one, "--slo", "p50=1ms", *ONE_A_SECOND).out


def test_its_figures_are_those_of_the_others(run, tmp_path):
    one = keep(tmp_path / "one", 20)
    terms = (*PRICES, *TERMS, *SLO, *ONE_A_SECOND)
    record, found = briefed(run, one, *terms)
    cost, told = costed(run, one, *terms), asked(run, "report", one)
    assert found["latency_p50_s"] == told["latency_s"]["p50"]
    assert found["cpu_side_share"] == told["shares"]["host"]["cp"]
    parts = ("orchestration", "tool_local", "orchestration_wait", "tool_wait", "model", "user", "unexplained")
    assert sum(found[f"{part}_share"] for part in parts) == pytest.approx(1)
    assert found["biggest_win"] == "tool:search"
    assert found["biggest_win_share"] == pytest.approx(0.5 / 3)
    assert found["core_s_per_task"] == pytest.approx(1)
    assert found["usd_per_hour"] == cost["at_volume"]["usd_per_hour"]
    assert found["per_success_usd"] == cost["at_volume"]["per_success_usd"]
    assert found["per_success_as_measured_usd"] == pytest.approx(1.033e-3)
    assert found["gross_margin"] == cost["margin"]["gross_margin"]
    assert found["break_even_tasks_per_month"] == cost["break_even"]["tasks_per_month"]
    saved = [row["usd_saved_per_year"] for row in cost["fix_first"] if row["what"] == found["fix_first"]]
    assert found["fix_first_usd_per_month"] == pytest.approx(saved[0] / 12)
    assert found["fix_first_usd_per_month"] < cost["at_volume"]["usd_per_month"]
    assert record["load"]["basis"] == "asked"


def test_without_a_volume_it_is_for_the_load_that_was_measured(run, tmp_path):
    record, found = briefed(run, keep(tmp_path / "one"))
    measured = costed(run, tmp_path / "one")["measured_at"]["tasks_per_s"]
    assert record["load"]["basis"] == "measured"
    assert record["load"]["tasks_per_s"] == pytest.approx(measured)
    assert found["usd_per_hour"] > 0
    assert found["contribution_margin"] is None


def test_what_has_no_modelled_time_is_measured(run, tmp_path):
    record, _ = briefed(run, keep(tmp_path / "one", calls=False))
    known = {each["key"]: each["provenance"] for each in record["figures"] if each["value"] is not None}
    assert known["latency_p50_s"] == known["cpu_side_share"] == "measured"
    assert known["usd_per_hour"] == "modelled"


def test_a_latency_is_measured_whoever_knows_of_the_models_part(run, tmp_path):
    one = keep(tmp_path / "one", 20, model=HOSTED, provenance="client_only")
    record, _ = briefed(run, one, *TERMS, *ONE_A_SECOND)
    known = {each["key"]: each["provenance"] for each in record["figures"] if each["value"] is not None}
    assert known["latency_p50_s"] == known["cpu_side_share"] == "measured"
    assert known["model_share"] == "client_only"
    assert known["per_success_as_measured_usd"] == "reported"
    assert known["per_success_usd"] == known["break_even_tasks_per_month"] == "modelled"


def test_a_model_without_a_price_has_no_cost_and_says_so(run, tmp_path):
    one = keep(tmp_path / "one", model={"spec": "https://x/v1#nobody-knows", "provenance": "client_only"})
    record, found = briefed(run, one, "--price-per-task", "1")
    assert found["per_success_usd"] is found["contribution_margin"] is None
    out = " ".join(run("brief", one).out.split())
    assert "what the model costs is not known" in out
    assert "$0 " not in out
    assert [each["part"] for each in record["not_included"]]


def test_one_page_has_three_readers(run, tmp_path):
    out = run("brief", keep(tmp_path / "one", 20), *TERMS, *ONE_A_SECOND).out
    for title in ("For the engineer", "For the platform", "For who pays"):
        assert title in out
    assert len(out.splitlines()) < 50
    assert max(map(len, out.splitlines())) <= 80


def test_bad_input_is_one_line(run, tmp_path):
    for arguments in (
        ("--slo", "p95"),
        ("--tasks-per-month", "0"),
        ("--machine", "nobody"),
        ("--basis", "never"),
    ):
        said = run("brief", keep(tmp_path / arguments[0]), *arguments)
        assert said.code
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
