"""The published facts the accelerator model stands on: models, accelerators and serving measurements.

Every row of the three files in `data/` names its source and its date.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

BYTES_PER_PARAMETER: Final = {"bf16": 2.0, "fp8": 1.0, "fp4": 0.5625}  # fp4 with one fp8 scale per 16 values
ALIASES: Final = {
    "a100": "a100-80gb-sxm",
    "h100": "h100-sxm",
    "h200": "h200-sxm",
    "b200": "b200-sxm",
    "b300": "b300-sxm",
    "gaudi3": "gaudi3-oam",
}
# The table leaves the precision of some runs open; they are runs of the weights as they are published.
AS_PUBLISHED: Final = {"unstated": "bf16"}


@dataclass(frozen=True, slots=True)
class Model:
    """A model's shape."""

    name: str
    parameters: float
    active_parameters: float
    layers: int
    hidden: int
    kv_bytes_per_token: float  # at bf16
    context_tokens: int


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One accelerator's datasheet; None where it has no arithmetic of that precision."""

    name: str
    memory_bytes: float
    bandwidth_bytes_per_s: float
    bf16_flop_per_s: float
    fp8_flop_per_s: float | None
    fp4_flop_per_s: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One published closed-loop serving measurement, as means over its requests."""

    model: str
    accelerator: str
    count: int
    precision: str
    engine: str
    input_tokens: int
    output_tokens: int
    concurrency: int
    ttft_s: float
    tpot_s: float
    source: str
    source_date: str

    @property
    def setup(self) -> tuple[str, str, int, str, str]:
        """What was run: model, accelerator, how many, precision, engine."""
        return self.model, self.accelerator, self.count, self.precision, self.engine

    @property
    def total_s(self) -> float:
        """The mean latency of a request: TTFT and the tokens after the first."""
        return self.ttft_s + (self.output_tokens - 1) * self.tpot_s


def short_name(published: str) -> str:
    """Return a model's name as specs write it: lower case, without its publisher and without `-instruct`."""
    return published.rsplit("/", 1)[-1].lower().removesuffix("-instruct")


@cache
def models() -> dict[str, Model]:
    """Return every known model by short name."""
    known = (_model(row) for row in _read("models.csv"))
    return {model.name: model for model in known}


@cache
def accelerators() -> dict[str, Accelerator]:
    """Return every known accelerator by lower-case name; `ALIASES` are not in it."""
    known = (_accelerator(row) for row in _read("accelerators.csv"))
    return {accelerator.name: accelerator for accelerator in known}


@cache
def rows() -> tuple[Row, ...]:
    """Return every serving measurement that states its lengths, concurrency and time per token."""
    return tuple(_row(row) for row in _read("serving.csv"))


def _read(name: str) -> Iterator[dict[str, str]]:
    path = resources.files("orchprof.models") / "data" / name
    with path.open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _model(row: dict[str, str]) -> Model:
    return Model(
        name=short_name(row["name"]),
        parameters=float(row["params_total_b"]) * 1e9,
        active_parameters=float(row["params_active_b"]) * 1e9,
        layers=int(row["layers"]),
        hidden=int(row["hidden"]),
        kv_bytes_per_token=float(row["kv_bytes_per_token_bf16"]),
        context_tokens=int(row["context"]),
    )


def _accelerator(row: dict[str, str]) -> Accelerator:
    return Accelerator(
        name=row["name"].lower(),
        memory_bytes=float(row["memory_gib"]) * 2**30,
        bandwidth_bytes_per_s=float(row["bandwidth_gb_per_s"]) * 1e9,
        bf16_flop_per_s=float(row["bf16_tflops"]) * 1e12,
        fp8_flop_per_s=_flop_per_s(row["fp8_tflops"]),
        fp4_flop_per_s=_flop_per_s(row["fp4_tflops"]),
    )


def _flop_per_s(tflops: str) -> float | None:
    return float(tflops) * 1e12 if tflops else None


def _row(row: dict[str, str]) -> Row:
    return Row(
        model=short_name(row["model"]),
        accelerator=row["accelerator"].lower(),
        count=int(row["count"]),
        precision=AS_PUBLISHED.get(row["precision"], row["precision"]),
        engine=row["engine"].split()[0].lower(),
        input_tokens=int(row["input_tokens"]),
        output_tokens=int(row["output_tokens"]),
        concurrency=int(row["concurrency"]),
        ttft_s=float(row["ttft_ms"]) / 1e3,
        tpot_s=float(row["tpot_ms"]) / 1e3,
        source=row["source"],
        source_date=row["source_date"],
    )
