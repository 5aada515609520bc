"""The curve by hand: one machine idle, full, one task too many, and what never steps."""

from dataclasses import replace

import pytest

from orchprof.economics.curve import MONTH_S, Fleet, curve, service

# One machine of 8 cores at 3.60 an hour holds 8 tasks/s of one core-second; one accelerator at 7.20 holds 4 tasks/s.
FLEET = Fleet(
    core_s=1.0, memory_gib_s=1.0, accelerator_s=0.25, machine_cores=8, machine_gib=32, machine_usd_per_hour=3.6,
    accelerator_usd_per_hour=7.2, utilisation=1.0, per_task_usd=0.0,
)  # fmt: skip
API = replace(FLEET, accelerator_s=0.0, per_task_usd=0.01)


def at(rows, load):
    return next(row for row in rows if row.tasks_per_s == pytest.approx(load))


def test_idle_full_and_one_too_many():
    rows = curve(FLEET, {})
    assert at(rows, 0.04).average_usd == pytest.approx((0.001 + 0.002) / 0.04)
    full = at(rows, 4)
    assert (full.machines, full.accelerators, full.at) == (1, 1, "full")
    assert full.average_usd == pytest.approx(0.003 / 4)
    assert full.marginal_usd == 0  # there was room
    over = at(rows, 4.04)
    assert (over.machines, over.accelerators, over.at) == (1, 2, "step")
    assert over.marginal_usd == pytest.approx(0.002 / 0.04)
    assert at(rows, 8).average_usd == pytest.approx(0.005 / 8)


def test_between_full_steps_the_marginal_is_what_a_task_takes():
    rows = curve(FLEET, {})
    # from 16 to 32 tasks/s: 2 machines and 4 accelerators more
    assert (at(rows, 16).machines, at(rows, 32).machines) == (2, 4)
    assert at(rows, 64).marginal_usd == pytest.approx((4 * 0.001 + 8 * 0.002) / 32)


def test_tokens_are_marginal_everywhere():
    rows = curve(API, {})
    assert {row.accelerators for row in rows} == {0}
    assert at(rows, 4).marginal_usd == pytest.approx(0.01)
    assert at(rows, 8).average_usd == pytest.approx(0.001 / 8 + 0.01)


def test_memory_may_bind_first():
    assert replace(FLEET, memory_gib_s=16.0).machine_holds_per_s == 2


def test_half_the_utilisation_takes_twice_the_accelerators():
    assert replace(FLEET, utilisation=0.5).accelerators(4) == 2


def test_averages_fall_while_there_is_room_and_loads_rise():
    rows = curve(FLEET, {"asked": 5.0, "measured": None})
    loads = [row.tasks_per_s for row in rows]
    assert loads == sorted(set(loads))
    assert at(rows, 5).at == "asked"
    idle = [row.average_usd for row in rows if row.tasks_per_s <= 4]
    assert idle == sorted(idle, reverse=True)


def test_a_month_at_one_task_a_second():
    assert pytest.approx(2_629_800) == MONTH_S
    assert FLEET.usd_per_hour(1) == pytest.approx(10.8)


def test_the_service_beside_it_is_an_illustration():
    rows = curve(FLEET, {})
    found = service(rows, FLEET)
    assert "not a measurement" in found.basis
    assert len(found.average_usd) == len(rows)
    # 8 cores of 1 ms hold 8,000 a second: no step in sight
    assert set(found.machines) == {1}
    assert found.long_run_marginal_usd == pytest.approx(0.001 / 8000)


def test_nothing_that_fills_up_has_no_steps():
    nothing = replace(FLEET, core_s=0.0, memory_gib_s=0.0, accelerator_s=0.0)
    assert curve(nothing, {}) == []
    assert [row.at for row in curve(nothing, {"asked": 1.0})] == ["asked"]
