"""`orchprof whatif` on small runs in the store: what it says, in both formats, and what it refuses."""

import json
import sys
from pathlib import Path

import pytest

from orchprof import report
from orchprof.run import store

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "whatif"))

from whatif_runs import META, PACED, forked


def keep(path, tables=None, **meta):
    store.create(path, META | {"id": path.name, "model": {"spec": PACED}} | meta)
    for name, table in (forked() if tables is None else tables).items():
        table.to_parquet(path / f"{name}.parquet")
    store.update(path, sealed=True)
    return path


def test_the_list_of_what_to_fix(run, tmp_path):
    said = run("whatif", keep(tmp_path / "one"))
    assert (said.code, said.err) == (0, "")
    assert "rag, 6 tasks of 100" in said.out
    assert "model time REPORTED" in said.out
    rows = {line.split()[0]: line.split() for line in said.out.splitlines() if line}
    assert rows["framework"] == ["framework", "30", "ms", "-3.0%", "-15.0%", "-30.0%"]
    assert rows["model"] == ["model", "70", "ms", "-7.0%", "-10.0%", "-10.0%"]
    assert "tool:search_docs" not in rows  # it buys nothing
    assert "the run had the use of 2.0 of 2" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    details = run("whatif", tmp_path / "one", "--details")
    assert "tool:search_docs" in details.out
    model = next(line.split() for line in details.out.splitlines() if line.startswith("model "))
    assert model[6:] == [
        "10",
        "ms",
        "-",
    ]  # what is left of its 70 when others hide them; no price in a made-up run
    assert max(map(len, details.out.splitlines())) <= 80


def test_a_modelled_time_is_marked(run, tmp_path):
    tables = forked()
    tables["model_calls"]["provenance"] = "modelled"
    said = run("whatif", keep(tmp_path / "one", tables))
    rows = {line.split()[0]: line.split() for line in said.out.splitlines() if line}
    assert "model time MODELLED (~" in said.out
    assert (rows["model"][1], rows["framework"][1]) == ("~70", "30")


def test_as_json(run, tmp_path):
    one = keep(tmp_path / "one")
    ranked = json.loads(run("whatif", one, "--format", "json").out)
    report.validate(ranked)
    assert ranked["run"]["id"] == "one"
    assert ranked["ranking"]
    said = run("whatif", one, "--scale", "model=0.5", "--scale", "tool:search_docs=0", "--format", "json")
    changed = json.loads(said.out)
    report.validate(changed)
    assert changed["predicted_s"] == pytest.approx(0.065)
    assert changed["ranking"] == []


def test_a_change_for_a_person(run, tmp_path):
    one = keep(tmp_path / "one")
    said = run("whatif", one, "--scale", "model=0.5", "--cores", "4", "--workers", "8", "--model", "zero")
    assert (said.code, said.err) == (0, "")
    assert "With         model x0.50" in said.out
    assert "MODELLED" in said.out
    assert "8 at a time instead of 1" in said.out
    assert "asked for 4" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_the_latest_run_is_taken(run, tmp_path):
    keep(tmp_path / "orchprof-runs" / "one")
    assert "6 tasks" in run("whatif", "--scale", "model=1").out


def test_a_part_as_it_was_in_another_run(run, tmp_path):
    said = run("whatif", keep(tmp_path / "one"), "--swap", f"model={keep(tmp_path / 'two')}")
    assert "model x1, as in the other run" in said.out


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--scale", "modle=0.5"), 2, "unknown part of the run, 'modle' @ --scale, did you mean 'model'?"),
        (("--scale", "model=-1"), 2, "not a multiplier of time, model=-1 @ --scale"),
        (("--scale", "model=nan"), 2, "not a change, 'model=nan' @ --scale"),
        (("--scale", "model"), 2, "not a change, 'model' @ --scale"),
        (("--scale", "model=half"), 2, "not a change, 'model=half' @ --scale"),
        (("--swap", "model"), 2, "not a change, 'model' @ --swap"),
        (("--swap", "model=nowhere"), 2, "nowhere"),
        (("--cores", "0"), 2, "not a number it can be, '0' @ --cores"),
        (("--workers", "0"), 2, "not a number it can be, '0' @ --workers"),
        (("--model", "paced:llama-3.1-8b@h1000"), 2, "unknown accelerator, 'h1000'"),
        (("--model", "llama:default"), 1, "its times are not known before it runs"),
    ],
)
def test_bad_options(run, tmp_path, options, code, message):
    said = run("whatif", keep(tmp_path / "one"), *options)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith("error: ")
    assert message in said.err
    assert len(said.err.splitlines()) == 1


def test_bad_runs(run, tmp_path):
    assert "no run" in run("whatif").err
    said = run("whatif", keep(tmp_path / "none", forked(0)))
    assert (said.code, said.err.split(",")[0]) == (1, "error: no task finished")
    alone = keep(tmp_path / "threads", params={"mode": "threads", "concurrency": 1})
    said = run("whatif", alone, "--workers", "2")
    assert said.code == 1
    assert "one thread says nothing" in said.err
