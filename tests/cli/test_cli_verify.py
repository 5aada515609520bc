"""`orchprof verify` with an examiner that only pretends: options, exit codes, where output goes."""

import json

import pytest

from orchprof.verify.compare import compare
from orchprof.verify.labels import LABELS
from orchprof.verify.trial import Trial

MACHINE = {"load_average": [0.1, 0.1, 0.1], "cores": 2.0, "cpu_model": "a processor", "architecture": "x"}


@pytest.fixture
def examiner(monkeypatch):
    def pretend(runs, keep, notify):
        asked.append((runs, keep))
        notify(0, runs)
        truth = dict.fromkeys(LABELS, 0.1)
        found = dict.fromkeys(LABELS, 0.1 * how["scale"])
        one = Trial(truth, found, 0.0, 0.0, 1.0, 1.0, 0.1, "openai")
        return compare([one], MACHINE, interrupted=how["interrupted"])

    asked, how = [], {"scale": 1.0, "interrupted": False}
    monkeypatch.setattr("orchprof.verify.examine.examine", pretend)
    return asked, how


def test_a_pass_is_0_and_progress_goes_to_stderr(run, examiner):
    said = run("verify")
    assert (said.code, said.err) == (0, "verify: run 1 of 9\n")
    assert said.out.splitlines()[-1].split() == ["Verdict", "passed"]
    assert examiner[0] == [(9, None)]


def test_a_failure_is_1_and_a_plain_verdict(run, examiner):
    examiner[1]["scale"] = 1.09
    said = run("verify", "--runs", 2)
    assert said.code == 1
    assert f"FAILED, {len(LABELS) - 1} beyond their limits" in said.out  # all but the GIL
    assert "error:" not in said.out + said.err


def test_ctrl_c_shows_what_was_measured(run, examiner):
    examiner[1]["interrupted"] = True
    said = run("verify")
    assert said.code == 130
    assert "stopped early" in said.out


def test_quick_json_and_keep(run, examiner, tmp_path):
    said = run("verify", "--quick", "--format", "json", "--keep", "kept")
    assert json.loads(said.out)["passed"] is True
    [(runs, keep)] = examiner[0]
    assert (runs, str(keep)) == (3, "kept")
    (tmp_path / "there").mkdir()
    assert run("verify", "--keep", "there").code == 2
    assert run("verify", "--runs", 0).code == 2
