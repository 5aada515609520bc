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


def keep(path, tasks=6, *, calls=True, model=PACED, provenance="modelled", machine="a"):
    """Store a run of tasks of 30 ms work, a 20 ms network wait of a tool, and 10 ms of a model."""
    run = Run()
    for task in range(1, tasks + 1):
        at = [(task * 100 + each) * MS for each in (0, 30, 50, 60)]
        run.task(task, at[0], at[3])
        run.strand(task, at[0], at[3], task=task)
        run.segment(task, at[0], at[1], "tool", cpu=30 * MS)
        run.segment(task, at[1], at[2], "tool", wait_state="net")
        run.strand(100 + task, at[2], at[3], kind="remote", parent=task, task=task)
        run.wait(task, at[2], at[3], [100 + task], "model")
        if calls:
            tokens = {"input_tokens": 100, "output_tokens": 10, "task": task, "provenance": provenance}
            run.call(100 + task, at[2], at[3], first_token=at[2] + MS, **tokens)
    meta = {
        "id": path.name, "workload": "rag", "variant": None, "model": model, "params": {"concurrency": 1},
        "machine": {"cpu_model": machine, "architecture": "x86_64", "cores": 2},
    }  # fmt: skip
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
