"""The machines of a volume: by law where no limit is given, and the plan's own where one is."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from plan_runs import made, plan
from support import plain

from orchprof.errors import OrchprofError, UsageError
from orchprof.plan.demand import demand
from orchprof.plan.fleet import Layout, kinds
from orchprof.plan.question import Question, Slo, Target
from orchprof.plan.volume import fleet_for
from orchprof.prices.price import Book, Machine, Price

HOSTED = "http://localhost:1/v1#m"


def machine(name, vcpus, usd, accelerators=0):
    price = Price(f"machine/{name}", Decimal(str(usd)), "usd_per_hour", "list", "test", date(2026, 1, 1))
    chip = "h100-sxm" if accelerators else None
    return Machine(name, "x", "r", vcpus, 2, 64.0, chip, accelerators, price, None)


BOOK = Book(
    {},
    {
        each.name: each
        for each in (machine("x/small", 2, "0.10"), machine("x/gpu", 8, "3.00", accelerators=1))
    },
)


def test_no_pool_is_fuller_than_is_allowed():
    # 100/s x 60 ms are 6 cores: 8.6 where they are 70 % busy, which five machines of two have.
    asks = demand(made(cpu=50, net=20, model=HOSTED))
    found = fleet_for(asks, 100.0, BOOK)
    assert [(each.name, each.count) for each in found.machines()] == [("x/small", 5)]
    assert float(found.usd_per_hour) == 0.5
    assert found.utilisation["cores"] == pytest.approx(0.6, rel=0.01)
    assert (found.binding, found.accelerator_s) == ("cores", 0.0)
    assert "70% full" in found.rule
    assert fleet_for(asks, 100.0, BOOK, most_busy=0.9).fleet.hosts == 4


def test_a_low_rate_takes_one_machine_that_nothing_binds():
    found = fleet_for(demand(made(cpu=50, net=20, model=HOSTED)), 0.5, BOOK)
    assert (found.fleet.hosts, found.binding) == (1, None)


def test_a_fuller_batch_takes_less_of_an_accelerator():
    asks = demand(made(cpu=5, call=150))
    idle, busy = (fleet_for(asks, rate, BOOK) for rate in (0.1, 1000.0))
    assert busy.accelerator_s < idle.accelerator_s / 2
    assert 0 < busy.utilisation["accelerator"] <= 0.7
    assert busy.fleet.replicas > idle.fleet.replicas == 1


def test_with_a_limit_it_is_what_the_plan_answers():
    asks, limit = demand(made(cpu=50, net=20, model=HOSTED)), (Slo(0.95, 0.2),)
    found = fleet_for(asks, 90.0, BOOK, slos=limit)
    record = plan(Question((asks,), Target((90.0,), limit), Layout()), kinds(BOOK, (), None))
    assert plain(found.machines()) == record["machines"]
    assert float(found.usd_per_hour) == record["usd_per_hour"]
    assert "p95 < 0.2 s with confidence 90%" in found.rule


def test_what_cannot_be():
    asks = demand(made(cpu=50, model=HOSTED))
    with pytest.raises(UsageError, match="not a rate"):
        fleet_for(asks, 0.0, BOOK)
    with pytest.raises(UsageError, match="no price for it"):
        fleet_for(asks, 1.0, BOOK, machine=["x/none"])
    with pytest.raises(OrchprofError, match="no machine has the memory"):
        fleet_for(replace(asks, base_bytes=90.0 * 2**30), 1.0, BOOK)
