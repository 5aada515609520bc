"""Parts: what a mean task costs, by what that cost follows when the task changes."""

from dataclasses import dataclass

from orchprof.economics.bill.bill import Bill
from orchprof.ledger.graph.columns import Bools


@dataclass(frozen=True, slots=True)
class Parts:
    """A mean task's cost now, in USD; None: unpriced, or no part of it.

    Attributes:
        cores_usd: reserved for as long as the task takes.
        memory_usd: held for as long as the task takes.
        accelerator_usd: self-hosted route: its share of the batch, follows the model's time.
        written_usd: API route: output tokens.
        read_usd: API route: input tokens.
        other_usd: tool calls and network.
    """

    cores_usd: float | None
    memory_usd: float | None
    accelerator_usd: float | None
    written_usd: float | None
    read_usd: float | None
    other_usd: float | None

    @property
    def held_usd(self) -> float | None:
        """Cores and memory; None where cores have no price."""
        return None if self.cores_usd is None else self.cores_usd + (self.memory_usd or 0.0)

    @property
    def model_usd(self) -> float | None:
        """The model's side, by either route; None where it has no price."""
        served = [usd for usd in (self.accelerator_usd, self.written_usd, self.read_usd) if usd is not None]
        return sum(served) if served else None

    @property
    def whole_usd(self) -> float | None:
        """All of it, tools and network as far as they have a price; None where cores or the model have none."""
        held, model = self.held_usd, self.model_usd
        return None if held is None or model is None else held + model + (self.other_usd or 0.0)


def parts_of(bill: Bill, rows: Bools | None = None) -> Parts:
    """Return a bill's mean task, the model's side as a whole or not at all.

    Args:
        bill: of a run.
        rows: (n,) of which tasks; all when None, or when there are none.
    """
    some = None if rows is None or not rows.any() else rows

    def mean(name: str) -> float | None:
        if some is None:
            usd = bill.per_task(name)
            return None if usd is None else float(usd)
        each = bill.parts[name].by_task
        return None if each is None else float(each[some].mean())

    served, token = mean("accelerator"), mean("token")
    priced = served is not None and token is not None
    paid = bill.parts["token"].usd
    written = float(bill.written / paid) * (token or 0.0) if bill.written is not None and paid else 0.0
    other = [usd for usd in (mean("tool"), mean("network")) if usd is not None]
    return Parts(
        cores_usd=mean("cpu_reserved"),
        memory_usd=mean("memory"),
        accelerator_usd=served if priced else None,
        written_usd=written if priced else None,
        read_usd=token - written if priced and token is not None else None,
        other_usd=sum(other) if other else None,
    )
