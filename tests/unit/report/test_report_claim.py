"""The claim's tables of what was measured and extrapolated."""

from dataclasses import replace

from support import record_of, some

from orchprof.contract.claim import Crossing, Extrapolated, PublishedShare
from orchprof.report.console import claim_measured

LAW = record_of(Extrapolated, {
    "workload": "rag", "tool": "search", "setting": "filler", "at": 112304687.5, "basis": "extrapolated",
    "base": {"run": "b/rag", "workload": "rag", "setting": "s"},
    "measured": [{"value": v, "s": s, "run": "r"} for v, s in ((0, 0.001), (1000, 0.002), (2000, 0.003))],
    "slope": 1e-6, "intercept": 0.001, "residual": 0.042, "r2": 0.99812, "call_s": 112.3057, "factor_beyond": 56152.3,
    "shares": {
        "not_model": {
            "share": 0.98, "ci95": [0.97, 0.99], "share_in_band": [0.99, 0.96], "verdict": "above", "reason": None,
        }
    },
    "cores_busy": 0.98, "published": [],
    "published_size": {"bytes": 115e9, "what": "vectors", "threads": 1, "source": "a paper"},
})  # fmt: skip
LAW = replace(LAW, published=[some(PublishedShare, value=value) for value in (0.81, 0.95)])


def row(definition, level, between=None, at=None, clear=None, over="concurrency", values=(1, 2)):
    shares = dict(zip(values, (0.8, 0.4), strict=True))
    return record_of(Crossing, {
        "workload": "rag", "setting": "bare m", "reading": definition, "level": level, "over": over, "name": over,
        "between": between, "at": at, "clear": clear,
        "measured": [{"value": v, "run": str(v), "share": s, "ci95": None} for v, s in shares.items()],
    })  # fmt: skip


def test_shares_by_value_and_where_bounds_are_passed():
    model = some(Crossing, over="model", multiplier=2.0)
    rows = [row("not_model", 0.5, [1, 2], 1.68, clear=False), row("not_model", 0.9)]
    assert claim_measured.crossings([model, *rows]) == [
        "",
        "Over concurrency: rag bare m",
        "  counting        1    2  passes 50%  passes 90%",
        "  as published  80%  40%  ~1.68?      never",
        "             ?: a bound lies within the 95 % interval of a neighbour; nothing is",
        "             said beyond what was measured",
    ]


def test_words_lie_between_words():
    words = {"over": "setting", "values": ("b", "a")}
    rows = [row("host", 0.5, ["b", "a"], None, clear=True, **words), row("host", 0.9, **words)]
    said = claim_measured.crossings(rows)[-1].split()
    assert said == ["host", "work", "80%", "40%", "b", "to", "a", "never"]


def test_two_crossings_of_one_bound_are_both_said():
    rows = [
        row("host", 0.5, [1, 2], 1.5, clear=True),
        row("host", 0.5, [2, 4], 3.0, clear=True),
        row("host", 0.9),
    ]
    assert "~1.50, ~3" in claim_measured.crossings(rows)[-1]


def test_nothing_measured_says_nothing():
    assert claim_measured.crossings([some(Crossing, over="model")]) == []
    assert claim_measured.extrapolated([]) == []


def test_a_law_is_shown_with_its_doubt():
    lines = claim_measured.extrapolated([LAW])
    words = " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 80
    assert "Extrapolated rag search: a call takes 1 ms + 1e-06 s x filler, by 3 runs from 0 to 2000" in words
    assert "at most 4.2% off, R2 0.9981" in words
    assert "at filler 112304687.5, x 56152 of the largest measured: NOT MEASURED, a call takes 112 s" in words
    assert "as published 98% 97-99% 96-99% above 81-95%" in words
    assert "published: 1 thread a query, 115 GB, vectors (a paper)" in words


def test_what_lies_within_the_measured_is_not_called_extrapolated():
    words = " ".join(" ".join(claim_measured.extrapolated([replace(LAW, basis="interpolated")])).split())
    assert words.startswith("Interpolated rag search")
    assert "NOT MEASURED" not in words
