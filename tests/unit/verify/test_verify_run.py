"""Real runs of the program through the real capture; machines that test are loaded, so limits are wider."""

import math

import pytest
from support import plain

from orchprof.report import validate
from orchprof.verify.accuracy import CONSERVATION_LIMIT_S, MOST
from orchprof.verify.examine import examine
from orchprof.verify.shapes import SHAPES, lacking

LOOSER = 5


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    told = []
    keep = tmp_path_factory.mktemp("verify") / "kept"
    found = examine(1, keep, lambda done, runs: told.append((done, runs)))
    assert told == [(0, 1)]
    assert (keep / "run-01" / "truth" / "run" / "run.json").is_file()
    return plain(found)


def test_every_label_is_found_where_the_program_put_it(record):
    validate(record)
    made = [shape for shape in SHAPES.values() if not lacking(shape)]
    labels = {(one.shape, one.who, one.what, one.measure) for shape in made for one in shape.labels}
    assert {(row["shape"], row["who"], row["what"], row["measure"]) for row in record["labels"]} == labels
    wrong = {
        (row["shape"], row["who"], row["what"], row["measure"]): (row["truth_s"], row["measured_s"])
        for row in record["labels"]
        if row["error_s"] > min(LOOSER * row["limit_s"], MOST * row["truth_s"] or math.inf)
    }
    assert wrong == {}


def test_the_ledger_balances(record):
    checks = {check["name"]: check for check in record["checks"]}
    assert checks["conservation_error_s"]["value"] < CONSERVATION_LIMIT_S
    assert checks["unexplained_share"]["value"] < LOOSER * checks["unexplained_share"]["limit"]


def test_recording_costs_something_and_both_ways_were_run(record):
    assert record["overhead"]["cpu_on_s"] > record["overhead"]["cpu_off_s"] > 0
    assert record["overhead"]["outside_s"] > 0
