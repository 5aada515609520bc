"""The configurations of what was published: each can be run, and is told apart from the others."""

import csv
import importlib.util
from pathlib import Path

import pytest

from orchprof.bench import driver

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.parent.name + path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


published = loaded(BENCHMARKS / "published" / "__main__.py")
repeatability = loaded(BENCHMARKS / "repeatability.py")
CONFIGURATIONS = published.read(published.HERE / "configurations.csv")


@pytest.mark.parametrize("line", [*CONFIGURATIONS, *published.variations()], ids=lambda line: line["id"])
def test_each_can_be_run(line):
    settings = dict(pair.split("=", 1) for pair in line["settings"].split())
    plan = driver.Plan(
        workload=line["workload"], variant=line["variant"], model=line["model"], tasks=int(line["tasks"]),
        warmup=1, concurrency=1, mode="sequential", seed=int(line["seed"]), settings=settings, quick=False,
        task_timeout_s=600.0,
    )  # fmt: skip
    driver.check(plan)
    assert 0 < float(line["published_share"]) < 1
    assert line["reading"] == "not_model" or line["reading"].startswith("tool:")


def test_each_has_a_name_of_its_own():
    names = [line["id"] for line in [*CONFIGURATIONS, *published.variations()]]
    assert len(set(names)) == len(names)


def test_a_variation_changes_what_it_says_and_nothing_else():
    (line,) = (line for line in published.variations() if line["id"] == "chem-sys1-heavy-10")
    (base,) = (line for line in CONFIGURATIONS if line["id"] == "chem-sys1-heavy")
    assert line["settings"] == base["settings"] + " conformers=10"
    assert {key for key in base if line[key] != base[key]} == {"id", "settings", "tasks"}


def test_a_line_replaces_the_one_of_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "HERE", tmp_path)
    for row in ({"id": "a", "x": 1.23456}, {"id": "b", "x": 2.0}, {"id": "a", "x": 3.0}):
        published.keep("t.csv", "id", row)
    with (tmp_path / "t.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"id": "a", "x": "3"}, {"id": "b", "x": "2"}]


def report(low, high, n, speed=1.0, queued=0.0):
    share = {"cp": (low + high) / 2, "ci95": [low, high]}
    return {
        "run": {"workload": "rag", "machine": {"core_speed": speed}},
        "latency_s": {"n": n},
        "shares": dict.fromkeys(repeatability.SHARES, share),
        "queued": queued,
    }


def test_what_repeats():
    one, same, other = report(0.1, 0.3, 8), report(0.3, 0.4, 8, speed=1.06), report(0.31, 0.4, 8)
    share = [each["shares"]["host"] for each in (one, same, other)]
    assert repeatability.overlap(share[0], share[1])
    assert not repeatability.overlap(share[0], share[2])
    assert repeatability.half_width(share[0]) == pytest.approx(10)
    # Twice too wide: four times as many tasks.
    assert repeatability.needed(one, "host") == 32
    assert repeatability.apart((one, same)) == pytest.approx(0.06)
    assert "MARKED" in next(repeatability.lines((one, same)))
    said = list(repeatability.verdict([(one, same), (one, other)]))
    assert said[:2] == ["all: 4 of 8 shares overlap\n", "not marked: 0 of 4 shares overlap\n"]
    assert said[2] == "without queue: 1 of 2 shares overlap\n"
    assert said[3].startswith("widest half-width 10.0 points")


@pytest.mark.parametrize(
    ("speed", "queued", "marked"), [(1.04, 0.04, False), (1.06, 0, True), (1, 0.06, True)]
)
def test_a_machine_that_differed_marks_a_pair(speed, queued, marked):
    assert repeatability.disturbed((report(0, 1, 8), report(0, 1, 8, speed, queued))) is marked


def test_waits_for_a_core_are_left_out_of_both_sides():
    ledger = [
        {"role": "tool", "state": "cpu", "cp_s": 2.0},
        {"role": "tool", "state": "runq", "cp_s": 4.0},
        {"role": "model", "state": "decode", "cp_s": 2.0},
    ]
    made = repeatability.with_unqueued({"per_task": [{"latency_s": 8.0, "ledger": ledger}] * 5, "shares": {}})
    assert made["queued"] == 0.5
    assert made["shares"]["without queue"] == {"cp": 0.5, "ci95": pytest.approx((0.5, 0.5))}
