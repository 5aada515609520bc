"""Text for a terminal: what could steer it is shown; numbers as a person writes them."""

import copy

import pytest
from support import some

from orchprof import units
from orchprof.contract.brief import Figure
from orchprof.contract.cost import Unpriced
from orchprof.terminal import visible, visible_record


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("search_docs 3.1 s", "search_docs 3.1 s"),
        ("caf\u00e9 \u6771\u4eac \U0001f600", "caf\u00e9 \u6771\u4eac \U0001f600"),
        ("\x1b]0;title\x07\x1b[2J", r"\x1b]0;title\x07\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("two\nlines\r\n\ttab\x85\u2028", r"two\nlines\r\n\ttab\x85\u2028"),
        ("abc\u202ecba\u2066\u200f", r"abc\u202ecba\u2066\u200f"),
        ("a\u200bb\ufeff\u00ad", r"a\u200bb\ufeff\xad"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("", ""),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown
    assert shown.isprintable()


def test_a_record_is_made_visible_throughout_and_left_alone():
    record = {"a\x1b": ["b\n", ("c\r", 1.5, None, True)], "d": {"e": {"\x07": "f\u202e"}}}
    before = copy.deepcopy(record)
    assert visible_record(record) == {
        r"a\x1b": [r"b\n", (r"c\r", 1.5, None, True)], "d": {"e": {r"\x07": r"f\u202e"}}
    }  # fmt: skip
    assert record == before


def test_a_typed_record_is_made_visible_too():
    missing = Unpriced(part="tool", reason="a\x1b")
    assert visible_record([missing]) == [Unpriced(part="tool", reason=r"a\x1b")]
    figure = some(Figure, key="k\n", interval=(1.0, 2.0))
    assert visible_record(figure) == some(Figure, key=r"k\n", interval=(1.0, 2.0))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), (" -0.5 ", -0.5), ("1e6", 1e6), (".5", 0.5), ("5.", 5), ("+1E-3", 1e-3), ("-0", 0), ("1e999", None),
        ("nan", None), ("inf", None), ("", None), (".", None), ("1_0", None), ("\u0663", None), ("1,5", None),
        ("0x10", None), ("1e", None), ("1.2.3", None),
    ],
)  # fmt: skip
def test_a_number_as_a_person_writes_it(text, value):
    assert units.number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        (" 7 ", 7),
        ("5.0", None),
        ("1e3", None),
        ("1_0", None),
        ("\u0663", None),
        ("9" * 19, None),
    ],
)
def test_a_whole_number_as_a_person_writes_it(text, value):
    assert units.whole_number(text) == value
