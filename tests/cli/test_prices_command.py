"""`orchprof prices`: what it lists, what it refuses, both formats."""

import json

import pytest

from orchprof import report

HEADER = "provider,instance,vcpus,memory_gib,usd_per_hour"


def listed(run, *arguments):
    said = run("prices", *arguments, "--format", "json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    report.validate(record)
    return record


def test_everything_with_its_source(run):
    record = listed(run)
    assert {price["name"] for price in record["prices"]} >= {
        "core", "memory", "electricity", "network", "owner/h100-sxm/hyperscaler", "owner/gb200/neocloud",
    }  # fmt: skip
    assert len(record["machines"]) == 78
    assert all(row["source"] for row in [*record["prices"], *record["machines"]])
    undated = [machine for machine in record["machines"] if machine["as_of"] is None]
    assert undated
    assert all(machine["stale"] for machine in undated)


def test_the_console_shows_each_name_once_within_80_columns(run):
    said = run("prices", "--model", "claude-sonnet-4-5")
    assert said.code == 0
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= 80
    for name in ("c8i.2xlarge", "owner/h100-sxm/neocloud", "electricity", "token/claude-sonnet-4-5/input"):
        assert sum(line.split()[:1] == [name] for line in lines) == 1
    assert "Machines of aws, USD per hour" in lines
    assert any(line.startswith("Stale  ") for line in lines)


def test_names_narrow_the_list(run):
    record = listed(run, "h100", "Electricity")
    assert {price["name"].split("/")[0] for price in record["prices"]} == {
        "owner", "rental", "power", "electricity",
    }  # fmt: skip
    assert {machine["accelerator"] for machine in record["machines"]} == {"h100-sxm", "h100-pcie", "h100-nvl"}


def test_own_machines_and_prices(run, tmp_path):
    (tmp_path / "m.csv").write_text(f"{HEADER}\nours,box,8,32,free\n")
    (tmp_path / "orchprof.toml").write_text("[prices]\n'tool/web' = 0.02\n")
    record = listed(run, "--machines", "m.csv", "--price", "electricity=0.07", "ours", "electricity", "tool")
    [machine] = record["machines"]
    assert (machine["name"], machine["usd_per_hour"], machine["stale"]) == ("ours/box", 0, True)
    prices = {price["name"]: price for price in record["prices"]}
    assert (prices["electricity"]["value"], prices["electricity"]["source"]) == (0.07, "--price")
    assert prices["electricity"]["stale"] is False
    assert (prices["tool/web"]["value"], prices["tool/web"]["stale"]) == (0.02, True)
    said = run("prices", "--machines", "m.csv", "ours").out
    assert "free" in said
    assert "stale" in said


def test_machines_without_a_price_on_the_basis_are_named(run):
    record = listed(run, "--basis", "spot", "m8i", "h100")
    prices = {each["name"]: each for each in record["machines"]}
    assert prices["aws/m8i.large"]["usd_per_hour"] == 0.0431
    assert (prices["aws/m8i.large"]["purchase"], prices["aws/m8i.2xlarge"]["purchase"]) == (
        "spot",
        "on-demand",
    )
    assert "aws/m8i.2xlarge" in record["without"]
    assert "aws/m8i.large" not in record["without"]
    said = " ".join(run("prices", "--basis", "spot", "m8i").out.split())
    assert "No spot aws/m8i.2xlarge: on demand instead" in said
    assert (listed(run)["basis"], listed(run)["without"]) == ("on-demand", [])


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--price", "electricity=-1"], "a negative price, '-1' @ --price"),
        (["--price", "electricty=1"], "did you mean 'electricity'?"),
        (["--machines", "none.csv"], "cannot read machines, No such file or directory @ --machines none.csv"),
        (["--model", "gpt5"], "no token price, 'gpt5' @ the model, did you mean 'gpt-5'"),
        (["electricty"], "unknown price, 'electricty' @ orchprof prices, did you mean 'electricity'?"),
        (["--format", "xml"], "unknown format"),
        (["--basis", "1y"], "nothing has a price on this basis, '1y' @ --basis"),
    ],
)
def test_bad_input_is_one_line(run, arguments, fault):
    said = run("prices", *arguments)
    assert (said.code, said.out) == (2, "")
    assert fault in said.err
    assert said.err.count("\n") == 1
