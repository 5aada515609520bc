"""Options: what somebody wants to know of a run's cost, and on what terms."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from orchprof.economics.margin import Terms


@dataclass(frozen=True, slots=True)
class Options:
    """What to price a run by; everything has a default.

    Attributes:
        machines: the one whose cores and memory the agent holds, the book's default where none is named, and the one
            that has the accelerators, the cheapest offer where none is named.
        route: `auto`, `accelerator` or `token`.
        accelerator: whose hours are paid where the run's model spec does not say.
        token_model: whose tokens are paid instead of the run's own model's.
        utilisation: the share of the accelerator's paid time in which it serves, above 0, at most 1.
        terms: of the sale.
        tornado: ask how far each input moves the cost.
        monte_carlo: so many draws of all inputs; None: do not ask.
        market: ask what the measured ratio of cores to accelerators would mean for the market.
        ranges: `NAME=LOW:HIGH` in place of default ranges.
        assume: `NAME=VALUE` in place of the market's assumptions.
        slos: limits of latency that hold at the volume that is sold: which share of tasks keeps each, or None for the
            mean, and its seconds.
        bill_only: no machines for a load and nothing to fix: what a table of several runs has no room for.
        today: the day prices are looked at; None: today.
    """

    machines: Sequence[str] = ()
    route: str = "auto"
    accelerator: str | None = None
    token_model: str | None = None
    utilisation: Decimal = Decimal(1)
    terms: Terms = field(default_factory=Terms)
    tornado: bool = False
    monte_carlo: int | None = None
    market: bool = False
    ranges: Sequence[str] = ()
    assume: Sequence[str] = ()
    slos: Sequence[tuple[float | None, float]] = ()
    bill_only: bool = False
    today: date | None = None

    @property
    def slo_s(self) -> float | None:
        """The longest latency that is still in time; None: any."""
        return max((most_s for _, most_s in self.slos), default=None)
