"""Margin: at which price and volume a task earns; contribution, gross and operating margin are kept apart."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from orchprof.contract.economics import BreakEven, Load, Margin, PriceForMargin
from orchprof.economics.answers import Answer, amounts, reasons
from orchprof.errors import UsageError

MARGINS: Final = (Decimal("0.3"), Decimal("0.5"), Decimal("0.7"), Decimal("0.8"))
NO_SUCCESS: Final = "no task succeeded, so that none has a cost"
_NO_PRICE: Final = "no price: give --price-per-task, or --price-per-user-month and --tasks-per-user-month"
NO_VOLUME: Final = "no volume: give --tasks-per-month"
_NO_FIXED: Final = "no fixed cost: give --fixed-per-month"
_NO_USERS: Final = "no users: give --tasks-per-user-month"
_NO_VALUE: Final = "not asked: give --value-per-task"
_NO_CASH: Final = "not asked: give --cash"
_NEVER: Final = "each one loses money: no number of them pays it"


@dataclass(frozen=True, slots=True)
class Terms:
    """What is sold and on what terms, in USD; None: not said.

    A task here is one that succeeds: only those are sold, and those that fail are in their cost.
    """

    price_per_task: Decimal | None = None
    tasks_per_month: Decimal | None = None
    price_per_user_month: Decimal | None = None
    tasks_per_user_month: Decimal | None = None
    value_per_task: Decimal | None = None
    fixed_per_month: Decimal | None = None
    cash: Decimal | None = None

    @property
    def price(self) -> Decimal | None:
        """What a successful task brings."""
        if self.price_per_user_month is not None and self.tasks_per_user_month:
            return self.price_per_user_month / self.tasks_per_user_month
        return self.price_per_task


def check(terms: Terms) -> Terms:
    """Return the terms.

    Raises:
        UsageError: they contradict each other, or a price per user lacks how much a user does.
    """
    if terms.price_per_user_month is None:
        return terms
    if terms.price_per_task is not None:
        raise UsageError(
            "two prices, --price-per-task and --price-per-user-month @ cost, sell by the task or by the user"
        )
    if terms.tasks_per_user_month is None:
        raise UsageError(
            f"a price per user alone, {terms.price_per_user_month} @ --price-per-user-month, "
            "say how much a user does with --tasks-per-user-month"
        )
    return terms


def margin(
    terms: Terms, per_success: Answer | None, cogs_per_month: Answer | None, cost_at: Load = "measured"
) -> Margin:
    """Return what is earned, counted in Decimal; None with its reason under `reasons`.

    `contribution` is price less what one more success uses; `gross_margin` takes off machines and accelerators
    bought whole, idle ones too; `operating` the fixed cost as well.

    Args:
        terms: of the sale.
        per_success: what a successful task costs; None: none succeeded; in words why it is not known.
        cogs_per_month: what whole machines and calls cost at the volume; None without a volume.
        cost_at: the load at which a successful task costs so much.

    Source: contribution margin = price - variable cost; gross margin = (revenue - cost of goods) / revenue;
    operating income = revenue - cost of goods - fixed cost.
    """
    price = _known(terms.price, _NO_PRICE)
    cost = _known(per_success, NO_SUCCESS)
    revenue = _times(price, _known(terms.tasks_per_month, NO_VOLUME))
    cogs = _known(cogs_per_month, NO_VOLUME if terms.tasks_per_month is None else NO_SUCCESS)
    contribution, gross = _less(price, cost), _less(revenue, cogs)
    operating = _less(gross, terms.fixed_per_month or Decimal(0))
    answers: dict[str, Answer] = {
        "price_per_task_usd": price,
        "cost_per_success_usd": cost,
        "contribution_usd": contribution,
        "contribution_margin": _over(contribution, price),
        "revenue_usd_per_month": revenue,
        "cogs_usd_per_month": cogs,
        "gross_usd_per_month": gross,
        "gross_margin": _over(gross, revenue),
        "fixed_usd_per_month": terms.fixed_per_month or Decimal(0),
        "operating_usd_per_month": operating,
        "operating_margin": _over(operating, revenue),
        "loss_per_usd_of_revenue": _loss(operating, revenue),
        **_user(terms, cost),
        **_value(terms, cost),
        "runway_months": _runway(terms.cash, operating),
    }
    return Margin(**amounts(answers), reasons=reasons(answers), cost_at=cost_at)


def break_even(terms: Terms, per_success: Answer | None) -> BreakEven:
    """Return from where on it earns, counted in Decimal; None with its reason under `reasons`.

    `price_usd` is where the contribution is 0, `full_cost_price_usd` where the fixed cost at the volume is paid too,
    `price_for_margin` the price of each contribution margin; `tasks_per_month` and `users` pay the fixed cost.

    Source: price = c; price for margin m = c / (1 - m); volume = fixed / (price - c).
    """
    cost = _known(per_success, NO_SUCCESS)
    fixed = _known(terms.fixed_per_month, _NO_FIXED)
    contribution = _less(_known(terms.price, _NO_PRICE), cost)
    tasks = _up(_pays(fixed, contribution))
    user = _user(terms, cost)["user_contribution_usd_per_month"]
    answers: dict[str, Answer] = {
        "price_usd": cost,
        "full_cost_price_usd": _plus(cost, _over(fixed, _known(terms.tasks_per_month, NO_VOLUME))),
        "tasks_per_month": tasks,
        "users": _up(_pays(fixed, user)),
    }
    wanted = [
        PriceForMargin(
            margin=float(share), price_usd=None if isinstance(cost, str) else float(cost / (1 - share))
        )
        for share in MARGINS
    ]
    return BreakEven(**amounts(answers), reasons=reasons(answers), price_for_margin=wanted)


def _user(terms: Terms, cost: Answer) -> dict[str, Answer]:
    """Return what one more user costs and brings in a month."""
    each = _known(terms.tasks_per_user_month, _NO_USERS)
    uses = _times(cost, each)
    pays = terms.price_per_user_month
    brings: Answer = _times(_known(terms.price, _NO_PRICE), each) if pays is None else pays
    return {"user_cost_usd_per_month": uses, "user_contribution_usd_per_month": _less(brings, uses)}


def _value(terms: Terms, cost: Answer) -> dict[str, Answer]:
    """Return what a task that is worth so much brings, and how soon that pays back the cash put in."""
    value = _known(terms.value_per_task, _NO_VALUE)
    net = _less(value, cost)
    monthly = _less(
        _times(net, _known(terms.tasks_per_month, NO_VOLUME)), terms.fixed_per_month or Decimal(0)
    )
    back = _pays(_known(terms.cash, _NO_CASH), monthly, "a month brings less than it costs: never")
    return {"value_net_usd": net, "value_per_usd_spent": _over(value, cost), "payback_months": back}


def _runway(cash: Decimal | None, operating: Answer) -> Answer:
    if cash is None:
        return _NO_CASH
    if isinstance(operating, str):
        return operating
    return cash / -operating if operating < 0 else "it makes no loss: the cash lasts"


def _loss(operating: Answer, revenue: Answer) -> Answer:
    share = _over(operating, revenue)
    return share if isinstance(share, str) else max(-share, Decimal(0))


def _pays(sum_usd: Answer, gain: Answer, never: str = _NEVER) -> Answer:
    """Return how many gains pay a sum; there is no such number where a gain is none."""
    if isinstance(gain, str) or isinstance(sum_usd, str):
        return sum_usd if isinstance(sum_usd, str) else gain
    return sum_usd / gain if gain > 0 else never


def _known(value: Answer | None, reason: str) -> Answer:
    return reason if value is None else value


def _less(a: Answer, b: Answer) -> Answer:
    return _first(a, b) or a - b  # type: ignore[operator]


def _plus(a: Answer, b: Answer) -> Answer:
    return _first(a, b) or a + b  # type: ignore[operator]


def _times(a: Answer, b: Answer) -> Answer:
    return _first(a, b) or a * b  # type: ignore[operator]


def _over(a: Answer, b: Answer) -> Answer:
    if b == 0:
        return "it would be a share of nothing"
    return _first(a, b) or a / b  # type: ignore[operator]


def _first(*answers: Answer) -> str | None:
    """Return the first reason among some answers; None where all are amounts."""
    return next((answer for answer in answers if isinstance(answer, str)), None)


def _up(number: Answer) -> Answer:
    return number if isinstance(number, str) else number.to_integral_value(ROUND_CEILING)
