"""Joules by hand, the tier each stands on, and nothing guessed in silence."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import some

from orchprof.contract.economics import EnergyPart
from orchprof.contract.report import Resources, RunIdentity
from orchprof.contract.run import Machine, ModelSide
from orchprof.economics.assumptions import assumptions
from orchprof.economics.energy import (
    IDLE,
    INPUTS,
    NODE,
    TIERS,
    accelerator_energy,
    counted,
    cpu_energy,
    modelled,
    total,
)
from orchprof.errors import OrchprofError, UsageError
from orchprof.prices.book import book
from orchprof.prices.price import Book, Price

UNKNOWN = "unknown"


def price(name, value, unit="watts"):
    return Price(name, Decimal(value), unit, "list", f"source of {name}", date(2026, 11, 1))


WATTS = {
    "power/epyc-9654/tdp-per-core": "4",
    "power/xeon-8480+/tdp-per-core": "6",
    "power/grace-1-die/tdp-per-core": "5",
    "power/h100-sxm/tdp": "700",
    NODE: "1.3",
    IDLE: "0.25",
}
BOOK = Book({name: price(name, value) for name, value in WATTS.items()}, {})


def pue(value):
    chosen = assumptions(INPUTS)
    return chosen | {"pue": replace(chosen["pue"], value=value)}


@pytest.mark.parametrize(
    ("cpu_model", "watts"),
    [("AMD EPYC 9654 96-Core Processor", 2), ("Intel(R) Xeon(R) Platinum 8480+", 3)],
)
def test_a_known_processor_by_hand(cpu_model, watts):
    found = cpu_energy(2.0, 10.0, cpu_model, BOOK)
    assert found.joules == pytest.approx(watts * (2 + 0.25 * 8))
    assert found.tier == "modelled:tdp_load"


def test_an_unknown_processor_has_the_middle_one_and_says_so():
    found = cpu_energy(2.0, 2.0, "AMD EPYC", BOOK)
    assert found.joules == pytest.approx(3 * 2)  # 2, 3 and 5 W a thread
    assert found.tier == "modelled:spec"
    assert "'AMD EPYC'" in found.why
    assert "2.0 to 5.0 W" in found.why


def test_no_processor_time_is_no_energy():
    found = cpu_energy(None, 10.0, "AMD EPYC 9654", BOOK)
    assert (found.joules, found.tier) == (None, UNKNOWN)
    assert found.why


def test_more_busy_than_reserved_has_no_idle_part():
    assert cpu_energy(5.0, 1.0, "AMD EPYC 9654", BOOK).joules == pytest.approx(10.0)


@pytest.mark.parametrize(("paced", "tier"), [(False, "modelled:tdp_load"), (True, "modelled:spec")])
def test_an_accelerator_by_hand(paced, tier):
    found = accelerator_energy(2.0, "h100", 0.5, BOOK, modelled=paced)
    assert found.joules == pytest.approx(910 * (2 + 0.25 * 2))  # served half of the time it was had for
    assert found.tier == tier


@pytest.mark.parametrize(
    ("seconds", "name", "says"),
    [(None, "h100-sxm", "does not say"), (2.0, "abacus", "abacus"), (2.0, None, "TDP")],
)
def test_an_accelerator_nobody_knows(seconds, name, says):
    found = accelerator_energy(seconds, name, 1.0, BOOK, modelled=False)
    assert (found.joules, found.tier) == (None, UNKNOWN)
    assert says in found.why


def test_a_task_that_asked_no_model_used_no_accelerator():
    assert accelerator_energy(0.0, None, 1.0, BOOK, modelled=False).joules == 0


def test_the_sum_by_hand():
    parts = [
        EnergyPart("cpu", 10.0, "measured:rapl", ""),
        EnergyPart("accelerator", 90.0, "modelled:spec", ""),
    ]
    found = total(parts, pue(1.5), 0.10, 0.5)
    assert found.joules_per_task == pytest.approx(150)
    assert found.joules_per_success == pytest.approx(300)
    assert found.electricity_usd_per_task == pytest.approx(150 / 3.6e6 * 0.10)
    assert (found.tier, found.partial) == ("modelled:spec", False)


def test_what_is_not_known_makes_the_sum_partial():
    parts = [EnergyPart("cpu", 10.0, "measured:rapl", ""), EnergyPart("accelerator", None, UNKNOWN, "no")]
    found = total(parts, pue(1.0), None, 0.0)
    assert found.joules_per_task == pytest.approx(10)
    assert (found.tier, found.partial) == (UNKNOWN, True)
    assert found.joules_per_success is None
    assert found.electricity_usd_per_task is None


@pytest.mark.parametrize("parts", [[], [EnergyPart("cpu", None, UNKNOWN, "")]])
def test_nothing_known_is_no_sum(parts):
    found = total(parts, pue(1.2), 0.1, 1.0)
    assert (found.joules_per_task, found.electricity_usd_per_task, found.tier) == (
        None,
        None,
        UNKNOWN,
    )


tiered = st.builds(EnergyPart, st.just("cpu"), st.floats(0, 1e6), st.sampled_from(TIERS[:-1]), st.just(""))


@settings(deadline=None)
@given(st.lists(tiered, min_size=1, max_size=5))
def test_a_sum_is_as_good_as_its_worst_part(parts):
    found = total(parts, pue(1.0), None, None)
    ranks = [TIERS.index(part.tier) for part in parts]
    assert TIERS.index(found.tier) == max(ranks)
    assert found.joules_per_task == pytest.approx(sum(part.joules for part in parts))


def test_a_given_pue_is_taken_and_the_markets_names_are_left_to_it():
    chosen = assumptions(INPUTS, ["pue=1.1", "cpu_price=6000"])
    assert {name: (each.value, each.basis) for name, each in chosen.items()} == {"pue": (1.1, "given")}


@pytest.mark.parametrize(
    ("text", "says"),
    [("pue=0.9", "out of range"), ("pue=nan", "no number"), ("pue=11", "out of range")],
)
def test_a_facility_that_takes_less_than_its_machines_is_refused(text, says):
    with pytest.raises(UsageError, match=says):
        assumptions(INPUTS, [text])


def test_counted_joules_are_shared_out():
    found = counted("cpu", 500.0, 20, "measured:rapl")
    assert (found.joules, found.tier) == (25.0, "measured:rapl")


@pytest.mark.parametrize(
    ("joules", "tasks", "tier"),
    [(1.0, 0, "measured:rapl"), (-1.0, 1, "measured:rapl"), (1.0, 1, "modelled:spec")],
)
def test_what_no_counter_says_is_refused(joules, tasks, tier):
    with pytest.raises(OrchprofError, match="no measured energy"):
        counted("cpu", joules, tasks, tier)


def test_a_run_with_the_shipped_prices():
    resources = some(Resources, core_s_busy=1.0, core_s_reserved=4.0, accelerator_s=1.0)
    chip = Machine(cpu_model="AMD EPYC 9654 96-Core Processor")
    run = some(RunIdentity, machine=chip, model=ModelSide(provenance="modelled"))
    cpu, accelerator = modelled(resources, run, "h100", book(), 1.0)
    assert cpu.joules == pytest.approx(3.75 / 2 * (1 + 0.265 * 3))
    assert accelerator.joules == pytest.approx(910)
    assert [cpu.tier, accelerator.tier] == ["modelled:tdp_load", "modelled:spec"]
