"""One rule for what a machine and an accelerator cost: what is stated, else the cheapest offer on the basis."""

from datetime import date
from decimal import Decimal

import pytest

from orchprof.errors import UsageError
from orchprof.models.explain import resolve
from orchprof.models.spec import parse
from orchprof.plan.fleet import Kind, kinds
from orchprof.prices import offers
from orchprof.prices.book import book

BOX = "provider,instance,vcpus,memory_gib,usd_per_hour,accelerator,accelerator_count,usd_per_hour_1y\n"
ACCELERATORS = ("h100-sxm", "h200-sxm", "b200-sxm", "a100-80gb-sxm", "l4", "t4", "a10g", "mi300x")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ACCELERATORS)
@pytest.mark.parametrize("basis", ["on-demand", "spot", "owned"])
def test_an_accelerator_costs_what_the_cheapest_machine_that_has_it_costs(name, basis):
    found = book(basis=basis)
    sold = [each for each in found.machines.values() if each.accelerator == name]
    on_basis = [each for each in sold if each.price.purchase == basis] or sold
    price = offers.accelerator_price(found, name)
    assert price.value == min(each.price.value / each.accelerator_count for each in on_basis)


def test_an_accelerator_is_a_share_of_the_machine_that_a_plan_can_choose():
    found = book()
    price = offers.accelerator_price(found, "H100")
    assert (price.name, price.value, price.purchase) == ("accelerator/h100-sxm", Decimal("2.95"), "on-demand")
    assert (price.region, price.as_of) == ("eu-north1", None)
    assert price.source.startswith("nebius/gpu-h100-sxm_1gpu-16vcpu-200gb over 1, host included")
    model = resolve(parse("paced:llama-3.1-8b@h100-sxm"))
    planned = {
        kind.accelerator.name: kind.accelerator for kind in kinds(found, [], model) if isinstance(kind, Kind)
    }
    assert min(each.price.value / each.accelerator_count for each in planned.values()) == price.value


def test_so_many_in_one_machine_are_another_offer():
    found = book()
    one, four = (offers.accelerator_price(found, "l4", count) for count in (1, 4))
    assert one.value == Decimal("0.70683")
    assert four.value == Decimal("4.00167") / 4


def test_what_no_machine_has_costs_what_it_costs_its_owner():
    price = offers.accelerator_price(book(), "mi325x")
    assert (price.name, price.value, price.purchase) == ("owner/mi325x/neocloud", Decimal("1.59"), "owned")
    assert offers.accelerator_price(book(), "tpu-v6e").value == Decimal("2.7")
    assert offers.accelerator_price(book(), "rtx-4090") is None


@pytest.mark.parametrize(
    ("basis", "usd", "purchase"),
    [
        ("on-demand", "2.95", "on-demand"),
        ("spot", "1.25", "spot"),
        ("3y", "1.3", "3y"),
        ("owned", "1.69", "owned"),
    ],
)
def test_the_basis_chooses(basis, usd, purchase):
    found = book(basis=basis)
    price = offers.accelerator_price(found, "h100")
    assert (price.value, price.purchase) == (Decimal(usd), purchase)
    every = [each for each in found.machines.values() if each.accelerator == "h100-sxm"]
    cheapest = min(
        each.price.value / each.accelerator_count for each in every if each.price.purchase == basis
    )
    assert cheapest == price.value


def test_what_is_not_offered_on_the_basis_is_on_demand_and_says_so():
    found = book(basis="spot")
    assert found.machines["aws/m8i.large"].price.value == Decimal("0.0431")
    assert found.machines["aws/m8i.large"].on_demand.value == Decimal("0.10584")
    plain = found.machines["aws/m8i.2xlarge"].price
    assert (plain.value, plain.purchase) == (Decimal("0.42336"), "on-demand")
    assert found.prices["core"].purchase == "on-demand"
    mixed = offers.accelerator_price(found, "mi300x")  # no machine sells it so
    assert mixed.purchase == "on-demand"


def test_a_basis_that_nothing_has_is_refused_until_somebody_states_it(tmp_path):
    with pytest.raises(
        UsageError, match=r"nothing has a price on this basis, '1y' @ --basis, .*usd_per_hour_1y"
    ):
        book(basis="1y")
    with pytest.raises(UsageError, match="unknown basis, 'spto' @ --basis, did you mean 'spot'"):
        book(basis="spto")
    (tmp_path / "m.csv").write_text(BOX + "ours,box,64,512,20,h100,8,14\n")
    found = book(tmp_path / "m.csv", basis="1y")
    price = offers.accelerator_price(found, "h100")
    assert (price.value, price.purchase) == (Decimal("1.75"), "1y")


@pytest.mark.parametrize(
    ("said", "usd"),
    [
        (["owner/h100/hyperscaler=1.2"], "1.2"),
        (["owner/h100/hyperscaler=1.2", "owner/h100/neocloud=1.5"], "1.5"),
        (["h100=0.9", "owner/h100/neocloud=1.5"], "0.9"),
        (["aws/p5.48xlarge=8"], "1"),
        (["aws/p5.48xlarge=8", "aws/p5.4xlarge=0.7"], "0.7"),
        (["aws/p5.48xlarge=80"], "2.95"),  # dearer than what can be had
    ],
)
@pytest.mark.parametrize("basis", ["on-demand", "spot"])
def test_what_is_stated_of_an_accelerator_is_its_price_in_every_machine(said, usd, basis):
    if basis == "spot" and usd == "2.95":
        usd = "1.25"
    found = book(overrides=said, basis=basis)
    assert offers.accelerator_price(found, "h100").value == Decimal(usd)
    sold = [each for each in found.machines.values() if each.accelerator == "h100-sxm"]
    cheapest = min(each.price.value / each.accelerator_count for each in sold)
    assert cheapest == Decimal(usd)


def test_a_machine_of_ones_own_is_an_offer_like_any_other(tmp_path):
    (tmp_path / "m.csv").write_text(BOX + "ours,box,64,512,16,h100,8,\n")
    price = offers.accelerator_price(book(tmp_path / "m.csv"), "h100")
    assert (price.value, price.name, price.as_of) == (2, "accelerator/h100-sxm", None)
    assert price.source.startswith("ours/box over 8")


def test_a_dated_offer_keeps_its_day_and_region():
    price = offers.accelerator_price(book(), "b200-sxm", 8)
    assert price.value == Decimal("5.5")
    assert offers.per_accelerator(book().machines["aws/p5.4xlarge"]).as_of == date(2026, 7, 20)
