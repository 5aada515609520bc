"""Bad input, as a table: whatever was asked, one line says what is wrong and where, and nothing else is said."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from bad_files import DIGITS, PLAN, refused

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


@pytest.mark.parametrize(("line", "fragment"), ASKED, ids=range(len(ASKED)))
def test_what_cannot_be_asked(ask, line, fragment):
    refused(ask(line), fragment)


def test_the_run_of_the_table_is_a_good_one(ask):
    for command in ("report", "whatif", "cost", "claim"):
        said = ask(f"{command} RUN")
        assert (said.code, said.err) == (0, "")
    assert ask(f"{PLAN} --explain").code == 0


# How run.json can be wrong: all of it, or a key of it.


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
