"""Where a model's time comes from: the interface of the three time sources, and the one that takes none."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from orchprof.models import script


@dataclass(frozen=True, slots=True)
class Work:
    """One answer to be computed: so many tokens after a prompt; `stream` asks to hear of every token."""

    prompt: str
    prompt_tokens: int
    output_tokens: int
    stream: bool


@dataclass(frozen=True, slots=True)
class Spent:
    """Where a finished request's time went, in seconds; no accelerator, no accelerator_s."""

    queue_s: float
    prefill_s: float
    decode_s: float
    accelerator_s: float | None = None
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """`tokens` tokens of the answer exist now; `spent` comes with the last."""

    tokens: int
    spent: Spent | None = None


class TooLongError(ValueError):
    """The prompt and its answer do not fit the model."""


class Source(Protocol):
    """A time source: counts tokens, and gives an answer's tokens at the times they exist."""

    provenance: str

    async def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        ...

    def check(self, prompt_tokens: int, output_tokens: int) -> None:
        """Raise TooLongError when such a request can never run."""
        ...

    def generate(self, work: Work) -> AsyncIterator[Progress]:
        """Yield progress as it happens; the last one carries `spent`."""
        ...


class ZeroSource:
    """A model that takes no time: what is left is everybody else's."""

    provenance = "measured"  # what little it takes, it takes here

    async def count(self, text: str) -> int:
        """Return the estimate that `script.COUNTING` states."""
        return script.count_tokens(text)

    def check(self, prompt_tokens: int, output_tokens: int) -> None:
        """Accept any length."""

    async def generate(self, work: Work) -> AsyncIterator[Progress]:
        """Yield everything at once."""
        yield Progress(work.output_tokens, Spent(0.0, 0.0, 0.0, 0.0))
