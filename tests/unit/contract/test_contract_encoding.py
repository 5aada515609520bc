"""Records as plain values."""

import math
from dataclasses import dataclass

import numpy as np

from orchprof.contract.schema.encoding import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row with what JSON cannot say."""

    later: float = 1.0
    value: object


def test_keys_come_in_the_order_of_the_type():
    assert list(plain(Row(value=1))) == ["later", "value"]


def test_what_json_cannot_say_is_none_wherever_it_stands():
    value = [math.nan, {"a": np.float64("inf")}, (-math.inf, 1.5)]
    assert plain(Row(value=value)) == {"later": 1.0, "value": [None, {"a": None}, [None, 1.5]]}


def test_numpy_scalars_are_numbers():
    found = plain(Row(value=[np.int64(3), np.float32(0.5), np.bool_(1)]))["value"]
    assert (found, list(map(type, found))) == ([3, 0.5, True], [int, float, bool])
