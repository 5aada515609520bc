import json
import os
import shutil
import subprocess
import sys

import psutil
import pytest
from support import recording

import orchprof
from orchprof.contract.run import Noted
from orchprof.errors import RunError, UsageError
from orchprof.run import store
from orchprof.run.schema import ADDED, TABLES


def record_into(path, **meta):
    with recording(store.create(path, meta)), orchprof.task("t"), orchprof.tool("x"):
        pass


def test_a_run_is_sealed_when_it_is_first_opened_and_read_as_it_is_after(tmp_path):
    record_into(tmp_path / "run", workload="w")
    first = store.open_run(tmp_path / "run")
    assert first.meta.sealed
    assert first.meta.workload == "w"
    assert not (tmp_path / "run" / "logs").exists()
    again = store.open_run(tmp_path / "run")
    for name, columns in TABLES.items():
        assert dict(again.tables[name].dtypes.astype(str)) == columns
        assert again.tables[name].equals(first.tables[name])


def test_a_run_written_before_a_column_was_added_still_opens_with_nulls_there(tmp_path):
    record_into(tmp_path / "run")
    path = tmp_path / "run" / "model_calls.parquet"
    tables = store.open_run(tmp_path / "run").tables
    tables["model_calls"].drop(columns=list(ADDED["model_calls"])).to_parquet(path, index=False)
    again = store.open_run(tmp_path / "run").tables["model_calls"]
    assert dict(again.dtypes.astype(str)) == TABLES["model_calls"]
    tables["model_calls"].drop(columns="sent_ns").to_parquet(path, index=False)
    with pytest.raises(RunError, match="unreadable table"):
        store.open_run(tmp_path / "run")


def test_the_public_load_opens_a_run(tmp_path):
    record_into(tmp_path / "run")
    assert orchprof.load(tmp_path / "run").tables["tasks"]["name"].tolist() == ["t"]


def test_the_tables_are_plain_parquet(tmp_path):
    import pyarrow.parquet as pq

    record_into(tmp_path / "run")
    store.open_run(tmp_path / "run")
    assert pq.read_table(tmp_path / "run" / "spans.parquet").column("name").to_pylist() == ["x"]


def test_a_crash_while_sealing_costs_only_doing_it_again(tmp_path, monkeypatch):
    record_into(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(store, "update", lambda *_args, **_kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.open_run(tmp_path / "run")
    assert store.open_run(tmp_path / "run").tables["tasks"]["name"].tolist() == ["t"]


def test_a_second_opener_keeps_the_tables_of_the_first(tmp_path, monkeypatch):
    record_into(tmp_path / "run")
    real = store._refuse_if_recording

    def overtaken(path, meta):
        real(path, meta)
        store.finalize_run(path)

    monkeypatch.setattr(store, "_refuse_if_recording", overtaken)
    assert store.open_run(tmp_path / "run").tables["tasks"]["name"].tolist() == ["t"]


def test_a_run_without_its_logs_is_not_sealed_empty(tmp_path):
    record_into(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "logs")
    with pytest.raises(RunError, match="no logs"):
        store.open_run(tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.parquet"))


def test_findings_add_up(tmp_path):
    store.create(tmp_path / "run", {})
    for code in ("a", "b"):
        store.update(tmp_path / "run", findings=[{"code": code}])
    assert store.open_run(tmp_path / "run").meta.findings == [Noted(code="a"), Noted(code="b")]


def test_an_existing_directory_is_refused(tmp_path):
    with pytest.raises(UsageError, match="output exists already"):
        store.create(tmp_path, {})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"schema": 99}, "unknown run schema, 99 .* reads 1 to 1: open it with the version that wrote it"),
        ([], "unreadable run.json, it is no JSON object but a list"),
        ("not json", "unreadable run.json"),
    ],
)
def test_what_is_not_a_run_of_ours_is_refused(tmp_path, document, message):
    text = document if isinstance(document, str) else json.dumps(document)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=message):
        store.open_run(tmp_path)


def test_a_directory_without_a_run_says_so(tmp_path):
    for sample in (store.open_run, store.runs_in):
        with pytest.raises(RunError, match="no run"):
            sample(tmp_path)
    with pytest.raises(RunError, match="no run yet"):
        store.latest(tmp_path)


def test_a_lost_table_is_an_error_that_names_it(tmp_path):
    record_into(tmp_path / "run")
    store.open_run(tmp_path / "run")
    (tmp_path / "run" / "edges.parquet").write_bytes(b"junk")
    with pytest.raises(RunError, match=r"unreadable table, edges\.parquet"):
        store.open_run(tmp_path / "run")


def test_a_run_that_is_being_recorded_is_left_alone(tmp_path):
    record_into(tmp_path / "run")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        recorder = {"pid": other.pid, "started": psutil.Process(other.pid).create_time()}
        store.update(tmp_path / "run", recorder=recorder)
        with pytest.raises(RunError, match=f"still being recorded, process {other.pid}"):
            store.open_run(tmp_path / "run")
        other.kill()
    assert store.open_run(tmp_path / "run").meta.sealed


def test_runs_of_a_bench_come_in_their_order_and_the_newest_is_found(tmp_path):
    for order, name in ((2, "a"), (1, "b")):
        record_into(tmp_path / "bench" / name, order=order)
    assert [path.name for path in store.runs_in(tmp_path / "bench")] == ["b", "a"]
    record_into(tmp_path / "alone")
    assert store.runs_in(tmp_path / "alone") == [tmp_path / "alone"]
    os.utime(tmp_path / "bench", (4e9, 4e9))
    assert store.latest(tmp_path) == tmp_path / "bench"


def test_numbers_that_are_not_finite_become_null(tmp_path):
    store.write_json(tmp_path / "x.json", {"a": float("nan"), "b": [float("inf"), 1.5]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": [None, 1.5]}
