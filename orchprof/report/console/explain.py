"""An explained model spec for a terminal."""

from orchprof import units
from orchprof.contract.explain import Explain, Factors, Setup
from orchprof.report import text


def render(record: Explain, _details: bool = False) -> str:
    """Return orchprof.explain/1: the times a call would take, how sure they are, and what they stand on."""
    modelled = " (MODELLED)" if record.provenance == "modelled" else ""
    rows = [
        ("Model", record.spec),
        ("First token", _milliseconds(record.ttft_ms, modelled)),
        ("Each further", _milliseconds(record.tpot_ms, modelled)),
        ("Band", _band(record.band)),
        ("Provenance", record.provenance),
        ("Source", record.source),
    ]
    rows += [("Setup", _setup(record.setup))] if record.setup else []
    return "\n".join(line for label, said in rows for line in text.labelled(label, said)) + "\n"


def _milliseconds(ms: float | None, mark: str) -> str:
    return "not known before it is asked" if ms is None else units.show_seconds(ms / 1e3) + mark


def _band(band: Factors | None) -> str:
    if band is None:
        return "-"
    low, high = band
    return f"x{low:.2g}-{high:.2g}: what was published, as a multiple of what is modelled"


def _setup(setup: Setup) -> str:
    left_out = ", ".join(setup.defaults)
    parts = ("model", "accelerator", "count", "precision", "engine")
    said = ", ".join(f"{name} {getattr(setup, name)}" for name in parts)
    return f"{said} (by default: {left_out})" if left_out else said
