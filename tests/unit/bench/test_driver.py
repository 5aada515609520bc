"""The driver end to end: real processes, the real endpoint, a workload that misbehaves on request."""

import dataclasses
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from orchprof.bench import catalogue, driver
from orchprof.errors import MissingExtraError, RunError, UsageError
from orchprof.run.store import open_run

sys.path.insert(0, str(Path(__file__).parent))
import toy_workload

PLAN = driver.Plan(
    workload="toy", variant=None, model="zero", tasks=5, warmup=1, concurrency=1, mode="sequential", seed=0,
    settings={}, quick=False, task_timeout_s=30.0,
)  # fmt: skip


def ignore(_event):
    pass


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setattr(catalogue, "module_name", {"toy": "toy_workload"}.__getitem__)


def plan(**changes):
    return dataclasses.replace(PLAN, **changes)


def run(out, **changes):
    events = []
    path = driver.run(plan(**changes), out, events.append)
    return open_run(path), events


def measured(run):
    return run.tables["tasks"].query("not warmup")


@pytest.mark.parametrize(
    ("mode", "concurrency"),
    [("sequential", 1), ("threads", 3), ("async", 3), ("processes", 2)],
)
def test_every_mode_runs_every_task_once(tmp_path, mode, concurrency):
    result, events = run(tmp_path / "run", mode=mode, concurrency=concurrency, tasks=6)
    tasks = measured(result)
    assert sorted(tasks["index"]) == list(range(6))
    assert tasks["ok"].all()
    assert len(result.tables["tasks"]) == 6 + concurrency  # one warm-up task per worker slot
    assert result.tables["model_calls"]["task"].isin(result.tables["tasks"]["task"]).all()
    assert len(result.tables["model_calls"]) == 6 + concurrency
    assert result.tables["strands"]["pid"].nunique() == (concurrency if mode == "processes" else 1)
    last = [event for event in events if event.phase == "tasks"][-1]
    assert (last.done, last.total, last.failed) == (6, 6, 0)


def test_more_tasks_than_inputs_begin_again(tmp_path):
    result, _ = run(tmp_path / "run", tasks=9, warmup=0)
    assert sorted(measured(result)["index"]) == sorted([*range(7), 0, 1])


def test_the_run_says_what_was_run(tmp_path):
    result, _ = run(tmp_path / "run", settings={"nap_s": "0.002"}, seed=3)
    meta = result.meta
    assert (meta.workload, meta.variant, meta.seed, meta.sealed) == ("toy", "plain", 3, True)
    assert meta.params.settings == {"trouble": "", "at": 1, "nap_s": 0.002, "big": False}
    assert meta.model.spec == "zero"
    assert meta.model.decisions == "scripted"
    assert meta.machine.core_speed > 0


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("raise", "RuntimeError: tool crashed"),
        ("wrong", "wrong answer"),
        ("prepare", "OSError: no scratch"),
        ("exit", "SystemExit: 0"),
        ("cancel", "CancelledError"),
    ],
)
def test_a_task_that_fails_says_why_and_the_others_go_on(tmp_path, trouble, reason):
    result, _ = run(tmp_path / "run", settings={"trouble": trouble})
    tasks = measured(result).set_index("index")
    assert len(tasks) == 5
    assert tasks.loc[1, "reason"] == reason
    assert tasks["ok"].tolist().count(False) == 1
    assert not tasks.loc[1, "timed_out"]


@pytest.mark.parametrize(("mode", "concurrency"), [("sequential", 1), ("async", 2), ("threads", 2)])
def test_a_task_that_blocks_for_ever_is_timed_out_and_the_others_go_on(tmp_path, mode, concurrency):
    result, _ = run(
        tmp_path / "run", settings={"trouble": "lock"}, task_timeout_s=0.5, mode=mode, concurrency=concurrency
    )
    tasks = measured(result).set_index("index")
    assert sorted(tasks.index) == list(range(5))
    task = tasks.loc[1]
    assert (task["ok"], task["timed_out"], task["reason"]) == (False, True, "timed out after 0.5 s")
    assert tasks["ok"].sum() == 4


def test_a_workload_that_leaves_without_a_word_is_a_finding(tmp_path):
    result, _ = run(tmp_path / "run", settings={"trouble": "leave", "at": "3", "nap_s": "0.3"}, warmup=0)
    (finding,) = result.meta.findings
    assert finding.message.startswith("3 of 5 tasks were measured")


def test_a_child_that_holds_the_pipe_does_not_hold_the_driver(tmp_path):
    result, _ = run(tmp_path / "run", settings={"trouble": "fork", "at": "3", "nap_s": "0.3"}, warmup=0)
    assert [finding.code for finding in result.meta.findings] == ["worker_died"]


def test_a_task_may_fork_a_pool_of_processes(tmp_path):
    # Its children close their standard input, which must not be the pipe that the worker is reading.
    result, _ = run(tmp_path / "run", settings={"trouble": "pool", "at": "3"}, warmup=0, task_timeout_s=20.0)
    assert measured(result)["ok"].all()


def test_a_worker_that_dies_leaves_what_it_measured(tmp_path):
    result, _ = run(tmp_path / "run", settings={"trouble": "die", "at": "3", "nap_s": "0.4"}, warmup=0)
    assert set(measured(result)["index"]) >= {0, 1}
    assert [finding.code for finding in result.meta.findings] == ["worker_died"]


def test_a_worker_that_dies_at_once_is_an_error(tmp_path):
    with pytest.raises(RunError, match=r"no task was measured, worker 0 died \(signal 9\)"):
        run(tmp_path / "run", settings={"trouble": "die", "at": "0"}, warmup=0)


def test_a_set_up_that_fails_is_one_error_and_leaves_nothing(tmp_path):
    with pytest.raises(UsageError, match=r"^no such corpus$"):
        run(tmp_path / "run", settings={"trouble": "open"})
    assert not (tmp_path / "run").exists()


def test_a_dead_endpoint_fails_its_tasks_and_the_run_opens(tmp_path, monkeypatch):
    real = driver.endpoint_process.start

    def doomed(*args, **kwargs):
        manager = real(*args, **kwargs)
        endpoint = manager.__enter__()
        threading.Timer(1.5, os.kill, (endpoint.pid, signal.SIGKILL)).start()
        return _Held(manager, endpoint)

    monkeypatch.setattr(driver.endpoint_process, "start", doomed)
    result, _ = run(tmp_path / "run", settings={"nap_s": "0.3"}, tasks=7)
    reasons = measured(result)["reason"].dropna().tolist()
    assert reasons
    assert all("Error" in reason for reason in reasons)
    assert measured(result)["ok"].any()


class _Held:
    def __init__(self, manager, endpoint):
        self.manager, self.endpoint = manager, endpoint

    def __enter__(self):
        return self.endpoint

    def __exit__(self, *args):
        return self.manager.__exit__(*args)


def test_an_interrupt_keeps_what_was_measured(tmp_path):
    def notify(event):
        if event.phase == "tasks" and event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(driver.Interrupted) as stopped:
        driver.run(plan(tasks=7, settings={"nap_s": "0.2"}), tmp_path / "run", notify)
    result = open_run(stopped.value.path)
    assert result.meta.interrupted
    assert measured(result)["ok"].sum() >= 2


def test_a_second_interrupt_does_not_cost_the_run(tmp_path, monkeypatch):
    def notify(event):
        if event.phase == "tasks" and event.done == 2:
            signal.raise_signal(signal.SIGINT)

    real = driver.WorkerPool.stop

    def stop(pool):
        signal.raise_signal(signal.SIGINT)
        real(pool)
        raise KeyboardInterrupt

    monkeypatch.setattr(driver.WorkerPool, "stop", stop)
    with pytest.raises(driver.Interrupted) as stopped:
        driver.run(plan(tasks=7, settings={"nap_s": "0.2"}), tmp_path / "run", notify)
    result = open_run(stopped.value.path)
    assert (result.meta.interrupted, result.meta.complete) == (True, False)
    assert measured(result)["ok"].sum() >= 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_killed_driver_takes_its_processes_along_and_the_run_opens(tmp_path):
    out = tmp_path / "run"
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        driver.run(plan(tasks=7, settings={"nap_s": "0.5"}), out, ignore)
        os._exit(0)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not list(out.glob("logs/*.bin")):
        time.sleep(0.05)
    time.sleep(2.0)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    result = open_run(out)
    assert measured(result)["end_ns"].notna().sum() >= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variant": "plan"}, "unknown variant, 'plan' @ --variant of toy, did you mean 'plain'"),
        ({"mode": "thread"}, "unknown mode, 'thread' @ --mode, did you mean 'threads'"),
        ({"settings": {"nap": "1"}}, "unknown setting, 'nap' @ --set of toy, did you mean 'nap_s'"),
        ({"settings": {"nap_s": "long"}}, "bad value, 'long' @ --set nap_s, give one like 0.0"),
        ({"settings": {"big": "perhaps"}}, "bad value, 'perhaps' @ --set big, give one like False"),
        ({"concurrency": 2}, "one task at a time cannot be 2 @ --concurrency"),
        ({"task_timeout_s": float("nan")}, "bad duration, nan @ --task-timeout"),
        ({"model": "pacd:x@y"}, "pacd"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(tmp_path, changes, message):
    with pytest.raises(UsageError) as refused:
        driver.run(plan(**changes), tmp_path / "run", ignore)
    assert message in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_missing_package_names_the_command_that_installs_it(tmp_path):
    with pytest.raises(
        MissingExtraError, match=r"surely-not-installed>=1 @ .* pip install 'surely-not-installed>=1'"
    ):
        driver.run(plan(variant="needy"), tmp_path / "run", ignore)


def test_an_existing_directory_is_not_written_into(tmp_path):
    with pytest.raises(UsageError, match="exists already"):
        driver.run(PLAN, tmp_path, ignore)


def test_quick_settings_are_defaults_that_can_be_overridden():
    assert catalogue.settled("toy", toy_workload, {}, quick=True)["nap_s"] == 0.001
    assert catalogue.settled("toy", toy_workload, {"nap_s": "2"}, quick=True)["nap_s"] == 2.0
    assert catalogue.settled("toy", toy_workload, {"big": "yes"}, quick=True)["big"] is True


def test_the_band_of_a_modelled_run_is_that_of_what_it_asked(tmp_path):
    result, _ = run(tmp_path / "run", model="paced:llama-3.1-8b@h100-sxm", tasks=2, warmup=0)
    model = result.meta.model
    low, high = model.band
    assert low <= 1 <= high
    assert model.regime == "extrapolated"  # nobody publishes answers of two tokens
