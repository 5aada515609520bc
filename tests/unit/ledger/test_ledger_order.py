"""Orders in which what comes first comes first, as far as it can."""

import pytest

from orchprof.ledger.replay.order import in_order


@pytest.mark.parametrize(
    ("hard", "soft", "expected"),
    [
        ([], [], [0, 1, 2, 3]),
        ([], [(3, 1)], [0, 2, 3, 1]),
        ([(1, 2)], [(3, 1)], [0, 3, 1, 2]),
        ([(1, 3)], [(3, 1)], [0, 2, 1, 3]),  # the wish gives way
        ([], [(1, 2), (2, 1)], [0, 3, 1, 2]),  # and so does one of two that exclude each other
    ],
)
def test_wishes_are_held_to_where_they_can_be(hard, soft, expected):
    pairs = [([one for one, _ in each], [two for _, two in each]) for each in (hard, soft)]
    assert in_order(range(4), *pairs) == expected
