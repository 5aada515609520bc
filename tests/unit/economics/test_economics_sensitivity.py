"""Tornado and Monte Carlo by hand and as laws, and the ranges they run over."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from economics_tasks import graphs_of, side_by_side
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from support import some

from orchprof.contract.economics import InputShare
from orchprof.contract.report import ModelCalls
from orchprof.economics.bill.breakdown import Parts
from orchprof.economics.replayed import recorded, surface
from orchprof.economics.sensitivity.ranges import (
    UNITS,
    Evidence,
    Inputs,
    Range,
    core_prices,
    default_ranges,
    gpu_prices,
    inputs_of,
    with_ranges,
)
from orchprof.economics.sensitivity.sensitivity import (
    cost_per_success,
    monte_carlo,
    multipliers,
    tornado,
    writing_share,
)
from orchprof.errors import UsageError
from orchprof.prices.book import book
from orchprof.prices.price import Book, Machine, Price

NOW = Inputs(gpu_price=4.0, utilisation=0.5, success_rate=0.8, core_price=0.04)
PARTS = Parts(0.08, 0.02, 0.40, 0.0, 0.0, 0.05)
EVIDENCE = Evidence(
    {"owner": 1.0, "cloud": 12.0},
    {"small": 0.03, "big": 0.06},
    successes=16,
    judged=20,
    accelerator="h100",
    band=None,
)


def latency(agent_ms=20, tool_ms=40, model_ms=40):
    return surface(recorded(graphs_of(agent_ms, tool_ms, model_ms)), (0.25, 4.0), (0.5, 2.0))


def cost(now=NOW, parts=PARTS, writing=0.75):
    return cost_per_success(now, parts, latency(), writing)


def each(name, low, high, base=1.0):
    return Range(name, low, base, high, UNITS[name], "test")


def test_the_base_is_the_bill_by_its_successes():
    assert cost()({}) == pytest.approx(0.55 / 0.8)


@pytest.mark.parametrize(
    ("values", "usd"),
    [
        ({"gpu_price": 8.0}, 0.10 + 0.80 + 0.05),
        ({"utilisation": 1.0}, 0.10 + 0.20 + 0.05),
        ({"core_price": 0.08}, 0.16 + 0.02 + 0.40 + 0.05),
        # Twice as fast: the model's 40 of 100 ms become 20.
        ({"accelerator_speed": 2.0}, 0.10 * 0.8 + 0.20 + 0.05),
        # Twice the output: three quarters of the model's time double, so 40 ms become 70.
        ({"output_tokens": 2.0}, 0.10 * 1.3 + 0.40 * 1.75 + 0.05),
        # Twice the orchestration: 20 ms more.
        ({"orchestration_cpu": 2.0}, 0.10 * 1.2 + 0.40 + 0.05),
    ],
)
def test_each_input_by_hand(values, usd):
    assert cost()(values) == pytest.approx(usd / 0.8, rel=1e-6)


def test_success_is_what_the_failures_are_paid_by():
    assert cost()({"success_rate": 0.4}) == pytest.approx(2 * cost()({}))


def test_more_output_costs_more_tokens():
    bought = cost_per_success(NOW, Parts(0.0, 0.0, 0.0, 0.3, 0.1, 0.0), None, 0.75)
    assert bought({"output_tokens": 2.0}) == pytest.approx(0.7 / 0.8)


def test_arrays_give_what_numbers_give():
    usd = cost()({"output_tokens": np.array([0.5, 1.0, 2.0]), "success_rate": np.array([0.5, 0.8, 1.0])})
    one_by_one = [cost()({"output_tokens": o, "success_rate": s}) for o, s in ((0.5, 0.5), (1, 0.8), (2, 1))]
    assert usd == pytest.approx(np.array(one_by_one))


@pytest.mark.parametrize("rate", [0.0, None])
def test_without_a_success_there_is_no_cost_of_one(rate):
    unknown = cost(Inputs(4.0, 0.5, rate, 0.04))
    assert unknown({}) is None
    ranges = {"gpu_price": each("gpu_price", 1, 12, 4)}
    assert tornado(unknown, ranges)[0].usd_low is None
    found = monte_carlo(unknown, ranges, 100)
    assert (found.p50, found.decides) == (None, None)
    assert "no task succeeds" in found.reason


def test_a_tornado_by_hand():
    ranges = {
        "core_price": each("core_price", 0.02, 0.08, 0.04),
        "gpu_price": each("gpu_price", 1.0, 12.0, 4.0),
    }
    first, second = tornado(cost(), ranges)
    assert (first.input, first.low, first.high) == ("gpu_price", 1.0, 12.0)
    assert first.usd_low == pytest.approx((0.15 + 0.10) / 0.8)
    assert first.usd_high == pytest.approx((0.15 + 1.20) / 0.8)
    assert second.input == "core_price"
    assert (second.base, second.unit, second.source) == (0.04, "usd_per_core_hour", "test")


def test_an_undefined_row_comes_last():
    def fragile(values):
        return None if "utilisation" in values else values.get("gpu_price", 1.0)

    ranges = {name: each(name, 0.5, 0.9) for name in ("utilisation", "gpu_price")}
    assert [row.input for row in tornado(fragile, ranges)] == ["gpu_price", "utilisation"]


@settings(deadline=None)
@given(st.lists(st.floats(0.05, 0.95), min_size=7, max_size=7), st.floats(1.01, 5))
def test_the_base_lies_between_the_ends_of_every_row(shares, stretch):
    base = NOW.known()
    ranges = {}
    for share, (name, value) in zip(shares, base.items(), strict=True):
        high = min(value * stretch, 1.0) if UNITS[name] == "share" else value * stretch
        ranges[name] = each(name, value * share, high, value)
    now = STILL({})
    rows = tornado(STILL, ranges)
    spans = [abs(row.usd_high - row.usd_low) for row in rows]
    assert spans == sorted(spans, reverse=True)
    for row in rows:
        low, high = sorted((row.usd_low, row.usd_high))
        assert low - 1e-9 <= now <= high + 1e-9


STILL = cost()


def test_monte_carlo_of_one_input_has_its_quantiles():
    found = monte_carlo(
        lambda values: values["success_rate"], {"success_rate": each("success_rate", 0.2, 0.6)}, 20_000
    )
    assert [found.p5, found.p50, found.p95] == pytest.approx([0.22, 0.4, 0.58], abs=0.01)
    assert found.inputs == [InputShare(input="success_rate", share=pytest.approx(1.0))]


def test_the_base_is_placed_among_the_draws():
    found = monte_carlo(
        lambda values: values["success_rate"],
        {"success_rate": Range("success_rate", 0.2, 0.3, 0.6, "share", "")},
        20_000,
    )
    assert found.base == 0.3
    assert found.base_quantile == pytest.approx(0.25, abs=0.02)


def test_prices_are_drawn_by_their_ratio():
    found = monte_carlo(
        lambda values: values["gpu_price"], {"gpu_price": each("gpu_price", 1.0, 16.0)}, 20_000
    )
    assert found.p50 == pytest.approx(4.0, rel=0.05)


def test_what_decides_is_what_moves_the_cost_most():
    ranges = {
        "gpu_price": each("gpu_price", 1.0, 12.0, 4.0),
        "core_price": each("core_price", 0.039, 0.041, 0.04),
    }
    found = monte_carlo(cost(), ranges, 2000)
    assert found.decides == "gpu_price"
    assert found.inputs[0].share > 0.9
    assert found.inputs[1].share < 0.1
    assert found.p5 < found.p50 < found.p95


def test_independent_equal_inputs_share_evenly():
    ranges = {name: each(name, 0.1, 0.9) for name in ("utilisation", "success_rate")}
    found = monte_carlo(lambda values: values["utilisation"] + values["success_rate"], ranges, 20_000)
    assert [row.share for row in found.inputs] == pytest.approx([0.5, 0.5], abs=0.05)


def test_shares_are_those_of_an_independent_rank_correlation():
    ranges = {
        "gpu_price": each("gpu_price", 1.0, 12.0, 4.0),
        "utilisation": each("utilisation", 0.2, 0.9, 0.5),
        "output_tokens": each("output_tokens", 0.5, 2.0),
    }
    seen = {}

    def watched(values):
        seen.update({name: drawn for name, drawn in values.items() if np.ndim(drawn)})
        return cost()(values)

    found = monte_carlo(watched, ranges, 500)
    for row in found.inputs:
        oracle = spearmanr(seen[row.input], cost()(seen)).statistic
        assert row.share == pytest.approx(oracle**2)


def test_a_cost_that_nothing_moves_has_no_decider():
    found = monte_carlo(lambda values: 3.0, {"gpu_price": each("gpu_price", 1, 2)}, 100)
    assert (found.p5, found.p95, found.decides, found.reason) == (3.0, 3.0, None, None)


def test_the_same_seed_says_the_same():
    ranges = {"gpu_price": each("gpu_price", 1.0, 12.0)}
    assert monte_carlo(cost(), ranges, 500, seed=3) == monte_carlo(cost(), ranges, 500, seed=3)
    assert monte_carlo(cost(), ranges, 500, seed=3).p50 != monte_carlo(cost(), ranges, 500, seed=4).p50


def test_nothing_to_draw_is_said():
    assert "range" in monte_carlo(cost(), {}, 100).reason


@pytest.mark.parametrize("n", [0, 99, -5, 1_000_001])
def test_too_few_or_too_many_draws_are_refused(n):
    with pytest.raises(UsageError, match="--monte-carlo"):
        monte_carlo(cost(), {}, n)


def test_latency_is_exact_where_it_is_linear():
    moved = latency()
    assert moved(1.0, 1.0) == pytest.approx(1.0)
    assert moved(np.array([0.3, 3.0]), 1.5) == pytest.approx(np.array([0.82, 1.9]))
    assert moved(8.0, 1.0) == pytest.approx(3.8)  # beyond the grid, as its last piece goes on


def test_latency_between_grid_points_errs_upwards():
    moved = surface(recorded(side_by_side(agent_ms=50, model_ms=80)), (0.25, 4.0), (1.0, 1.0))
    for model in np.geomspace(0.25, 4.0, 23):
        truth = max(50, 80 * model) / 80
        assert truth - 1e-9 <= float(moved(model, 1.0)) <= truth * 1.25


@pytest.mark.parametrize(
    ("decode", "prefill", "queue", "share"),
    [(3.0, 1.0, 0.0, 0.75), (3.0, None, None, 1.0), (None, 1.0, 1.0, None), (2.0, 1.0, 1.0, 0.5)],
)
def test_the_part_that_grows_with_the_output(decode, prefill, queue, share):
    calls = {"decode_s": decode, "prefill_s": prefill, "queue_s": queue}
    assert writing_share(some(ModelCalls, **calls)) == share


def test_the_models_time_between_the_ranges():
    ranges = {
        "output_tokens": each("output_tokens", 0.5, 2.0),
        "accelerator_speed": each("accelerator_speed", 0.5, 4.0),
    }
    assert multipliers(ranges, 0.5) == pytest.approx((0.75 / 4, 1.5 / 0.5))
    assert multipliers({}, 0.5) == (1.0, 1.0)


def test_default_ranges_hold_the_base_and_say_why():
    ranges = default_ranges(NOW, EVIDENCE)
    assert list(ranges) == list(UNITS)
    for row in ranges.values():
        assert row.low <= row.base <= row.high
        assert row.source
    assert (ranges["gpu_price"].low, ranges["gpu_price"].high) == (1.0, 12.0)
    assert "owner to cloud" in ranges["gpu_price"].source
    # Wilson's interval of 16 of 20, by hand: (0.8 + 2 / 20 -+ ...) / (1 + 4 / 20), z = 1.96.
    assert (ranges["success_rate"].low, ranges["success_rate"].high) == pytest.approx(
        (0.5840, 0.9193), abs=1e-3
    )
    assert (ranges["orchestration_cpu"].low, ranges["orchestration_cpu"].high) == (0.5, 2.0)
    speed = ranges["accelerator_speed"]  # 2,039 and 7,700 GB/s beside its own 3,350
    assert (speed.low, speed.high) == pytest.approx((2039 / 3350, 7700 / 3350))


def test_a_modelled_times_band_is_the_range_of_speed():
    evidence = Evidence({}, {}, 0, 0, "h100", (0.8, 2.0))
    speed = default_ranges(NOW, evidence)["accelerator_speed"]
    assert (speed.low, speed.high) == pytest.approx((0.5, 1.25))


def test_what_nothing_is_known_about_has_no_range():
    nobody = Evidence({}, {}, 0, 0, "abacus", None)
    now = Inputs(None, None, 0.8, 0.04, output_tokens=None, orchestration_cpu=None)
    assert default_ranges(now, nobody) == {}


def paid(accelerator_usd, rate):
    """A bill of four tasks, three of them right, and the prices it was made at."""
    parts = {"accelerator": SimpleNamespace(usd=accelerator_usd)}
    core = price("core", "0.04")
    tariff = SimpleNamespace(accelerator=rate, utilisation=Decimal("0.5"), core=core)
    return SimpleNamespace(parts=parts, successes=3, n=4), tariff


def test_the_inputs_of_a_bill():
    found = inputs_of(*paid(Decimal(2), price("owner", "1.5")), writes=True, labelled=True)
    assert found == Inputs(1.5, 0.5, 0.75, 0.04)


@pytest.mark.parametrize("usd", [None, Decimal(0)])
def test_a_bill_without_an_accelerator_has_none_of_its_inputs(usd):
    found = inputs_of(*paid(usd, price("owner", "1.5")), writes=False, labelled=False)
    assert found.known() == {"success_rate": 0.75, "core_price": 0.04, "accelerator_speed": 1.0}


def test_a_range_reaches_to_a_base_outside_what_is_known():
    ranges = default_ranges(Inputs(20.0, 0.5, 0.8, 0.01), EVIDENCE)
    assert (ranges["gpu_price"].low, ranges["gpu_price"].high) == (1.0, 20.0)
    assert ranges["core_price"].low == 0.01


def test_a_given_range_replaces_the_default():
    ranges = with_ranges(default_ranges(NOW, EVIDENCE), ["gpu_price=2:3.5", "utilisation=0.4:0.4"])
    gpu = ranges["gpu_price"]
    assert (gpu.low, gpu.base, gpu.high, gpu.source) == (2.0, 4.0, 3.5, "given")
    assert ranges["utilisation"].high == 0.4
    assert ranges["core_price"].source != "given"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gpu_prise=1:2", "did you mean 'gpu_price'"),
        ("gpu_price", "no range"),
        ("gpu_price=1", "no range"),
        ("gpu_price=1:2:3", "no range"),
        ("gpu_price=a:b", "no range"),
        ("gpu_price=3:2", "smaller number first"),
        ("gpu_price=0:2", "smaller number first"),
        ("gpu_price=-1:2", "1e-09 to 1e[+]09"),
        ("gpu_price=nan:2", "no range"),
        ("gpu_price=1:inf", "no range"),
        ("utilisation=0.5:50", "shares from 0 to 1"),
    ],
)
def test_a_bad_range_is_one_clear_error(text, says):
    with pytest.raises(UsageError, match=says):
        with_ranges(default_ranges(NOW, EVIDENCE), [text])


def test_a_range_of_what_is_no_part_of_the_cost_is_refused():
    ranges = default_ranges(Inputs(None, None, 0.8, 0.04), EVIDENCE)
    with pytest.raises(UsageError, match="no part of this run's cost"):
        with_ranges(ranges, ["gpu_price=1:2"])


def price(name, usd):
    return Price(name, Decimal(usd), "usd_per_hour", "list", "test", date(2026, 1, 1))


def test_prices_of_an_accelerator_by_where_it_is_had():
    eight = Machine(
        "c/eight", "c", "r", 100, 2, 1.0, "h100-sxm", 8, price("machine/c/eight", "80"), price("s", "8")
    )
    plain = Machine("c/plain", "c", "r", 8, 2, 32.0, None, 0, price("machine/c/plain", "0.4"), None)
    known = [
        price("owner/h100-sxm/neocloud", "1.5"),
        price("owner/h200-sxm/neocloud", "2"),
        price("core", "0.04"),
    ]
    found = Book({each.name: each for each in known}, {"c/eight": eight, "c/plain": plain})
    assert gpu_prices(found, "h100") == {"owner/h100-sxm/neocloud": 1.5, "c/eight": 10.0}
    assert core_prices(found) == {"c/plain": 0.05}


@pytest.mark.parametrize(
    ("basis", "ends"), [("spot", (1.25, 6.6034)), ("3y", (1.3, 1.3)), ("owned", (1.3, 1.69))]
)
def test_prices_on_a_basis_are_of_nothing_else(basis, ends):
    prices = gpu_prices(book(basis=basis), "h100", basis)
    assert (min(prices.values()), max(prices.values())) == ends
    # No host is sold so, and what is paid on demand spans what is sold on demand.
    assert core_prices(book(basis=basis)) == core_prices(book())


def test_a_price_at_an_end_of_its_range_is_paid_in_every_second_draw():
    evidence = replace(EVIDENCE, gpu_prices={"cheap": 4.0, "dear": 16.0})
    gpu = default_ranges(NOW, evidence)["gpu_price"]
    found = monte_carlo(lambda values: values["gpu_price"], {"gpu_price": gpu}, 20_000)
    assert found.base_quantile == pytest.approx(0.5, abs=0.02)
    assert found.p95 == pytest.approx(4.0 * 4.0**0.9, rel=0.02)
    stated = with_ranges({"gpu_price": gpu}, ["gpu_price=4:16"])
    assert monte_carlo(lambda values: values["gpu_price"], stated, 20_000).base_quantile == 0
    assert {row.kept for row in default_ranges(NOW, EVIDENCE).values()} == {0}


def test_the_shipped_prices_span_what_is_published():
    prices = gpu_prices(book(), "h100")
    assert (min(prices.values()), max(prices.values())) == (1.3, 12.29)
