"""The modelled accelerator: its band is its own error, its defaults are stated, its memory is real."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.optimize import nnls
from support import plain

from orchprof.errors import ModelError, UsageError
from orchprof.models.explain import explain, resolve
from orchprof.models.paced import facts, fit
from orchprof.models.paced.closed_loop import Load, play, seconds
from orchprof.models.paced.steps import Setup, steps_of
from orchprof.models.source import TooLongError
from orchprof.models.source_paced import PacedSource
from orchprof.models.spec import DEFAULT_SPEC, parse

SPECS = (DEFAULT_SPEC, "paced:llama-3.1-8b@b200", "paced:gpt-oss-120b@h200", "paced:qwen3-32b@h100x4")
DEFAULT_KEY = ("llama-3.1-8b", "h100-sxm", 1, "bf16", "trtllm")


def _model(spec):
    return resolve(parse(spec))


def _own(key):
    return [one for one in fit.examples() if one.row.setup == key]


def test_the_common_fit_is_the_least_squares_of_the_table():
    features = np.array([[term / one.row.tpot_s for term in one.tpot] for one in fit.examples()])
    expected, _ = nnls(features, np.ones(len(features)))
    assert fit._common(frozenset()) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_a_fit_is_held_to_what_it_starts_from():
    own, start = _own(DEFAULT_KEY), [1.0, 2.0, 1.0, 0.0, 3.0, 1.0, 1.0]
    scales = fit.PRIOR / np.maximum(start, fit.SMALLEST_SCALE)
    features = np.array([[term / one.row.tpot_s for term in one.tpot] for one in own])
    expected, _ = nnls(
        np.vstack([features, np.diag(scales)]), np.concatenate([np.ones(len(own)), scales * start])
    )
    assert fit._held(start, own) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert fit._held(start, []) == pytest.approx(start)


def test_the_firmness_is_the_one_that_misses_least(monkeypatch):
    def missed(prior):
        monkeypatch.setattr(fit, "PRIOR", prior)
        ratios = []
        for key in sorted({one.row.setup for one in fit.examples()}):
            own = _own(key)
            groups = fit._groups(own) if len(own) >= fit.COVERED_ROWS else []
            ratios += [pair for group in groups for pair in fit._missed(key, group, group)]
        return np.mean(np.abs(np.log(ratios)), axis=0)

    total, ttft, tpot = missed(fit.PRIOR)
    assert (total, ttft, tpot) == pytest.approx((0.093, 0.761, 0.083), abs=0.001)
    for other in (fit.PRIOR / 2, fit.PRIOR * 2):
        assert missed(other)[2] > tpot
        assert missed(other)[0] > total


def test_the_band_is_the_error_on_lengths_left_out_of_the_fit():
    model = _model(DEFAULT_SPEC)
    ratios = []
    for lengths in sorted({(row.input_tokens, row.output_tokens) for row in model.rows}):
        left_out = frozenset(row for row in model.rows if (row.input_tokens, row.output_tokens) == lengths)
        steps = steps_of(model.setup, fit.weights(DEFAULT_KEY, left_out))
        for row in left_out:
            means = play(model.setup, Load(*lengths, row.concurrency))
            after_s = (row.output_tokens - 1) * seconds(steps, means.tpot)
            ratios.append(row.total_s / (seconds(steps, means.ttft) + after_s))
    low, high = np.percentile(ratios, [10, 90])
    assert model.band == pytest.approx((min(1, low), max(1, high)), rel=1e-6)
    assert model.band[1] / model.band[0] < 1.3


def test_what_is_left_out_has_no_influence(monkeypatch):
    own = _own(DEFAULT_KEY)
    left_out = frozenset(one.row for one in own[:5])
    before = fit.weights(DEFAULT_KEY, left_out)
    monkeypatch.setattr(fit, "_everybody", lambda: _equations(own[5:]))
    monkeypatch.setattr(fit, "examples", lambda: tuple(one for one in EXAMPLES if one.row not in left_out))
    monkeypatch.setattr(fit, "_common", lambda rows: _equations(fit.examples()).solve())
    assert fit.weights(DEFAULT_KEY) == pytest.approx(before, rel=1e-5, abs=1e-8)


def _equations(examples):
    equations = fit.Normal(7)
    for one in examples:
        fit._count(equations, one)
    return equations


def test_rows_of_one_length_are_left_out_singly():
    own = _own(DEFAULT_KEY)
    same = [one for one in own if (one.row.input_tokens, one.row.output_tokens) == (1024, 256)]
    assert fit._groups(same) == [[one] for one in same]
    assert len(fit._groups(own)) == 6


def test_a_setup_without_rows_takes_the_nearest_one_s_fit():
    model = _model("paced:llama-3.1-8b@b200")
    assert (model.rows, model.engine) == ((), "any")
    assert model.nearest == DEFAULT_KEY
    assert model.steps == steps_of(model.setup, fit.weights(DEFAULT_KEY))
    assert model.bands == fit.unseen_setups()
    low, high = fit.unseen_setups().total
    assert high / low > _model(DEFAULT_SPEC).band[1] / _model(DEFAULT_SPEC).band[0]
    assert explain("paced:llama-3.1-8b@b200", 1000, 100, 1).regime == "fitted"


def test_which_setup_is_nearest():
    def row(*key):
        return facts.Row(*key, 1, 2, 1, 1.0, 1.0, "", "")

    key = ("llama-3.3-70b", "a100-80gb-sxm", 4, "fp8", "vllm")
    better = [
        ("llama-3.1-8b", "a100-80gb-sxm", 4, "fp8", "vllm"),  # another model does not count
        ("llama-3.1-70b", "a100-80gb-sxm", 4, "bf16", "vllm"),
        ("llama-3.1-70b", "h100-sxm", 1, "fp8", "vllm"),
        ("llama-3.1-70b", "h100-sxm", 8, "fp8", "trtllm"),
        ("llama-3.1-70b", "h100-sxm", 8, "fp8", "vllm"),
        ("llama-3.1-70b", "b200-sxm", 4, "fp8", "trtllm"),
        ("llama-3.1-70b", "b200-sxm", 4, "fp8", "vllm"),
    ]
    assert fit.nearest(key, [row(*key), row(*better[0])]) is None
    for k in range(2, len(better) + 1):
        assert fit.nearest(key, [row(*one) for one in better[:k]]) == better[k - 1]
    more = ("llama-3.1-70b", "h200-sxm", 4, "fp8", "vllm")
    assert fit.nearest(key, [row(*one) for one in (better[-1], more, more)]) == more


def test_fitted_rows_are_reproduced():
    model = _model(DEFAULT_SPEC)
    errors = []
    for row in model.rows:
        means = play(model.setup, Load(row.input_tokens, row.output_tokens, row.concurrency))
        errors.append(seconds(model.steps, means.tpot) / row.tpot_s - 1)
    assert np.mean(np.abs(errors)) < 0.05


CHIPS = ("a100", "h100", "h200", "b200")
LOADS = ((100, 100, 1), (1000, 200, 1), (8000, 200, 64))


@pytest.mark.parametrize(
    ("model", "precision"), [("8b", "bf16"), ("8b", "fp8"), ("70b", "bf16"), ("70b", "fp8")]
)
@pytest.mark.parametrize("load", LOADS)
def test_a_better_machine_is_not_slower_because_it_has_no_rows(model, precision, load):
    found = {}
    for chip, count in itertools.product(CHIPS, (1, 2, 4, 8)):
        try:
            record = explain(f"paced:llama-3.1-{model}@{chip}x{count}:{precision}", *load)
        except ModelError:  # it does not fit
            continue
        found[chip, count] = record.ttft_ms + (load[1] - 1) * record.tpot_ms, record.rows_used
    compared = 0
    for (chip, better), count in itertools.product(itertools.pairwise(CHIPS), (1, 2, 4, 8)):
        slow, fast = found.get((chip, count)), found.get((better, count))
        if slow and fast and not (slow[1] and fast[1]):  # two that have rows are as they were measured
            # More memory means fewer that queue and more that share, which alone may cost a hundredth.
            assert fast[0] <= slow[0] * 1.01, (chip, better, count)
            compared += 1
    for chip in CHIPS:
        assert found[chip, 8][0] <= found[chip, 4][0] * 1.05, chip
    assert compared >= 4


def test_what_is_left_out_is_stated():
    record = explain("paced:llama-3.1-8b@h100", 2048, 300, 16)
    assert record.schema == "orchprof.explain/1"
    assert record.provenance == "modelled"
    assert (record.regime, record.notes) == ("interpolated", [])
    assert plain(record.setup) == {
        "model": "llama-3.1-8b",
        "accelerator": "h100-sxm",
        "count": 1,
        "precision": "bf16",
        "engine": "trtllm",
        "defaults": ["count", "precision", "engine"],
    }
    assert record.rows_used == 23
    assert record.rows_cover == {
        "input_tokens": (1024, 4096),
        "output_tokens": (256, 512),
        "concurrency": (8, 128),
    }
    assert record.nearest == "paced:llama-3.1-8b@h100-sxmx2:bf16/trtllm"
    given = explain("paced:qwen3-32b@h100x4:fp8/trtllm", 1000, 100, 1).setup
    assert (given.count, given.precision, given.engine, given.defaults) == (
        4,
        "fp8",
        "trtllm",
        [],
    )


def test_an_engine_without_rows_is_said_to_be_ignored():
    record = explain("paced:llama-3.1-8b@h100x1:bf16/vllm", 2048, 300, 16)
    assert (record.setup.engine, record.rows_used, record.rows_cover) == ("any", 0, None)
    assert record.notes == ["engine vllm ignored: no published rows of it for this setup"]
    assert "engine vllm ignored" in record.source
    assert explain("paced:llama-3.1-8b@h100x1:bf16/trtllm", 2048, 300, 16).notes == []


def test_the_band_is_that_of_the_load():
    record = explain(DEFAULT_SPEC, 2048, 300, 16)
    ttft, after = record.ttft_ms, 299 * record.tpot_ms
    for side in (0, 1):
        parts = record.ttft_band[side] * ttft + record.tpot_band[side] * after
        assert record.band[side] == pytest.approx(parts / (ttft + after))
    longer = explain(DEFAULT_SPEC, 2048, 500, 16)
    assert longer.band[1] < record.band[1]  # more of the time in tokens, which are known better
    assert explain(DEFAULT_SPEC, 2048, 1, 16).tpot_ms is None


def test_beyond_the_rows_the_errors_of_strangers_count_too():
    inside, outside = explain(DEFAULT_SPEC, 1024, 300, 128), explain(DEFAULT_SPEC, 1023, 300, 129)
    assert outside.regime == "extrapolated"
    assert outside.notes == [
        "extrapolated: input tokens 1023 outside 1024-4096, concurrency 129 outside 8-128 of the rows"
    ]
    assert "extrapolated: input tokens 1023" in outside.source
    for name, unseen_setups in (
        ("ttft_band", fit.unseen_setups().ttft),
        ("tpot_band", fit.unseen_setups().tpot),
    ):
        pairs = list(zip(getattr(inside, name), unseen_setups, strict=True))
        assert list(getattr(outside, name)) == pytest.approx([min(pairs[0]), max(pairs[1])])


def test_without_rows_the_smallest_setup_that_fits():
    assert _model("paced:llama-3.1-405b@mi300x").setup.count == 8
    assert _model("paced:llama-3.1-70b@a100x1:fp4").setup.count == 1
    assert _model("paced:llama-3.1-70b@mi325xx1").setup.precision == "bf16"
    assert _model("paced:llama-3.1-70b@a100x1").setup.precision == "fp8"


def test_a_model_that_does_not_fit():
    with pytest.raises(ModelError, match=r"131 GiB of bf16 weights @ 1 x h100-sxm with 80 GiB"):
        _model("paced:llama-3.1-70b@h100x1:bf16")
    with pytest.raises(UsageError, match="start at 1"):
        explain("zero", 0, 1, 1)


@pytest.mark.parametrize(
    ("spec", "most"), [("paced:qwen3-8b@h100", 40_960), ("paced:llama-3.1-8b@rtx-4090", 54_000)]
)
def test_explain_refuses_what_the_endpoint_would(spec, most):
    model = _model(spec)
    limit = min(model.setup.kv_tokens, model.setup.model.context_tokens)
    assert limit == pytest.approx(most, rel=0.1)
    source = PacedSource(model)
    source.check(limit - 10, 10)
    explain(spec, limit - 10, 10, 1)
    with pytest.raises(TooLongError):
        source.check(limit - 9, 10)
    with pytest.raises(ModelError, match=f"request does not fit.* room for {limit}"):
        explain(spec, limit - 9, 10, 1)


def test_every_published_setup_fits_its_memory():
    for row in facts.rows():
        assert fit.setup_of(row.setup).kv_tokens >= row.input_tokens + row.output_tokens, row.setup


def test_published_times_are_in_seconds():
    row = facts.rows()[0]
    assert (row.ttft_s, row.tpot_s) == pytest.approx((0.52806, 0.010142))
    assert row.total_s == pytest.approx(0.52806 + 255 * 0.010142)


def test_the_times_that_are_not_modelled_are_not_given():
    for spec, provenance in (("llama:default", "measured"), ("http://h/v1#m", "reported")):
        record = explain(spec, 10, 10, 1)
        assert (record.ttft_ms, record.tpot_ms, record.band) == (None, None, None)
        assert record.provenance == provenance
    assert explain("zero", 10, 10, 1).ttft_ms == 0


SHAPE = facts.Model("m", 10e9, 2.5e9, 32, 4096, 131072.0, 8192)
H100 = facts.accelerators()["h100-sxm"]
A100 = facts.accelerators()["a100-80gb-sxm"]


def test_the_weights_that_a_token_touches_by_hand():
    steps = steps_of(Setup(SHAPE, H100, 1, "bf16"), (0, 0, 1, 0, 0, 0, 0))
    read_s = 20e9 / 3350e9
    assert steps.base_s(1) == pytest.approx(read_s * 0.25)
    assert steps.base_s(2) == pytest.approx(read_s * (1 - 0.75**2))


def test_the_cache_is_half_as_big_below_bf16():
    wide, narrow = Setup(SHAPE, H100, 1, "bf16"), Setup(SHAPE, H100, 1, "fp8")
    assert (wide.kv_bytes_per_token, narrow.kv_bytes_per_token) == (131072, 65536)
    # 90 % of 80 GiB is 77.31e9 bytes; beside 20e9 of weights, and beside 10e9.
    assert wide.kv_tokens == math.floor((0.9 * 80 * 2**30 - 20e9) / 131072)
    assert narrow.kv_tokens == math.floor((0.9 * 80 * 2**30 - 10e9) / 65536)
    assert wide.most_tokens == 8192


def test_the_arithmetic_is_that_of_the_precision():
    peaks = {precision: Setup(SHAPE, H100, 2, precision).flop_per_s for precision in ("bf16", "fp8", "fp4")}
    assert peaks == {"bf16": 2 * 989e12, "fp8": 2 * 1979e12, "fp4": 2 * 989e12}  # no fp4 units: widened
    assert Setup(SHAPE, A100, 1, "fp8").flop_per_s == 312e12


def test_the_datasheet_times_by_hand():
    alone, four = (Setup(SHAPE, H100, count, "fp8").unit_times() for count in (1, 4))
    flop_per_s = 1979e12
    assert alone == pytest.approx(
        (
            1e-3,
            0.0,  # no links between one accelerator
            10e9 / 3350e9,
            65536 / 3350e9,
            2 * 2.5e9 / flop_per_s,
            2 * 2.5e9 / flop_per_s,
            2 * 32 * 4096 / flop_per_s,
        )
    )
    assert four[1] == pytest.approx(2 * 32 * 2 * 1e-5)  # two reductions in each of 32 layers, two hops
    assert four[2:] == pytest.approx([value / 4 for value in alone[2:]])


@given(
    spec=some.sampled_from(SPECS),
    tokens=some.tuples(some.integers(1, 8000), some.integers(1, 2000), some.integers(1, 200)),
    more=some.tuples(some.integers(0, 8000), some.integers(0, 50)),
)
def test_time_is_positive_and_grows_with_work(spec, tokens, more):
    model = MODELS[spec]
    prompt, output, running = tokens
    steps = model.steps
    context = running * (prompt + output)
    assert steps.decode_s(running, context) > 0
    assert steps.decode_s(running + more[1], context + more[0]) >= steps.decode_s(running, context)
    assert steps.prompt_s(prompt + more[0]) >= steps.prompt_s(prompt) > 0
    shorter, longer = (
        seconds(steps, play(model.setup, Load(tokens, output, 1)).ttft)
        for tokens in (prompt, prompt + more[0])
    )
    assert 0 < shorter <= longer * (1 + 1e-12)


MODELS = {spec: _model(spec) for spec in SPECS}
EXAMPLES = fit.examples()
