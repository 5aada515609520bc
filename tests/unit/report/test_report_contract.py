"""The JSON contract: what the schemas accept, refuse and order."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from support import record_of, render

from orchprof import report
from orchprof.contract.report import Report
from orchprof.contract.schema import validation
from orchprof.errors import OrchprofError, UsageError

BENCH = {"schema": "orchprof.bench/1", "reports": [], "claim": None, "cost": [], "headline": None}


def test_every_schema_is_a_schema_and_names_itself():
    from jsonschema import Draft202012Validator

    for name in validation.SCHEMAS:
        schema = validation.load(name)
        Draft202012Validator.check_schema(schema)
        assert schema["properties"]["schema"] == {"const": name}


def test_the_hand_made_record_is_valid(rag):
    report.validate(rag)
    report.validate(BENCH | {"reports": [rag]})


def test_more_keys_may_be_added(rag):
    rag["new"] = 1
    rag["run"]["new"] = {"a": 1}
    report.validate(rag)


def test_what_is_not_known_may_be_null(rag):
    rag["shares"] = dict.fromkeys(rag["shares"])
    rag["latency_s"] = dict.fromkeys(rag["latency_s"]) | {"n": 0}
    rag["resources"] = dict.fromkeys(rag["resources"])
    rag["run"]["model"] = {"spec": None, "provenance": None}
    report.validate(rag)


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("shares", "host", "cp"), "81%", "shares/host/cp"),
        (("tasks", "n"), -1, "tasks/n"),
        (("latency_s", "ci95"), [1.0], "latency_s/ci95"),
        (("run", "model", "provenance"), "guessed", "run/model/provenance"),
        (("checks", "findings"), [{"code": "x"}], "checks/findings/0"),
    ],
)
def test_a_fault_is_named_with_its_place(rag, path, value, where):
    inner = rag
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(OrchprofError, match=rf"not orchprof.report/1, .* @ {where}, "):
        report.validate(rag)


def test_no_key_may_be_missing(rag):
    for key in list(rag):
        less = copy.deepcopy(rag)
        del less[key]
        with pytest.raises(OrchprofError):
            report.validate(less)


def test_a_fault_inside_a_bench_is_found(rag):
    del rag["shares"]["host"]
    with pytest.raises(OrchprofError, match="@ reports/0/shares"):
        report.validate(BENCH | {"reports": [rag]})


def test_an_unknown_schema_is_refused(rag):
    with pytest.raises(UsageError, match=r"unknown schema, 'orchprof.report/9'.*did you mean"):
        report.validate(rag | {"schema": "orchprof.report/9"})


def holds(record, part):
    """Return whether a record says all that a part of it says."""
    if isinstance(part, dict):
        return all(holds(record[key], value) for key, value in part.items())
    return (
        len(record) == len(part) and all(map(holds, record, part))
        if isinstance(part, list)
        else record == part
    )


def test_json_comes_back_unrounded(rag):
    rag["latency_s"]["mean"] = 1.4000000000000001 / 3
    assert holds(json.loads(render(rag, "json")), rag)


def test_json_says_null_for_what_json_cannot_say(rag):
    record = record_of(Report, rag)
    figures = {"mean": math.nan, "max": np.float64("inf")}
    text = report.render(replace(record, latency_s=replace(record.latency_s, **figures)), "json")
    assert "NaN" not in text
    assert json.loads(text)["latency_s"]["mean"] is None
    assert json.loads(text)["latency_s"]["max"] is None


def test_json_takes_numpy_numbers(rag):
    record = record_of(Report, rag)
    figures = {"mean": np.float64(1.25), "ci95": (np.float32(1.0), np.float64(1.5))}
    latency_s = replace(record.latency_s, **figures)
    record = replace(record, tasks=replace(record.tasks, n=np.int64(10)), latency_s=latency_s)
    out = json.loads(report.render(record, "json"))
    assert (out["tasks"]["n"], out["latency_s"]["mean"], out["latency_s"]["ci95"]) == (10, 1.25, [1.0, 1.5])


def test_json_keys_come_in_the_order_of_the_contract(rag):
    def backwards(value):
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return [backwards(each) for each in value] if isinstance(value, list) else value

    for record in (backwards(rag), (backwards(BENCH | {"reports": [rag]}))):
        out = json.loads(render(record, "json"))
        inner = out["reports"][0] if "reports" in out else out
        assert next(iter(out)) == "schema"
        assert list(inner["shares"])[:2] == ["orchestration", "orchestration_wait"]
        assert list(inner["shares"]["host"]) == ["cp", "eq", "exposed", "any", "ci95"]
        assert list(inner["ledger"][0])[:3] == ["role", "state", "cp_s"]
