"""What a core and a GiB cost out of whole machines, by hand."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchprof.errors import UsageError
from orchprof.prices import core_rates, price_tables
from orchprof.prices.book import book
from orchprof.prices.price import Book


def machine(vcpus, memory_gib, usd, name="o/b"):
    row = {"vcpus": str(vcpus), "memory_gib": str(memory_gib), "usd_per_hour": str(usd)}
    provider, instance = name.split("/")
    return price_tables.parse({"provider": provider, "instance": instance, **row}, "here", "a test")


def test_two_machines_are_met_exactly():
    # 2 c + 4 m = 0.10 and 2 c + 8 m = 0.12: m = 0.005, c = 0.04
    core, memory = core_rates.fit([machine(2, 4, "0.10"), machine(2, 8, "0.12")])
    assert core.quantize(Decimal("1e-20")) == Decimal("0.04")
    assert memory.quantize(Decimal("1e-20")) == Decimal("0.005")


def test_three_machines_by_the_normal_equations():
    # v = (1, 1, 2), g = (0.5, 1, 0.5), p = 1, 1, 1: vv 6, vg 2.5, gg 1.5, v 4, g 2
    # c = (4 * 1.5 - 2 * 2.5) / (6 * 1.5 - 2.5 ** 2) = 1 / 2.75; m = (2 * 6 - 4 * 2.5) / 2.75
    found = core_rates.fit([machine(1, 0.5, 1), machine(1, 1, 1), machine(2, 0.5, 1)])
    assert found == (Decimal(1) / Decimal("2.75"), Decimal(2) / Decimal("2.75"))


@given(
    st.integers(1, 512),
    st.integers(1, 4096),
    st.decimals("0.001", "1000", places=4),
)
def test_the_parts_of_a_machine_are_its_price(vcpus, memory_gib, usd):
    one = machine(vcpus, memory_gib, usd)
    found = Book({}, {"o/b": one})
    parts = (
        core_rates.core_price(found, one).value * vcpus
        + core_rates.memory_price(found, one).value * memory_gib
    )
    assert abs(parts - usd) < usd * Decimal("1e-20")


def test_the_default_machine_is_what_core_and_memory_are_taken_from():
    found = book()
    host = core_rates.default_machine(found)
    assert (host.name, host.accelerator) == ("aws/m8i.2xlarge", None)
    assert found.prices["core"] == core_rates.core_price(found, host)
    assert found.prices["core"].unit == "usd_per_core_hour"
    assert "aws/m8i.2xlarge" in found.prices["core"].source
    assert found.prices["core"].as_of == host.price.as_of
    cheaper = book(overrides=["aws/m8i.2xlarge=0.21168"])  # half
    ratio = found.prices["core"].value / cheaper.prices["core"].value
    assert ratio.quantize(Decimal("1e-20")) == 2


def test_what_the_user_states_is_every_machines():
    found = book(overrides=["core=0.05"])
    assert core_rates.core_price(found).value == Decimal("0.05")
    assert core_rates.core_price(found, found.machines["aws/c8g.2xlarge"]).value == Decimal("0.05")
    assert core_rates.memory_price(found) == book().prices["memory"]


def test_a_machine_with_accelerators_has_the_fitted_rate():
    found = book()
    rate = core_rates.core_price(found, found.machines["aws/p5.48xlarge"])
    assert rate == core_rates.core_price(found, found.machines["lambda/gpu_1x_a6000"])
    assert Decimal("0.01") < rate.value < Decimal("0.1")


def test_machines_are_found_by_type_alone():
    found = book()
    assert core_rates.find_machine(found, "c8i.2xlarge").name == "aws/c8i.2xlarge"
    assert core_rates.find_machine(found, "machine/aws/c8i.2xlarge").name == "aws/c8i.2xlarge"
    with pytest.raises(UsageError, match=r"unknown machine, 'c8i\.3xlarge' @ --machine, did you mean 'c8i\."):
        core_rates.find_machine(found, "c8i.3xlarge")
    with pytest.raises(UsageError, match="see 'orchprof prices'"):
        core_rates.find_machine(found, "#")
    both = replace(found, machines={**found.machines, "o/c8i.2xlarge": machine(8, 16, 1, "o/c8i.2xlarge")})
    with pytest.raises(UsageError, match=r"several .* aws/c8i.2xlarge or o/c8i.2xlarge"):
        core_rates.find_machine(both, "c8i.2xlarge")
