"""What a model spec means and how long it says a request takes: the `orchprof.explain/1` record."""

from typing import Any, Final

from orchprof import errors
from orchprof.models import script
from orchprof.models.paced import Load, Paced, paced, setup_for, steady
from orchprof.models.spec import HttpSpec, LlamaSpec, PacedSpec, ZeroSpec, parse
from orchprof.models.steps import Setup

SCHEMA: Final = "orchprof.explain/1"


def explain(spec: str, input_tokens: int, output_tokens: int, concurrency: int) -> dict[str, Any]:
    """Return the record: TTFT and TPOT in a steady closed loop of `concurrency` requests, and their source.

    Times are None where nothing is modelled: the request's own clock will say.

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


def resolve(spec: PacedSpec) -> Paced:
    """Return the modelled accelerator of a spec, what it left out filled in."""
    return paced(*setup_for(spec.model, spec.accelerator, spec.count, spec.precision, spec.engine))


def _paced(spec: PacedSpec, load: Load) -> dict[str, Any]:
    model = resolve(spec)
    setup = model.setup
    if load.input_tokens + load.output_tokens > setup.kv_tokens:
        raise errors.ModelError(
            f"request does not fit, {load.input_tokens} + {load.output_tokens} tokens @ {spec.text} with room "
            f"for {setup.kv_tokens}, use more accelerators or fewer tokens"
        )
    ttft_s, tpot_s = steady(setup, model.steps, load)
    return _record(spec.text, "modelled", _source(model)) | {
        "ttft_ms": ttft_s * 1e3,
        "tpot_ms": tpot_s * 1e3,
        "band": list(model.band),
        "ttft_band": list(model.ttft_band),
        "tpot_band": list(model.tpot_band),
        "band_means": "published / predicted, p10 and p90, predicted rows left out of the fit",
        "regime": model.regime,
        "rows_used": len(model.rows),
        "rows_cover": _cover(model),
        "setup": _chosen(spec, setup, model.engine),
        "kv_tokens": setup.kv_tokens,
        "prompt_caching": "not modelled",
        "token_counting": script.COUNTING,
    }


def _chosen(spec: PacedSpec, setup: Setup, engine: str) -> dict[str, Any]:
    """Return the setup; under `defaults` the parts that the spec left out."""
    parts = {"count": setup.count, "precision": setup.precision, "engine": engine}
    asked = {"count": spec.count, "precision": spec.precision, "engine": spec.engine}
    left_out = [name for name, value in asked.items() if value is None]
    return {"model": setup.model.name, "accelerator": setup.accelerator.name, **parts, "defaults": left_out}


def _cover(model: Paced) -> dict[str, list[int]] | None:
    """Return the ranges the setup's own rows cover; a request outside them is an extrapolation."""
    if not model.rows:
        return None
    columns = {
        "input_tokens": [row.input_tokens for row in model.rows],
        "output_tokens": [row.output_tokens for row in model.rows],
        "concurrency": [row.concurrency for row in model.rows],
    }
    return {name: [min(values), max(values)] for name, values in columns.items()}


def _source(model: Paced) -> str:
    if not model.rows:
        return "least squares over all published rows, scaled by datasheets; none of this setup"
    origins = sorted({row.source.split(" id=")[0] for row in model.rows})
    dates = sorted({row.source_date for row in model.rows if row.source_date})
    dated = f" ({' to '.join(dict.fromkeys((dates[0], dates[-1])))})" if dates else ""
    return f"{len(model.rows)} published rows of this setup: {'; '.join(origins)}{dated}"


def _record(spec: str, provenance: str, source: str) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "spec": spec,
        "ttft_ms": None,
        "tpot_ms": None,
        "band": None,
        "source": source,
        "provenance": provenance,
    }


def _zero(spec: str) -> dict[str, Any]:
    nothing = {"ttft_ms": 0.0, "tpot_ms": 0.0, "band": [1.0, 1.0], "token_counting": script.COUNTING}
    return _record(spec, "modelled", "a model that takes no time") | nothing


def _llama(spec: str) -> dict[str, Any]:
    return _record(spec, "measured", "computed on this machine by llama.cpp, its clock read per request")


def _http(spec: str) -> dict[str, Any]:
    return _record(
        spec, "reported", "what the server's replies report of themselves, else the client's view only"
    )


_EXPLAINED: Final = {ZeroSpec: _zero, LlamaSpec: _llama, HttpSpec: _http}
