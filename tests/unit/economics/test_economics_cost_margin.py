"""Margins by hand: contribution, gross and operating apart; where there is no answer there is a reason."""

from decimal import Decimal

import pytest
from support import plain

from orchprof.economics.margin import Terms, break_even, check, margin
from orchprof.errors import UsageError


def test_a_month_by_hand():
    terms = Terms(
        price_per_task=Decimal("0.05"),
        tasks_per_month=Decimal(1_000_000),
        fixed_per_month=Decimal(20_000),
        cash=Decimal(90_000),
    )
    found = margin(terms, Decimal("0.02"), Decimal(25_000))
    assert found.contribution_usd == 0.03
    assert found.contribution_margin == 0.6
    assert found.revenue_usd_per_month == 50_000
    assert found.gross_usd_per_month == 25_000  # whole machines cost more than what is used
    assert found.gross_margin == 0.5
    assert found.operating_usd_per_month == 5_000
    assert found.operating_margin == 0.1
    assert found.loss_per_usd_of_revenue == 0
    assert (found.runway_months, found.reasons["runway_months"]) == (
        None,
        "it makes no loss: the cash lasts",
    )


def test_a_loss_the_runway_and_the_loss_per_dollar():
    # 5.7 of revenue and a loss of 6.9 is 1.21 lost per dollar
    terms = Terms(
        price_per_task=Decimal("5.7"),
        tasks_per_month=Decimal(1),
        fixed_per_month=Decimal("10.6"),
        cash=Decimal(69),
    )
    found = margin(terms, Decimal(1), Decimal(2))
    assert found.operating_usd_per_month == -6.9
    assert found.loss_per_usd_of_revenue == pytest.approx(1.2105, abs=1e-4)
    assert found.runway_months == 10


def test_break_even_by_hand():
    terms = Terms(
        price_per_task=Decimal("0.05"), tasks_per_month=Decimal(400_000), fixed_per_month=Decimal(20_000)
    )
    found = break_even(terms, Decimal("0.02"))
    assert found.price_usd == 0.02
    assert found.full_cost_price_usd == 0.07
    assert found.tasks_per_month == 666_667  # 20,000 / 0.03, rounded up
    assert {row.margin: row.price_usd for row in found.price_for_margin}[0.5] == 0.04


def test_a_price_per_user():
    terms = Terms(
        price_per_user_month=Decimal(20), tasks_per_user_month=Decimal(500), fixed_per_month=Decimal(1000)
    )
    assert terms.price == Decimal("0.04")
    found = margin(terms, Decimal("0.03"), None)
    assert found.user_cost_usd_per_month == 15
    assert found.user_contribution_usd_per_month == 5
    assert break_even(terms, Decimal("0.03")).users == 200


def test_a_heavy_user_loses_money():
    terms = Terms(
        price_per_user_month=Decimal(20), tasks_per_user_month=Decimal(1000), fixed_per_month=Decimal(1000)
    )
    found = break_even(terms, Decimal("0.03"))
    assert found.users is None
    assert "loses money" in found.reasons["users"]
    assert "loses money" in found.reasons["tasks_per_month"]


def test_payback_at_a_value_per_task():
    terms = Terms(
        value_per_task=Decimal("0.5"),
        tasks_per_month=Decimal(1000),
        fixed_per_month=Decimal(100),
        cash=Decimal(900),
    )
    found = margin(terms, Decimal("0.1"), None)
    assert found.value_net_usd == 0.4
    assert found.value_per_usd_spent == 5
    assert found.payback_months == 3  # 900 / (1000 x 0.4 - 100)


def test_nothing_asked_nothing_said_but_why():
    found = margin(Terms(), Decimal("0.02"), None)
    asked = {name for name, value in plain(found).items() if value is None}
    assert asked == set(found.reasons)
    assert "price_per_task_usd" in asked
    assert found.cost_per_success_usd == 0.02


def test_without_a_success_nothing_has_a_cost():
    terms = Terms(price_per_task=Decimal(1), tasks_per_month=Decimal(10), fixed_per_month=Decimal(10))
    found, even = margin(terms, None, None), break_even(terms, None)
    assert found.contribution_usd is None
    assert found.gross_usd_per_month is None
    assert "no task succeeded" in found.reasons["cogs_usd_per_month"]
    assert even.price_usd is None
    assert {row.price_usd for row in even.price_for_margin} == {None}


def test_a_cost_of_nothing_is_no_divisor():
    terms = Terms(price_per_task=Decimal(1), tasks_per_month=Decimal(10), value_per_task=Decimal(1))
    found = margin(terms, Decimal(0), Decimal(0))
    assert found.value_per_usd_spent is None
    assert found.gross_margin == 1


@pytest.mark.parametrize(
    "terms",
    [
        Terms(price_per_task=Decimal(1), price_per_user_month=Decimal(1), tasks_per_user_month=Decimal(1)),
        Terms(price_per_user_month=Decimal(1)),
    ],
)
def test_terms_that_contradict_each_other(terms):
    with pytest.raises(UsageError):
        check(terms)
    assert check(Terms(price_per_task=Decimal(1))).price == 1
