"""`orchprof claim` on small runs in the store: the record keeps to its contract, bad input is named."""

import json
import sys
from pathlib import Path

import pytest

from orchprof import report
from orchprof.run import store

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "ledger"))

from ledger_tables import Run

MS = 1_000_000
PACED = {"spec": "paced:llama-3.1-8b@h100-sxm", "provenance": "modelled", "band": [0.9, 1.1]}


def keep(path, tasks=6, *, calls=True, model=PACED, provenance="modelled", work_ms=30, **meta):
    """Store a run of tasks of 30 ms work, a 20 ms network wait of a tool, and 10 ms of a model."""
    run = Run()
    for task in range(1, tasks + 1):
        at = [(task * 1000 + each) * MS for each in (0, work_ms, work_ms + 20, work_ms + 30)]
        run.task(task, at[0], at[3])
        run.strand(task, at[0], at[3], task=task)
        run.span(task, "tool", "search", strand=task, task=task)
        run.segment(task, at[0], at[1], "tool", cpu=work_ms * MS, span=task)
        run.segment(task, at[1], at[2], "tool", wait_state="net")
        run.strand(100 + task, at[2], at[3], kind="remote", parent=task, task=task)
        run.wait(task, at[2], at[3], [100 + task], "model")
        if calls:
            tokens = {"input_tokens": 100, "output_tokens": 10, "task": task, "provenance": provenance}
            run.call(100 + task, at[2], at[3], first_token=at[2] + MS, **tokens)
    machine = {"cpu_model": meta.pop("machine", "a"), "architecture": "x86_64", "cores": 2}
    facts = {
        "id": path.name, "workload": "rag", "variant": None, "model": model, "machine": machine, "seed": 0,
        "params": {"mode": "sequential", "concurrency": 1, "settings": meta.pop("settings", {})},
    }  # fmt: skip
    meta = facts | meta
    store.create(path, meta)
    for name, table in run.tables().items():
        table.to_parquet(path / f"{name}.parquet")
    store.update(path, sealed=True)
    return path


def test_a_run_as_json(run, tmp_path):
    said = run("claim", keep(tmp_path / "one"), "--format", "json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    report.validate(record)
    rows = {row["reading"]: row for row in record["rows"]}
    assert rows["not_model"]["share"] == pytest.approx(50 / 60)
    assert rows["host"]["share"] == pytest.approx(30 / 60)
    assert [rows[name]["verdict"] for name in ("not_model", "host", "orchestration")] == [
        "within", "undecided", "below"
    ]  # fmt: skip
    # 10 % more model time: 30 / 61, below a half
    assert rows["host"]["share_in_band"][1] == pytest.approx(30 / 61)
    assert record["made_of"][0]["parts"]["waits"] == pytest.approx(20 / 60)
    assert rows["not_model"]["published"]
    assert [row["year"] for row in record["generations"]] == [2020, 2022, 2023, 2024]


def test_the_runs_own_accelerator_changes_nothing(run, tmp_path):
    said = run("claim", keep(tmp_path / "one"), "--format", "json")
    own = next(r for r in json.loads(said.out)["generations"] if r["accelerator"] == "h100-sxm")
    assert own["ratio"] == 1
    assert own["shares"]["not_model"]["share"] == pytest.approx(50 / 60)


def test_for_a_person(run, tmp_path):
    said = run("claim", keep(tmp_path / "one"), "--details")
    assert (said.code, said.err) == (0, "")
    words = " ".join(said.out.split())
    assert "as published, 1 within of 1: rag 83%" in words
    assert "below as recorded" not in words
    assert "within as recorded, below at an end of the model time's band" in words
    assert "modelled from published measurements" in words
    assert max(map(len, said.out.splitlines())) <= 80


def test_too_few_tasks_decide_nothing(run, tmp_path):
    said = run("claim", keep(tmp_path / "one", tasks=3), "--format", "json")
    rows = json.loads(said.out)["rows"]
    assert {row["verdict"] for row in rows} == {"undecided"}
    assert {row["ci95"] is None for row in rows} == {True}


def test_a_server_that_says_nothing_is_called_so(run, tmp_path):
    http = {"spec": "http://localhost:1/v1#m", "provenance": "reported"}
    said = run("claim", keep(tmp_path / "one", model=http, provenance="client_only"), "--format", "json")
    record = json.loads(said.out)
    assert "client's view" in record["rows"][0]["notes"][0]
    assert "seen from the client only" in record["paragraph"]
    assert {row["shares"] is None for row in record["generations"]} == {True}


def test_a_run_without_model_calls_is_left_out(run, tmp_path):
    one, other = keep(tmp_path / "one"), keep(tmp_path / "other", calls=False)
    assert json.loads(run("claim", one, other, "--format", "json").out)["left_out"][0]["run"] == "other"
    said = run("claim", other)
    assert said.code == 1
    assert "no task asked a model" in said.err


def test_no_finished_task(run, tmp_path):
    said = run("claim", keep(tmp_path / "one", tasks=0))
    assert (said.code, said.out) == (1, "")
    assert "no task finished" in said.err


def test_machines_are_not_mixed(run, tmp_path):
    said = run("claim", keep(tmp_path / "one"), keep(tmp_path / "two", machine="b"))
    assert (said.code, said.out) == (2, "")
    assert "different machines" in said.err


def test_no_run_yet(run):
    said = run("claim")
    assert said.code == 1
    assert "orchprof bench" in said.err


def sweep(folder):
    """Three runs whose tool takes 10 ms and 1 ms per row."""
    return [
        keep(folder / f"r{rows}", work_ms=rows + 10, settings={"rows": rows, "top": 5})
        for rows in (10, 20, 40)
    ]


def test_a_setting_that_differs_is_a_crossing_and_a_law(run, tmp_path):
    said = run("claim", *sweep(tmp_path), "--extrapolate", "rows=1e5", "--format", "json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    report.validate(record)
    assert {row["setting"].split()[-1] for row in record["rows"]} == {"rows=10", "rows=20", "rows=40"}
    over = [row for row in record["crossings"] if row["over"] == "setting"]
    # host is 20/50, 30/60 and 50/80: half is reached at 20
    assert [row["between"] for row in over if (row["reading"], row["level"]) == ("host", 0.5)] == [[10, 20]]
    (law,) = record["extrapolated"]
    assert (law["tool"], law["at"], law["factor_beyond"]) == ("search", 1e5, 2500)
    assert law["slope"] == pytest.approx(0.001)


def test_a_law_for_a_person(run, tmp_path):
    said = run("claim", *sweep(tmp_path), "--extrapolate", "rows=100000")
    assert "Over rows: rag paced:llama-3.1-8b@h100-sxm c1" in said.out
    assert "Extrapolated rag search: a call takes 10.0 ms + 0.001 s x rows" in said.out
    assert "NOT MEASURED" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("asked", "code", "why"),
    [
        ("rows", 2, "not a setting, 'rows' @ --extrapolate, write it as KEY=VALUE"),
        ("rows=many", 2, "not a number it can be, 'many' @ --extrapolate rows, give one above 0"),
        ("rows=0", 2, "@ --extrapolate rows, give one above 0"),
        ("row=5", 2, "did you mean 'rows'?"),
        ("top=5", 2, "unknown numeric setting that varies, 'top'"),
    ],
)
def test_what_cannot_be_extrapolated_is_named(run, tmp_path, asked, code, why):
    said = run("claim", *sweep(tmp_path), "--extrapolate", asked)
    assert (said.code, said.out) == (code, "")
    assert why in said.err


def test_two_values_are_no_law(run, tmp_path):
    said = run("claim", *sweep(tmp_path)[:2], "--extrapolate", "rows=1e5")
    assert (said.code, said.out) == (1, "")
    assert "a law needs 3 measured values, rows 10 and 20 @ --extrapolate" in said.err


def test_a_bench_is_reported_with_its_claim_costs_and_headline(run, tmp_path):
    said = run("report", *sweep(tmp_path), "--format", "json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    report.validate(record)
    assert record["claim"]["schema"] == "orchprof.claim/1"
    assert len(record["claim"]["rows"]) == 9
    # 50 of 80 ms halved
    assert record["headline"]["win"] | {"run": "r40", "name": "search"} == record["headline"]["win"]
    assert record["headline"]["win"]["gain_share"] == pytest.approx(25 / 80)
    assert "Does the CPU side take 50-90 % of latency?" in run("report", *sweep(tmp_path / "again")).out


def test_a_bench_that_says_nothing_of_the_claim_has_none(run, tmp_path):
    zero = {"spec": "zero", "provenance": "modelled"}
    said = run("report", *(keep(tmp_path / name, model=zero) for name in "ab"), "--format", "json")
    record = json.loads(said.out)
    report.validate(record)
    assert record["claim"] is None
