"""Runs that are damaged or contradict themselves: one line says where, and nothing else is said."""

import json
import os
import shlex
from pathlib import Path

import pandas as pd
import pytest
from bad_files import DIGITS, PLAN, refused

DOCUMENTS = [
    (b"", "it is no JSON"),
    (b"[1, 2]", "it is no JSON object but a list"),
    (b'"run"', "it is no JSON object but a text"),
    (b'{"schema": 1', "it is no JSON"),
    ('{"schema": 1}'.encode("utf-16"), "it is no text in UTF-8"),
    (b'{"schema": 1, "id": "\0"}', "it is no text, a NUL is in it"),
    (b'{"schema": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "it is nested deeper than 64 levels"),
    (b'{"schema": 1, "params": ' + b'{"a":' * 500 + b"1" + b"}" * 501, "it is nested deeper than 64 levels"),
    (b'{"schema": 1, "order": ' + DIGITS.encode() + b"}", "it is no JSON"),
    (b'{"schema": 1, "id": "' + b"x" * (9 << 20) + b'"}', "it holds more than 8 MiB"),
    (b'{"schema": 1, "order": NaN}', "a number that is not finite"),
    (b'{"schema": 99}', "unknown run schema, 99"),
    (b'{"schema": true}', "unknown run schema, True"),
    (b'{"schema": [1]}', "unknown run schema, [1]"),
    (b"{}", "unknown run schema, None"),
]
KEYS = [
    ({"id": 5}, "expected string, id = 5"),
    ({"workload": ["rag"]}, "expected string, workload = ['rag']"),
    ({"seed": "0"}, "expected integer, seed = '0'"),
    ({"order": 1.5}, "expected integer, order = 1.5"),
    ({"params": []}, "expected object, params = []"),
    ({"params": {"cores_per_worker": "2"}}, "expected number, params.cores_per_worker = '2'"),
    ({"params": {"cores_per_worker": -1}}, "params.cores_per_worker = -1"),
    ({"params": {"cores_per_worker": 0}}, "params.cores_per_worker = 0"),
    ({"params": {"cores_per_worker": 1e300}}, "params.cores_per_worker = 1e+300"),
    ({"params": {"concurrency": "four"}}, "params.concurrency = 'four'"),
    ({"params": {"settings": 5}}, "expected object, params.settings = 5"),
    ({"model": "gpt-5"}, "expected object, model = 'gpt-5'"),
    ({"model": {"spec": 5}}, "expected string, model.spec = 5"),
    ({"model": {"band": 5}}, "expected array, model.band = 5"),
    ({"model": {"band": [2, 1]}}, "two numbers above 0, the smaller first, model = {'band': [2, 1]}"),
    ({"model": {"band": ["1", "2"]}}, "model.band[0] = '1'"),
    ({"model": {"provenance": "guessed"}}, "model.provenance = 'guessed'"),
    ({"machine": {"cores": "2"}}, "expected number, machine.cores = '2'"),
    ({"machine": {"cores": True}}, "machine.cores = True"),
    ({"machine": {"load_average": 3}}, "expected array, machine.load_average = 3"),
    ({"findings": ["whole_program", 5]}, "expected string | object, findings[1] = 5"),
    ({"findings": [{"message": "no code"}]}, "required field code, findings[0]"),
    ({"labels": "mcp"}, "expected array, labels = 'mcp'"),
    ({"labelled": "yes"}, "expected boolean, labelled = 'yes'"),
    ({"sealed": 1}, "expected boolean, sealed = 1"),
    ({"recorder": {"pid": 1 << 40}, "sealed": False}, "expected integer <= 2147483647, recorder.pid"),
    ({"sealed": False}, "no logs"),
]
COMMANDS = ("report RUN", "whatif RUN", "cost RUN", "claim RUN", PLAN)


@pytest.mark.parametrize(("content", "fragment"), DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_a_run_json_that_is_none(ask, tmp_path, content, fragment):
    (tmp_path / "RUN" / "run.json").write_bytes(content)
    for command in COMMANDS:
        refused(ask(command), fragment)


@pytest.mark.parametrize(("said", "fragment"), KEYS, ids=range(len(KEYS)))
def test_a_key_of_run_json_that_cannot_be(ask, tmp_path, said, fragment):
    path = tmp_path / "RUN" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | said))
    for command in COMMANDS:
        refused(ask(command), fragment)


def test_a_byte_order_mark_is_no_fault(ask, tmp_path):
    path = tmp_path / "RUN" / "run.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert ask("report RUN").code == 0


SPAN = {
    "span": 1, "parent": None, "strand": 1, "task": 1, "role": "tool", "name": None, "start_ns": 2000, "end_ns": None,
    "error": None, "attributes": None,
}  # fmt: skip


def at(column, row, value):
    """Return what changes one value of a table."""

    def change(table):
        table = table.copy()
        table.loc[row, column] = value
        return table

    return change


TABLES = [
    ("tasks", lambda table: table.drop(columns="start_ns"), "tasks.parquet @ RUN, no column start_ns"),
    ("tasks", lambda table: table.astype({"task": "float64"}), "column task is double, not int64"),
    ("tasks", lambda table: table.astype({"start_ns": "str"}), "column start_ns is"),
    ("tasks", lambda table: table.assign(start_ns=float("inf")), "column start_ns is double, not int64"),
    ("tasks", lambda table: table.astype({"warmup": "str"}), "column warmup is"),
    (
        "tasks",
        lambda table: table.astype({"start_ns": "Int64"}).pipe(at("start_ns", 3, None)),
        "no value in 1 rows",
    ),
    ("tasks", lambda table: table.assign(start_ns=[[1]] * len(table)), "column start_ns is list"),
    (
        "tasks",
        lambda table: table.astype({"start_ns": "uint64"}).pipe(at("start_ns", 0, 2**63)),
        "unreadable table",
    ),
    ("tasks", lambda table: table.loc[[0, *table.index]], "an id twice, 1 @ task of tasks.parquet"),
    ("tasks", at("end_ns", 2, 5), "an end before its start_ns, 5 @ end_ns of tasks.parquet"),
    ("tasks", at("start_ns", 0, -5), "a negative amount, -5 @ start_ns of tasks.parquet"),
    ("tasks", at("end_ns", 0, 1 << 62), "an amount that cannot be"),
    ("tasks", at("task", 0, 77), "a strand that strands.parquet does not have, 77 @ task of tasks.parquet"),
    ("strands", at("strand", 1, 1), "an id twice"),
    ("strands", at("kind", 0, "fibre"), "unknown value, 'fibre' @ kind of strands.parquet"),
    ("strands", at("parent", 0, 4711), "a strand that strands.parquet does not have, 4711 @ parent"),
    ("strands", lambda table: table.assign(parent=table["strand"]), "among its own ancestors"),
    ("strands", at("end_ns", 0, 1), "an end before its start_ns"),
    ("strands", at("peak_rss_bytes", 0, -1), "a negative amount, -1 @ peak_rss_bytes"),
    ("segments", at("role", 0, "boss"), "unknown value, 'boss' @ role of segments.parquet"),
    ("segments", at("role", 0, None), "unknown value, None @ role of segments.parquet"),
    ("segments", at("cpu_state", 0, "asleep"), "unknown value, 'asleep' @ cpu_state"),
    ("segments", at("wait_state", 0, "\x1b[2J"), r"unknown value, '\x1b[2J' @ wait_state"),
    ("segments", at("cpu_ns", 0, -(10**12)), "a negative amount, -1000000000000 @ cpu_ns"),
    ("segments", at("strand", 0, 4711), "a strand that strands.parquet does not have, 4711 @ strand"),
    ("segments", at("span", 0, 4711), "a span that spans.parquet does not have, 4711 @ span"),
    ("segments", lambda table: table.iloc[::-1], "of segments.parquet"),
    ("segments", lambda table: table.loc[table.index.repeat(2)], "a segment before the end of the last"),
    (
        "spans",
        lambda table: pd.DataFrame([SPAN]).astype(table.dtypes),
        "a span without a name, None @ name of spans",
    ),
    ("edges", at("kind", 0, "call"), "unknown value, 'call' @ kind of edges.parquet"),
    ("edges", at("src", 0, 4711), "a strand that strands.parquet does not have, 4711 @ src"),
    ("edges", at("dst", 0, 4711), "a strand that strands.parquet does not have, 4711 @ dst"),
    (
        "model_calls",
        at("provenance", 0, "guessed"),
        "unknown value, 'guessed' @ provenance of model_calls.parquet",
    ),
    ("model_calls", at("decode_ns", 0, -(10**12)), "a negative amount, -1000000000000 @ decode_ns"),
    ("model_calls", at("accelerator_ns", 0, -(10**12)), "a negative amount, -1000000000000 @ accelerator_ns"),
    ("model_calls", at("output_tokens", 0, -7), "a negative amount, -7 @ output_tokens"),
    ("model_calls", at("end_ns", 0, 3), "an end before its sent_ns"),
    ("segments", at("cpu_ns", 0, 10**15), "more than there was time for, 1000000000000000 @ cpu_ns"),
    ("segments", at("gc_ns", 0, 10**15), "more than there was time for, 1000000000000000 @ gc_ns"),
    (
        "segments",
        lambda table: at("end_ns", table["start_ns"].idxmax(), 10**12)(table),
        "outside of its strand",
    ),
    ("tasks", at("start_ns", 0, 0), "not when its strand is, 0 @ start_ns of tasks.parquet"),
    ("tasks", at("end_ns", 0, 10**12), "not when its strand is, 1000000000000 @ end_ns of tasks.parquet"),
    ("tasks", at("end_ns", 0, None), "not when its strand is"),
    (
        "model_calls",
        at("first_token_ns", 0, 1),
        "outside of its call, 1 @ first_token_ns of model_calls.parquet",
    ),
    ("samples", at("rss_bytes", 0, -1), "a negative amount, -1 @ rss_bytes"),
    ("samples", at("cpu_ns", 0, -1), "a negative amount, -1 @ cpu_ns"),
]


@pytest.mark.parametrize(("name", "change", "fragment"), TABLES, ids=range(len(TABLES)))
def test_a_table_that_contradicts_itself(ask, tmp_path, name, change, fragment):
    path = tmp_path / "RUN" / f"{name}.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    for command in COMMANDS:
        refused(ask(command), fragment)


BYTES = [
    (lambda content: content[: len(content) // 2], "unreadable table, segments.parquet @ RUN"),
    (lambda content: content[:-1], "unreadable table, segments.parquet @ RUN"),
    (lambda content: b"", "unreadable table, segments.parquet @ RUN"),
    (lambda content: b"PAR1" + b"\0" * 500 + b"PAR1", "unreadable table, segments.parquet @ RUN"),
    (lambda content: content[4:], "unreadable table, segments.parquet @ RUN"),
]


@pytest.mark.parametrize(("damage", "fragment"), BYTES, ids=range(len(BYTES)))
def test_a_table_that_is_torn(ask, tmp_path, damage, fragment):
    path = tmp_path / "RUN" / "segments.parquet"
    path.write_bytes(damage(path.read_bytes()))
    for command in COMMANDS:
        refused(ask(command), fragment)


@pytest.mark.parametrize(
    "make", [lambda path: None, Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")]
)
@pytest.mark.parametrize("name", ["tasks.parquet", "run.json"])
def test_what_is_no_file_is_no_part_of_a_run(ask, tmp_path, name, make):
    path = tmp_path / "RUN" / name
    path.unlink()
    make(path)
    for command in COMMANDS:
        refused(ask(command), "no run, RUN @ RUN" if name == "run.json" else "there is no such file")


STEERING = "\x1b[2Jmine\n\u202e\u200b\x07"


def test_what_a_name_would_do_to_a_terminal_is_shown_instead(ask, tmp_path):
    named = {"spans": ["name"], "tasks": ["name", "reason"], "model_calls": ["model", "server", "error"]}
    for name, columns in named.items():
        path = tmp_path / "RUN" / f"{name}.parquet"
        table = pd.read_parquet(path)
        table.assign(**dict.fromkeys(columns, STEERING)).astype(table.dtypes).to_parquet(path, index=False)
    path = tmp_path / "RUN" / "run.json"
    meta = json.loads(path.read_text())
    meta |= {"id": STEERING, "workload": STEERING, "variant": STEERING}
    meta |= {"findings": [{"code": STEERING, "message": STEERING}]}
    path.write_text(json.dumps(meta))
    for command in (
        "report RUN --details --per-task",
        "report RUN RUN",
        "whatif RUN --details",
        "claim RUN --details",
    ):
        said = ask(command)
        assert (said.code, said.err) == (0, "")
        assert "\\x1b[2Jmine\\n" in said.out
        assert all(line.isprintable() for line in said.out.split("\n"))
    for command in ("cost RUN --details --tornado --market", f"{PLAN} --explain"):
        assert all(line.isprintable() for line in ask(command).out.split("\n"))
    record = json.loads(ask("report RUN --format json").out)
    assert record["run"]["workload"] == STEERING
    said = ask(f"report RUN --out {shlex.quote(STEERING)}")
    assert said.err == "Saved \\x1b[2Jmine\\n\\u202e\\u200b\\x07\n"
