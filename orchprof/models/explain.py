"""What a model spec means and how long it says a request takes: the `orchprof.explain/1` record."""

from typing import Final

from orchprof import errors
from orchprof.contract.explain import Explain
from orchprof.contract.explain import Setup as SetupRow
from orchprof.contract.run import Provenance
from orchprof.models import script
from orchprof.models.paced.closed_loop import Load, play, seconds
from orchprof.models.paced.fit import Key
from orchprof.models.paced.steps import Setup
from orchprof.models.paced.timing import Paced, paced, setup_for
from orchprof.models.spec import HttpSpec, LlamaSpec, PacedSpec, ZeroSpec, parse


def explain(spec: str, input_tokens: int, output_tokens: int, concurrency: int) -> Explain:
    """Return the record: mean TTFT and TPOT in a closed loop that starts with a burst, and their source.

    Times are None where nothing is modelled: the request's own clock will say. One output token has no TPOT.

    Raises:
        UsageError: the spec is not understood, or a number is below 1.
        ModelError: the model does not fit the accelerator, or the request its memory.
    """
    load = Load(input_tokens, output_tokens, concurrency)
    if min(input_tokens, output_tokens, concurrency) < 1:
        raise errors.UsageError(f"tokens and concurrency start at 1, {load} @ explain, give larger ones")
    parsed = parse(spec)
    if isinstance(parsed, PacedSpec):
        return _paced(parsed, load)
    return _EXPLAINED[type(parsed)](spec)


def service_s(explained: Explain, output_tokens: int) -> float:
    """Return how long a request of so many tokens takes by an explain record."""
    after = (explained.tpot_ms or 0.0) * (output_tokens - 1)
    return ((explained.ttft_ms or 0.0) + after) / 1e3


def resolve(spec: PacedSpec) -> Paced:
    """Return the modelled accelerator of a spec, what it left out filled in."""
    return paced(*setup_for(spec.model, spec.accelerator, spec.count, spec.precision, spec.engine))


def _paced(spec: PacedSpec, load: Load) -> Explain:
    model = resolve(spec)
    _refuse_too_long(spec, model.setup, load)
    means = play(model.setup, load)
    ttft_s = seconds(model.steps, means.ttft)
    tpot_s = None if means.tpot is None else seconds(model.steps, means.tpot)
    bands = model.bands_of(load, ttft_s, (tpot_s or 0.0) * (load.output_tokens - 1))
    notes = _notes(spec, model, load)
    return Explain(
        spec=spec.text,
        ttft_ms=ttft_s * 1e3,
        tpot_ms=None if tpot_s is None else tpot_s * 1e3,
        band=bands.total,
        source="; ".join([_source(model), *notes]),
        provenance="modelled",
        ttft_band=bands.ttft,
        tpot_band=bands.tpot,
        band_means="published / predicted, p10 and p90, predicted rows left out of the fit",
        regime=model.regime(load),
        notes=notes,
        rows_used=len(model.rows),
        rows_cover=model.cover or None,
        nearest=None if model.nearest is None else _named(model.nearest),
        setup=_chosen(spec, model.setup, model.engine),
        kv_tokens=model.setup.kv_tokens,
        most_tokens=model.setup.most_tokens,
        prompt_caching="not modelled",
        token_counting=script.COUNTING,
    )


def _refuse_too_long(spec: PacedSpec, setup: Setup, load: Load) -> None:
    if load.input_tokens + load.output_tokens > setup.most_tokens:
        raise errors.ModelError(
            f"request does not fit, {load.input_tokens} + {load.output_tokens} tokens @ {spec.text} with room "
            f"for {setup.most_tokens}, use fewer tokens, more accelerators or a model with a longer context"
        )


def _chosen(spec: PacedSpec, setup: Setup, engine: str) -> SetupRow:
    """Return the setup; under `defaults` the parts that the spec left out."""
    asked = {"count": spec.count, "precision": spec.precision, "engine": spec.engine}
    left_out = [name for name, value in asked.items() if value is None]
    return SetupRow(
        model=setup.model.name,
        accelerator=setup.accelerator.name,
        count=setup.count,
        precision=setup.precision,
        engine=engine,
        defaults=left_out,
    )


def _notes(spec: PacedSpec, model: Paced, load: Load) -> list[str]:
    """Return what a reader has to know before believing the times, a sentence each."""
    notes = []
    if model.regime(load) == "extrapolated":
        notes.append(f"extrapolated: {', '.join(model.outside(load))} of the rows")
    if spec.engine not in (None, model.engine):
        notes.append(f"engine {spec.engine} ignored: no published rows of it for this setup")
    return notes


def _source(model: Paced) -> str:
    if not model.rows:
        near = "all rows" if model.nearest is None else f"the rows of {_named(model.nearest)}"
        return f"no published rows of this setup: fitted to {near}, scaled by datasheets"
    origins = sorted({row.source.split(" id=")[0] for row in model.rows})
    dates = sorted({row.source_date for row in model.rows if row.source_date})
    dated = f" ({' to '.join(dict.fromkeys((dates[0], dates[-1])))})" if dates else ""
    return f"{len(model.rows)} published rows of this setup: {'; '.join(origins)}{dated}"


def _named(key: Key) -> str:
    """Return a setup as a spec."""
    model, accelerator, count, precision, engine = key
    return f"paced:{model}@{accelerator}x{count}:{precision}/{engine}"


def _zero(spec: str) -> Explain:
    return Explain(
        spec=spec,
        ttft_ms=0.0,
        tpot_ms=0.0,
        band=(1.0, 1.0),
        source="a model that takes no time",
        provenance="measured",
        token_counting=script.COUNTING,
    )


def _llama(spec: str) -> Explain:
    return _untimed(spec, "measured", "computed on this machine by llama.cpp, its clock read per request")


def _http(spec: str) -> Explain:
    return _untimed(
        spec, "reported", "what the server's replies report of themselves, else the client's view only"
    )


def _untimed(spec: str, provenance: Provenance, source: str) -> Explain:
    return Explain(spec=spec, ttft_ms=None, tpot_ms=None, band=None, source=source, provenance=provenance)


_EXPLAINED: Final = {ZeroSpec: _zero, LlamaSpec: _llama, HttpSpec: _http}
