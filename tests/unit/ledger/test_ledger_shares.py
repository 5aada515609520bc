"""The named shares as sets."""

from orchprof.ledger.labels import LABELS
from orchprof.ledger.shares import PARTITION, SHARES, membership
from orchprof.run.schema import ROLES


def labels(name):
    return {LABELS[code] for code in SHARES[name]}


def test_the_parts_cover_every_label_once():
    assert sorted(code for name in PARTITION for code in SHARES[name]) == list(range(len(LABELS)))


def test_sums_and_subsets():
    assert labels("host") == labels("orchestration") | labels("tool_local")
    assert labels("not_model") == labels("host") | labels("orchestration_wait") | labels("tool_wait")
    assert labels("tool_cpu") == {("tool", state) for state in ("cpu", "gc", "serialise")}
    assert labels("tool_cpu") < labels("tool_local")


def test_what_counts_as_what():
    assert {("framework", "cpu"), ("client", "wakeup"), ("framework", "startup")} < labels("orchestration")
    assert {("framework", "file"), ("client", "net"), ("framework", "lock")} < labels("orchestration_wait")
    assert {("tool", "file"), ("tool", "lock"), ("tool", "startup")} < labels("tool_local")
    assert {("tool", "net"), ("tool", "sleep"), ("tool", "timeout"), ("tool", "off")} < labels("tool_wait")
    assert labels("unexplained") == {(role, "unexplained") for role in ROLES}
    assert ("model", "net") in labels("model")
    assert ("user", "sleep") in labels("user")


def test_membership_says_the_same():
    table = membership()
    assert table.shape == (len(LABELS), len(SHARES))
    for column, (_, codes) in enumerate(SHARES.items()):
        assert set(table[:, column].nonzero()[0]) == codes
