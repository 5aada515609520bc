"""The physical form of an accelerator's step, and what a datasheet says of each of its terms.

Continuous batching works in steps. One step gives every running request one token and computes the prompts it
has just admitted. It costs a floor (launches, scheduler), the links between accelerators, reading the weights,
reading every running request's cache, the arithmetic of each sequence and that of each prompt: seven terms,
each a datasheet quantity times a coefficient that only measurements know.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchprof.models.paced.facts import BYTES_PER_PARAMETER, Accelerator, Model

USABLE_MEMORY_SHARE: Final = 0.9  # what serving engines take for weights and cache by default
MOST_SEQUENCES: Final = 256  # running at once; the default of the common engines
PROMPT_TOKENS_PER_STEP: Final = (
    8192  # admitted into one step; the default of the common engines on such hardware
)


@dataclass(frozen=True, slots=True)
class Setup:
    """A model on `count` accelerators, at a precision."""

    model: Model
    accelerator: Accelerator
    count: int
    precision: str

    @property
    def weight_bytes(self) -> float:
        """Bytes of all weights."""
        return self.model.parameters * BYTES_PER_PARAMETER[self.precision]

    @property
    def kv_bytes_per_token(self) -> float:
        """Bytes of cache per token: at bf16 as the weights are, else at fp8."""
        return self.model.kv_bytes_per_token * (1.0 if self.precision == "bf16" else 0.5)

    @property
    def kv_tokens(self) -> int:
        """How many tokens of cache fit beside the weights; negative when not even the weights fit."""
        usable = self.accelerator.memory_bytes * self.count * USABLE_MEMORY_SHARE
        return math.floor((usable - self.weight_bytes) / self.kv_bytes_per_token)

    @property
    def most_tokens(self) -> int:
        """How many tokens one request may have, prompt and answer: the model's context, if the cache holds it."""
        return min(self.kv_tokens, self.model.context_tokens)

    @property
    def active_share(self) -> float:
        """Share of the weights one token reads: 1 unless the model is a mixture of experts."""
        return min(1.0, self.model.active_parameters / self.model.parameters)

    @property
    def flop_per_s(self) -> float:
        """Dense peak at the precision; without such units the weights are widened and computed at bf16."""
        chip = self.accelerator
        native = {"fp8": chip.fp8_flop_per_s, "fp4": chip.fp4_flop_per_s}.get(self.precision)
        return (native or chip.bf16_flop_per_s) * self.count

    def unit_times(self) -> tuple[float, ...]:
        """Return what each of the seven terms would take by the datasheet, in seconds per unit of work.

        Source: roofline of a transformer step: 2 FLOP per active parameter and token, and 2 * layers * hidden
        per pair of tokens of a causal prompt; two reductions per layer over log2(N) hops.
        """
        bandwidth = self.accelerator.bandwidth_bytes_per_s * self.count
        per_token = 2 * self.model.active_parameters / self.flop_per_s
        per_pair = 2 * self.model.layers * self.model.hidden / self.flop_per_s
        links = 2 * self.model.layers * math.log2(self.count) * 1e-5
        return (
            1e-3,
            links,
            self.weight_bytes / bandwidth,
            self.kv_bytes_per_token / bandwidth,
            per_token,
            per_token,
            per_pair,
        )


@dataclass(frozen=True, slots=True)
class Steps:
    """How long a step of the batch takes; every coefficient is in seconds and none is negative.

    Attributes:
        floor_s: of any step.
        weights_s: reading all weights once.
        active_share: share of the weights that one token reads (1: a dense model).
        context_token_s: per token of running requests' cache.
        sequence_s: per running request.
        prompt_token_s: per prompt token.
        prompt_pair_s: per square of a prompt's length.
    """

    floor_s: float
    weights_s: float
    active_share: float
    context_token_s: float
    sequence_s: float
    prompt_token_s: float
    prompt_pair_s: float

    def base_s(self, tokens: float) -> float:
        """Return the part of a step that its tokens share: floor, links and the weights they touch."""
        return self.floor_s + self.weights_s * touched(self.active_share, tokens)

    def decode_s(self, running: float, context_tokens: float) -> float:
        """Return a step without prompts, for `running` requests with so many tokens of cache between them."""
        return self.base_s(running) + self.sequence_s * running + self.context_token_s * context_tokens

    def prompt_s(self, tokens: int) -> float:
        """Return what one prompt adds to a step."""
        return self.prompt_token_s * tokens + self.prompt_pair_s * tokens * tokens


def touched(active_share: float, tokens: float) -> float:
    """Return the share of the weights that at least one of `tokens` tokens reads, experts chosen evenly."""
    return 1.0 if active_share >= 1 else 1 - (1 - active_share) ** tokens


def steps_of(setup: Setup, weights: Sequence[float]) -> Steps:
    """Return the steps of a setup from the seven fitted coefficients."""
    floor, links, reading, cache, sequence, prompt, pair = (
        weight * unit for weight, unit in zip(weights, setup.unit_times(), strict=True)
    )
    return Steps(
        floor_s=floor + links,
        weights_s=reading,
        active_share=setup.active_share,
        context_token_s=cache,
        sequence_s=sequence,
        prompt_token_s=prompt,
        prompt_pair_s=pair,
    )
