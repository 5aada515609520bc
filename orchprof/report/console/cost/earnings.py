"""The part of the cost for a terminal that says at what price and volume it earns, and why where it cannot say."""

from typing import Final

from orchprof.contract.cost import Cost
from orchprof.contract.economics import Margin
from orchprof.report import money, naming, text
from orchprof.report.money import usd

_NOT_ASKED: Final = "not asked"


def mark_of(record: Cost) -> str:
    """Return what marks an amount that modelled accelerator time is in; nothing where none is."""
    return naming.mark(record) if record.per_task.accelerator_usd else ""


def asks(record: Cost) -> bool:
    """Return whether anything was asked of price, volume, users, worth or cash."""
    margin, reasons = record.margin, record.margin.reasons
    cash = any(
        not reasons.get(name, "").startswith(_NOT_ASKED) for name in ("runway_months", "value_net_usd")
    )
    known = (margin.price_per_task_usd, margin.fixed_usd_per_month, margin.user_cost_usd_per_month)
    return cash or record.assumed.tasks_per_s_at_volume is not None or any(known)


def margin_said(record: Cost) -> str:
    """Return the contribution margin at the price, or what it takes to know it."""
    margin, reasons = record.margin, record.margin.reasons
    most = "at most " if record.at_least else ""
    if margin.contribution_margin is None:
        return reasons["contribution_margin"]
    said = f"{most}{mark_of(record)}{text.fine_share(margin.contribution_margin)} contribution margin, "
    return f"{said}{most}{usd(margin.contribution_usd)} per task at {usd(margin.price_per_task_usd)}"


def earns(record: Cost) -> list[str]:
    """Return the lines on price, volume, a month, users, worth and cash, as far as they were asked."""
    margin, even = record.margin, record.break_even
    lines = ["Unit economics", *text.labelled("  price", _price_said(record))]
    if margin.contribution_usd is not None:
        lines += text.labelled("  margin", f"{margin_said(record)}, before fixed cost")
    fixed, needed = margin.fixed_usd_per_month, even.tasks_per_month
    if fixed and needed is not None:
        lines += text.labelled(
            "  break-even",
            f"{money.count(needed)} tasks a month pay {usd(fixed)} of fixed cost, machines paid for as used",
        )
    elif fixed:
        lines += text.labelled(
            "  break-even", f"of {usd(fixed)} fixed cost: {even.reasons['tasks_per_month']}"
        )
    lines += _monthly(margin)
    return lines + _users(record) + _worth(margin) + _unanswered(margin)


def _unanswered(margin: Margin) -> list[str]:
    """Return why what was asked of a sum of cash has no answer."""
    lines = []
    for name, label in (("runway_months", "  runway"), ("payback_months", "  payback")):
        reason = margin.reasons.get(name, _NOT_ASKED)
        lines += [] if reason.startswith(_NOT_ASKED) else text.labelled(label, reason)
    return lines


def _price_said(record: Cost) -> str:
    even = record.break_even
    if even.price_usd is None:
        return even.reasons["price_usd"]
    at = ", ".join(f"{usd(point.price_usd)} for {point.margin:.0%}" for point in even.price_for_margin[1:])
    least = "at least " if record.at_least else ""
    said = f"break-even price {least}{mark_of(record)}{usd(even.price_usd)} a task; {least}{at} margin"
    if even.full_cost_price_usd is not None:
        said += f"; {least}{usd(even.full_cost_price_usd)} with fixed cost at this volume"
    return said


def _monthly(margin: Margin) -> list[str]:
    if margin.operating_usd_per_month is None:
        return []
    rows = [
        ("  a month", "", ""),
        ("  revenue", usd(margin.revenue_usd_per_month), ""),
        ("  cost of goods", usd(margin.cogs_usd_per_month), "whole machines, tokens, calls"),
        ("  gross profit", usd(margin.gross_usd_per_month), text.fine_share(margin.gross_margin)),
        (
            "  fixed cost",
            usd(margin.fixed_usd_per_month),
            "" if margin.fixed_usd_per_month else "none given",
        ),
        (
            "  operating profit",
            usd(margin.operating_usd_per_month),
            text.fine_share(margin.operating_margin),
        ),
    ]
    lines = ["", *text.columns(rows, "<><")]
    if margin.loss_per_usd_of_revenue:
        lines += text.labelled("  loss", f"{usd(margin.loss_per_usd_of_revenue)} per $1 of revenue")
    if margin.runway_months is not None:
        lines += text.labelled("  runway", f"the cash lasts {text.number(margin.runway_months)} months")
    return lines


def _users(record: Cost) -> list[str]:
    margin, even = record.margin, record.break_even
    if margin.user_cost_usd_per_month is None:
        return []
    said = f"costs {usd(margin.user_cost_usd_per_month)} a month"
    if margin.user_contribution_usd_per_month is not None:
        said += f" and brings {usd(margin.user_contribution_usd_per_month)} above that"
    if even.users is not None:
        said += f"; {money.count(even.users)} users pay the fixed cost"
    return text.labelled("  per user", said)


def _worth(margin: Margin) -> list[str]:
    if margin.value_net_usd is None:
        return []
    net = margin.value_net_usd
    said = f"{usd(abs(net))} {'below' if net < 0 else 'above'} its cost, "
    said += f"{text.number(margin.value_per_usd_spent)} per $1 spent"
    if margin.payback_months is not None:
        said += f"; the cash is back in {text.number(margin.payback_months)} months"
    return text.labelled("  value", f"a task is worth {said}")
