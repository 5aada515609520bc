"""Pace: how much longer each of a run's model calls would take on another accelerator, or with others beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import pandas as pd

from orchprof.contract.explain import Explain
from orchprof.errors import OrchprofError
from orchprof.ledger.calls import refused
from orchprof.ledger.graph.columns import Floats, Ints, indices, ints
from orchprof.ledger.graph.task_graph import TaskGraph
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.labels import CODES, LABELS
from orchprof.models.explain import explain, service_s
from orchprof.models.spec import PacedSpec, ZeroSpec, parse

_FIRST: Final = [CODES["model", "queue"], CODES["model", "prefill"]]
_AFTER: Final = [CODES["model", "decode"]]
_UNTOLD: Final = [CODES["model", "off"]]
_AROUND: Final = [CODES["model", "net"], CODES["model", "frontend"]]
_DIGITS: Final = 2  # of token counts: calls that are about as long share one look-up
Ratios = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Pace:
    """What a run's calls are multiplied by.

    Attributes:
        spec: where they would run.
        ratio: (n, 4) of each call: until its first token, after it, of the network and front end around it, and of
            the whole, which is that of calls whose server said nothing.
        strand: (n,) the calls' remote strands.
        band: of the whole, low and high, 1 being what the spec says; None where the accelerator is the run's own.
        regime: what the modelled time rests on.
        in_flight: how many calls the model was given at a time.
    """

    spec: str
    ratio: Floats
    strand: Ints
    band: tuple[float, float] | None
    regime: str | None
    in_flight: int

    def apply(self, graph: TaskGraph, ns: Floats, factor: float = 1.0) -> Floats:
        """Return times of pieces under their labels (P, SLOTS) with the model's multiplied, and by a factor more."""
        row = indices(self.strand, graph.strands.id)[graph.pieces.strand]
        table = np.ones((len(self.strand) + 1, len(LABELS)))
        for column, labels in enumerate((_FIRST, _AFTER, _AROUND, _UNTOLD)):
            table[:-1, labels] = self.ratio[:, column, None] * factor
        return np.asarray(ns * table[row[:, None], graph.pieces.label])


def pace(tables: Tables, own: str, spec: str | None, more: float = 1.0) -> Pace:
    """Return how the run's calls would be paced: each by its own tokens, as the model of their time has it.

    Queue and prefill change with the time to the first token, decode with the time after it; the network and the
    server's front end stay. Of a run whose model time was not paced, each call takes what the spec says, all in all.

    Args:
        tables: of the run.
        own: the spec that the run had.
        spec: where the calls would run; the run's own when None.
        more: how many times as many calls there would be at a time.

    Raises:
        UsageError: the spec is not understood.
        OrchprofError: the model of the spec is not paced, no call was made, or its tokens are not known.
    """
    there = spec or own
    calls = _calls(tables)
    asked = parse(there)
    in_flight = max(1, round(_in_flight(calls)))
    strand = ints(calls["strand"])
    if isinstance(asked, ZeroSpec):
        nothing = np.tile([0.0, 0.0, 1.0, 0.0], (len(strand), 1))
        return Pace(there, nothing, strand, None, None, in_flight)
    if not isinstance(asked, PacedSpec):
        raise OrchprofError(
            f"its times are not known before it runs, {there!r} @ --model, measure it with `orchprof bench --model`"
        )
    tokens = _tokens(calls)
    base = _explained(own, in_flight) if _is_paced(own) else None
    other = _explained(there, max(1, round(in_flight * more)))
    took = (ints(calls["end_ns"]) - ints(calls["sent_ns"])).tolist()
    ratio = [
        _ratio(other(*pair), pair[1], base(*pair) if base else None, ns)
        for pair, ns in zip(tokens, took, strict=True)
    ]
    typical = other(*_about(np.mean(tokens, axis=0).tolist()))
    band = None if there == own else typical.band
    return Pace(there, np.array(ratio), strand, band, typical.regime or None, in_flight)


def _is_paced(spec: str) -> bool:
    return spec.startswith("paced:") and isinstance(parse(spec), PacedSpec)


def _calls(tables: Tables) -> pd.DataFrame:
    calls = tables["model_calls"]
    calls = calls[calls["end_ns"].notna() & ~refused(calls)]
    if not len(calls):
        raise OrchprofError("no model was asked, 0 calls @ --model, there is no time of it to change")
    return calls


def _in_flight(calls: pd.DataFrame) -> float:
    """Return how many calls were open at a time, in the mean over the time in which any was."""
    start, end = ints(calls["sent_ns"]), ints(calls["end_ns"])
    order = np.argsort(start)
    start, end = start[order], end[order]
    until = np.maximum.accumulate(end)
    covered = np.maximum(end - np.maximum(start, np.append(start[0], until[:-1])), 0).sum()
    return float((end - start).sum() / max(covered, 1))


def _tokens(calls: pd.DataFrame) -> list[tuple[int, int]]:
    counts = calls[["input_tokens", "output_tokens"]]
    if counts.isna().any(axis=None):
        raise OrchprofError(
            "tokens of some calls are not known, null @ model_calls, use a server that reports them"
        )
    return [_about(pair) for pair in counts.to_numpy(dtype="int64").tolist()]


def _about(pair: list[float]) -> tuple[int, int]:
    first, second = (round(n, _DIGITS - len(str(round(n)))) if n >= 1 else 1 for n in pair)
    return max(1, int(first)), max(1, int(second))


def _explained(spec: str, in_flight: int) -> Callable[[int, int], Explain]:
    @cache
    def explained(input_tokens: int, output_tokens: int) -> Explain:
        return explain(spec, input_tokens, output_tokens, in_flight)

    return explained


def _ratio(other: Explain, tokens: int, base: Explain | None, took_ns: int) -> Ratios:
    if base is None:
        whole = service_s(other, tokens) * 1e9 / max(took_ns, 1)
        return whole, whole, whole, whole
    after = other.tpot_ms / base.tpot_ms if other.tpot_ms and base.tpot_ms else 1.0
    whole = service_s(other, tokens) / service_s(base, tokens)
    return (other.ttft_ms or 0.0) / (base.ttft_ms or 1.0), after, 1.0, whole
