"""The book of prices: what replaces what, names and their near misses, what is stale."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from orchprof.errors import UsageError
from orchprof.prices.book import as_record, book, is_stale
from orchprof.prices.price import Price

HEADER = "provider,instance,vcpus,memory_gib,usd_per_hour"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def project(tmp_path, text):
    path = tmp_path / "orchprof.toml"
    path.write_text(text)
    return path


def test_later_sources_replace_earlier_ones(tmp_path):
    shipped = book()
    assert shipped.given == frozenset()
    assert shipped.machines["aws/c8i.2xlarge"].price.value == Decimal("0.37484")
    project(tmp_path, '[prices]\n"aws/c8i.2xlarge" = 0.3\nelectricity = 0.06\n')
    assert book().machines["aws/c8i.2xlarge"].price.value == Decimal("0.3")
    table = tmp_path / "m.csv"
    table.write_text(f"{HEADER}\naws,c8i.2xlarge,8,16,0.2\n")
    assert book(table).machines["aws/c8i.2xlarge"].price.value == Decimal("0.2")
    last = book(table, ["c8i.2xlarge=0.1"])
    assert last.machines["aws/c8i.2xlarge"].price.value == Decimal("0.1")
    assert last.machines["aws/c8i.2xlarge"].memory_gib == 16
    assert last.prices["electricity"].value == Decimal("0.06")
    assert last.given == {"machine/aws/c8i.2xlarge", "electricity"}


def test_money_is_what_was_written(tmp_path):
    project(tmp_path, "[prices]\nelectricity = 0.10\n")
    assert str(book().prices["electricity"].value) == "0.10"
    assert str(book(overrides=["network=0.0100"]).prices["network"].value) == "0.0100"


def test_an_override_says_where_and_when_it_is_from():
    price = book(overrides=["tool/web_search=0.01"]).prices["tool/web_search"]
    today = datetime.now(UTC).date()
    assert price == Price("tool/web_search", Decimal("0.01"), "usd_per_call", "cash", "--price", today)


@pytest.mark.parametrize(
    ("said", "name", "unit"),
    [
        ("owner/H100/neocloud=2", "owner/h100-sxm/neocloud", "usd_per_hour"),
        ("h200=2", "accelerator/h200-sxm", "usd_per_hour"),
        ("accelerator/mi300x=2", "accelerator/mi300x", "usd_per_hour"),
        ("core=0.03", "core", "usd_per_core_hour"),
        ("memory=0.003", "memory", "usd_per_gib_hour"),
        ("network=free", "network", "usd_per_gib"),
        ("power/h100-sxm/tdp=650", "power/h100-sxm/tdp", "watts"),
    ],
)
def test_names_are_completed_and_units_follow(said, name, unit):
    found = book(overrides=[said])
    assert (found.given, found.prices[name].unit) == ({name}, unit)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("electricty=1", "unknown price, 'electricty' @ --price, did you mean 'electricity'"),
        ("c9i.2xlarge=1", "did you mean 'c8i.2xlarge'"),
        ("qqqq=1", "see 'orchprof prices'"),
        ("owner/h100/us=1", "unknown owner, 'us' @ --price, choose from neocloud, hyperscaler"),
        ("accelerator/h10=1", "unknown accelerator, 'h10' @ --price, did you mean"),
        ("accelerator/h100/x=1", "unknown price"),
        ("rental/h100=1", "unknown price"),
        ("tool/=1", "unknown price"),
        ("core", "not a price, 'core' @ --price"),
        ("=1", "not a price"),
        ("core=", "not a price"),
        ("core=-1", "a negative price, '-1' @ --price"),
        ("core=0", "a price of zero, '0' @ --price, write free"),
        ("core=NaN", "not a finite amount"),
        ("core=1e7", "an absurd price"),
        ("core=cheap", "not an amount, 'cheap' @ --price"),
    ],
)
def test_a_bad_override_is_one_clear_error(said, fault):
    with pytest.raises(UsageError, match=fault):
        book(overrides=[said])


def test_a_type_that_two_sell_needs_its_provider(tmp_path):
    table = tmp_path / "m.csv"
    table.write_text(f"{HEADER}\nours,c8i.2xlarge,8,16,0.2\n")
    with pytest.raises(UsageError, match=r"say which: aws/c8i.2xlarge or ours/c8i.2xlarge"):
        book(table, ["c8i.2xlarge=0.1"])
    found = book(table, ["ours/c8i.2xlarge=0.1"])
    assert found.machines["aws/c8i.2xlarge"].price.value == Decimal("0.37484")


def test_the_project_file_in_full(tmp_path):
    path = project(
        tmp_path,
        """
        [prices]
        "tool/web" = { value = "0.010", unit = "usd_per_call", basis = "list", source = "contract", as_of = 2026-10-01 }
        [machines."ours/box-1"]
        vcpus = 64
        memory_gib = 512
        accelerator = "h100"
        accelerator_count = 8
        usd_per_hour = 14.50
        as_of = "2026-10"
        """,
    )
    found = book(project=path)
    assert found.prices["tool/web"] == Price(
        "tool/web", Decimal("0.010"), "usd_per_call", "list", "contract", date(2026, 10, 1)
    )
    machine = found.machines["ours/box-1"]
    assert (machine.accelerator, machine.accelerator_count, machine.vcpus) == ("h100-sxm", 8, 64)
    assert (str(machine.price.value), machine.price.as_of) == ("14.50", date(2026, 10, 1))
    assert machine.price.source == "orchprof.toml"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[price]\ncore = 1", "unknown table, 'price' @ .*, did you mean 'prices'"),
        ("prices = 1", "not a table, 'prices'"),
        ("[prices]\ncore = ", "cannot read the project's prices"),
        ("[prices]\ncor = 1.0", "unknown price, 'cor' @ .*orchprof.toml .prices. cor, did you mean 'core'"),
        ("[prices]\ncore = nan", "not a finite amount"),
        ("[prices]\ncore = true", "not a value, True"),
        ("[prices]\ncore = [1]", "not a value"),
        ("[prices]\ncore = { valu = 1 }", "unknown key, 'valu'"),
        ("[prices]\ncore = { unit = 'usd_per_core_hour' }", "a price without its value"),
        ("[prices]\ncore = { value = 1, unit = 'usd_per_hour' }", "a wrong unit, 'usd_per_hour' .* usd_per_core_hour"),
        ("[machines.box]\nvcpus = 1", "not a machine, 'box'"),
        ("[machines.'o/b']\nvcpus = 1", "no value, memory_gib, usd_per_hour"),
        ("[machines.'o/b']\nvcpu = 1", "unknown key, 'vcpu' .* did you mean 'vcpus'"),
        ("[machines.'o/b']\nvcpus=1\nmemory_gib=1\nusd_per_hour=-1", "a negative price, '-1'"),
    ],
)  # fmt: skip
def test_a_bad_project_file_is_one_clear_error(tmp_path, text, fault):
    with pytest.raises(UsageError, match=fault):
        book(project=project(tmp_path, text))


def test_no_project_file_is_no_error_unless_it_was_named(tmp_path):
    assert book().given == frozenset()
    with pytest.raises(UsageError, match="cannot read the project's prices"):
        book(project=tmp_path / "other.toml")


def test_stale_is_more_than_180_days_or_no_day():
    def priced(as_of):
        return Price("core", Decimal(1), "usd_per_core_hour", "list", "x", as_of)

    today = date(2026, 7, 1)
    assert not is_stale(priced(date(2026, 1, 2)), today)  # 180 days
    assert is_stale(priced(date(2026, 1, 1)), today)  # 181
    assert is_stale(priced(None), today)


def test_a_record_is_plain_json():
    record = as_record(Price("core", Decimal("0.1"), "usd_per_core_hour", "list", "x", date(2026, 7, 1)))
    assert json.loads(json.dumps(record)) == {
        "name": "core", "value": 0.1, "unit": "usd_per_core_hour", "basis": "list", "source": "x",
        "as_of": "2026-07-01", "purchase": None, "region": None,
    }  # fmt: skip
    bought = Price("core", Decimal(1), "u", "list", "x", None, "spot", "eu-north1")
    assert (as_record(bought)["purchase"], as_record(bought)["region"]) == ("spot", "eu-north1")
    assert as_record(Price("core", Decimal(1), "u", "list", "x", None))["as_of"] is None
