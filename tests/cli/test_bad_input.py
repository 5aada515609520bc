"""Bad input, as a table: whatever was asked, one line says what is wrong and where, and nothing else is said."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support import plain

from orchprof.run import store

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "plan"))

from plan_runs import made

HEADER = "provider,instance,vcpus,memory_gib,usd_per_hour\n"
DIGITS = "9" * 5000
PLAN = "plan RUN --slo p95=9s --rate 5"

# What a line below may name, and what is in it.
FILES = {
    "empty": b"",
    "utf16.csv": (HEADER + "a,b,1,1,1\n").encode("utf-16"),
    "nul.csv": HEADER.encode() + b"a,b\0,1,1,1\n",
    "latin.csv": HEADER.encode() + b"a,b\xff,1,1,1\n",
    "large.csv": HEADER.encode() + b"a,b,1,1,1\n" * 300_000,
    "nan.csv": HEADER.encode() + b"a,b,1,1,nan\n",
    "digits.csv": HEADER.encode() + f"a,b,{DIGITS},1,1\n".encode(),
    "arabic.csv": HEADER.encode() + "a,b,٣,1,1\n".encode(),
    "minus.csv": HEADER.encode() + b"a,b,1,-1,1\n",
    "tiny.csv": HEADER.encode() + b"a,b,1,1,1e-999\n",
    "short.csv": HEADER.encode() + b"a,b\n",
    "twice.csv": HEADER.encode() + b"a,b,1,1,1\na,b,1,1,2\n",
    "column.csv": b"provider,instance,vcpus,memory_gib,eur_per_hour\na,b,1,1,1\n",
    "escape.csv": HEADER.encode() + b"a,\x1b[31mb,1,1,oops\n",
    "cell.csv": HEADER.encode() + b"a," + b"b" * 200_000 + b",1,1,1\n",
    "none.json": b"{}",
    "list.json": b"[1, 2]",
    "text.json": b'{"calibration": {"core_speed": "9", "all_core_speed": 9, "cores": 2}}',
    "nan.json": b'{"calibration": {"core_speed": NaN, "all_core_speed": 9, "cores": 2}}',
    "inf.json": b'{"calibration": {"core_speed": 1e999, "all_core_speed": 9, "cores": 2}}',
    "minus.json": b'{"calibration": {"core_speed": -9, "all_core_speed": 9, "cores": 2}}',
    "deep.json": b'{"calibration": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "torn.json": b'{"calibration": {"core_speed": 9,',
    "back.txt": b"1\n0.5\n",
    "words.txt": b"1\ntwo\n",
    "never.txt": b"1\n1e999\n",
}

ASKED = [
    # bench
    ("bench rag --tasks nan", "not a number it can be, 'nan' @ --tasks"),
    ("bench rag --tasks 1e3", "not a number it can be, '1e3' @ --tasks"),
    ("bench rag --tasks 1_000", "not a number it can be, '1_000' @ --tasks"),
    ("bench rag --tasks ٣", "not a number it can be, '٣' @ --tasks"),
    ("bench rag --tasks ''", "not a number it can be, '' @ --tasks"),
    (f"bench rag --tasks {DIGITS}", "@ --tasks, give a whole number, 1 to 10000000"),
    ("bench rag --warmup -1", "not a number it can be, '-1' @ --warmup"),
    ("bench rag --concurrency 1,x", "not a number it can be, 'x' @ --concurrency"),
    ("bench rag --concurrency 1000000000", "not a number it can be, '1000000000' @ --concurrency"),
    ("bench rag --concurrency 2 --mode sequential", "one task at a time cannot be 2 @ --concurrency"),
    ("bench rag --rate nan", "not a rate per second, 'nan' @ --rate"),
    ("bench rag --rate 1e-300", "not a rate per second, '1e-300' @ --rate"),
    ("bench rag --rate 1e999", "not a rate per second, '1e999' @ --rate"),
    ("bench rag --rate 1e9 --duration 1e6", "too many tasks"),
    ("bench rag --rate 5/min", "not a rate per second, '5/min' @ --rate"),
    ("bench rag --duration inf", "not a duration in seconds, 'inf' @ --duration"),
    ("bench rag --duration -0", "not a duration in seconds, '-0' @ --duration"),
    ("bench rag --task-timeout 1e300", "not a duration in seconds, '1e300' @ --task-timeout"),
    ("bench rag --rate 5 --duration 1 --ramp 2", "nothing is left to measure, 2 @ --ramp"),
    ("bench rag --rate 5 --arrivals uniform", "unknown arrivals, 'uniform' @ --arrivals"),
    ("bench rag --rate 5 --arrivals gamma --burstiness 1e9", "not a number it can be, '1e9' @ --burstiness"),
    ("bench rag --rate 5 --burstiness 2", "only gamma has one, 2 @ --burstiness"),
    ("bench rag --arrivals trace:nowhere", "cannot read the trace, nowhere @ --arrivals"),
    ("bench rag --arrivals trace:.", "Is a directory"),
    ("bench rag --arrivals trace:pipe", "it is a named pipe"),
    ("bench rag --arrivals trace:empty", "no arrival in the trace, empty @ --arrivals"),
    ("bench rag --arrivals trace:utf16.csv", "it is no text in UTF-8"),
    ("bench rag --arrivals trace:back.txt", "back in time, 0.5 after 1 @ back.txt:2"),
    ("bench rag --arrivals trace:words.txt", "not a time, 'two' @ words.txt:2"),
    ("bench rag --arrivals trace:never.txt", "not a time, '1e999' @ never.txt:2"),
    ("bench rag --mode forks", "unknown mode, 'forks' @ --mode"),
    ("bench rag --variant nobody", "unknown variant, 'nobody' @ --variant of rag"),
    ("bench rag --set documents", "not a setting, 'documents' @ --set"),
    ("bench rag --set document_characters=1_0", "bad value, '1_0' @ --set document_characters"),
    ("bench rag --set document_characters=٣", "bad value, '٣' @ --set document_characters"),
    ("bench rag --set nothing=1", "unknown setting, 'nothing' @ --set of rag"),
    ("bench rag --seed -1", "not a number it can be, '-1' @ --seed"),
    ("bench nobody_knows", "unknown workload, 'nobody_knows' @ orchprof bench"),
    ("bench no.module:agent", "no module 'no.module'"),
    ("bench :agent", "not an agent, ':agent' @ WORKLOAD"),
    ("bench rag --model ''", "unknown model spec, '' @ --model"),
    ("bench rag --model paced:llama-3.1-8b", "incomplete model spec"),
    ("bench rag --model paced:llama-3.1-8b@h100x0", "no accelerators, 'h100x0' @ model spec"),
    (f"bench rag --model paced:llama-3.1-8b@h100x{DIGITS}", "unknown accelerator"),
    ("bench rag --model paced:llama-3.1-8b@h100x٣", "unknown accelerator"),
    ("bench rag --model llama:nope", "unknown llama model, 'nope'"),
    ("bench rag --model llama:nowhere.gguf", "nowhere.gguf"),
    ("bench rag --model http://", "incomplete model spec, 'http://' @ --model"),
    ("bench rag --model zero:1", "zero takes no argument, 'zero:1' @ --model"),
    ("bench rag --out RUN", "it exists already"),
    ("bench rag --out empty/below", "cannot make it, empty/below @ --out"),
    (f"bench rag --out {'long' * 300}", "File name too long"),
    ("bench rag --format xml", "unknown format, 'xml' @ --format"),
    # serve-model
    ("serve-model nobody", "unknown model spec, 'nobody' @ --model"),
    ("serve-model zero --port 70000", "not a number it can be, '70000' @ --port"),
    ("serve-model zero --script nowhere", "nowhere"),
    ("serve-model zero --script no.module:f", "no.module"),
    ("serve-model zero --set x", "not a setting, 'x' @ --set"),
    ("serve-model http://localhost:1/v1#m", "that server runs elsewhere"),
    ("serve-model paced:llama-3.1-8b@h100 --explain --input-tokens 0", "@ --input-tokens"),
    ("serve-model paced:llama-3.1-8b@h100 --explain --concurrency 99999999999", "@ --concurrency"),
    # runs
    ("report nowhere", "no run, nowhere @ RUN"),
    ("report empty", "no run, empty @ RUN"),
    ("whatif empty", "no run, empty @ RUN"),
    ("whatif RUN/run.json", "run.json @ RUN"),
    ("cost /dev/null", "no run, /dev/null @ RUN"),
    ("claim loop", "Too many levels of symbolic links"),
    (f"report {'long' * 300}", "File name too long"),
    ("report pipe", "no run, pipe @ RUN"),
    ("plan nowhere --slo p95=9s --rate 5", "no run, nowhere @ RUN"),
    ("report RUN --out RUN", "it exists already"),
    ("report RUN --out nowhere/report.txt", "cannot write, nowhere/report.txt @ --out, No such file"),
    ("report RUN --out /proc/nothing", "cannot write, /proc/nothing @ --out"),
    ("report RUN --format ''", "unknown format, '' @ --format"),
    # whatif
    ("whatif RUN --scale model", "not a change, 'model' @ --scale"),
    ("whatif RUN --scale model=", "not a change, 'model=' @ --scale"),
    ("whatif RUN --scale model=٢", "not a change, 'model=٢' @ --scale"),
    ("whatif RUN --scale model=1_0", "not a change, 'model=1_0' @ --scale"),
    ("whatif RUN --scale model=nan", "@ --scale"),
    ("whatif RUN --scale model=1e999", "@ --scale"),
    ("whatif RUN --scale model=-1", "not a multiplier of time"),
    ("whatif RUN --scale =2", "not a change, '=2' @ --scale"),
    ("whatif RUN --scale nobody=2", "unknown part of the run, 'nobody' @ --scale"),
    ("whatif RUN --swap model=nowhere", "no run, nowhere @ RUN"),
    ("whatif RUN --cores inf", "not a number it can be, 'inf' @ --cores"),
    ("whatif RUN --cores 1e-300", "not a number it can be, '1e-300' @ --cores"),
    ("whatif RUN --cores 1e300", "not a number it can be, '1e300' @ --cores"),
    ("whatif RUN --workers 0", "not a number it can be, '0' @ --workers"),
    ("whatif RUN --model paced:x@y", "unknown accelerator, 'y'"),
    # claim
    ("claim RUN --extrapolate filler", "not a setting, 'filler' @ --extrapolate"),
    ("claim RUN --extrapolate filler=nan", "not a number it can be, 'nan' @ --extrapolate filler"),
    ("claim RUN --extrapolate filler=1e999", "not a number it can be, '1e999' @ --extrapolate filler"),
    ("claim RUN --extrapolate =5", "not a setting, '=5' @ --extrapolate"),
    # cost
    ("cost RUN --price-per-task nan", "not an amount it can be, 'nan' @ --price-per-task"),
    ("cost RUN --price-per-task -1", "not an amount it can be, '-1' @ --price-per-task"),
    ("cost RUN --price-per-task ٣", "not an amount it can be, '٣' @ --price-per-task"),
    ("cost RUN --price-per-task 1_0", "not an amount it can be, '1_0' @ --price-per-task"),
    ("cost RUN --tasks-per-month 1_0", "not an amount it can be, '1_0' @ --tasks-per-month"),
    ("cost RUN --utilisation 1_0e-2", "not an amount it can be, '1_0e-2' @ --utilisation"),
    ("brief RUN --price-per-task ٣", "not an amount it can be, '٣' @ --price-per-task"),
    ("cost RUN --monte-carlo 1_000", "not a number it can be, '1_000' @ --monte-carlo"),
    ("cost RUN --price-per-task ''", "not an amount it can be, '' @ --price-per-task"),
    ("cost RUN --tasks-per-month 1e999", "not an amount it can be, '1e999' @ --tasks-per-month"),
    ("cost RUN --tasks-per-month 1e-300", "not an amount it can be, '1e-300' @ --tasks-per-month"),
    ("cost RUN --utilisation 1.5", "not an amount it can be, '1.5' @ --utilisation"),
    ("cost RUN --monte-carlo 5", "not a number it can be, '5' @ --monte-carlo"),
    ("cost RUN --route post", "unknown route, 'post' @ --route"),
    ("cost RUN --machine nobody", "unknown machine, 'nobody' @ --machine"),
    ("cost RUN --price core", "not a price, 'core' @ --price"),
    ("cost RUN --price core=nan", "not a finite amount, 'nan' @ --price"),
    ("cost RUN --price core=0", "a price of zero, '0' @ --price"),
    ("cost RUN --price core=-0", "a price of zero, '-0' @ --price"),
    ("cost RUN --price core=1e999", "an absurd price, '1e999' @ --price"),
    ("cost RUN --price core=٣", "not an amount, '٣' @ --price"),
    ("cost RUN --price core=1_0", "not an amount, '1_0' @ --price"),
    ("cost RUN --price nobody=1", "unknown price, 'nobody' @ --price"),
    ("cost RUN --range core_price=1:2", "nothing to ask of a range"),
    ("cost RUN --tornado --range core_price=2:1", "no range, 'core_price=2:1' @ --range"),
    ("cost RUN --tornado --range core_price=nan:1", "no range, 'core_price=nan:1' @ --range"),
    ("cost RUN --tornado --range core_price=1_0:2_0", "no range, 'core_price=1_0:2_0' @ --range"),
    ("cost RUN --tornado --range core_price=1:2:3", "no range, 'core_price=1:2:3' @ --range"),
    ("cost RUN --tornado --range core_price=1", "no range, 'core_price=1' @ --range"),
    ("cost RUN --tornado --range nobody=1:2", "unknown input, 'nobody' @ --range"),
    ("cost RUN --market --assume nobody=1", "unknown assumption, 'nobody' @ --assume"),
    ("cost RUN --market --assume year=2_030", "@ --assume year=2_030"),
    ("cost RUN --market --assume year=nan", "@ --assume year=nan"),
    ("cost RUN --market --assume year", "@ --assume year"),
    # tables of machines
    ("cost RUN --machines nowhere", "No such file or directory @ --machines nowhere"),
    ("cost RUN --machines .", "Is a directory @ --machines ."),
    ("cost RUN --machines loop", "Too many levels of symbolic links @ --machines loop"),
    ("prices --machines empty", "missing columns"),
    ("prices --machines pipe", "it is a named pipe, whose writer may never come @ --machines pipe"),
    ("prices --machines /dev/null", "missing columns"),
    ("prices --machines utf16.csv", "it is no text in UTF-8 @ --machines utf16.csv"),
    ("prices --machines nul.csv", "it is no text, a NUL is in it @ --machines nul.csv"),
    ("prices --machines latin.csv", "it is no text in UTF-8 @ --machines latin.csv"),
    ("prices --machines large.csv", "it holds more than 2 MiB @ --machines large.csv"),
    ("prices --machines nan.csv", "not a finite amount, 'nan' @ nan.csv:2"),
    ("prices --machines digits.csv", "not a whole number"),
    ("prices --machines arabic.csv", "not a whole number, '٣' @ arabic.csv:2 vcpus"),
    ("prices --machines minus.csv", "not a size, '-1' @ minus.csv:2 memory_gib"),
    ("prices --machines tiny.csv", "an absurd price, '1e-999' @ tiny.csv:2"),
    ("prices --machines short.csv", "not as many values as columns"),
    ("prices --machines twice.csv", "a machine twice, 'a/b' @ twice.csv:3"),
    ("prices --machines column.csv", "a wrong unit, column 'eur_per_hour' @ column.csv:1"),
    ("prices --machines escape.csv", "not an amount, 'oops' @ escape.csv:2"),
    ("prices --machines cell.csv", "field larger than field limit"),
    (f"{PLAN} --machines nul.csv", "it is no text, a NUL is in it @ --machines nul.csv"),
    # prices
    ("prices nobody-sells-this", "unknown price, 'nobody-sells-this' @ orchprof prices"),
    ("prices --price x", "not a price, 'x' @ --price"),
    ("prices --price =5", "not a price, '=5' @ --price"),
    ("prices --model no-such-model-at-all", "no-such-model-at-all"),
    # plan
    ("plan RUN=0 --slo p95=9s --rate 5", "not a number it can be, '0' @ the weight of RUN"),
    ("plan RUN=nan --slo p95=9s --rate 5", "not a number it can be, 'nan' @ the weight of RUN"),
    ("plan RUN --rate 5", "nothing has to hold, no limit @ --slo"),
    ("plan RUN --slo p95=9s", "nothing to plan for, no load @ --rate"),
    ("plan RUN --slo p95 --rate 5", "not a limit of latency, 'p95' @ --slo"),
    ("plan RUN --slo p95=nan --rate 5", "not a limit of latency, 'p95=nan' @ --slo"),
    ("plan RUN --slo p95=1.2.3s --rate 5", "not a limit of latency, 'p95=1.2.3s' @ --slo"),
    ("plan RUN --slo p95=9e99999s --rate 5", "not a limit of latency, 'p95=9e99999s' @ --slo"),
    ("plan RUN --slo p0=9s --rate 5", "not a limit of latency, 'p0=9s' @ --slo"),
    ("plan RUN --slo p95=٩s --rate 5", "not a limit of latency, 'p95=٩s' @ --slo"),
    ("plan RUN --slo '' --rate 5", "not a limit of latency, '' @ --slo"),
    ("plan RUN --slo p95=9s --rate nan", "not a rate per second, 'nan' @ --rate"),
    ("plan RUN --slo p95=9s --rate 5,", "not a rate per second, '' @ --rate"),
    ("plan RUN --slo p95=9s --users 0", "not a number it can be, '0' @ --users"),
    ("plan RUN --slo p95=9s --users 5 --rate 5", "@ --users, give --rate or --users"),
    (f"{PLAN} --confidence 2", "not a confidence, 2 @ --confidence"),
    (f"{PLAN} --confidence nan", "not a number it can be, 'nan' @ --confidence"),
    (f"{PLAN} --workers 1e3", "not a number it can be, '1e3' @ --workers"),
    (f"{PLAN} --arrivals rarely", "unknown arrivals, 'rarely' @ --arrivals"),
    (f"{PLAN} --mode forks", "unknown mode, 'forks' @ --mode"),
    (f"{PLAN} --limit model", "not a limit, 'model' @ --limit"),
    (f"{PLAN} --limit model.tokens_per_min=nan", "not a number it can be"),
    (
        f"{PLAN} --limit model.tokens_per_min=1_0",
        "not a number it can be, 'model.tokens_per_min=1_0' @ --limit",
    ),
    (f"{PLAN} --calibration pipe", "it is a named pipe"),
    (f"{PLAN} --limit model.words_per_min=5", "unknown unit, 'words' @ --limit"),
    (f"{PLAN} --limit model.tokens_per_year=5", "unknown time, 'year' @ --limit"),
    (f"{PLAN} --limit nobody.calls_per_s=5", "unknown tool, 'nobody' @ --limit"),
    (f"{PLAN} --machine nobody", "unknown machine, 'nobody' @ --machine"),
    (f"{PLAN} --calibration nowhere", "No such file or directory"),
    (f"{PLAN} --calibration .", "Is a directory"),
    (f"{PLAN} --calibration empty", "it is no JSON"),
    (f"{PLAN} --calibration none.json", "no calibration in it, none.json @ --calibration"),
    (f"{PLAN} --calibration list.json", "it is no JSON object but a list"),
    (f"{PLAN} --calibration text.json", "no calibration in it, text.json @ --calibration"),
    (f"{PLAN} --calibration nan.json", "it holds a number that is not finite"),
    (f"{PLAN} --calibration inf.json", "it holds a number that is not finite"),
    (f"{PLAN} --calibration minus.json", "no speed a core can have, -9 @ minus.json"),
    (f"{PLAN} --calibration deep.json", "it is nested deeper than 64 levels"),
    (f"{PLAN} --calibration torn.json", "it is no JSON"),
    (f"{PLAN} --calibration utf16.csv", "it is no text in UTF-8"),
    # env, verify, record, and no command at all
    ("env here.json", "nothing to write, here.json @ FILE"),
    ("env --calibrate empty", "it exists already, empty @ --calibrate"),
    ("verify --runs 0", "not a number it can be, '0' @ --runs"),
    ("verify --shape nobody", "no such shape, nobody @ --shape"),
    ("verify --keep RUN", "it exists already"),
    ("record", "no command after --"),
    ("record --tool nowhere -- true", "not a function, 'nowhere' @ --tool"),
    ("record --task-from a:b:c -- true", "not a function, 'a:b:c' @ --task-from"),
    ("record --out RUN -- true", "it exists already"),
    ("record --out empty/below -- true", "cannot make it, empty/below @ --out"),
    ("record -- no-such-command-anywhere", "no such command, no-such-command-anywhere @ --"),
    ("record -- ./empty", "not an executable file, ./empty @ --"),
    ("record -- ''", "no such command"),
    ("recrod", "No such command 'recrod'"),
    ("report RUN --detials", "No such option"),
]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A run that everything can be asked of."""
    path = tmp_path_factory.mktemp("good") / "good"
    kept = made(20, child=20, call=30, meta={"workload": "rag"})
    store.create(path, plain(kept.meta) | {"id": "good"})
    for name, table in kept.tables.items():
        table.to_parquet(path / f"{name}.parquet")
    store.update(path, sealed=True)
    shutil.rmtree(path / "logs")
    return path


@pytest.fixture
def ask(run, good, tmp_path):
    """Ask one command line of a folder that holds FILES, a pipe, a link to itself, and a run, `RUN`."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    shutil.copytree(good, tmp_path / "RUN")
    return lambda line: run(*shlex.split(line))


def refused(said, fragment):
    assert said.code not in (0, 1)
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) == 1
    assert len(said.err) < 1400
    assert fragment in said.err
    assert said.err.rstrip("\n").isprintable()


@pytest.mark.parametrize(("line", "fragment"), ASKED, ids=range(len(ASKED)))
def test_what_cannot_be_asked(ask, line, fragment):
    refused(ask(line), fragment)


def test_the_run_of_the_table_is_a_good_one(ask):
    for command in ("report", "whatif", "cost", "claim"):
        said = ask(f"{command} RUN")
        assert (said.code, said.err) == (0, "")
    assert ask(f"{PLAN} --explain").code == 0


# How run.json can be wrong: all of it, or a key of it.
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


PROJECTS = [
    (b"[prices\n", "cannot read the project's prices"),
    (b"prices = 5\n", "not a table, 'prices' @ orchprof.toml"),
    (b"[price]\ncore = 1\n", "unknown table, 'price' @ orchprof.toml"),
    (b"[prices]\ncore = nan\n", "not a finite amount, 'NaN' @ orchprof.toml [prices] core"),
    (b"[prices]\ncore = inf\n", "not a finite amount, 'Infinity' @ orchprof.toml [prices] core"),
    (b"[prices]\ncore = true\n", "not a value, True @ orchprof.toml [prices] core"),
    (b"[prices]\ncore = [1]\n", "not a value, [1] @ orchprof.toml [prices] core"),
    (b"[prices]\ncore = -1\n", "a negative price, '-1' @ orchprof.toml [prices] core"),
    (b"[prices]\ncore = " + DIGITS.encode(), "orchprof.toml"),
    (b"[prices]\ncore = 1e99999999999999999999\n", "orchprof.toml"),
    (b"[prices]\ncore = { unit = 'usd_per_hour', value = 1 }\n", "a wrong unit, 'usd_per_hour'"),
    (b"[prices]\ncore = " + b"[" * 100_000, "it is nested too deep"),
    (b"[prices]\n\0", "a NUL is in it"),
    ("[prices]\n".encode("utf-16"), "it is no text in UTF-8"),
    (b"[machines.box]\nvcpus = 1\n", "not a machine, 'box'"),
    (b"[machines.'a/b']\nvcpus = '2\xd9\xa3'\nmemory_gib = 1\nusd_per_hour = 1\n", "not a whole number"),
]


LINKS = [
    ("/dev/zero", "it holds more than 2 MiB @ orchprof.toml"),
    (".", "Is a directory @ orchprof.toml"),
    ("nowhere", "No such file or directory @ orchprof.toml"),
    ("orchprof.toml", "Too many levels of symbolic links @ orchprof.toml"),
]


@pytest.mark.parametrize(("target", "fragment"), LINKS)
def test_a_project_file_that_is_none(ask, tmp_path, target, fragment):
    (tmp_path / "orchprof.toml").symlink_to(target)
    for command in ("prices", "cost RUN", PLAN):
        refused(ask(command), fragment)


@pytest.mark.parametrize(("content", "fragment"), PROJECTS, ids=range(len(PROJECTS)))
def test_a_project_file_that_cannot_be(ask, tmp_path, content, fragment):
    (tmp_path / "orchprof.toml").write_bytes(content)
    for command in ("prices", "cost RUN", PLAN):
        refused(ask(command), fragment)


ENDLESS = """
import json, sys
from orchprof.cli import main
codes = [main(line) for line in json.loads(sys.argv[1])]
# getrusage would count what the process held that started this one.
(most,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
json.dump([codes, int(most.split()[1])], sys.stdout)
"""


def test_what_has_no_end_is_not_read_to_it(ask, tmp_path):
    """Devices, and files that are larger than they look: one process for all, which stays below 500 MB."""
    for name in ("link", "table"):
        shutil.copytree(tmp_path / "RUN", tmp_path / name)
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 1 << 40)
    for path in ("link/run.json", "table/segments.parquet"):
        (tmp_path / path).unlink()
        (tmp_path / path).symlink_to("/dev/zero")
    lines = [
        ["prices", "--machines", "/dev/zero"],
        ["prices", "--machines", "large"],
        ["bench", "rag", "--arrivals", "trace:/dev/zero"],
        ["bench", "rag", "--arrivals", "trace:/dev/urandom"],
        ["report", "link"],
        ["report", "table"],
        ["report", "/dev/zero"],
        [*PLAN.split(), "--calibration", "/dev/zero"],
        [*PLAN.split(), "--calibration", "large"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", ENDLESS, json.dumps(lines)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    codes, most_kib = json.loads(done.stdout)
    assert codes == [2] * len(lines)
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["error:"] * len(lines)
    assert most_kib < 500_000


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
