"""What a reply says of its tokens, whatever the vendor's shape, as one canonical record.

Vendors differ in names and in what a count holds. OpenAI, Gemini and most others count tokens read from a cache, or
written to it, inside the input; Anthropic and Bedrock beside it. Reasoning is inside the output, except where a total
shows that it is not (xAI, Gemini). Each shape is one row of `_SHAPES`; the arithmetic is the same for all.

Sources: the types of the vendors' SDKs (openai 3.57, anthropic 2.14, groq 1.7, botocore's bedrock-runtime) and the
documentation of DeepSeek, xAI, Gemini, Ollama, Cohere, llama.cpp, LM Studio, SGLang and TGI.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from orchprof.clocks.model_clock import count

Said = Mapping[str, object]


class Usage(NamedTuple):
    """Tokens of one request; None: not reported.

    Attributes:
        input_tokens: of the whole prompt, those read from a cache or written to it included.
        cached_tokens: of the input, read from a cache.
        cache_write_tokens: of the input, written to a cache.
        cache_write_1h_tokens: of those written, the ones kept for an hour; the others are kept for some minutes.
        output_tokens: all that was generated, reasoning included.
        reasoning_tokens: of the output.
    """

    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Shape(NamedTuple):
    """Where one shape has its counts: paths of keys, the first that holds a count is it; of `read`, the sum."""

    read: tuple[str, ...]
    written: tuple[str, ...]
    cached: tuple[str, ...] = ()
    cache_write: tuple[str, ...] = ()
    cache_write_5m: tuple[str, ...] = ()
    cache_write_1h: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    total: str = ""
    is_cache_apart: bool = False  # beside the input, not inside
    is_reasoning_apart: bool = False  # beside the output, unless the total says otherwise


_CHAT: Final = _Shape(
    read=("prompt_tokens",),
    written=("completion_tokens",),
    cached=(
        "prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens",
        "cached_prompt_text_tokens",
    ),
    cache_write=("prompt_tokens_details.cache_write_tokens", "cache_creation_input_tokens"),
    reasoning=("completion_tokens_details.reasoning_tokens", "reasoning_tokens"),
    total="total_tokens",
)  # fmt: skip
_RESPONSES: Final = _Shape(
    read=("input_tokens",),
    written=("output_tokens",),
    cached=("input_tokens_details.cached_tokens", "input_tokens_details.cache_read_input_tokens"),
    cache_write=("input_tokens_details.cache_write_tokens",),
    reasoning=("output_tokens_details.reasoning_tokens", "output_tokens_details.thinking_tokens"),
    total="total_tokens",
)
_ANTHROPIC: Final = _Shape(
    read=("input_tokens",),
    written=("output_tokens",),
    cached=("cache_read_input_tokens",),
    cache_write=("cache_creation_input_tokens",),
    cache_write_5m=("cache_creation.ephemeral_5m_input_tokens",),
    cache_write_1h=("cache_creation.ephemeral_1h_input_tokens",),
    reasoning=("output_tokens_details.thinking_tokens",),
    is_cache_apart=True,
)
_CONVERSE: Final = _Shape(
    read=("inputTokens",),
    written=("outputTokens",),
    cached=("cacheReadInputTokens",),
    cache_write=("cacheWriteInputTokens",),
    cache_write_5m=("cacheDetails.5m",),
    cache_write_1h=("cacheDetails.1h",),
    is_cache_apart=True,
)
_INVOKED: Final = _Shape(
    read=("inputTokenCount",),
    written=("outputTokenCount",),
    cached=("cacheReadInputTokenCount",),
    cache_write=("cacheWriteInputTokenCount",),
    is_cache_apart=True,
)
_GEMINI: Final = _Shape(
    read=("promptTokenCount", "toolUsePromptTokenCount"),
    written=("candidatesTokenCount",),
    cached=("cachedContentTokenCount",),
    reasoning=("thoughtsTokenCount",),
    total="totalTokenCount",
    is_reasoning_apart=True,
)
_INTERACTIONS: Final = _Shape(
    read=("total_input_tokens", "total_tool_use_tokens"),
    written=("total_output_tokens",),
    cached=("total_cached_tokens",),
    reasoning=("total_thought_tokens", "total_reasoning_tokens"),
    total="total_tokens",
    is_reasoning_apart=True,
)
_OLLAMA: Final = _Shape(("prompt_eval_count",), ("eval_count",), cached=("prompt_eval_cached_count",))
_LLAMA: Final = _Shape(("prompt_n",), ("predicted_n",), cached=("cache_n",), is_cache_apart=True)
_LM_STUDIO: Final = _Shape(
    ("input_tokens",), ("total_output_tokens",), reasoning=("reasoning_output_tokens",)
)
# What is billed leaves out what Cohere itself puts into a prompt, so that comes first.
_COHERE: Final = _Shape(("billed_units.input_tokens",), ("billed_units.output_tokens",))
_COHERE_TOKENS: Final = _Shape(("tokens.input_tokens",), ("tokens.output_tokens",), cached=("cached_tokens",))

# By a key that only this shape has, the surer one first.
_SHAPES: Final[dict[str, _Shape]] = {
    "prompt_tokens": _CHAT, "completion_tokens": _CHAT,
    "total_input_tokens": _INTERACTIONS, "total_output_tokens": _LM_STUDIO,
    "cache_read_input_tokens": _ANTHROPIC, "cache_creation_input_tokens": _ANTHROPIC, "cache_creation": _ANTHROPIC,
    "input_tokens": _RESPONSES, "output_tokens": _RESPONSES,
    "inputTokens": _CONVERSE, "outputTokens": _CONVERSE,
    "inputTokenCount": _INVOKED, "outputTokenCount": _INVOKED,
    "promptTokenCount": _GEMINI, "candidatesTokenCount": _GEMINI,
    "billed_units": _COHERE, "tokens": _COHERE_TOKENS,
    "prompt_eval_count": _OLLAMA, "eval_count": _OLLAMA,
    "predicted_n": _LLAMA,
}  # fmt: skip
# Where a reply has its counts, "" is the reply itself; what one place leaves out, the next may tell.
_PLACES: Final = (
    "amazon-bedrock-invocationMetrics", "usage", "x_groq.usage", "usageMetadata", "meta_info", "meta", "stats", "",
    "timings",
)  # fmt: skip
_BEDROCK: Final = "x-amzn-bedrock-"
_HEADERS: Final = (
    _Shape(
        read=(f"{_BEDROCK}input-token-count",),
        written=(f"{_BEDROCK}output-token-count",),
        cached=(f"{_BEDROCK}cache-read-input-token-count",),
        cache_write=(f"{_BEDROCK}cache-write-input-token-count",),
        is_cache_apart=True,
    ),
    _Shape(("fireworks-prompt-tokens",), (), cached=("fireworks-cached-prompt-tokens",)),
    _Shape(("x-prompt-tokens",), ("x-generated-tokens",)),
)

# The top-level keys of a reply that a capture has to keep for this.
FIELDS: Final = frozenset(
    {place.partition(".")[0] for place in _PLACES if place}
    | {"prompt_eval_count", "eval_count", "prompt_eval_cached_count"}
)


def read(body: Said, headers: Mapping[str, str]) -> Usage:
    """Return what a reply says of its tokens; what its body leaves out may stand in its headers.

    Args:
        body: the JSON object of the reply; of a stream, what its events say together.
        headers: the reply's headers.
    """
    usage = Usage()
    told = {name: int(text) for name, text in headers.items() if text.isdecimal()}
    for more in (*_stated(body), *(_canonical(shape, told) for shape in _HEADERS)):
        usage = Usage(*(a if a is not None else b for a, b in zip(usage, more, strict=True)))
    return _consistent(usage)


def _consistent(usage: Usage) -> Usage:
    """Return the usage, without parts of the input that exceed it: two places meant different things."""
    kept = usage.cache_write_tokens or 0
    if usage.input_tokens is not None and (usage.cached_tokens or 0) + kept > usage.input_tokens:
        return usage._replace(cached_tokens=None, cache_write_tokens=None, cache_write_1h_tokens=None)
    return usage if (usage.cache_write_1h_tokens or 0) <= kept else usage._replace(cache_write_1h_tokens=None)


def _stated(body: Said) -> Iterator[Usage]:
    for place in _PLACES:
        said = _at(body, place) if place else body
        if isinstance(said, Mapping):
            shape = next((_SHAPES[key] for key in _SHAPES if said.get(key) is not None), None)
            if shape is not None:
                yield _canonical(shape, said)


def _canonical(shape: _Shape, said: Said) -> Usage:
    """Return a shape's counts under one arithmetic; parts that exceed a whole were not inside it."""
    cached, lasting = _first(said, shape.cached), _first(said, shape.cache_write_1h)
    kept = _first(said, shape.cache_write)
    if kept is None:
        kept = _sum(_first(said, shape.cache_write_5m), lasting)
    read = _sum(*(_first(said, (path,)) for path in shape.read))
    around = (cached or 0) + (kept or 0)
    if read is not None and (shape.is_cache_apart or around > read):
        read += around
    reasoning = _first(said, shape.reasoning)
    return Usage(read, cached, kept, lasting, _output(shape, said, read, reasoning), reasoning)


def _output(shape: _Shape, said: Said, read: int | None, reasoning: int | None) -> int | None:
    """Return all that was generated; the total, where there is one, tells whether reasoning was counted in it."""
    written, total = _first(said, shape.written), count(said.get(shape.total))
    rest = None if total is None or read is None or total < read else total - read
    if written is None:
        return rest
    both = written + (reasoning or 0)
    if rest in (written, both):
        return rest
    return both if shape.is_reasoning_apart else written


def _first(said: Said, paths: tuple[str, ...]) -> int | None:
    return next((number for path in paths if (number := count(_at(said, path))) is not None), None)


def _at(said: object, path: str) -> object:
    """Return what lies at a path of keys; of a list of parts by lifetime, the part with that one."""
    for key in path.split("."):
        if isinstance(said, list):
            parts = (part for part in said if isinstance(part, Mapping) and part.get("ttl") == key)
            said = next((part.get("inputTokens") for part in parts), None)
        else:
            said = said.get(key) if isinstance(said, Mapping) else None
    return said


def _sum(*numbers: int | None) -> int | None:
    """Return the sum of what is known; None when nothing is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
