"""What a call to a model's API costs, by its tokens, from the prices in the `genai-prices` library.

A call is priced alone: several vendors charge all of a call's tokens at a higher rate once its input is long,
so the price of summed tokens is not the sum of the prices. The library finds the model and the price that held
at a time; the sum is taken here, a hundred times faster, and the tests hold it against the library's own.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from orchprof.errors import UsageError
from orchprof.prices.price import Price

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, TieredPrices

PER: Final = 1_000_000
# Specs of models that this machine serves, as `zero` is: no vendor has a price for them.
SELF_HOSTED: Final = ("paced:", "llama:", "torch:")
_CACHE_WRITE: Final = ("cache_write_mtok", "cache_write_1h_mtok")
# What a call is charged for: input that no cache held, what one held, what was written to one for minutes and for an
# hour, output, and the request itself.
KINDS: Final = ("input", "cached", "cache_write", "cache_write_1h", "output", "request")
_SHOWN: Final = (
    ("input", "input_mtok"), ("cached", "cache_read_mtok"), ("cache_write", _CACHE_WRITE[0]),
    ("cache_write_1h", _CACHE_WRITE[1]), ("output", "output_mtok"),
)  # fmt: skip


def price_call(
    model: str,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int | None,
    at: datetime | None,
    cache_write: tuple[int, int] = (0, 0),
) -> Decimal:
    """Return what one call costs in USD, exactly: the sum of `price_kinds`."""
    kinds = price_kinds(model, input_tokens, output_tokens, cached_tokens, at, cache_write)
    return sum(kinds.values(), Decimal(0))


def price_kinds(
    model: str,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int | None,
    at: datetime | None,
    cache_write: tuple[int, int] = (0, 0),
) -> dict[str, Decimal]:
    """Return what one call costs in USD, exactly, by KINDS of what is charged.

    What is kept for an hour costs as the library says; where that has no such rate, as what is kept for minutes; and
    where it has none of that either, as any input.

    Args:
        model: `gpt-5`, `openai/gpt-5` to say whose, or a spec `https://HOST/v1#gpt-5`, whose host then says it.
        input_tokens: of the whole prompt, cached ones included.
        output_tokens: all that was generated, reasoning included.
        cached_tokens: of the input, read from the vendor's cache; None: not reported, none are discounted.
        at: when it was sent, prices change; now when None; naive times are UTC.
        cache_write: of the input, written to the vendor's cache: to be kept for minutes, and for an hour.

    Raises:
        UsageError: no vendor has a token price for this model, or the tokens cannot be.
    """
    cached = cached_tokens or 0
    plain = input_tokens - cached - sum(cache_write)
    if min(input_tokens, output_tokens, cached, *cache_write, plain) < 0:
        said = f"{input_tokens} in, {cached} of them cached, {sum(cache_write)} written, {output_tokens} out"
        raise UsageError(
            f"tokens that cannot be, {said} @ a call to {model}, cached ones are part of the input"
        )
    prices = _prices(model, at)
    input_price, cached_price, output_price = (
        _rate(getattr(prices, key), input_tokens) for key in ("input_mtok", "cache_read_mtok", "output_mtok")
    )
    if (input_price is None and input_tokens) or (output_price is None and output_tokens):
        raise _unpriced(model)
    cached_price = input_price if cached_price is None else cached_price
    written, written_1h = _written(prices, cache_write, input_tokens, input_price)
    paid = (
        _cost(plain, input_price),
        _cost(cached, cached_price),
        written,
        written_1h,
        _cost(output_tokens, output_price),
        (_rate(prices.requests_kcount, input_tokens) or Decimal(0)) / 1000,
    )
    return dict(zip(KINDS, paid, strict=True))


def _written(
    prices: "ModelPrice", cache_write: tuple[int, int], input_tokens: int, rate: Decimal | None
) -> list[Decimal]:
    """Return what tokens written to a cache cost, by lifetime; each one's rate stands in for the next one's."""
    paid = []
    for tokens, key in zip(cache_write, _CACHE_WRITE, strict=True):
        own = _rate(getattr(prices, key, None), input_tokens)
        rate = rate if own is None else own
        paid.append(_cost(tokens, rate))
    return paid


def provenance(model: str, at: datetime | None = None) -> list[Price]:
    """Return a model's token prices in USD per million tokens, one for each kind of token that has a price.

    They are called `token/MODEL/input`, `cached`, `cache_write`, `cache_write_1h` and `output`. A rate that holds
    above some input length has a row of its own: `token/MODEL/input>200000`. The day is that of the newest price the
    library has that holds already: the library states no other.

    Raises:
        UsageError: no vendor has a token price for this model.
    """
    provider, _ = _found(model)
    prices = _prices(model, at)
    source = f"genai-prices {version('genai-prices')}, {provider.name}"
    as_of = _newest((at or datetime.now(UTC)).date())
    rows = [
        Price(f"token/{model}/{name}", value, "usd_per_mtok", "list", source, as_of)
        for kind, key in _SHOWN
        for name, value in _levels(kind, getattr(prices, key, None))
    ]
    if not rows:
        raise _unpriced(model)
    return rows


def _levels(kind: str, price: "Decimal | TieredPrices | None") -> Iterator[tuple[str, Decimal]]:
    if price is None:
        return
    yield kind, price if isinstance(price, Decimal) else price.base
    for tier in () if isinstance(price, Decimal) else price.tiers:
        yield f"{kind}>{tier.start}", tier.price


def _rate(price: "Decimal | TieredPrices | None", input_tokens: int) -> Decimal | None:
    """Return the rate that holds for all tokens of a call with this much input."""
    if price is None or isinstance(price, Decimal):
        return price
    rate = price.base
    for tier in price.tiers:  # in rising order
        rate = tier.price if input_tokens > tier.start else rate
    return rate


def _cost(tokens: int, rate: Decimal | None) -> Decimal:
    return tokens * rate / PER if rate is not None else Decimal(0)


def _prices(model: str, at: datetime | None) -> Any:
    return _found(model)[1].get_prices(at or datetime.now(UTC))


@cache
def _found(model: str) -> tuple[Any, Any]:
    """Return the library's provider and model; it is loaded only here, as that takes 0.4 s."""
    from genai_prices.data_snapshot import get_snapshot

    if model == "zero" or model.startswith(SELF_HOSTED):
        raise UsageError(
            f"no token price, {model!r} @ the model, it is self-hosted: price its accelerator or its machine"
        )
    url, _, name = model.rpartition("#")
    snapshot = get_snapshot()
    vendor, _, rest = name.partition("/")
    with suppress(LookupError):
        # Who names a vendor means its price: what others charge for the model is no answer.
        if rest and not url and _is_vendor(vendor):
            return snapshot.find_provider_model(rest, None, vendor, None)
        return snapshot.find_provider_model(name, None, None, url or None)
    raise UsageError(f"no token price, {name!r} @ {url or 'the model'}, {_remedy(name, url)}")


def _is_vendor(name: str) -> bool:
    from genai_prices.data_snapshot import get_snapshot

    with suppress(LookupError):
        return bool(get_snapshot().find_provider(None, name, None))
    return False


@cache
def _remedy(name: str, url: str) -> str:
    # A host nobody knows serves its own models: what a vendor charges for the same weights says nothing.
    near = [] if url else get_close_matches(name, _known(), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else "name one that a vendor sells"


def _unpriced(model: str) -> UsageError:
    return UsageError(f"no token price, {model!r} @ the price library, it knows the model but not its price")


@cache
def _known() -> list[str]:
    from genai_prices.data_snapshot import get_snapshot

    providers = get_snapshot().providers
    models = [(provider, model.id) for provider in providers for model in provider.models]
    return list(
        dict.fromkeys(name if provider.model_match else f"{provider.id}/{name}" for provider, name in models)
    )


@cache
def _newest(today: date) -> date | None:
    from genai_prices.data_snapshot import get_snapshot

    models = (model for provider in get_snapshot().providers for model in provider.models)
    dated = (price for model in models if isinstance(model.prices, list) for price in model.prices)
    starts = (getattr(price.constraint, "start_date", None) for price in dated)
    return max((start for start in starts if start and start <= today), default=None)
