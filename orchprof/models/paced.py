"""The accelerator's time where none is at hand: fitted to published rows, MODELLED, with its error band.

All rows give seven coefficients once; the rows of the very setup asked for (same model, accelerator, count,
precision, engine) then pull them towards itself, so a setup with many rows is interpolated and one with none
keeps the common fit. The band is how far such a fit misses rows that it was not shown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from orchprof.errors import ModelError
from orchprof.models import facts
from orchprof.models.facts import Row
from orchprof.models.nnls import Normal
from orchprof.models.steps import MOST_SEQUENCES, Setup, Steps, steps_of, touched

# How firmly a setup's own fit is held to the common one: a coefficient 20 times its common value away counts
# as much as one row missed by its whole value. It has the least leave-one-out error over the table.
PRIOR: Final = 0.05
SMALLEST_SCALE: Final = 0.2  # of a coefficient that the common fit found to be 0
COVERED_ROWS: Final = 5  # with fewer of its own rows a setup counts as fitted, not interpolated
BAND_PERCENTILES: Final = (0.1, 0.9)
_TERMS: Final = 7
Band = tuple[float, float]
Bands = tuple[Band, Band, Band]
_COUNTS: Final = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Paced:
    """A setup whose times can be asked for, and what they stand on.

    Attributes:
        setup: model, accelerator, count, precision.
        engine: whose rows were used; "any" when there are none of this setup.
        steps: how long its steps take.
        rows: the published rows of this very setup.
        band: what to multiply a modelled request's latency by, low and high: 10th and 90th percentile of
            published / predicted, each row left out of the fit that predicts it; 1 is always inside.
        ttft_band: the same of the time to first token, which carries the load generators' bursts.
        tpot_band: the same of the time per output token.
    """

    setup: Setup
    engine: str
    steps: Steps
    rows: tuple[Row, ...]
    band: Band
    ttft_band: Band
    tpot_band: Band

    @property
    def regime(self) -> str:
        """`interpolated` between this setup's own rows, or `fitted` over everybody's."""
        return "interpolated" if len(self.rows) >= COVERED_ROWS else "fitted"


@dataclass(frozen=True, slots=True)
class Load:
    """A steady closed loop: `concurrency` clients that each send the next request as the last one ends."""

    input_tokens: int
    output_tokens: int
    concurrency: int


def setup_for(
    model: str, accelerator: str, count: int | None, precision: str | None, engine: str | None
) -> tuple[Setup, str]:
    """Return the setup and the engine, with what is None filled in: smallest published count, then most rows.

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
    return _fitting(model, accelerator, counts, precisions), engine or "any"


def paced(setup: Setup, engine: str) -> Paced:
    """Return the times of a setup, fitted, with their bands."""
    own = tuple(row for row in facts.rows() if row.setup == _key(setup, engine))
    total, ttft, tpot = bands(setup, own)
    return Paced(setup, engine, fit(setup, own), own, total, ttft, tpot)


def fit(setup: Setup, own: Sequence[Row]) -> Steps:
    """Return the steps of a setup: the common coefficients, moved by its own rows (which may be none)."""
    return steps_of(setup, _shrunk(setup, own).solve())


def bands(setup: Setup, own: Sequence[Row]) -> Bands:
    """Return the bands of request latency, TTFT and TPOT: p10 and p90 of published / predicted, 1 inside.

    With at least `COVERED_ROWS` own rows each one is predicted by a fit that did not see it. Otherwise it is
    how far the common fit misses a model on an accelerator of which it saw no row at all.
    """
    if len(own) < COVERED_ROWS:
        return strangers_bands()
    equations = _shrunk(setup, own)
    ratios = []
    for row in own:
        features = _features(setup, row)
        equations.add(features, 1.0, -1.0)
        ratios.append(_ratios(setup, steps_of(setup, equations.solve()), row))
        equations.add(features, 1.0)
    return _percentiles(ratios)


@cache
def strangers_bands() -> Bands:
    """Return the common fit's bands over pairs of model and accelerator, each pair left out of the fit."""
    ratios = []
    for pair in sorted({(row.model, row.accelerator) for row in facts.rows()}):
        theirs = [row for row in facts.rows() if (row.model, row.accelerator) == pair]
        weights = _common(row for row in facts.rows() if (row.model, row.accelerator) != pair).solve()
        ratios += [_ratios(_setup_of(row), steps_of(_setup_of(row), weights), row) for row in theirs]
    return _percentiles(ratios)


@cache
def common_weights() -> tuple[float, ...]:
    """Return the seven coefficients with the least squared relative error of TPOT over all rows."""
    return tuple(_common(facts.rows()).solve())


def steady(setup: Setup, steps: Steps, load: Load) -> tuple[float, float]:
    """Return TTFT and TPOT in seconds in a steady closed loop, requests out of step with each other.

    A prompt waits out the running step (longer steps are hit more often), then shares the next one with the
    prompts that came meanwhile. More clients than fit wait their turn, by Little's law.
    """
    running = _running(setup, load)
    context = running * (load.input_tokens + load.output_tokens / 2)
    plain_s = steps.decode_s(running, context)
    prompt_s = steps.prompt_s(load.input_tokens)
    others = (running - 1) / load.output_tokens  # prompts of the other requests, per step
    tpot_s = plain_s + others * prompt_s
    holding = min(1.0, others)
    mean_square = (1 - holding) * plain_s**2 + holding * (plain_s + prompt_s) ** 2
    residual_s = mean_square / (2 * (plain_s + holding * prompt_s)) if running > 1 else 0.0
    together = others / tpot_s * 2 * residual_s
    ttft_s = residual_s + plain_s + prompt_s * (1 + together)
    served_s = ttft_s + (load.output_tokens - 1) * tpot_s
    return ttft_s + max(0.0, load.concurrency / running - 1) * served_s, tpot_s


def _running(setup: Setup, load: Load) -> float:
    fits = setup.kv_tokens / (load.input_tokens + load.output_tokens)
    return max(1.0, min(load.concurrency, fits, MOST_SEQUENCES))


def _common(rows: Iterable[Row]) -> Normal:
    equations = Normal(_TERMS)
    for row in rows:
        equations.add(_features(_setup_of(row), row), 1.0)
    return equations


def _shrunk(setup: Setup, own: Iterable[Row]) -> Normal:
    equations = Normal(_TERMS)
    for row in own:
        equations.add(_features(setup, row), 1.0)
    for term, common in enumerate(common_weights()):
        scale = PRIOR / max(common, SMALLEST_SCALE)
        equations.add([scale if i == term else 0.0 for i in range(_TERMS)], scale * common)
    return equations


def _features(setup: Setup, row: Row) -> list[float]:
    """Return each term's datasheet time in one step of the row's load, over the row's TPOT."""
    running = _running(setup, Load(row.input_tokens, row.output_tokens, row.concurrency))
    prompts = running / row.output_tokens
    work = (
        1.0,
        1.0,
        touched(setup.active_share, running),
        running * (row.input_tokens + row.output_tokens / 2),
        running,
        prompts * row.input_tokens,
        prompts * row.input_tokens**2,
    )
    return [unit * done / row.tpot_s for unit, done in zip(setup.unit_times(), work, strict=True)]


def _ratios(setup: Setup, steps: Steps, row: Row) -> tuple[float, float, float]:
    load = Load(row.input_tokens, row.output_tokens, row.concurrency)
    ttft_s, tpot_s = steady(setup, steps, load)
    total_s = ttft_s + (row.output_tokens - 1) * tpot_s
    return row.total_s / total_s, row.ttft_s / ttft_s, row.tpot_s / tpot_s


def _percentiles(ratios: Sequence[tuple[float, float, float]]) -> Bands:
    total, ttft, tpot = (_band(sorted(column)) for column in zip(*ratios, strict=True))
    return total, ttft, tpot


def _band(ordered: Sequence[float]) -> Band:
    low, high = BAND_PERCENTILES
    return min(1.0, _percentile(ordered, low)), max(1.0, _percentile(ordered, high))


def _percentile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


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


def _setup_of(row: Row) -> Setup:
    return Setup(facts.models()[row.model], facts.accelerators()[row.accelerator], row.count, row.precision)


def _key(setup: Setup, engine: str) -> tuple[str, str, int, str, str]:
    return setup.model.name, setup.accelerator.name, setup.count, setup.precision, engine
