"""The accelerator's time where none is at hand: fitted to published rows, MODELLED, with its error band."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from orchprof.contract.explain import Regime
from orchprof.errors import ModelError
from orchprof.models.paced import facts, fit
from orchprof.models.paced.closed_loop import Load
from orchprof.models.paced.facts import Row
from orchprof.models.paced.fit import Band, Bands, Key
from orchprof.models.paced.steps import Setup, Steps, steps_of

ANY_ENGINE: Final = "any"
_COUNTS: Final = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Paced:
    """A setup whose times can be asked for, and what they stand on.

    Attributes:
        setup: model, accelerator, count, precision.
        engine: whose rows were used; "any" when there are none of this setup.
        steps: how long its steps take.
        rows: the published rows of this very setup.
        nearest: the other setup whose fit this one's is held to.
        bands: how far such a fit misses rows it was not shown, over this setup's lengths and concurrencies.
    """

    setup: Setup
    engine: str
    steps: Steps
    rows: tuple[Row, ...]
    nearest: Key | None
    bands: Bands

    @property
    def band(self) -> Band:
        """What to multiply a request's latency by, low and high, whatever the load: `bands_of` knows better."""
        return self.bands.total

    @property
    def cover(self) -> dict[str, tuple[int, int]]:
        """The ranges that the setup's own rows cover; empty without rows."""
        loads = [(row.input_tokens, row.output_tokens, row.concurrency) for row in self.rows]
        names = ("input_tokens", "output_tokens", "concurrency") if loads else ()
        return {name: (min(has), max(has)) for name, has in zip(names, zip(*loads, strict=True), strict=True)}

    def outside(self, load: Load) -> list[str]:
        """Return what of a load the setup's own rows do not cover, in words; empty without rows."""
        return [
            f"{name.replace('_', ' ')} {getattr(load, name)} outside {low}-{high}"
            for name, (low, high) in self.cover.items()
            if not low <= getattr(load, name) <= high
        ]

    def regime(self, load: Load) -> Regime:
        """`interpolated` between own rows, `extrapolated` beyond them, or `fitted` to other setups' rows."""
        if len(self.rows) < fit.COVERED_ROWS:
            return "fitted"
        return "extrapolated" if self.outside(load) else "interpolated"

    def bands_of(self, load: Load, ttft_s: float, after_s: float) -> Bands:
        """Return the bands of a load whose requests take so long to the first token and after it.

        Beyond the setup's own rows the unseen setups' errors count as well. The request's band is that of its two
        parts, weighted by their time.
        """
        ttft, tpot = self.bands.ttft, self.bands.tpot
        if self.regime(load) == "extrapolated":
            unseen_setups = fit.unseen_setups()
            ttft, tpot = _union(ttft, unseen_setups.ttft), _union(tpot, unseen_setups.tpot)
        low, high = ((a * ttft_s + b * after_s) / (ttft_s + after_s) for a, b in zip(ttft, tpot, strict=True))
        return Bands((low, high), ttft, tpot)


def _union(one: Band, other: Band) -> Band:
    return min(one[0], other[0]), max(one[1], other[1])


def setup_for(
    model: str, accelerator: str, count: int | None, precision: str | None, engine: str | None
) -> tuple[Setup, str]:
    """Return the setup and the engine, with what is None filled in: smallest published count, then most rows.

    The engine is `ANY_ENGINE`, whatever was asked for, where it has no rows.

    Args:
        model: a name in `facts.models()`.
        accelerator: a name in `facts.accelerators()`.
        count: how many accelerators.
        precision: a name in `facts.BYTES_PER_PARAMETER`.
        engine: an engine in the rows.

    Raises:
        ModelError: the model does not fit the accelerators' memory, whatever precision was left open.
    """
    asked = (model, accelerator, count, precision, engine)
    published = [row for row in facts.rows() if _agrees(row.setup, asked)]
    if published:
        fewest = min(row.count for row in published)
        setups = [row.setup for row in published if row.count == fewest]
        _, _, count, precision, engine = max(sorted(set(setups)), key=setups.count)
        return _fitting(model, accelerator, [count], [precision]), engine
    counts = [count] if count else _COUNTS
    precisions = [precision] if precision else list(facts.BYTES_PER_PARAMETER)
    return _fitting(model, accelerator, counts, precisions), ANY_ENGINE


@cache
def paced(setup: Setup, engine: str) -> Paced:
    """Return the times of a setup, fitted, with their bands."""
    key = (setup.model.name, setup.accelerator.name, setup.count, setup.precision, engine)
    own = tuple(row for row in facts.rows() if row.setup == key)
    near = fit.nearest(key, facts.rows())
    return Paced(setup, engine, steps_of(setup, fit.weights(key)), own, near, fit.bands(key))


def _fitting(model: str, accelerator: str, counts: Sequence[int], precisions: Sequence[str]) -> Setup:
    """Return the first setup that fits: widest precision first, then fewest accelerators."""
    shape, chip = facts.models()[model], facts.accelerators()[accelerator]
    setups = [Setup(shape, chip, count, precision) for precision in precisions for count in counts]
    for setup in setups:
        if setup.kv_tokens >= 1:
            return setup
    last = setups[-1]
    held = chip.memory_bytes * last.count / 2**30
    raise ModelError(
        f"{model} does not fit, {last.weight_bytes / 2**30:.0f} GiB of {last.precision} weights "
        f"@ {last.count} x {accelerator} with {held:.0f} GiB, use more accelerators or a smaller precision"
    )


def _agrees(setup: tuple[object, ...], asked: tuple[object, ...]) -> bool:
    return all(want is None or have == want for have, want in zip(setup, asked, strict=True))
