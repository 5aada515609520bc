"""`orchprof plan` and `orchprof env --calibrate`: the record keeps to its contract, bad input is named."""

import json
import sys
from pathlib import Path

import pytest
from support import plain, record_of

from orchprof import report
from orchprof.cli.words import limits
from orchprof.contract.plan import Backtest
from orchprof.errors import UsageError
from orchprof.run import store

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "plan"))

from plan_runs import MACHINE, made

HEADER = (
    "provider,instance,vcpus,threads_per_core,memory_gib,accelerator,accelerator_count,usd_per_hour,"
    "usd_per_hour_spot,region,basis,as_of,source\n"
)


def keep(path, tasks=20, **times):
    """Store a run of so many tasks."""
    kept = made(tasks, **({"cpu": 50, "net": 20, "model": "http://localhost:1/v1#m"} | times))
    store.create(path, plain(kept.meta) | {"id": path.name})
    for name, table in kept.tables.items():
        table.to_parquet(path / f"{name}.parquet")
    store.update(path, sealed=True)
    return path


def test_a_plan_as_json(run, tmp_path):
    said = run("plan", keep(tmp_path / "one"), "--rate", "20/s", "--slo", "p95=2s", "--format", "json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    report.validate(record)
    assert record["target"]["rate_per_s"] == 20
    assert sum(each["count"] * each["vcpus"] for each in record["machines"]) >= 2
    assert record["cores"] == pytest.approx(20 * 0.06 / 0.7, rel=0.02)
    assert record["usd_per_hour"] == pytest.approx(
        sum(each["count"] * each["usd_per_hour"] for each in record["machines"])
    )
    assert record["backtest"] is None


def test_a_plan_for_a_person(run, tmp_path):
    said = run(
        "plan", keep(tmp_path / "one", child=40, call=40, model="paced:llama-3.1-8b@h100-sxm"), "--rate", "5",
        "--slo", "p95=3s", "--explain",
    )  # fmt: skip
    assert (said.code, said.err) == (0, "")
    words = " ".join(said.out.split())
    for each in (
        "Machines",
        "Bottleneck",
        "Checked",
        "Holds at most",
        "Free",
        "Cores/GPU",
        "the same, arrivals",
        "Assumed",
        "MODELLED",
        "Method",
    ):
        assert each in words
    assert max(map(len, said.out.splitlines())) <= 80


def test_several_rates_are_a_table(run, tmp_path):
    said = run(
        "plan",
        keep(tmp_path / "one"),
        "--rate",
        "5,10",
        "--slo",
        "p95=2s",
        "--machine",
        "aws/m8i.large",
        "--format",
        "json",
    )
    assert [row["rate_per_s"] for row in json.loads(said.out)["rates"]] == [5, 10]


def test_own_machines_and_prices(run, tmp_path):
    table = tmp_path / "own.csv"
    table.write_text(HEADER + "we,box,4,1,32,,0,0.01,,here,cash,2026-11-01,our own\n")
    given = ("--machines", table, "--machine", "we/box", "--price", "we/box=0.02", "--format", "json")
    said = run("plan", keep(tmp_path / "one"), "--rate", "20", "--slo", "p95=2s", *given)
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out)["machines"][0]["usd_per_hour"] == 0.02


def test_a_calibration_that_env_wrote(run, tmp_path):
    said = run("env", "--calibrate", tmp_path / "here.json", "--format", "json")
    assert said.code == 0
    assert said.err == f"Saved {tmp_path / 'here.json'}\n"
    record = json.loads((tmp_path / "here.json").read_text())
    report.validate(record)
    assert record["calibration"]["all_core_speed"] > 0
    slow = record | {
        "calibration": {"core_speed": MACHINE["core_speed"] / 4, "all_core_speed": 2.5, "cores": 2}
    }
    (tmp_path / "slow.json").write_text(json.dumps(slow))
    asked = (
        "plan",
        keep(tmp_path / "one"),
        "--rate",
        "40",
        "--slo",
        "p95=2s",
        "--format",
        "json",
        "--machine",
        "aws/m8i.large",
    )
    plain, scaled = (
        json.loads(run(*asked, *more).out) for more in ((), ("--calibration", tmp_path / "slow.json"))
    )
    # A quarter of the speed: twice the machines at least, since two of the plain ones are not full.
    assert scaled["machines"][0]["count"] >= 2 * plain["machines"][0]["count"]
    assert "CPU scaled by the calibration" in " ".join(scaled["assumptions"])


def test_a_file_without_calibrating(run, tmp_path):
    said = run("env", tmp_path / "here.json")
    assert (said.code, said.out) == (2, "")
    assert "add --calibrate" in said.err


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--rate", "0", "--slo", "p95=2s"), 2, "not a rate per second"),
        (("--rate", "-3", "--slo", "p95=2s"), 2, "not a rate per second"),
        (("--rate", "5"), 2, "nothing has to hold"),
        (("--slo", "p95=2s"), 2, "nothing to plan for"),
        (("--rate", "5", "--slo", "p95=soon"), 2, "not a limit of latency"),
        (("--rate", "5", "--slo", "p95=10ms"), 1, "no machines can hold it"),
        (("--rate", "5", "--slo", "p95=2s", "--think", "5s"), 2, "only users think"),
        (("--users", "5", "--slo", "p95=2s", "--think", "long"), 2, "not a time"),
        (("--rate", "5", "--slo", "p95=2s", "--machine", "aws/nothing.large"), 2, "no price for it"),
        (("--rate", "5", "--slo", "p95=2s", "--limit", "model"), 2, "not a limit"),
        (("--rate", "5", "--slo", "p95=2s", "--burstiness", "3"), 2, "only gamma has one"),
        (("--rate", "5", "--slo", "p95=2s", "--calibration", "none.json"), 2, "cannot read it"),
    ],
)
def test_options_that_cannot_be(run, tmp_path, options, code, says):
    said = run("plan", keep(tmp_path / "one"), *options)
    assert (said.code, said.out) == (code, "")
    assert says in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("p95=10s,p50=800ms,p99=2min", ((0.95, 10.0), (0.5, 0.8), (0.99, 120.0))),
        ("mean=2s", ((None, 2.0),)),
        ("3s", ((0.95, 3.0),)),
        ("2.5", ((0.95, 2.5),)),
    ],
)
def test_limits_of_latency_are_read(text, read):
    assert limits(text) == read


@pytest.mark.parametrize(
    "text",
    ["p95", "p95=", "p0=1s", "p95=0s", "p95=3days", "p95=.s", "p195=3s", "median=1s", "", "p95=1e400s"],
)
def test_limits_of_latency_that_cannot_be(text):
    with pytest.raises(UsageError, match="not a limit of latency"):
        limits(text)


def test_users_who_think(run, tmp_path):
    asked = ("--users", "500", "--think", "20s", "--slo", "mean=1s", "--format", "json")
    record = json.loads(run("plan", keep(tmp_path / "one"), *asked).out)
    report.validate(record)
    assert (record["target"]["users"], record["target"]["think_s"]) == (500, 20.0)
    assert record["target"]["slo"] == [{"name": "mean", "percentile": None, "most_s": 1.0}]
    # 500 users of 20 s and a tenth send 25 a second.
    assert record["predicted"]["throughput_per_s"] == pytest.approx(500 / 20.08, rel=0.1)
    assert record["most"]["users"] >= 500


def test_tokens_are_priced_as_cost_prices_them(run, tmp_path):
    path = keep(tmp_path / "one", call=40, model="https://api.openai.com/v1#gpt-5-mini")
    planned = json.loads(run("plan", path, "--rate", "50", "--slo", "p95=2s", "--format", "json").out)
    billed = json.loads(run("cost", path, "--format", "json").out)
    # 200 tokens in at $0.25 a million and 20 out at $2.
    assert planned["usd_per_task_tokens"] == pytest.approx(billed["per_task"]["token_usd"])
    assert planned["usd_per_task_tokens"] == pytest.approx(9e-5)
    assert planned["usd_per_task"] == pytest.approx(planned["usd_per_hour"] / 180_000 + 9e-5)
    own = keep(tmp_path / "two", call=40, model="http://localhost:1/v1#m")
    said = run("plan", own, "--rate", "50", "--slo", "p95=2s")
    assert "tokens are not priced" in " ".join(said.out.split())


def test_weights(run, tmp_path):
    one, two = keep(tmp_path / "one"), keep(tmp_path / "two", cpu=10)
    asked = ("--rate", "5", "--slo", "p95=2s", "--machine", "aws/m8i.large", "--format", "json")
    record = json.loads(run("plan", f"{one}=3", two, *asked).out)
    assert [each["weight"] for each in record["target"]["runs"]] == [3, 1]
    assert record["demand"]["core_s"] == pytest.approx((3 * 0.06 + 0.012) / 4, rel=0.03)
    said = run("plan", f"{one}=much", *asked)
    assert said.code == 2
    assert "the weight of RUN" in said.err


def test_a_backtest_is_of_one_workload(run, tmp_path):
    said = run("plan", keep(tmp_path / "one"), keep(tmp_path / "two"), "--backtest")
    assert said.code == 2
    assert "one workload at a time" in said.err


def test_a_backtest_by_itself_and_with_a_plan(run, tmp_path, monkeypatch):
    found = {
        "when": "2026-11-23T00:00:00+00:00", "machine": "some", "cores": 2.0, "mode": "threads", "workload": "made",
        "core_speed_ratio": 1.0, "loads": [], "held": True,
        "limits": {"throughput_per_s": 0.1, "p50_s": 0.1, "p95_s": 0.2},
    }  # fmt: skip
    measured = record_of(Backtest, found)
    monkeypatch.setattr("orchprof.plan.backtest.backtest.backtest", lambda *given: measured)
    kept = keep(tmp_path / "one")
    alone = json.loads(run("plan", kept, "--backtest", "--format", "json").out)
    report.validate(alone)
    assert (alone["machines"], alone["backtest"]) == ([], found)
    both = run("plan", kept, "--backtest", "--rate", "5", "--slo", "p95=2s", "--format", "json").out
    assert json.loads(both)["backtest"] == found
    assert json.loads(both)["machines"]
