"""bench and report: what is run, where it lies, what is said where, which exit code."""

import json
import re
from dataclasses import replace

import pytest

from orchprof import report
from orchprof.bench import driver
from orchprof.bench.schedule import Load
from orchprof.cli import progress
from orchprof.contract.bench import Bench
from orchprof.errors import MissingExtraError, ModelError, UsageError
from orchprof.models.spec import DEFAULT_SPEC
from orchprof.run import store


def test_defaults(run, bench):
    assert run("bench", "rag").code == 0
    assert bench.plans == [
        driver.Plan(
            workload="rag", variant=None, model=DEFAULT_SPEC, tasks=None, warmup=1, concurrency=1, mode="sequential",
            seed=0, settings={}, quick=False, task_timeout_s=600.0,
        )
    ]  # fmt: skip


def test_every_option_reaches_the_plan(run, bench):
    options = (
        "--model zero --tasks 7 --warmup 0 --concurrency 3 --mode processes --set k=4 --set name=a=b "
        "--variant plain --seed 5 --quick --task-timeout 2.5"
    )
    run("bench", "rag", *options.split())
    assert bench.plans == [
        driver.Plan(
            workload="rag", variant="plain", model="zero", tasks=7, warmup=0, concurrency=3, mode="processes",
            seed=5, settings={"k": "4", "name": "a=b"}, quick=True, task_timeout_s=2.5,
        )
    ]  # fmt: skip


def test_quick_runs_few_tasks_and_concurrent_ones_in_threads(run, bench):
    run("bench", "rag", "--quick", "--concurrency", "2")
    assert (bench.plans[0].tasks, bench.plans[0].mode) == (3, "threads")


def test_runs_lie_in_one_bench_directory(run, bench, tmp_path):
    said = run("bench", "rag", "swe", "rag", "--variant", "plain", "--out", "here/deep")
    assert said.code == 0
    assert sorted(path.name for path in (tmp_path / "here/deep").iterdir()) == [
        "bench.json", "rag-plain", "swe-plain",
    ]  # fmt: skip
    index = json.loads((tmp_path / "here/deep/bench.json").read_text())
    assert index == {"schema": 1, "id": "deep", "runs": ["rag-plain", "swe-plain"]}
    assert said.out.splitlines()[-1] == "Saved here/deep"


def test_without_a_name_all_run_below_the_runs(run, bench, tmp_path):
    said = run("bench")
    folder = re.search(r"Saved (.*)", said.out)[1]
    assert re.fullmatch(r"orchprof-runs/\d{8}T\d{6}Z-bench(-\d+)?", folder)
    assert [(plan.workload, plan.model, plan.quick) for plan in bench.plans] == [
        ("rag", DEFAULT_SPEC, True), ("swe", DEFAULT_SPEC, True), ("rag", "llama:default", True),
    ]  # fmt: skip
    index = json.loads((tmp_path / folder / "bench.json").read_text())
    assert index["runs"] == ["rag", "swe", "rag-llama"]


def test_benches_of_one_second_do_not_meet(run, bench, tmp_path):
    folders = {re.search(r"Saved (.*)", run("bench", "rag").out)[1] for _ in range(3)}
    assert len(folders) == 3
    assert all("-rag" in folder for folder in folders)


def test_an_existing_out_is_refused_before_anything_runs(run, bench, tmp_path):
    (tmp_path / "old").mkdir()
    said = run("bench", "rag", "--out", "old")
    assert (said.code, said.out) == (2, "")
    assert said.err == "error: it exists already, old @ --out, choose another name or remove it\n"
    assert bench.plans == []


def test_an_out_that_cannot_be_made_is_refused(run, bench, tmp_path):
    (tmp_path / "file").write_text("")
    said = run("bench", "rag", "--out", "file/below")
    assert said.code == 2
    assert said.err.startswith("error: cannot make it, file/below @ --out, ")
    assert bench.plans == []


def test_json_is_all_there_is_on_stdout(run, bench):
    said = run("bench", "--format", "json", "--tasks", "5")
    record = json.loads(said.out)
    report.validate(record)
    assert [each["run"]["id"] for each in record["reports"]] == ["rag", "swe"]
    assert "Saved orchprof-runs/" in said.err


def test_a_workload_that_cannot_run_leaves_the_others_alone(run, bench):
    bench.fails["rag"] = lambda _out: MissingExtraError(
        "rag needs more, run pip install 'orchprof[workloads]'"
    )
    said = run("bench")
    assert said.code == 0
    assert "error: rag needs more, run pip install 'orchprof[workloads]'\n" in said.err
    assert [plan.workload for plan in bench.plans] == ["rag", "swe"]
    assert "1 workload x 10 tasks" in said.out


def test_a_workload_that_is_not_installed_leaves_the_others_alone(run, bench):
    bench.refuses["swe"] = MissingExtraError("swe needs more")
    said = run("bench")
    assert said.code == 0
    assert said.err.count("error: swe needs more\n") == 1
    assert {plan.workload for plan in bench.plans} == {"rag"}


def test_one_bad_plan_stops_all_before_the_first_runs(run, bench):
    bench.refuses["swe"] = ModelError("no such model")
    said = run("bench")
    assert (said.code, said.out, said.err) == (1, "", "error: no such model\n")
    assert bench.plans == []


def test_nothing_succeeded_is_1(run, bench):
    bench.ok = 0
    assert run("bench").code == 1


def test_nothing_ran_is_1_and_leaves_nothing(run, bench, tmp_path):
    bench.fails = {name: lambda _out: ModelError("the endpoint did not start") for name in ("rag", "swe")}
    said = run("bench", "--out", "here")
    assert (said.code, said.out) == (1, "nothing was measured\n")
    assert said.err.count("error: the endpoint did not start") == 2
    assert not (tmp_path / "here").exists()


def test_one_workload_that_refuses_its_settings_is_a_usage_error(run, bench, tmp_path):
    bench.fails = {"rag": lambda _out: UsageError("rows is too small")}
    said = run("bench", "rag", "--out", "here")
    assert (said.code, said.out) == (2, "")
    assert said.err.endswith("error: rows is too small\n")
    assert not (tmp_path / "here").exists()


def test_interrupted_reports_what_was_measured(run, bench):
    def stop(out):
        out.mkdir()
        return driver.Interrupted(out)

    bench.fails["rag"] = stop
    said = run("bench")
    assert said.code == 130
    assert [plan.workload for plan in bench.plans] == ["rag"]
    assert said.out.startswith("1 workload x 10 tasks")
    assert "Saved " in said.out


def test_interrupted_before_anything_was_measured(run, bench):
    bench.fails["swe"] = lambda _out: KeyboardInterrupt()
    said = run("bench")
    assert said.code == 130
    assert [line.split()[0] for line in said.out.splitlines() if line.startswith(("rag", "swe"))] == [
        "rag/haystack"
    ]


def test_a_name_or_an_option_runs_what_was_asked_for(run, bench):
    run("bench", "--tasks", "4")
    assert [(plan.workload, plan.quick, plan.tasks) for plan in bench.plans] == [
        ("rag", False, 4),
        ("swe", False, 4),
    ]


def test_options_of_load_reach_the_plan(run, bench):
    options = "--rate 5/s --arrivals gamma --burstiness 3 --duration 60 --ramp 10 --mode threads"
    assert run("bench", "rag", *options.split()).code == 0
    (plan,) = bench.plans
    assert plan.load == Load(5.0, "gamma", burstiness=3.0, duration_s=60.0, ramp_s=10.0)
    assert (plan.mode, plan.tasks) == ("threads", None)


def test_a_trace_is_a_file_behind_the_arrivals(run, bench):
    run("bench", "rag", "--arrivals", "trace:times.csv")
    assert bench.plans[0].load == Load(None, "trace", trace="times.csv")
    assert bench.plans[0].mode == "auto"


@pytest.mark.parametrize(
    ("options", "runs", "levels"),
    [
        ("--concurrency 1,2,2,4", ["rag-c1", "rag-c2", "rag-c4"], [(1, None), (2, None), (4, None)]),
        ("--rate 5,2.5/s", ["rag-r5", "rag-r2.5"], [(1, 5.0), (1, 2.5)]),
        ("--concurrency 4", ["rag"], [(4, None)]),
    ],
)
def test_a_sweep_is_a_run_per_level(run, bench, tmp_path, options, runs, levels):
    said = run("bench", "rag", "--out", "here", *options.split())
    assert said.code == 0
    assert json.loads((tmp_path / "here/bench.json").read_text())["runs"] == runs
    assert [(plan.concurrency, plan.load.rate_per_s) for plan in bench.plans] == levels


def test_a_level_that_saturates_ends_the_sweep_of_its_workload(run, bench):
    bench.saturated = {"rag-r10"}
    run("bench", "rag", "swe", "--rate", "5,10,20")
    assert [(plan.workload, plan.load.rate_per_s) for plan in bench.plans] == [
        ("rag", 5.0), ("rag", 10.0), ("swe", 5.0), ("swe", 10.0), ("swe", 20.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--rate 0", "not a rate per second, '0' @ --rate, give a number above 0"),
        ("--rate 5,,6", "not a rate per second, '' @ --rate"),
        ("--concurrency 1,x", "not a number it can be, 'x' @ --concurrency"),
        ("--concurrency 1,2 --rate 1,2 --mode processes", "two sweeps at a time, 1,2 @ --rate"),
        ("--burstiness 2 --rate 5", "only gamma has one, 2 @ --burstiness, add --arrivals gamma"),
        ("--duration -1", "not a duration in seconds, '-1' @ --duration"),
    ],
)
def test_a_load_that_cannot_be_is_a_usage_error(run, bench, options, said):
    refused = run("bench", "rag", *options.split())
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"error: {said}")
    assert not bench.plans


def test_an_agent_of_ones_own_has_a_directory_of_its_name(run, bench):
    said = run("bench", "my.module:agent")
    assert [plan.workload for plan in bench.plans] == ["my.module:agent"]
    assert re.search(r"Saved orchprof-runs/\d{8}T\d{6}Z-my.module.agent\n", said.out)


def test_answers_that_nobody_judged_are_no_failure(run, bench, monkeypatch):
    record_of_runs = bench.bench_record
    tasks = {"ok": 0, "failed": 0}

    def unjudged(runs, **options):
        (report,) = record_of_runs(runs, **options).reports
        return Bench(
            reports=[replace(report, tasks=replace(report.tasks, **tasks))],
            claim=None,
            cost=[],
            headline=None,
        )

    monkeypatch.setattr("orchprof.cli.bench.bench_record", unjudged)
    assert run("bench", "rag").code == 0
    tasks["failed"] = 10
    assert run("bench", "rag").code == 1


def test_list_as_json_and_for_a_person(run):
    said = run("bench", "--list", "--format", "json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    report.validate(record)
    assert {"rag", "swe"} <= {entry["name"] for entry in record["workloads"]}
    assert "--set " in run("bench", "--list").out


def test_progress_lines_are_sparse(capsys):
    with progress.progress() as notify:
        for done in range(101):
            notify(driver.Event("rag", "tasks", done, 100, done // 50))
        notify(driver.Event("rag", "finalize", 0, 0, 0))
    assert capsys.readouterr().err.splitlines() == [
        "rag: tasks 0/100",
        "rag: tasks 25/100",
        "rag: tasks 50/100, 1 failed",
        "rag: tasks 75/100, 1 failed",
        "rag: tasks 100/100, 2 failed",
        "rag: finalize",
    ]


def test_progress_bars_for_who_watches(capsys, monkeypatch):
    import threading

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    before = threading.active_count()
    with progress.progress() as notify:
        notify(driver.Event("rag", "tasks", 1, 4, 0))
        assert threading.active_count() == before, "a thread would take the GIL from the tasks"
        notify(driver.Event("rag", "tasks", 4, 4, 1))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "rag: tasks 4/4, 1 failed" in captured.err


@pytest.fixture
def kept(run, bench, tmp_path):
    """A bench directory with two runs that the store recognises."""
    for order, name in enumerate(("rag", "swe")):
        path = tmp_path / "orchprof-runs" / "kept" / name
        path.mkdir(parents=True)
        store.write_json(path / store.META, {"schema": 1, "id": name, "order": order})
    return tmp_path / "orchprof-runs" / "kept"


def test_report_takes_the_latest(run, kept):
    said = run("report")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("2 workloads x 10 tasks")


def test_report_without_a_run(run):
    said = run("report")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("error: no run yet, orchprof-runs @ RUN, ")


@pytest.mark.parametrize(
    ("paths", "schema"),
    [
        (("rag",), "orchprof.report/1"),
        (("rag/",), "orchprof.report/1"),
        (("rag", "swe"), "orchprof.bench/1"),
        ((".",), "orchprof.bench/1"),
    ],
)
def test_one_run_is_a_report_and_more_are_a_bench(run, kept, paths, schema):
    said = run("report", *(f"{kept}/{path}" for path in paths), "--format", "json")
    record = json.loads(said.out)
    report.validate(record)
    assert record["schema"] == schema


def test_report_of_each_task(run, kept):
    said = run("report", kept / "rag", "--format", "json", "--per-task")
    assert json.loads(said.out)["per_task"] == []


def test_report_into_a_file(run, kept, tmp_path):
    said = run("report", "--out", "result.txt")
    assert (said.code, said.out, said.err) == (0, "", "Saved result.txt\n")
    assert (tmp_path / "result.txt").read_text() == run("report").out
    again = run("report", "--out", "result.txt")
    assert (again.code, again.err[:24]) == (2, "error: it exists already")


def test_report_into_no_folder(run, kept):
    said = run("report", "--out", "none/result.txt")
    assert said.code == 2
    assert said.err.startswith("error: cannot write, none/result.txt @ --out, ")
