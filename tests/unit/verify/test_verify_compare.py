"""The comparison, by hand: truth beside ledgers that are right, a tenth off, or unbalanced."""

import dataclasses

import pytest
from support import plain, render

from orchprof.report import validate
from orchprof.run import machine
from orchprof.verify import compare as comparing
from orchprof.verify.compare import relative_error
from orchprof.verify.measurement import Cost, Trial, truths
from orchprof.verify.shapes import SHAPES, lacking

LABELS = [label for shape in SHAPES.values() for label in shape.labels]
ABSENT = {name for name, shape in SHAPES.items() if lacking(shape)}
QUIET = dataclasses.replace(
    machine.fingerprint(), load_average=[0.1, 0.1, 0.1], cores=2.0, cpu_model="a processor", architecture="x"
)


def compare(*given, **options):
    return plain(comparing.compare(*given, **options))


def trial(scale=1.0, **changed):
    truth = dict.fromkeys(LABELS, 1.0)
    found = dict.fromkeys(LABELS, scale)
    cost = Cost(cpu_on_s=1.1, cpu_off_s=1.0, watch_s=0.2, profiler_s=0.1)
    return dataclasses.replace(Trial(truth, found, 0.0, 0.0, cost, "openai", 0.1), **changed)


def failed(record):
    return [(row["shape"], row["who"], row["what"]) for row in record["labels"] if not row["ok"]]


def test_a_ledger_that_is_right_passes():
    record = compare([trial()] * 3, QUIET)
    assert (record["passed"], record["runs"], failed(record)) == (True, 3, [])
    assert record["overhead"]["cpu_share"] == pytest.approx(0.1)
    validate(record)


@pytest.mark.parametrize("scale", [0.86, 1.14])
def test_a_ledger_that_is_a_seventh_off_fails_everywhere(scale):
    record = compare([trial(scale)] * 3, QUIET)
    assert not record["passed"]
    assert len(failed(record)) == len(LABELS)


def test_only_the_label_that_is_off_fails_and_each_has_its_own_limit():
    one = trial()
    found = {label: 1.05 if label.who == "contend" else 1.0 for label in LABELS}
    record = compare([dataclasses.replace(one, measured_s=found)], QUIET)
    assert failed(record) == [
        ("threads", "contend", "cpu")
    ]  # 5 % is within the limit of its wait for the GIL


def test_the_error_is_the_median_of_sizes_so_that_opposite_errors_do_not_cancel():
    record = compare([trial(0.9), trial(1.1), trial(1.1), trial(0.9)], QUIET)
    row = record["labels"][0]
    assert (row["error"], row["bias"], row["ok"]) == (pytest.approx(0.1), pytest.approx(0.0), False)
    assert abs(row["worst"]) == pytest.approx(0.1)
    lone = compare([trial(), trial(), trial(1.5)], QUIET)["labels"][0]
    assert (lone["error"], lone["worst"], lone["ok"]) == (0.0, pytest.approx(0.5), True)


@pytest.mark.parametrize("broken", [{"conservation_error_s": 2e-6}, {"unexplained_share": 0.02}])
def test_what_does_not_balance_or_is_unexplained_fails(broken):
    record = compare([trial(**broken)], QUIET)
    assert not record["passed"]
    assert [check["name"] for check in record["checks"] if not check["ok"]] == list(broken)


def test_one_unbalanced_ledger_is_one_too_many_but_unexplained_counts_by_its_median():
    assert not compare([trial(), trial(), trial(conservation_error_s=2e-6)], QUIET)["passed"]
    assert compare([trial(), trial(), trial(unexplained_share=0.5)], QUIET)["passed"]


def test_what_the_program_does_not_tell_is_not_checked():
    one = trial()
    truth = {label: 1.0 for label in LABELS if (label.shape, label.what) != ("model", "all")}
    record = compare([dataclasses.replace(one, truth_s=truth, asked_by="httpx")], QUIET)
    assert len(record["labels"]) == len(LABELS) - 1
    assert record["labelled_by"] == "--tool only"


def test_without_a_trial_nothing_passed():
    record = compare([], QUIET, interrupted=True)
    validate(record)
    assert not record["passed"]
    assert "nothing was measured" in render(record, "console")


def test_truth_sums_what_was_done_in_one_shape_under_one_name():
    did = [
        ("threads", "contend", "gil", 0.1),
        ("threads", "contend", "gil", 0.2),
        ("sync", "nobody", "cpu", 9.0),
    ]
    assert {(one.shape, one.who, one.what): s for one, s in truths(did, LABELS).items()} == {
        ("threads", "contend", "gil"): pytest.approx(0.3)
    }


def test_something_where_nothing_was_is_infinitely_wrong():
    assert (relative_error(0.0, 0.0), relative_error(0.0, 1e-9)) == (0.0, float("inf"))
    assert relative_error(0.2, 0.1) == -0.5


def test_the_table_says_pass_or_fail_with_the_limit_and_what_the_machine_was():
    text = render(
        compare([trial(1.015)], dataclasses.replace(QUIET, load_average=[3.0, 1.0, 1.0])), "console"
    )
    lines = {tuple(line.split()[:3]): line for line in text.splitlines() if "%" in line}
    assert lines["sync", "compute", "cpu"].endswith("pass")
    assert lines["sync", "doze", "sleep"].endswith("FAIL")
    assert "others were at work" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_there_are_shapes_of_every_kind_and_a_row_for_each_thing_that_is_known():
    record = compare([trial()], QUIET)
    assert record["shapes"] == {"asked": len(SHAPES), "made": len(SHAPES) - len(ABSENT), "rows": len(LABELS)}
    assert len(LABELS) >= 186
    assert len(set(LABELS)) == len(LABELS)


def test_what_cannot_be_made_here_is_left_out_with_the_reason(monkeypatch):
    monkeypatch.setattr("orchprof.verify.shapes._has", lambda need: need != "node")
    record = compare([trial()], QUIET)
    assert {"what": "node_child", "why": "needs node"} in record["left_out"]
    assert record["shapes"]["made"] == len(SHAPES) - 1


def test_a_loaded_machine_can_tell_less_apart_and_nothing_is_let_through_by_that():
    def limits(load):
        rows = compare([trial(load=load)], QUIET)["labels"]
        return [row["limit_s"] for row in rows]

    pairs = list(zip(limits(0.1), limits(4.0), strict=True))
    assert all(0 < quiet <= loaded < 0.15 for quiet, loaded in pairs)
    assert any(quiet < loaded for quiet, loaded in pairs)


def test_a_ledger_of_nothing_fails_everywhere_however_loaded_the_machine_is():
    assert len(failed(compare([trial(0.0, load=4000.0)], QUIET))) == len(LABELS)


def test_what_is_not_there_must_not_be_found():
    label = next(label for label in LABELS if label.what == "unknown")
    for found, ok in ((0.0, True), (0.1, False)):
        one = trial()
        one.truth_s[label], one.measured_s[label] = 0.0, found
        row = next(row for row in compare([one], QUIET)["labels"] if row["what"] == "unknown")
        assert (row["error_s"], row["ok"]) == (found, ok)


@pytest.mark.parametrize(("said", "ok"), [(0.1, True), (0.07, True), (0.06, False), (0.14, False)])
def test_what_recording_is_said_to_cost_is_what_it_costs(said, ok):
    cost = Cost(cpu_on_s=1.1, cpu_off_s=1.0, watch_s=0.2, profiler_s=said)
    record = compare([trial(cost=cost)], QUIET)
    assert record["overhead"]["paired_s"] == pytest.approx(0.1)
    assert {check["name"]: check["ok"] for check in record["checks"]}["overhead_error"] is ok
