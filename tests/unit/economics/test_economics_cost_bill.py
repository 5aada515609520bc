"""A bill by hand, to the last decimal; never both routes at once; what is unknown is None, and the total partial."""

from decimal import Decimal

import numpy as np
import pytest
from economics_usage import calls, price, tariff, usage
from hypothesis import given
from hypothesis import strategies as st

from orchprof.contract.run import ModelSide
from orchprof.economics.bill.bill import MODEL, PARTS, bill
from orchprof.economics.bill.external_services import Outside
from orchprof.economics.bill.payment import ACCELERATOR, CPU, NEITHER, TOKEN, Route, route_of
from orchprof.errors import OrchprofError, UsageError
from orchprof.prices.tokens import price_call

SERVED = Route(ACCELERATOR, accelerator="h100-sxm")
BOUGHT = Route(TOKEN)
UNKNOWN = Route(ACCELERATOR)
AWAY = Outside(dict.fromkeys(("search", "parse", "t"), ("api.example",)), ("api.example",))


def cent(model, read, written, cached, at, cache_write):
    """1 USD per 1,000 input tokens, 10 per 1,000 output tokens; 1 and 2 more for those written to a cache."""
    kept, kept_1h = cache_write
    return {
        "input": Decimal(read - kept - kept_1h) / 1000,
        "cache_write": Decimal(2 * kept) / 1000,
        "cache_write_1h": Decimal(3 * kept_1h) / 1000,
        "output": Decimal(written) / 100,
    }


def test_the_accelerators_route_by_hand():
    used = usage(calls=calls([0, 1], [(100, 10), (50, 5)]), accelerator_s=np.array([0.25, 0.75]))
    made = bill(used, tariff(), SERVED)
    # 4 core-s x 1e-5, 8 GiB-s x 1e-6, 1 s x 1e-3
    assert made.parts["cpu_reserved"].usd == Decimal("0.00004")
    assert made.cpu_busy.usd == Decimal("0.00002")
    assert made.parts["memory"].usd == Decimal("0.000008")
    assert made.parts["accelerator"].usd == Decimal("0.001")
    assert made.parts["token"].usd == 0
    assert made.total == Decimal("0.001048")
    assert made.per_success == Decimal("0.000524")
    assert made.by_task == pytest.approx([0.25e-3 + 1e-5 + 2e-6, 0.75e-3 + 3e-5 + 6e-6])


def test_half_the_utilisation_is_twice_the_price():
    used = usage(calls=calls([0], [(1, 1)]), accelerator_s=np.array([1.0, 0.0]))
    assert bill(used, tariff(utilisation=Decimal("0.5")), SERVED).parts["accelerator"].usd == Decimal("0.002")


def test_the_token_route_prices_each_call():
    used = usage(
        calls=calls([0, 0, 1], [(1000, 10), (2000, 0), (500, 1)]), accelerator_s=np.array([9.0, 9.0])
    )
    made = bill(used, tariff(), BOUGHT, price=cent)
    assert made.parts["token"].usd == Decimal("3.61")
    assert made.written == Decimal("0.11")
    assert made.parts["accelerator"].usd == 0
    assert made.parts["token"].by_task == pytest.approx([3.1, 0.51])


def test_length_tiers_hold_per_call_as_in_the_library():
    tokens = [(150_000, 1000)] * 4  # each below the tier of 200,000; summed far above
    used = usage(calls=calls([0, 0, 1, 1], tokens))
    route = Route(TOKEN, model="claude-sonnet-4-5")
    made = bill(used, tariff(), route).parts["token"].usd
    genai = pytest.importorskip("genai_prices")
    one = genai.calc_price(
        genai.Usage(input_tokens=150_000, output_tokens=1000), model_ref="claude-sonnet-4-5"
    )
    assert made == 4 * one.total_price
    assert price_call("claude-sonnet-4-5", 600_000, 4000, None, None) > Decimal("1.9") * made


def test_failed_tasks_are_paid_for():
    used = usage((1.0, 1.0, 2.0, 4.0), ok=np.array([True, False, True, False]))
    made = bill(used, tariff(), Route(NEITHER))
    assert made.successes == 2
    assert made.per_success == made.total / 2
    assert made.mean == made.total / 4


def test_no_success_no_cost_per_success():
    assert bill(usage(ok=np.zeros(2, dtype=bool)), tariff(), SERVED).per_success is None


@pytest.mark.parametrize(
    ("used", "rates", "route", "part", "said"),
    [
        (usage(memory_gib_s=None), tariff(), SERVED, "memory", "not sampled"),
        (usage(calls=calls([0], [(1, 1)]), accelerator_s=None), tariff(), SERVED, "accelerator", "does not state"),
        (usage(calls=calls([0], [(1, 1)])), tariff(accelerator=None), SERVED, "accelerator", "accelerator/h100-sxm="),
        (usage(calls=calls([0], [(1, 1)])), tariff(accelerator=None), UNKNOWN, "accelerator", "--accelerator"),
        (usage(calls=calls([0], [(1, 1)])), tariff(), Route(NEITHER, reason="why"), "accelerator", "why"),
        (usage(calls=calls([0], [None])), tariff(), BOUGHT, "token", "no call states"),
        (usage(calls=calls([0], [(1, 1)], model=None)), tariff(), BOUGHT, "token", "names no model"),
        (usage(calls=calls([0], [(1, 1)], model="none-such-9")), tariff(), BOUGHT, "token", "no token price"),
        (usage(tools={"search": np.array([1, 0])}, outside=AWAY), tariff(), SERVED, "tool", "reached api.example"),
        (usage(outside=AWAY), tariff(), SERVED, "network", "bytes to api.example are not counted"),
        (usage(network_gib=np.ones(2), outside=AWAY), tariff(), SERVED, "network", "--price network="),
    ],
)  # fmt: skip
def test_what_is_not_known_is_none_with_a_reason(used, rates, route, part, said):
    made = bill(used, rates, route)
    assert made.parts[part].usd is None
    assert said in made.parts[part].reason
    assert part in made.partial
    assert made.known == sum(each.usd for each in made.parts.values() if each.usd is not None)
    # Without the model there is no total; without another part the total is at least what is known.
    assert (
        (made.total, made.mean, made.per_success) == (None,) * 3
        if part in MODEL
        else made.total == made.known
    )
    assert (made.unpriced_model is not None) == (part in MODEL)


def test_busy_cores_are_in_no_total():
    made = bill(usage(cpu_busy_s=None), tariff(), SERVED)
    assert (made.cpu_busy.usd, made.cpu_busy.reason) == (None, "processor time was not sampled")
    assert "cpu_busy" not in made.partial


def test_tools_and_network_that_have_a_price():
    used = usage(
        tools={"search": np.array([2, 1]), "idle": np.array([0, 0])},
        network_gib=np.array([0.5, 1.5]),
        outside=AWAY,
    )
    rates = tariff(tools={"search": price("tool/search", "0.01")}, network=price("network", "0.09"))
    made = bill(used, rates, SERVED)
    assert made.parts["tool"].usd == Decimal("0.03")
    assert made.parts["network"].usd == Decimal("0.18")
    assert made.parts["tool"].by_task == pytest.approx([0.02, 0.01])
    assert made.partial == ()


def test_tools_of_which_some_have_a_price_cost_that_much_at_least():
    used = usage(tools={"search": np.array([2, 1]), "parse": np.array([0, 7])}, outside=AWAY)
    made = bill(used, tariff(tools={"search": price("tool/search", "0.01")}), SERVED)
    assert made.parts["tool"].usd == Decimal("0.03")
    assert made.parts["tool"].by_task == pytest.approx([0.02, 0.01])
    assert "tool" in made.partial
    assert "parse" in made.parts["tool"].reason
    assert "search" not in made.parts["tool"].reason


def test_a_free_network_costs_nothing_however_many_bytes():
    made = bill(usage(), tariff(network=price("network", "0")), SERVED)
    assert made.parts["network"].usd == 0
    assert made.partial == ()


def test_an_answer_without_tokens_counts_as_the_mean_and_a_failure_as_unbilled():
    used = usage(
        calls=calls([0, 0, 1, 1], [(1000, 0), (3000, 0), None, None], answered=[True, True, True, False])
    )
    made = bill(used, tariff(), BOUGHT, price=cent)
    assert made.parts["token"].usd == 6
    assert made.parts["token"].by_task == pytest.approx([4, 2])
    assert [note[:6] for note in made.notes[:2]] == ["1 of 4", "1 of 4"]


def test_a_refused_attempt_costs_nothing_and_is_no_failure_to_be_told():
    used = usage(
        calls=calls(
            [0, 0, 1], [(1000, 0), None, None], answered=[True, False, True], refused=[False, True, False]
        )
    )
    made = bill(used, tariff(), BOUGHT, price=cent)
    assert made.parts["token"].by_task == pytest.approx([1, 1])
    assert made.parts["token"].usd == 2
    assert made.notes[0].startswith("1 of 2 calls state no tokens")  # of those that were not refused
    only = usage(calls=calls([0, 0], [None, None], answered=[False, False], refused=[True, True]))
    assert bill(only, tariff(), BOUGHT, price=cent).parts["token"].usd == 0
    assert bill(only, tariff(), Route(NEITHER, reason="?")).parts["accelerator"].usd == 0


def test_what_stayed_on_this_machine_is_free_and_said_so():
    made = bill(usage(tools={"search": np.array([2, 1])}), tariff(), SERVED)
    assert (made.parts["tool"].usd, made.parts["network"].usd) == (0, 0)
    assert made.partial == ()
    assert made.notes == (
        "search: reached no other host, so free apart from the cores and memory they used",
        "network: every connection stayed on this machine, so its bytes are free",
    )


def test_a_model_on_this_machines_cores_costs_what_its_server_used_of_them():
    used = usage(calls=calls([0, 1], [(1, 1)] * 2), endpoint_core_s=np.array([2.0, 6.0]))
    made = bill(used, tariff(accelerator=None), Route(CPU))
    assert made.parts["accelerator"].usd == Decimal("0.00008")
    assert made.total == Decimal("0.00004") + Decimal("0.000008") + Decimal("0.00008")
    unknown = bill(usage(calls=calls([0], [(1, 1)])), tariff(accelerator=None), Route(CPU))
    assert (unknown.total, "was not measured" in unknown.unpriced_model) == (None, True)


def test_what_each_call_costs():
    made = bill(usage(calls=calls([0, 1, 1], [(1000, 0), None, (0, 50)])), tariff(), BOUGHT, price=cent)
    assert made.by_call == pytest.approx([1.0, 0.75, 0.5])  # the second one as the mean of the others
    served = calls([0, 1, 1], [(1, 1)] * 3, accelerator_s=[1.0, np.nan, 3.0])
    made = bill(usage(calls=served, accelerator_s=np.array([1.0, 5.0])), tariff(), SERVED)
    assert made.by_call == pytest.approx([1e-3, 2e-3, 3e-3])


def test_each_kind_of_token_has_its_cost():
    used = usage(
        calls=calls(
            [0, 1, 1], [(1000, 20), (500, 0), None],
            cache_write_tokens=[300, np.nan, np.nan], cache_write_1h_tokens=[100, np.nan, np.nan],
        )
    )  # fmt: skip
    made = bill(used, tariff(), BOUGHT, price=cent)
    # Two of three calls state their tokens: each kind is half as much again.
    expected = {"input": "1.2", "cache_write": "0.4", "cache_write_1h": "0.3", "output": "0.2"}
    for kind, usd in expected.items():
        assert made.kinds[kind] == Decimal(usd) * Decimal("1.5")
    assert sum(made.kinds.values()) == made.parts["token"].usd
    assert made.written == made.kinds["output"]


def test_tokens_written_to_a_cache_are_paid_by_how_long_they_are_kept():
    used = usage(
        calls=calls(
            [0, 1],
            [(1000, 0), (500, 0)],
            cache_write_tokens=[300, np.nan],
            cache_write_1h_tokens=[100, np.nan],
        )
    )
    made = bill(used, tariff(), BOUGHT, price=cent)
    assert made.parts["token"].by_task == pytest.approx([1.4, 0.5])  # 1000 + 200 + 2 x 100, and 500


def test_a_model_asked_for_by_name_must_have_a_price():
    with pytest.raises(UsageError, match="no token price"):
        bill(usage(calls=calls([0], [(1, 1)])), tariff(), Route(TOKEN, model="none-such-9"))


amounts = st.floats(0, 1e6, allow_nan=False)
money = st.decimals("0.000001", "1000000", allow_nan=False, places=6)


@given(
    latency=st.lists(amounts, min_size=1, max_size=6),
    served=amounts,
    tokens=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    core=money,
    accelerator=money,
    kind=st.sampled_from([ACCELERATOR, TOKEN]),
)
def test_parts_sum_to_the_total_and_one_route_is_paid(latency, served, tokens, core, accelerator, kind):
    n = len(latency)
    used = usage(
        latency, calls=calls([0], [tokens]), accelerator_s=np.r_[served, np.zeros(n - 1)],
        tools={"t": np.ones(n, dtype=np.int64)}, network_gib=np.ones(n), outside=AWAY,
    )  # fmt: skip
    rates = tariff(
        core=price("core", core), accelerator=price("owner/h100-sxm/neocloud", accelerator),
        tools={"t": price("tool/t", "0.001")}, network=price("network", "0.09"),
    )  # fmt: skip
    made = bill(used, rates, Route(kind, accelerator="h100-sxm"), price=cent)
    each = [made.per_task(name) for name in PARTS]
    assert abs(sum(each) - made.total / n) < Decimal("1e-12")
    assert made.parts["accelerator"].usd == 0 or made.parts["token"].usd == 0
    assert made.by_task.sum() == pytest.approx(float(made.total))


@pytest.mark.parametrize(
    ("spec", "asked", "expected"),
    [
        ("paced:llama-3.1-8b@h100-sxm", {}, (ACCELERATOR, "h100-sxm", None)),
        ("paced:llama-3.1-70b@b200x4", {}, (ACCELERATOR, "b200-sxm", None)),
        ("torch:tiny", {}, (ACCELERATOR, None, None)),
        ("torch:tiny", {"accelerator": "l4"}, (ACCELERATOR, "l4", None)),
        ("https://api.openai.com/v1#gpt-5", {}, (TOKEN, None, "https://api.openai.com/v1#gpt-5")),
        ("https://api.openai.com/v1#gpt-5", {"accelerator": "l4"}, (ACCELERATOR, "l4", None)),
        (None, {}, (TOKEN, None, None)),
        ("llama:default", {}, (CPU, None, None)),
        ("zero", {}, (NEITHER, None, None)),
        ("zero", {"token_model": "gpt-5"}, (TOKEN, None, "gpt-5")),
        ("paced:llama-3.1-8b@h100-sxm", {"token_model": "gpt-5"}, (TOKEN, None, "gpt-5")),
        ("paced:gone@nowhere", {}, (ACCELERATOR, None, None)),
    ],
)
def test_the_route_follows_the_spec_unless_asked(spec, asked, expected):
    route = route_of(ModelSide(spec=spec), **asked)
    assert (route.kind, route.accelerator, route.model) == expected
    assert (route.reason is None) == (route.kind != NEITHER)


@pytest.mark.parametrize(
    "asked",
    [
        {"asked": ACCELERATOR, "token_model": "gpt-5"},
        {"accelerator": "l4", "token_model": "gpt-5"},
        {"accelerator": "l4"},
    ],
)
def test_contradictions_are_refused(asked):
    with pytest.raises(OrchprofError):
        route_of(ModelSide(spec="paced:llama-3.1-8b@h100-sxm"), **asked)
