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


def report(low, high, n, speed=1.0):
    share = {"cp": (low + high) / 2, "ci95": [low, high]}
    return {
        "run": {"workload": "rag", "machine": {"core_speed": speed}},
        "latency_s": {"n": n},
        "shares": dict.fromkeys(("not_model", "host", "orchestration"), share),
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
    assert said[0] == "all: 3 of 6 shares overlap\n"
    assert said[1] == "core speeds within 5 %: 0 of 3 shares overlap\n"
    assert said[2].startswith("widest half-width 10.0 points")
