"""What is kept of a reply: all of a short one, both ends of a long one, more of a compressed one."""

from orchprof.capture.hooks.http.kept import Kept

PIECE = b"x" * 1000


def filled(pieces, *, compressed=False):
    kept = Kept()
    if compressed:
        kept.hold()
    for number in range(pieces):
        kept.add(b"%04d" % number + PIECE)
    return kept


def test_a_short_reply_is_kept_whole():
    kept = filled(70)
    assert not kept.has_gap
    assert len(kept.runs()[0]) == 70 * 1004
    assert not kept.is_beginning
    assert filled(3).is_beginning
    assert Kept().runs() == [b""]


def test_of_a_long_one_both_ends_are_and_no_more():
    kept = filled(1000)
    head, tail = kept.runs()
    assert kept.has_gap
    assert head.startswith(b"0000x")
    assert tail[-1004:].startswith(b"0999x")
    assert len(head) + len(tail) < 80_000


def test_the_last_piece_is_kept_however_long():
    kept = Kept()
    for size in (10_000, 10, 1_000_000):
        kept.add(b"x" * size)
    assert [len(run) for run in kept.runs()] == [10_000, 1_000_000]


def test_a_compressed_one_is_kept_whole_for_longer():
    assert not filled(250, compressed=True).has_gap
    assert filled(400, compressed=True).has_gap
