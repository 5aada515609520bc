"""Usage: every vendor's shape by its own words, one record."""

import pytest

from orchprof.clocks import usage
from orchprof.clocks.usage import Usage

NAMES = ("input", "cached", "cache_write", "cache_write_1h", "output", "reasoning")


def told(body, headers=()):
    found = usage.read(body, dict(headers))
    return {name: n for name, n in zip(NAMES, found, strict=True) if n is not None}


def openai(**more):
    return {"usage": {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140} | more}


SHAPES = {
    "openai chat": (
        openai(
            prompt_tokens_details={"cached_tokens": 60, "cache_write_tokens": 30},
            completion_tokens_details={"reasoning_tokens": 15},
        ),
        {"input": 100, "cached": 60, "cache_write": 30, "output": 40, "reasoning": 15},
    ),
    "openai embeddings": ({"usage": {"prompt_tokens": 7, "total_tokens": 7}}, {"input": 7, "output": 0}),
    "openai responses": (
        {
            "usage": {
                "input_tokens": 100, "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8},
                "output_tokens": 40, "output_tokens_details": {"reasoning_tokens": 32}, "total_tokens": 140,
            }
        },
        {"input": 100, "cached": 64, "cache_write": 8, "output": 40, "reasoning": 32},
    ),
    "deepseek": (
        openai(prompt_cache_hit_tokens=64, prompt_cache_miss_tokens=36),
        {"input": 100, "cached": 64, "output": 40},
    ),
    "xai": (
        openai(completion_tokens_details={"reasoning_tokens": 500}, total_tokens=640),
        {"input": 100, "output": 540, "reasoning": 500},
    ),
    "groq stream": ({"x_groq": {"id": "r"} | openai()}, {"input": 100, "output": 40}),
    "moonshot": (openai(cached_tokens=10), {"input": 100, "cached": 10, "output": 40}),
    "null details": (openai(prompt_tokens_details=None), {"input": 100, "output": 40}),
    "anthropic": (
        {
            "usage": {
                "input_tokens": 5, "cache_creation_input_tokens": 1253, "cache_read_input_tokens": 12000,
                "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 253},
                "output_tokens": 200,
            }
        },
        {"input": 13258, "cached": 12000, "cache_write": 1253, "cache_write_1h": 253, "output": 200},
    ),
    "anthropic, by lifetime only": (
        {"usage": {"input_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 7}, "output_tokens": 2}},
        {"input": 12, "cache_write": 7, "cache_write_1h": 7, "output": 2},
    ),
    "anthropic, no cache": ({"usage": {"input_tokens": 5, "output_tokens": 2}}, {"input": 5, "output": 2}),
    "gemini": (
        {
            "usageMetadata": {
                "promptTokenCount": 100, "cachedContentTokenCount": 80, "candidatesTokenCount": 40,
                "thoughtsTokenCount": 25, "totalTokenCount": 165,
            }
        },
        {"input": 100, "cached": 80, "output": 65, "reasoning": 25},
    ),
    "gemini, thoughts inside": (
        {
            "usageMetadata": {
                "promptTokenCount": 100, "candidatesTokenCount": 40, "thoughtsTokenCount": 25, "totalTokenCount": 140,
            }
        },
        {"input": 100, "output": 40, "reasoning": 25},
    ),
    "gemini, thoughts only": (
        {"usageMetadata": {"promptTokenCount": 100, "thoughtsTokenCount": 25, "totalTokenCount": 125}},
        {"input": 100, "output": 25, "reasoning": 25},
    ),
    "ollama": ({"prompt_eval_count": 26, "eval_count": 12}, {"input": 26, "output": 12}),
    "ollama, cached": ({"eval_count": 12}, {"output": 12}),
    "bedrock converse": (
        {
            "usage": {
                "inputTokens": 5, "outputTokens": 9, "totalTokens": 14, "cacheReadInputTokens": 100,
                "cacheWriteInputTokens": 30, "cacheDetails": [{"ttl": "1h", "inputTokens": 20}],
            }
        },
        {"input": 135, "cached": 100, "cache_write": 30, "cache_write_1h": 20, "output": 9},
    ),
    "bedrock invoke": (
        {
            "amazon-bedrock-invocationMetrics": {
                "inputTokenCount": 5, "outputTokenCount": 9, "cacheReadInputTokenCount": 10,
                "cacheWriteInputTokenCount": 2,
            }
        },
        {"input": 17, "cached": 10, "cache_write": 2, "output": 9},
    ),
    "bedrock invoke, a model that tells its own": (
        {
            "usage": {"input_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 2}, "output_tokens": 9},
            "amazon-bedrock-invocationMetrics": {
                "inputTokenCount": 5, "outputTokenCount": 9, "cacheReadInputTokenCount": 10,
                "cacheWriteInputTokenCount": 2,
            },
        },
        {"input": 17, "cached": 10, "cache_write": 2, "cache_write_1h": 2, "output": 9},
    ),
    "cohere": (
        {"usage": {"billed_units": {"input_tokens": 5, "output_tokens": 9}, "tokens": {"input_tokens": 71}}},
        {"input": 5, "output": 9},
    ),
    "cohere before": ({"meta": {"billed_units": {"input_tokens": 5, "output_tokens": 9}}}, {"input": 5, "output": 9}),
    "llama.cpp": (
        {"timings": {"prompt_n": 10, "cache_n": 90, "predicted_n": 8}},
        {"input": 100, "cached": 90, "output": 8},
    ),
    "llama.cpp, both": (
        openai() | {"timings": {"prompt_n": 10, "cache_n": 90, "predicted_n": 8}},
        {"input": 100, "cached": 90, "output": 40},
    ),
    "sglang": (
        {"meta_info": {"prompt_tokens": 14, "completion_tokens": 3, "cached_tokens": 9}},
        {"input": 14, "cached": 9, "output": 3},
    ),
    "lm studio": (
        {"stats": {"input_tokens": 14, "total_output_tokens": 30, "reasoning_output_tokens": 9}},
        {"input": 14, "output": 30, "reasoning": 9},
    ),
    "nothing": ({"usage": None, "choices": []}, {}),
    "no numbers": ({"usage": {"prompt_tokens": -1, "completion_tokens": "7"}}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape(name):
    body, expected = SHAPES[name]
    assert told(body) == expected


def test_a_cache_larger_than_the_input_was_not_inside_it():
    assert told(openai(cache_read_input_tokens=500))["input"] == 600


def test_headers_tell_what_a_body_leaves_out_and_never_more():
    headers = {"x-amzn-bedrock-input-token-count": "5", "x-amzn-bedrock-output-token-count": "9"}
    assert told({"generation": "Yes"}, headers) == {"input": 5, "output": 9}
    assert told(openai(), headers | {"fireworks-cached-prompt-tokens": "60"}) == {
        "input": 100,
        "cached": 60,
        "output": 40,
    }
    assert told({}, {"x-prompt-tokens": "None"}) == {}


def test_parts_that_two_places_put_together_never_exceed_the_input():
    assert told(
        {"usage": {"input_tokens": 5, "output_tokens": 1}}, {"fireworks-cached-prompt-tokens": "9"}
    ) == {
        "input": 5,
        "output": 1,
    }
    assert told({"usage": {"input_tokens": 5, "cache_creation_input_tokens": 1, "cache_creation": {
        "ephemeral_1h_input_tokens": 2}}}) == {"input": 6, "cache_write": 1}  # fmt: skip
    assert told({"usage": {"inputTokens": 5, "cacheDetails": [3, None]}}) == {"input": 5}


def test_no_usage_is_none_throughout():
    assert usage.read({}, {}) == Usage()
