"""`orchprof verify` with an examiner that only pretends: options, exit codes, where output goes."""

import dataclasses
import json

import pytest

from orchprof.run import machine
from orchprof.verify.compare import compare
from orchprof.verify.measurement import Cost, Trial
from orchprof.verify.shapes import SHAPES

LABELS = [label for shape in SHAPES.values() for label in shape.labels]
MACHINE = dataclasses.replace(
    machine.fingerprint(), load_average=[0.1, 0.1, 0.1], cores=2.0, cpu_model="a processor", architecture="x"
)


@pytest.fixture
def examiner(monkeypatch):
    def pretend(runs, keep, notify, names):
        asked.append((runs, keep, names))
        notify(0, runs)
        truth = dict.fromkeys(LABELS, 1.0)
        found = dict.fromkeys(LABELS, how["scale"])
        one = Trial(truth, found, 0.0, 0.0, Cost(1.1, 1.0, 0.1, 0.1), "openai", 0.1)
        return compare([one], MACHINE, interrupted=how["interrupted"])

    asked, how = [], {"scale": 1.0, "interrupted": False}
    monkeypatch.setattr("orchprof.verify.examine.examine", pretend)
    return asked, how


def test_a_pass_is_0_and_progress_goes_to_stderr(run, examiner):
    said = run("verify")
    assert (said.code, said.err) == (0, "verify: run 1 of 3\n")
    assert said.out.splitlines()[-1].split() == ["Verdict", "passed"]
    assert examiner[0] == [(3, None, ())]


def test_a_failure_is_1_and_a_plain_verdict(run, examiner):
    examiner[1]["scale"] = 1.09
    said = run("verify", "--runs", 2)
    assert said.code == 1
    # all but those whose limit is wider
    assert f"FAILED, {sum(label.limit < 0.09 for label in LABELS)} beyond their limits" in said.out
    assert "error:" not in said.out + said.err


def test_ctrl_c_shows_what_was_measured(run, examiner):
    examiner[1]["interrupted"] = True
    said = run("verify")
    assert said.code == 130
    assert "stopped early" in said.out


def test_quick_json_and_keep(run, examiner, tmp_path):
    said = run("verify", "--quick", "--format", "json", "--keep", "kept")
    assert json.loads(said.out)["passed"] is True
    [(runs, keep, _)] = examiner[0]
    assert (runs, str(keep)) == (1, "kept")
    (tmp_path / "there").mkdir()
    assert run("verify", "--keep", "there").code == 2
    assert run("verify", "--runs", 0).code == 2


def test_shapes_are_named_and_one_can_be_asked_for(run, examiner):
    lines = run("verify", "--list").out.splitlines()
    assert [line.split()[0] for line in lines] == list(SHAPES)
    assert all(len(line.split()) > 2 for line in lines)
    assert run("verify", "--shape", "sync", "--shape", "loop").code == 0
    assert examiner[0][-1] == (3, None, ["sync", "loop"])


def test_a_shape_that_there_is_not_is_a_mistake_in_one_line(run):
    said = run("verify", "--shape", "square")
    assert said.code == 2
    assert "no such shape, square" in said.err
