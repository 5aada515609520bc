"""Plans: scenarios, and how sure an answer is."""

import math
from dataclasses import replace

import pytest
from plan_runs import (
    MACHINE,
    asked,
    settled,
)

from orchprof.plan.calibration import Calibration
from orchprof.plan.search.rig import FULL, rig_of
from orchprof.plan.search.scenarios import adverse, evenly, scenarios
from orchprof.plan.search.search import Size
from orchprof.plan.search.trial import figures_of, values_meet_slo
from orchprof.simulate.interval import predicted, upper


def test_the_answer_is_the_same_for_every_seed():
    # Where the fifth machine is needed for one run in ten, it is a draw of chances that decides.
    questions = [asked(rate=rate, slo="p95=200ms") for rate in (30.0, 95.0, 180.0)]
    for question in questions:
        targets = [replace(question.target, seed=seed) for seed in range(5)]
        prices = {float(settled(replace(question, target=each)).best.fleet.usd_per_hour) for each in targets}
        assert len(prices) == 1


def test_the_confidence_holds_in_fresh_simulations():
    for question in (asked(rate=95.0, slo="p95=200ms"), asked(rate=30.0, slo="mean=120ms")):
        found = settled(question).best
        rig = rig_of(question, found.fleet, found.traffic, FULL, found.in_flight)
        chances = scenarios(question, 4711, 0, 100)
        runs = [figures_of(question, rig.run(each), rig.part) for each in chances]
        assert sum(values_meet_slo(question, run) for run in runs) >= 90


def test_speeds_are_scenarios_and_none_is_faster():
    question = asked()
    speeds = [each.speed for each in scenarios(question, 0, 0, 64)]
    assert min(speeds) == pytest.approx(0.9)
    assert max(speeds) < 1
    assert sum(speeds) / 64 == pytest.approx(0.95, abs=0.002)
    assert speeds == [each.speed for each in scenarios(question, 7, 0, 64)]
    equal = Calibration(MACHINE["core_speed"], MACHINE["core_speed"], 2.0)
    assert {each.speed for each in scenarios(asked(calibration=equal), 0, 0, 8)} == {1.0}


def test_an_interval_of_one_more_run():
    # t of 90 % with 3 degrees is 2.353; the logs are 1..4, whose spread is 1.291; sqrt(1 + 1/4) is 1.118.
    runs = [math.exp(each) for each in (1.0, 2.0, 3.0, 4.0)]
    half = 2.353 * 1.291 * 1.118
    found = predicted(runs, 0.9)
    assert found.value == pytest.approx(sum(runs) / 4)
    assert found.interval == pytest.approx([math.exp(2.5 - half), math.exp(2.5 + half)], rel=2e-3)
    assert predicted(runs, 0.9, least=2.0).interval[0] == 2.0
    # Drawn from three tasks: t of two degrees, 2.920, by the normal's 1.645, and sqrt(3 / 2).
    wider = half * 2.920 / 1.645 * math.sqrt(1.5)
    assert predicted(runs, 0.9, sample=3).interval[1] == pytest.approx(math.exp(2.5 + wider), rel=2e-3)
    # Of 19 runs the first and the last are the ends: one more lies beyond each in one case of 20.
    assert predicted([float(each) for each in range(1, 20)], 0.9).interval == pytest.approx([1.0, 19.0])
    assert predicted([1.0], 0.9).interval == (None, None)


def test_samples_lie_evenly_from_light_to_heavy():
    # Whatever the stream: of the first 26 scenarios one in each 27th, so that as many heavy ones come in each.
    question = asked()
    for stream in (0, 7):
        asks = [question.alone_s(None, each.rows) for each in scenarios(question, stream, 0, 26)]
        assert len(set(asks)) > 10
        middle = question.no_load_s
        assert sum(each > middle for each in asks) == pytest.approx(13, abs=3)
        heavy = question.alone_s(None, adverse(question, stream).rows)
        assert sorted(asks)[-4] <= heavy <= max(asks) * 1.02


def test_points_of_two_and_three():
    # Van der Corput: the digits of a number behind the point, the last first.
    assert [evenly(number, 2) for number in range(5)] == [0, 1 / 2, 1 / 4, 3 / 4, 1 / 8]
    assert [evenly(number, 3) for number in range(5)] == pytest.approx([0, 1 / 3, 2 / 3, 1 / 9, 4 / 9])


def test_what_one_more_run_lies_below():
    # Few runs: as the interval, whose upper end at 90 % on both sides is one at 95 %.
    few = [1.0, 2.0, 3.0, 4.0]
    assert upper(few, 0.95) == pytest.approx(predicted(few, 0.9).interval[1])
    # Many equal ones: that value. Uniform logs on 0 to 1: the 90th percentile is at 0.9.
    assert upper([2.0] * 40, 0.9) == pytest.approx(2.0)
    assert math.log(upper([math.exp(n / 1000) for n in range(1001)], 0.9)) == pytest.approx(0.9, abs=2e-3)
    # Of a sample of three: t of two degrees at 90 %, 1.886, by the normal's 1.2816, and sqrt(3 / 2), from the median.
    wider = 0.5 + 0.4 * 1.886 / 1.2816 * math.sqrt(1.5)
    found = upper([math.exp(n / 1000) for n in range(1001)], 0.9, 3)
    assert math.log(found) == pytest.approx(wider, abs=4e-3)
    assert upper([1.0], 0.9) == math.inf


def test_a_fleet_that_has_all_of_another():
    small = Size(8, 10, 1, 4, 2)
    assert small.has_all_of(small)
    assert Size(16, 20, 1, 2, 2).has_all_of(small)  # the same cores in machines that are larger
    assert not small.has_all_of(Size(16, 20, 1, 2, 2))
    assert not Size(16, 20, 1, 2, 1).has_all_of(small)
    assert not Size(8, 9, 1, 4, 2).has_all_of(small)
