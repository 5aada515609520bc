"""What-if on tasks drawn by hand: every figure is read off the drawing."""

import pandas as pd
import pytest
from whatif_runs import META, MS, PACED, forked, whatif

from orchprof import report
from orchprof.errors import OrchprofError, RunError, UsageError
from orchprof.ledger.graph.task_graph import build
from orchprof.models.explain import explain
from orchprof.whatif.model_swap import pace
from orchprof.whatif.request import Asked


def predicted(**asked):
    record = whatif(forked(), META, Asked(**asked))
    report.validate(record)
    return record["predicted_s"] * 1e3


def rows(tables, meta=META):
    return {row["key"]: row for row in whatif(tables, meta)["ranking"]}


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ([("model", 1)], 100),
        ([("model", 0.5)], 90),  # the tool, until 80, binds now
        ([("model", 2)], 170),
        ([("model/decode", 2)], 140),
        ([("tool/net", 0)], 100),  # the model still binds
        ([("tool/net", 2), ("model", 0)], 120),
        ([("tool:search_docs", 0.5), ("model", 0.5)], 65),
        ([("tool:search_docs/net", 0), ("model", 0)], 60),
        ([("cpu", 0), ("model", 0)], 30),  # what is left is the tool's network
        ([("framework", 0)], 70),
    ],
)
def test_scaled(scale, expected):
    assert predicted(scale=scale) == pytest.approx(expected)


def test_factors_of_one_part_multiply():
    assert predicted(scale=[("model", 0.5), ("model/decode", 4)]) == pytest.approx(100 - 35 + 60)


def test_intervals_are_of_tasks():
    record = whatif(forked(), META, Asked(scale=[("model", 0.5)]))
    assert record["interval"] == pytest.approx([0.09, 0.09])
    assert record["ratio"] == pytest.approx(0.9)
    assert (record["base_p50_s"], record["predicted_p50_s"]) == (pytest.approx(0.1), pytest.approx(0.09))
    assert record["ratio_interval"] == pytest.approx([0.9, 0.9])
    assert (record["base_s"], record["replay_error"], record["ranking"]) == (pytest.approx(0.1), 0, [])
    few = whatif(forked(3), META, Asked(scale=[("model", 0.5)]))
    assert few["interval"] is None
    assert "too_few_tasks" in {finding["code"] for finding in few["findings"]}


def test_the_ranking_by_hand():
    found = rows(forked())
    model, tool = found["model"], found["tool:search_docs"]
    assert [model[key] * 1e3 for key in ("cp_s", "exposed_s")] == pytest.approx([70, 10])
    at = ("at_10pct_s", "at_50pct_s", "at_zero_s")
    assert [model[key] * 1e3 for key in at] == pytest.approx([93, 90, 90])
    assert [tool[key] * 1e3 for key in at] == pytest.approx([100, 100, 100])
    assert (tool["cp_s"], tool["calls_per_task"]) == (0, 1)
    assert list(found)[:2] == ["cpu", "framework"]  # 30 ms of 100 on the path: half of it buys 15
    assert "profiler" not in found
    assert "framework/cpu" not in found  # the framework has no other state
    assert found["net"]["role"] is None  # of the model and of the tool


def test_a_ranking_keeps_to_its_contract():
    record = whatif(forked(), META)
    report.validate(record)
    assert record["predicted_s"] == record["base_s"]
    assert record["effective_cores"] == pytest.approx(2)


def test_names_that_the_run_does_not_have():
    with pytest.raises(UsageError, match="did you mean 'tool:search_docs'"):
        predicted(scale=[("tool:serach_docs", 0.5)])
    with pytest.raises(UsageError, match="unknown part of the run, 'tool/gc'"):
        predicted(scale=[("tool/gc", 0.5)])


@pytest.mark.parametrize("factor", [-1, float("nan"), float("inf")])
def test_factors_that_cannot_be(factor):
    with pytest.raises(UsageError, match=r"model=.* @ --scale"):
        predicted(scale=[("model", factor)])


def test_a_run_without_finished_tasks():
    with pytest.raises(RunError, match="no task finished, drawn @ whatif"):
        whatif(forked(0), META)


def test_failed_tasks_are_a_finding_where_there_are_no_others():
    record = whatif(forked(ok=False), META)
    assert "only_failed" in {finding["code"] for finding in record["findings"]}


def test_an_unlabelled_run_knows_no_framework():
    meta = META | {"labelled": False}
    with pytest.raises(OrchprofError, match="nothing says which code is a tool"):
        whatif(forked(), meta, Asked(scale=[("framework", 0.5)]))
    record = whatif(forked(), meta, Asked(scale=[("cpu", 0.5)]))
    assert record["predicted_s"] * 1e3 == pytest.approx(85)
    assert "unlabelled" in {finding["code"] for finding in record["findings"]}


def test_a_replay_that_misses_the_run_is_refused(monkeypatch):
    monkeypatch.setattr("orchprof.whatif.whatif.latest", lambda events, at: at[events.end] * 1.03 + 1e6)
    with pytest.raises(RunError, match="replayed unchanged, a task comes out"):
        whatif(forked(), META)


def test_another_accelerator_is_slower_by_its_ratios():
    meta = META | {"model": {"spec": PACED}}
    record = whatif(forked(), meta, Asked(model="paced:llama-3.1-8b@a100"))
    report.validate(record)
    own, other = (explain(spec, 1000, 100, 1) for spec in (PACED, "paced:llama-3.1-8b@a100"))
    first, after = other.ttft_ms / own.ttft_ms, other.tpot_ms / own.tpot_ms
    # 20 of the framework, 10 network, 20 until the first token, 40 after it, 10 of the framework
    assert record["predicted_s"] * 1e3 == pytest.approx(20 + 10 + 20 * first + 40 * after + 10)
    assert record["band_s"][0] <= record["predicted_s"] <= record["band_s"][1]
    assert record["model"]["provenance"] == "modelled"


def test_attempts_that_were_refused_stay_as_they_were():
    tables = forked()
    calls = tables["model_calls"]
    refused = ["input_tokens", "output_tokens", "total_ns", "queue_ns", "prefill_ns", "decode_ns"]
    calls.loc[0, refused] = pd.NA
    calls.loc[0, "status"] = 429
    paced = pace(tables, PACED, "paced:llama-3.1-8b@a100")
    assert paced.strand.tolist() == calls["strand"].tolist()[1:]


def test_the_runs_own_accelerator_changes_nothing():
    record = whatif(forked(), META | {"model": {"spec": PACED}}, Asked(model=PACED))
    assert record["predicted_s"] * 1e3 == pytest.approx(100)
    assert record["band_s"] is None


def test_a_model_without_time_leaves_the_network():
    record = whatif(forked(), META | {"model": {"spec": PACED}}, Asked(model="zero"))
    assert record["predicted_s"] * 1e3 == pytest.approx(90)  # the tool binds


def test_a_run_of_a_real_model_is_told_what_its_calls_would_take():
    record = whatif(forked(), META | {"model": {"spec": "http://h/v1#m"}}, Asked(model=PACED))
    other = explain(PACED, 1000, 100, 1)
    takes = other.ttft_ms + 99 * other.tpot_ms
    assert record["predicted_s"] * 1e3 == pytest.approx(20 + max(takes, 60) + 10)


def test_models_whose_times_nobody_knows_are_refused():
    with pytest.raises(OrchprofError, match="its times are not known before it runs"):
        predicted(model="http://h/v1#m")
    tables = forked()
    tables["model_calls"]["output_tokens"] = None
    tables["model_calls"]["output_tokens"] = tables["model_calls"]["output_tokens"].astype("Int64")
    with pytest.raises(OrchprofError, match="tokens of some calls are not known"):
        whatif(tables, META, Asked(model=PACED))
    tables["model_calls"] = tables["model_calls"].iloc[:0]
    with pytest.raises(OrchprofError, match="no model was asked"):
        whatif(tables, META, Asked(model=PACED))


def test_a_part_of_another_run():
    other = forked()
    tools = other["segments"]["role"] == "tool"
    strands = other["segments"].loc[tools, "strand"]
    # the same tool, until 60 instead of 80
    for name, mine in (("segments", tools), ("strands", other["strands"]["strand"].isin(strands))):
        other[name].loc[mine, "end_ns"] -= 20 * MS
    meta = META | {"model": {"spec": PACED}}
    record = whatif(forked(), meta, Asked(scale=[("model", 0)], swap=[("tool:search_docs", other, meta)]))
    assert record["changes"][1] == {
        "kind": "swap", "key": "tool:search_docs", "factor": pytest.approx(40 / 60)
    }  # fmt: skip
    assert record["predicted_s"] * 1e3 == pytest.approx(20 + 40 + 10)
    with pytest.raises(UsageError, match="another workload's run, web for rag"):
        whatif(forked(), META, Asked(swap=[("tool", other, META | {"workload": "web"})]))


def test_the_drawing_is_what_it_says():
    (graph, *_) = build(forked())
    assert graph.length_ns == 100 * MS
