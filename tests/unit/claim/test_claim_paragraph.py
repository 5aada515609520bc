"""The paragraph says what the rows say, and nothing else."""

from dataclasses import replace

from support import run_meta, run_of, some

from orchprof.claim.claim import claim
from orchprof.claim.paragraph import paragraph
from orchprof.contract.claim import Claim, Crossing, Extrapolated, Judged, MadeOf, Row
from orchprof.ledger.summary import summarise


def row(definition, share, verdict, workload="rag", **facts):
    known = {"run": workload, "setting": "s", "provenance": "measured", "band": None} | facts
    return some(Row, workload=workload, reading=definition, share=share, verdict=verdict, **known)


def words(rows, made=(), crossings=(), extrapolated=()):
    return paragraph(some(Claim, rows=rows, made_of=made, crossings=crossings, extrapolated=extrapolated))


def test_verdicts_are_counted_by_reading():
    rows = [
        row("not_model", 0.8, "within"), row("not_model", 0.95, "above", "web"), row("host", 0.3, "below"),
        row("host", 0.6, "within", "web"), row("orchestration", 0.01, "below"),
        row("orchestration", None, "undecided", "web"),
    ]  # fmt: skip
    said = words(rows)
    assert "2 runs of 2 workloads" in said
    assert "as published, 1 within, 1 above of 2: rag 80%, web 95%." in said
    assert "1 within, 1 below of 2: rag 30%, web 60%." in said
    assert "1 below, 1 undecided of 2: rag 1%, web not known." in said
    assert "Model time is measured in 2 of 2." in said


def test_modelled_time_is_called_so_with_its_band():
    said = words([row("not_model", 0.8, "within", provenance="modelled", band=[0.7, 1.4])])
    assert "modelled from published measurements, not measured in 1 of 1" in said
    assert "0.7 to 1.4 times" in said


def test_what_moves_it():
    name = {"run": "rag", "workload": "rag", "setting": "s"}
    made = [MadeOf(**name, parts={"waits": 0.4, "cpu": 0.2})]
    crossings = [
        some(Crossing, **name, reading="not_model", level=0.5, multiplier=4.0),
        some(Crossing, **name, reading="not_model", level=0.9, multiplier=0.5),
        some(Crossing, **name, reading="host", level=0.9, multiplier=None),
    ]
    said = words([row("not_model", 0.6, "within")], made, crossings)
    assert "rag waits on networks and timers (40% of latency)" in said
    assert "rag passes 50% with 4 times the model time; rag passes 90% with a model 2 times as fast" in said


def test_a_run_that_nobody_labelled_decides_by_two_definitions(one_strand):
    tables = one_strand([30, 31, 32, 33, 34, 35], 10)
    tables["segments"]["role"] = tables["segments"]["role"].replace("tool", "framework")
    meta = {"id": "x", "workload": "mine", "model": {"spec": "http://h/v1#m", "provenance": "measured"}}
    run = run_of(tables, run_meta(**meta, labelled=False))
    rows = {each.reading: each for each in claim([(run.of(summarise), run)]).rows}
    assert rows["orchestration"].share is None
    assert rows["orchestration"].verdict == "undecided"
    assert rows["orchestration"].reason
    assert rows["host"].verdict == "within"
    assert rows["host"].published == []


def test_runs_of_one_name_stay_apart(one_strand):
    tables = one_strand([30, 31, 32, 33, 34, 35], 10)
    meta = {"id": "x", "workload": "mine", "model": {"spec": "http://h/v1#m", "provenance": "measured"}}
    run = run_of(tables, run_meta(**meta))
    record = claim([(run.of(summarise), run)] * 2)
    assert {row.run for row in record.rows} == {"x", "x #2"}


def test_a_sweep_is_told_apart_by_what_differs_and_one_run_says_what_moves():
    rows = [
        row("not_model", share, "within", run=f"r{n}", setting=f"bare m c1 rows={n}")
        for n, share in ((1, 0.6), (2, 0.7))
    ]
    crossings = [
        some(
            Crossing, run=f"r{n}", workload="rag", setting=f"bare m c1 rows={n}", reading="not_model", level=0.9,
            multiplier=0.5,
        )
        for n in (1, 2)
    ]  # fmt: skip
    said = words(rows, crossings=crossings)
    assert "2 within of 2: rag (rows=1) 60%, rag (rows=2) 70%." in said
    assert "time: rag (rows=1) passes 90% with a model 2 times as fast." in said


def test_what_was_measured_and_what_was_not():
    crossed = some(
        Crossing, workload="rag", setting="s", reading="not_model", level=0.5, name="concurrency", between=(2, 8)
    )  # fmt: skip
    law = some(
        Extrapolated, workload="rag", setting="rows", at=1e8, factor_beyond=187.2,
        shares={"not_model": some(Judged, share=0.98, verdict="above")},
    )  # fmt: skip
    said = words(
        [row("not_model", 0.6, "within")],
        crossings=[crossed, replace(crossed, between=None)],
        extrapolated=[law],
    )
    assert "As measured, rag passes 50% between concurrency 2 and 8." in said
    assert (
        "at rows 100000000, 187 times the largest measured, the share as published of rag would be 98% (above)"
        in said
    )
