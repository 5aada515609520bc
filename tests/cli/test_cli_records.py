"""env and serve-model --explain: records that keep to the contract, and what a person reads."""

import json

import pytest

from orchprof import report


def test_env_as_json(run):
    said = run("env", "--format", "json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    report.validate(record)
    assert record["schema"] == "orchprof.env/1"
    assert record["core_speed"] > 0


def test_env_for_a_person(run):
    said = run("env")
    assert (said.code, said.err) == (0, "")
    assert "Core speed" in said.out
    assert "run delay" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("spec", "provenance"),
    [
        ("paced:llama-3.1-8b@h100-sxm", "modelled"),
        ("zero", "measured"),
        ("llama:default", "measured"),
        ("http://localhost:1/v1#m", "reported"),
    ],
)
def test_explain_as_json(run, spec, provenance):
    said = run("serve-model", spec, "--explain", "--format", "json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    report.validate(record)
    assert (record["spec"], record["provenance"]) == (spec, provenance)


def test_explain_hears_the_load(run):
    def tpot_ms(*load):
        said = run("serve-model", "paced:llama-3.1-8b@h100-sxm", "--explain", "--format", "json", *load)
        return json.loads(said.out)["tpot_ms"]

    assert tpot_ms("--concurrency", "64") > tpot_ms()
    assert tpot_ms("--input-tokens", "30000") > tpot_ms()


def test_explain_calls_modelled_times_so(run):
    said = run("serve-model", "paced:llama-3.1-8b@h100-sxm", "--explain").out
    assert said.count("(MODELLED)") == 2
    assert "by default: count, precision, engine" in " ".join(said.split())
