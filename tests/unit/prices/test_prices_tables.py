"""Machine tables: what ships is whole, what a user writes is read exactly or refused with file and line."""

from datetime import date
from decimal import Decimal

import pytest

from orchprof.errors import UsageError
from orchprof.models.paced import facts
from orchprof.prices import price_tables

HEADER = "provider,instance,vcpus,memory_gib,usd_per_hour"
FULL = f"{HEADER},threads_per_core,accelerator,accelerator_count,usd_per_hour_spot,region,basis,as_of,source,currency"


def read(tmp_path, *lines):
    path = tmp_path / "machines.csv"
    path.write_text("\n".join(lines) + "\n")
    return price_tables.read_machines(path)


def test_what_ships_says_value_unit_basis_and_source():
    prices = [*price_tables.shipped_prices(), *(machine.price for machine in price_tables.shipped_machines())]
    assert len({price.name for price in prices}) == len(prices)
    assert all(price.source and price.unit and price.basis in ("cash", "list", "credit") for price in prices)
    assert all(isinstance(price.value, Decimal) and price.value > 0 for price in prices)


def test_the_machines_that_ship_fit_the_facts():
    machines = {machine.name: machine for machine in price_tables.shipped_machines()}
    assert len(machines) == 78
    assert machines["aws/c8g.2xlarge"].threads_per_core == 1  # Arm: a vCPU is a core
    assert machines["aws/c8i.2xlarge"].threads_per_core == 2
    assert machines["lambda/gpu_8x_h100_sxm5"].threads_per_core is None
    assert machines["aws/p5.48xlarge"].accelerator == "h100-sxm"
    assert machines["aws/p5.48xlarge"].price.value == Decimal("55.04")
    assert machines["lambda/gpu_8x_h100_sxm5"].price.as_of is None
    known = set(facts.accelerators()) | {"trainium", "rtx-a6000"}  # two that no model spec knows
    assert {machine.accelerator for machine in machines.values() if machine.accelerator} <= known


def test_a_row_with_what_is_required_alone(tmp_path):
    [machine] = read(tmp_path, HEADER, "ours,box,8,30.5,0.10")
    assert (machine.name, machine.vcpus, machine.memory_gib) == ("ours/box", 8, 30.5)
    assert (machine.accelerator, machine.accelerator_count, machine.threads_per_core) == (None, 0, None)
    assert machine.spot is None
    price = machine.price
    assert (price.name, str(price.value), price.unit) == ("machine/ours/box", "0.10", "usd_per_hour")
    assert (price.basis, price.source, price.as_of) == ("cash", "machines.csv", None)


def test_a_row_with_everything(tmp_path):
    [machine] = read(tmp_path, FULL, "o,b,8,32,2,2,H100,1,0.5,eu,list,2026-07-01,the seller,usd")
    assert (machine.accelerator, machine.accelerator_count) == ("h100-sxm", 1)
    assert machine.spot.value == Decimal("0.5")
    assert machine.price.as_of == date(2026, 7, 1)
    assert (machine.price.basis, machine.price.source, machine.region) == ("list", "the seller", "eu")


def test_what_is_free_says_so(tmp_path):
    [machine] = read(tmp_path, HEADER, "ours,old,8,32,free")
    assert machine.price.value == 0


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("o,b,8,32,-1", "negative price, '-1' @ {}:2 usd_per_hour"),
        ("o,b,8,32,0", "price of zero, '0' @ {}:2 usd_per_hour"),
        ("o,b,8,32,nan", "not a finite amount, 'nan' @ {}:2"),
        ("o,b,8,32,inf", "not a finite amount"),
        ("o,b,8,32,1000001", "absurd price, '1000001' @ {}:2"),
        ("o,b,8,32,$0.40", "not an amount, '$0.40' @ {}:2"),
        ("o,b,8,32,", "no value, usd_per_hour @ {}:2"),
        (",b,8,32,1", "no value, provider @ {}:2"),
        ("o,b,8,32", "not as many values"),
        ("o,b,8,32,1,9", "not as many values"),
        ("o,b,0,32,1", "not a whole number, '0' @ {}:2 vcpus"),
        ("o,b,8.5,32,1", "not a whole number, '8.5'"),
        ("o,b,8,0,1", "not a size, '0' @ {}:2 memory_gib"),
        ("o,b,8,nan,1", "not a size"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(tmp_path, row, fault):
    with pytest.raises(UsageError) as error:
        read(tmp_path, HEADER, row)
    assert fault.format(tmp_path / "machines.csv") in str(error.value)


@pytest.mark.parametrize(
    ("column", "text", "fault"),
    [
        ("currency", "EUR", "another currency, 'EUR'"),
        ("basis", "lst", "unknown basis, 'lst'"),
        ("as_of", "July", "not a date, 'July'"),
        ("threads_per_core", "3", "not threads per core, '3'"),
        ("accelerator", "h100", None),
        ("accelerator_count", "2", "accelerators half said"),
        ("usd_per_hour_spot", "-2", "negative price"),
    ],
)
def test_optional_columns_are_checked(tmp_path, column, text, fault):
    lines = (f"{HEADER},{column}", f"o,b,8,32,1,{text}")
    if fault is None:
        assert read(tmp_path, *lines)[0].accelerator_count == 1
        return
    with pytest.raises(UsageError, match=fault):
        read(tmp_path, *lines)


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("provider,instance,vcpus", "missing columns, memory_gib, usd_per_hour"),
        ("provider,instance,vcpus,memory_gib,eur_per_hour", "a wrong unit, column 'eur_per_hour'"),
        ("provider,instance,vcpus,memory_gib,usd_per_month", "a wrong unit, column 'usd_per_month'"),
        (f"{HEADER},regin", "unknown column, 'regin' .* did you mean 'region'"),
        (f"{HEADER},vcpus", "a column twice"),
        ("", "missing columns"),
    ],
)
def test_a_bad_header_is_refused(tmp_path, header, fault):
    with pytest.raises(UsageError, match=fault):
        read(tmp_path, header, "o,b,8,32,1")


def test_a_machine_twice_names_both_lines(tmp_path):
    with pytest.raises(UsageError, match=r"a machine twice, 'o/b' @ .*:3 and line 2"):
        read(tmp_path, HEADER, "o,b,8,32,1", "o,b,8,32,2")


def test_no_table_at_all(tmp_path):
    with pytest.raises(UsageError, match="no machines"):
        read(tmp_path, HEADER)
    with pytest.raises(UsageError, match="No such file"):
        price_tables.read_machines(tmp_path / "none.csv")
    (tmp_path / "machines.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="no text in UTF-8"):
        price_tables.read_machines(tmp_path / "machines.csv")
