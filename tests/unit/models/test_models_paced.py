"""The modelled accelerator: its band is its own error, its defaults are stated, its memory is real."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.optimize import nnls

from orchprof.errors import ModelError, UsageError
from orchprof.models import facts, paced
from orchprof.models.explain import explain, resolve
from orchprof.models.paced import Load, steady
from orchprof.models.spec import DEFAULT_SPEC, parse
from orchprof.models.steps import Setup, steps_of

SPECS = (DEFAULT_SPEC, "paced:llama-3.1-8b@b200", "paced:gpt-oss-120b@h200", "paced:qwen3-32b@h100x4")


def _model(spec):
    return resolve(parse(spec))


def test_the_common_fit_is_the_least_squares_of_the_table():
    features = np.array([paced._features(paced._setup_of(row), row) for row in facts.rows()])
    expected, _ = nnls(features, np.ones(len(features)))
    assert paced.common_weights() == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_the_band_is_the_error_on_rows_left_out_of_the_fit():
    model = _model(DEFAULT_SPEC)
    ratios = []
    for left_out in model.rows:
        steps = paced.fit(model.setup, [row for row in model.rows if row is not left_out])
        load = Load(left_out.input_tokens, left_out.output_tokens, left_out.concurrency)
        ttft_s, tpot_s = steady(model.setup, steps, load)
        ratios.append(left_out.total_s / (ttft_s + (left_out.output_tokens - 1) * tpot_s))
    low, high = np.percentile(ratios, [10, 90])
    assert model.band == pytest.approx((min(1, low), max(1, high)), rel=1e-6)
    assert model.band == tuple(explain(DEFAULT_SPEC, 1000, 100, 1)["band"])
    assert model.band[1] / model.band[0] < 1.3


def test_a_pair_without_rows_has_the_band_of_strangers():
    model = _model("paced:llama-3.1-8b@b200")
    assert (model.regime, model.rows, model.engine) == ("fitted", (), "any")
    assert model.band == paced.strangers_bands()[0]
    assert model.band[1] / model.band[0] > _model(DEFAULT_SPEC).band[1] / _model(DEFAULT_SPEC).band[0]


def test_fitted_rows_are_reproduced():
    model = _model(DEFAULT_SPEC)
    errors = [
        steady(model.setup, model.steps, Load(row.input_tokens, row.output_tokens, row.concurrency))[1]
        / row.tpot_s
        - 1
        for row in model.rows
    ]
    assert np.mean(np.abs(errors)) < 0.05


def test_what_is_left_out_is_stated():
    record = explain("paced:llama-3.1-8b@h100", 1000, 100, 1)
    assert record["schema"] == "orchprof.explain/1"
    assert record["provenance"] == "modelled"
    assert record["regime"] == "interpolated"
    assert record["setup"] == {
        "model": "llama-3.1-8b",
        "accelerator": "h100-sxm",
        "count": 1,
        "precision": "bf16",
        "engine": "trtllm",
        "defaults": ["count", "precision", "engine"],
    }
    assert record["rows_used"] == 23
    assert record["rows_cover"] == {
        "input_tokens": [1024, 4096],
        "output_tokens": [256, 512],
        "concurrency": [8, 128],
    }
    given = explain("paced:qwen3-32b@h100x4:fp8/trtllm", 1000, 100, 1)["setup"]
    assert (given["count"], given["precision"], given["engine"], given["defaults"]) == (
        4,
        "fp8",
        "trtllm",
        [],
    )


def test_without_rows_the_smallest_setup_that_fits():
    assert _model("paced:llama-3.1-405b@mi300x").setup.count == 8
    assert _model("paced:llama-3.1-70b@a100x1:fp4").setup.count == 1
    assert _model("paced:llama-3.1-70b@mi325xx1").setup.precision == "bf16"
    assert _model("paced:llama-3.1-70b@a100x1").setup.precision == "fp8"


def test_a_model_that_does_not_fit():
    with pytest.raises(ModelError, match=r"131 GiB of bf16 weights @ 1 x h100-sxm with 80 GiB"):
        _model("paced:llama-3.1-70b@h100x1:bf16")
    with pytest.raises(ModelError, match="request does not fit"):
        explain("paced:qwen3-8b@l4", 100_000, 100, 1)
    with pytest.raises(UsageError, match="start at 1"):
        explain("zero", 0, 1, 1)


def test_every_published_setup_fits_its_memory():
    for row in facts.rows():
        assert paced._setup_of(row).kv_tokens >= 1, row.setup


def test_the_times_that_are_not_modelled_are_not_given():
    for spec, provenance in (("llama:default", "measured"), ("http://h/v1#m", "reported")):
        record = explain(spec, 10, 10, 1)
        assert (record["ttft_ms"], record["tpot_ms"], record["band"]) == (None, None, None)
        assert record["provenance"] == provenance
    assert explain("zero", 10, 10, 1)["ttft_ms"] == 0


def test_the_weights_that_a_token_touches_by_hand():
    model = facts.Model("m", 10e9, 2.5e9, 32, 4096, 131072.0, 8192)
    setup = Setup(model, facts.accelerators()["h100-sxm"], 1, "bf16")
    steps = steps_of(setup, (0, 0, 1, 0, 0, 0, 0))
    read_s = 20e9 / 3350e9
    assert steps.base_s(1) == pytest.approx(read_s * 0.25)
    assert steps.base_s(2) == pytest.approx(read_s * (1 - 0.75**2))


@given(
    spec=some.sampled_from(SPECS),
    tokens=some.tuples(some.integers(1, 8000), some.integers(1, 2000), some.integers(1, 200)),
    more=some.tuples(some.integers(0, 8000), some.integers(0, 50)),
)
def test_time_is_positive_and_grows_with_work(spec, tokens, more):
    model = _MODELS[spec]
    prompt, output, running = tokens
    steps = model.steps
    context = running * (prompt + output)
    assert steps.decode_s(running, context) > 0
    assert steps.decode_s(running + more[1], context + more[0]) >= steps.decode_s(running, context)
    assert steps.prompt_s(prompt + more[0]) >= steps.prompt_s(prompt) > 0
    ttft_s, tpot_s = steady(model.setup, steps, Load(prompt, output, 1))
    longer_s, _ = steady(model.setup, steps, Load(prompt + more[0], output, 1))
    assert tpot_s > 0
    assert 0 < ttft_s <= longer_s


_MODELS = {spec: _model(spec) for spec in SPECS}
