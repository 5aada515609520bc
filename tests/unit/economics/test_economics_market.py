"""The implied market by hand, its inputs in sight, and what a run without an accelerator says."""

import pytest
from support import some

from orchprof.contract.report import Resources
from orchprof.economics.assumptions import assumptions
from orchprof.economics.market import market, ratios
from orchprof.errors import UsageError

PLAIN = ["accelerators=1000000", "base_year=2024", "year=2026", "growth=0.5", "share_agentic=0.2"]


def by_basis(found):
    return {row.basis: row for row in found.implied}


def test_cores_per_accelerator_by_hand():
    resources = some(Resources, core_s_busy=6.0, core_s_reserved=20.0, accelerator_s=2.0)
    # busy: 12 core-seconds had, over 2.5 accelerator-seconds had; reserved: 20 over 2.5
    assert ratios(resources, 0.5, 0.8) == pytest.approx({"busy": 4.8, "reserved": 8.0})


@pytest.mark.parametrize("accelerator_s", [None, 0.0])
def test_without_accelerator_time_there_is_no_ratio_and_no_market(accelerator_s):
    found = market(
        ratios(some(Resources, core_s_busy=6.0, core_s_reserved=20.0, accelerator_s=accelerator_s))
    )
    for row in found.implied:
        assert row.usd is None
        assert row.cores_per_accelerator is None
        assert "accelerator time" in row.reason


def test_unknown_busy_cores_leave_the_reserved_ones():
    found = ratios(some(Resources, core_s_reserved=20.0, accelerator_s=2.0))
    assert found == {"busy": None, "reserved": 10.0}


def test_the_market_by_hand():
    given = [*PLAIN, "base_ratio=0.125", "cpu_price=4000", "threads_per_cpu=100"]
    found = market({"busy": 62.5, "reserved": 10.0}, given)
    assert found.accelerators == pytest.approx(2_250_000)  # 1 M x 1.5^2
    busy = by_basis(found)["busy"]
    assert busy.cpus_per_accelerator == pytest.approx(0.625)
    assert busy.cpus == pytest.approx(225_000)  # 2.25 M x 0.2 x 0.5
    assert busy.usd == pytest.approx(900e6)
    assert by_basis(found)["reserved"].usd == pytest.approx(2_250_000 * 0.2 * -0.025 * 4000)


def test_a_faster_accelerator_wants_more_cores():
    base = by_basis(market({"busy": 50.0, "reserved": None}))["busy"]
    twice = by_basis(market({"busy": 50.0, "reserved": None}, ["speed_up=2"]))["busy"]
    assert twice.cpus_per_accelerator == pytest.approx(2 * base.cpus_per_accelerator)


def test_the_published_figure_and_what_it_takes():
    found = market({"busy": None, "reserved": None})
    published = found.published
    assert (published.low_usd, published.high_usd, published.year) == (32.5e9, 60e9, 2030)
    assert published.source
    for end in ("low", "high"):
        cores = getattr(found.needed, end).cores_per_accelerator
        again = by_basis(market({"busy": cores, "reserved": cores}))["busy"]
        assert again.usd == pytest.approx(getattr(published, f"{end}_usd"))


@pytest.mark.parametrize(("ratio", "where"), [(0.5, "below"), (1.0, "within"), (2.0, "above")])
def test_it_is_held_against_the_published_figure(ratio, where):
    threads = next(row.value for row in market({}).inputs if row.name == "threads_per_cpu")
    assert by_basis(market({"busy": ratio * threads}))["busy"].against_published == where


def test_the_shipped_growth_is_that_of_its_source():
    at = {name: each.value for name, each in assumptions("market.csv").items()}
    assert at["growth"] == pytest.approx((53.4 / 30.5) ** (1 / 6) - 1, abs=0.0005)


def test_the_assumed_share_gives_the_middle_of_the_published_figure_at_the_published_ratios():
    threads = next(row.value for row in market({}).inputs if row.name == "threads_per_cpu")
    usd = by_basis(market({"busy": threads}))["busy"].usd
    assert usd == pytest.approx((32.5e9 + 60e9) / 2, rel=0.02)


def test_every_input_is_in_sight_with_its_reason():
    found = market({}, ["share_agentic=0.3"])
    for row in found.inputs:
        assert row.why
        assert row.source
        assert row.basis in ("published", "derived", "assumed", "given")
    assert next(row for row in found.inputs if row.name == "share_agentic").basis == "given"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("share_agentic=1.5", "out of range"),
        ("cpu_price=0", "out of range"),
        ("cpu_price=nan", "no number"),
        ("cpu_price=-5", "out of range"),
        ("cpu_price=cheap", "no number"),
        ("cpu_price", "no number"),
        ("cpu_prise=5", "did you mean 'cpu_price'"),
        ("year=2020", "before the base year"),
    ],
)
def test_bad_assumptions_are_refused(text, says):
    with pytest.raises(UsageError, match=says):
        market({}, [text])
