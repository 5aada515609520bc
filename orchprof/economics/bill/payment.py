"""Route: how a run's model calls are paid, by the accelerator's time or by tokens; one of the two, never both."""

from dataclasses import dataclass
from typing import Final, Literal

from orchprof.contract.run import ModelSide
from orchprof.errors import OrchprofError, UsageError
from orchprof.models.paced.timing import setup_for
from orchprof.models.spec import PacedSpec, parse

ACCELERATOR: Final = "accelerator"
TOKEN: Final = "token"  # noqa: S105  no secret: what a call is billed by
CPU: Final = "cpu"
NEITHER: Final = "none"
ROUTES: Final = ("auto", ACCELERATOR, TOKEN)
_NO_TIME: Final = (
    "the model takes no time by design; price its tokens with --token-model, or run it on another model"
)


@dataclass(frozen=True, slots=True)
class Route:
    """How every call of a run is paid.

    Attributes:
        kind: ACCELERATOR, TOKEN, CPU (this machine's cores computed the model), or NEITHER, which leaves them unpriced.
        accelerator: whose hours are paid, as in a model spec; None: not known, or not this route.
        model: whose tokens are paid, as `prices.tokens` takes it; None: as each call names it.
        reason: why nothing is priced, for NEITHER.
        count: how many accelerators in one machine serve the model, as far as the spec says.
    """

    kind: Literal["accelerator", "token", "cpu", "none"]
    accelerator: str | None = None
    model: str | None = None
    reason: str | None = None
    count: int = 1


def route_of(
    model: ModelSide,
    asked: str = "auto",
    accelerator: str | None = None,
    token_model: str | None = None,
) -> Route:
    """Return how the calls of a run are paid.

    A model that is served by accelerators of one's own (`paced:`, `torch:`) is paid by their time, one behind an
    address by its tokens, one on this machine's processors by their time, unless it is asked for otherwise.

    Args:
        model: `run.model` of orchprof.report/1.
        asked: one of ROUTES.
        accelerator: whose hours to pay where the spec does not say.
        token_model: whose tokens to pay instead of the run's own model's.

    Raises:
        UsageError: what is asked contradicts itself, or the spec.
    """
    spec = str(model.spec or "")
    if token_model and (asked == ACCELERATOR or accelerator):
        raise UsageError(f"two routes, {token_model!r} @ --token-model, pay accelerators or tokens, not both")
    if token_model or asked == TOKEN:
        return Route(TOKEN, model=token_model or _named(spec))
    served = spec.startswith(("paced:", "torch:"))
    if served or accelerator or asked == ACCELERATOR:
        whose, count = _whose(spec, accelerator)
        return Route(ACCELERATOR, accelerator=whose, count=count)
    if spec.startswith("llama:"):
        return Route(CPU)
    if spec == "zero":
        return Route(NEITHER, reason=_NO_TIME)
    return Route(TOKEN, model=_named(spec))


def _named(spec: str) -> str | None:
    """Return an address with its model: the host says whose price it is; None: each call names its own."""
    return spec if spec.startswith(("http:", "https:")) else None


def _whose(spec: str, accelerator: str | None) -> tuple[str | None, int]:
    """Return whose seconds they are, and how many of them serve the model together."""
    try:
        own = parse(spec)
        count = _count(own) if isinstance(own, PacedSpec) else 1
    except OrchprofError:  # written by another version: what it was is not known, what is asked holds
        return accelerator, 1
    served_by = own.accelerator if isinstance(own, PacedSpec) else None
    if accelerator and served_by and accelerator != served_by:
        raise UsageError(
            f"the run's seconds are those of {served_by}, {accelerator!r} @ --accelerator, run it on that model spec"
        )
    return accelerator or served_by, count


def _count(spec: PacedSpec) -> int:
    setup, _ = setup_for(spec.model, spec.accelerator, spec.count, spec.precision, spec.engine)
    return setup.count
