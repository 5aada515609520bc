"""Model specs: what is understood, and what the errors name."""

import pytest

from orchprof.errors import UsageError
from orchprof.models.paced import facts
from orchprof.models.spec import DEFAULT_SPEC, HttpSpec, LlamaSpec, PacedSpec, ZeroSpec, parse


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("paced:llama-3.1-8b@h100-sxm", ("llama-3.1-8b", "h100-sxm", None, None, None)),
        ("paced:llama-3.1-8b@h100", ("llama-3.1-8b", "h100-sxm", None, None, None)),
        ("paced:Meta-Llama/Llama-3.1-8B-Instruct@H100", ("llama-3.1-8b", "h100-sxm", None, None, None)),
        (
            "paced:llama-3.1-70b@b200-sxmx4:fp8/vllm",
            ("llama-3.1-70b", "b200-sxm", 4, "fp8", "vllm"),
        ),
        ("paced:llama-3.3-70b@h200x2:fp8", ("llama-3.3-70b", "h200-sxm", 2, "fp8", None)),
        ("paced:qwen3-8b@mi300x", ("qwen3-8b", "mi300x", None, None, None)),
        ("paced:qwen3-8b@mi300xx8", ("qwen3-8b", "mi300x", 8, None, None)),
        ("paced:qwen3-8b@a100", ("qwen3-8b", "a100-80gb-sxm", None, None, None)),
    ],
)
def test_paced(text, parts):
    assert parse(text) == PacedSpec(text, *parts)


def test_the_other_forms():
    assert parse("zero") == ZeroSpec("zero")
    assert parse("llama:default") == LlamaSpec("llama:default", "default")
    assert parse("llama:/m/x.gguf").model == "/m/x.gguf"
    assert parse("http://h:8000/v1#m/n") == HttpSpec("http://h:8000/v1#m/n", "http://h:8000/v1", "m/n")
    assert parse("https://h/v1#m").base_url == "https://h/v1"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("paced:lama-3.1-8b@h100", "did you mean 'llama-3.1-8b'"),
        ("paced:llama-3.1-8b@h10", "did you mean 'h100'"),
        ("paced:llama-3.1-8b@h100:fp7", "did you mean 'fp8'"),
        ("paced:llama-3.1-8b@h100:fp8/vlm", "did you mean 'vllm'"),
        ("paced:llama-3.1-8b@h100x0", "no accelerators"),
        ("paced:llama-3.1-8b", "incomplete"),
        ("http://host/v1", "incomplete"),
        ("llama:other", "unknown llama model"),
        ("torch:llama-3.1-8b", "not in this version"),
        ("zero:3", "no argument"),
        ("zer", "unknown model spec"),
    ],
)
def test_errors_say_what_would_be_right(text, named):
    with pytest.raises(UsageError, match=named):
        parse(text)


def test_the_same_shape_under_two_names():
    one, other = facts.models()["llama-3.1-70b"], facts.models()["llama-3.3-70b"]
    assert one.name != other.name
    assert (one.parameters, one.layers, one.hidden) == (other.parameters, other.layers, other.hidden)


def test_every_row_is_of_a_known_model_and_accelerator_and_has_a_source():
    for row in facts.rows():
        assert row.model in facts.models()
        assert row.accelerator in facts.accelerators()
        assert row.precision in facts.BYTES_PER_PARAMETER
        assert row.source


def test_the_default_is_one_that_rows_cover_best_on_one_device():
    spec = parse(DEFAULT_SPEC)
    counts: dict[tuple[str, str], int] = {}
    for row in facts.rows():
        if row.count == 1 and row.precision == "bf16":
            counts[row.model, row.accelerator] = counts.get((row.model, row.accelerator), 0) + 1
    assert (spec.model, spec.accelerator) == max(counts, key=lambda pair: counts[pair])
