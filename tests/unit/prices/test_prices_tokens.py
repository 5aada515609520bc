"""Token prices: each call alone, equal to the library's own, unknown models named."""

import random
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot

from orchprof.errors import OrchprofError, UsageError
from orchprof.prices import tokens

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_call_by_hand():
    # gpt-5: 1.25 in, 0.125 cached, 10 out, per million
    assert tokens.price_call("gpt-5", 1000, 100, None, AT) == Decimal("0.00225")
    # 600 * 1.25 + 400 * 0.125 + 100 * 10 = 1800 per million
    assert tokens.price_call("gpt-5", 1000, 100, 400, AT) == Decimal("0.0018")
    assert tokens.price_call("gpt-5", 0, 0, None, AT) == 0


def test_summed_tokens_would_be_94_percent_too_dear():
    # claude-sonnet-4-5: 3 in, 15 out; all of a call above 200,000 of input at 6 and 22.5
    calls = [tokens.price_call("claude-sonnet-4-5", 30_000, 800, None, AT) for _ in range(40)]
    summed = tokens.price_call("claude-sonnet-4-5", 40 * 30_000, 40 * 800, None, AT)
    assert (sum(calls), summed) == (Decimal("4.08"), Decimal("7.92"))


def test_a_tier_starts_above_its_boundary():
    def price(input_tokens):
        return tokens.price_call("claude-sonnet-4-5", input_tokens, 0, None, AT)

    assert price(200_000) == Decimal("0.6")
    assert price(200_001) == Decimal("1.200006")
    # The input's length decides, cached or not, for the output too.
    assert tokens.price_call("claude-sonnet-4-5", 200_001, 1_000_000, 200_001, AT) == Decimal("22.6200006")


def test_what_is_written_to_a_cache_has_rates_of_its_own():
    # claude-sonnet-4-5: 3 in, 0.3 cached, 3.75 written for minutes, 6 for an hour, 15 out
    paid = tokens.price_call("claude-sonnet-4-5", 13_258, 200, 12_000, AT, (1_253, 0))
    assert paid == Decimal("0.01131375")
    assert tokens.price_call("claude-sonnet-4-5", 1000, 0, None, AT, (0, 1000)) == Decimal("0.006")
    # no rate for an hour: that for minutes; no rate at all: the input's
    assert tokens.price_call(
        "moonshotai/kimi-k2-0905-preview", 1000, 0, None, AT, (500, 500)
    ) == tokens.price_call("moonshotai/kimi-k2-0905-preview", 1000, 0, None, AT)


def test_every_model_costs_what_the_library_says():
    draw = random.Random(1)
    compared = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            prices = model.get_prices(AT)
            if prices.input_mtok is None or prices.output_mtok is None:
                continue
            sent, out = draw.randrange(1_000_000), draw.randrange(100_000)
            cached = draw.randrange(sent + 1)
            kept = draw.randrange(sent - cached + 1)
            hour = draw.randrange(kept + 1)
            usage = Usage(
                input_tokens=sent, output_tokens=out, cache_read_tokens=cached, cache_write_tokens=kept,
                cache_write_1h_tokens=hour,
            )  # fmt: skip
            try:
                theirs = calc_price(usage, model.id, provider_id=provider.id, genai_request_timestamp=AT)
            except LookupError:
                continue  # the library does not find all of its own
            ours = tokens.price_call(f"{provider.id}/{model.id}", sent, out, cached, AT, (kept - hour, hour))
            assert ours == theirs.total_price, f"{provider.id}/{model.id}"
            compared += 1
    assert compared > 1000


@pytest.mark.parametrize("name", ["gpt-5", "openai/gpt-5", "https://api.openai.com/v1#gpt-5"])
def test_a_model_may_say_whose_it_is(name):
    assert tokens.price_call(name, 1000, 100, None, AT) == Decimal("0.00225")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("gpt5", "no token price, 'gpt5' @ the model, did you mean 'gpt-5'"),
        ("claude-sonet-4-5", "did you mean 'claude-sonnet-4-5'"),
        ("qqqqqqqq", "name one that a vendor sells"),
        ("http://localhost:8000/v1#gpt-5", "no token price, 'gpt-5' @ http://localhost:8000/v1"),
        ("paced:llama-3.1-8b@h100-sxm", "it is self-hosted"),
        ("zero", "it is self-hosted"),
        ("groq/gpt-5", "no token price, 'groq/gpt-5' @ the model"),  # others sell it, groq does not
        ("nobody/model-x", "no token price, 'nobody/model-x' @ the model"),
        ("cerebras/qwen-3-coder-480b", "it knows the model but not its price"),
    ],
)
def test_a_model_without_a_token_price_is_an_error_never_zero(name, fault):
    with pytest.raises(OrchprofError, match=fault):
        tokens.price_call(name, 1000, 100, None, AT)


@pytest.mark.parametrize("counts", [(-1, 0, None), (0, -1, None), (10, 0, 11), (10, 0, -1)])
def test_tokens_that_cannot_be(counts):
    with pytest.raises(UsageError, match="tokens that cannot be"):
        tokens.price_call("gpt-5", *counts, AT)


def test_where_the_prices_are_from():
    rows = {row.name: row for row in tokens.provenance("claude-sonnet-4-5", AT)}
    per_million = {name.removeprefix("token/claude-sonnet-4-5/"): row.value for name, row in rows.items()}
    assert per_million == {
        "input": 3, "input>200000": 6, "cached": Decimal("0.3"), "cached>200000": Decimal("0.6"),
        "cache_write": Decimal("3.75"), "cache_write>200000": Decimal("7.5"),
        "cache_write_1h": 6, "cache_write_1h>200000": 12, "output": 15, "output>200000": Decimal("22.5"),
    }  # fmt: skip
    row = rows["token/claude-sonnet-4-5/input"]
    assert (row.unit, row.basis) == ("usd_per_mtok", "list")
    assert row.source.startswith("genai-prices ")
    assert row.source.endswith(", Anthropic")
    assert row.as_of <= AT.date()
    with pytest.raises(OrchprofError, match="not its price"):
        tokens.provenance("cerebras/qwen-3-coder-480b")


def test_the_price_that_held_when_the_call_was_sent():
    early = datetime(2026, 1, 1, tzinfo=UTC)
    model = next(
        (provider, model)
        for provider in get_snapshot().providers
        for model in provider.models
        if model.get_prices(early).input_mtok not in (None, model.get_prices(AT).input_mtok)
        and isinstance(model.get_prices(early).input_mtok, Decimal)
    )
    name = f"{model[0].id}/{model[1].id}"
    naive = early.replace(tzinfo=None)  # is UTC
    assert tokens.price_call(name, 1_000_000, 0, None, naive) == tokens.price_call(
        name, 1_000_000, 0, None, early
    )
    assert tokens.price_call(name, 1_000_000, 0, None, early) == model[1].get_prices(early).input_mtok


def test_the_library_is_loaded_only_when_a_call_is_priced():
    import subprocess

    code = "import sys; from orchprof.prices import tokens, book; book.book(); sys.exit('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
