"""What holds for every command: help, one line per error, exit codes, tracebacks of our own bugs only."""

import io
import signal
import subprocess
import sys

import pytest

ORCHPROF = (sys.executable, "-m", "orchprof")
TIME = "give a number above 0, a year at most"


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_lists_the_commands(run, arguments):
    said = run(*arguments)
    assert (said.code, said.err) == (0, "")
    for command in ("bench", "claim", "env", "record", "report", "serve-model", "verify"):
        assert f"  {command} " in said.out
    assert "..." not in said.out.split("Commands:")[1], "a summary is too long for its line"


@pytest.mark.parametrize("command", ["bench", "claim", "env", "report", "serve-model", "verify"])
def test_every_command_has_help(run, command):
    said = run(command, "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Usage: orchprof {command} ")


def test_version(run):
    from orchprof import __version__

    assert run("--version").out == f"orchprof {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("bench --tasks abc", "not a number it can be, 'abc' @ --tasks, give a whole number, 1 to 10000000"),
        ("bench --tasks 0", "not a number it can be, '0' @ --tasks, give a whole number, 1 to 10000000"),
        ("bench --tasks 2.5", "not a number it can be, '2.5' @ --tasks, give a whole number, 1 to 10000000"),
        ("bench --warmup=-1", "not a number it can be, '-1' @ --warmup, give a whole number, 0 to 10000000"),
        ("bench --seed=-1", "not a number it can be, '-1' @ --seed, give a whole number, 0 or more"),
        ("bench --task-timeout nan", f"not a duration in seconds, 'nan' @ --task-timeout, {TIME}"),
        ("bench --task-timeout inf", f"not a duration in seconds, 'inf' @ --task-timeout, {TIME}"),
        ("bench --task-timeout 0", f"not a duration in seconds, '0' @ --task-timeout, {TIME}"),
        ("bench --task-timeout soon", f"not a duration in seconds, 'soon' @ --task-timeout, {TIME}"),
        ("bench --set k", "not a setting, 'k' @ --set, write it as KEY=VALUE"),
        ("bench --set =4", "not a setting, '=4' @ --set, write it as KEY=VALUE"),
        ("env --format jsn", "unknown format, 'jsn' @ --format, did you mean 'json'?"),
        ("report --format pdf", "unknown format, 'pdf' @ --format, choose from console, json"),
        ("serve-model zero --port 65536", "not a number it can be, '65536' @ --port, give a whole number, 0 to 65535"),
        ("serve-model zero --explain --input-tokens 0",
         "not a number it can be, '0' @ --input-tokens, give a whole number, 1 or more"),
    ],
)  # fmt: skip
def test_a_bad_value_is_one_line_with_its_place_and_remedy(run, arguments, said):
    result = run(*arguments.split())
    assert (result.code, result.out, result.err) == (2, "", f"error: {said}\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("benhc", "benhc"),
        ("bench --taks 3", "--taks"),
        ("serve-model", "SPEC"),
        ("env surplus", "surplus"),
        ("report --out", "--out"),
        ("bench no-such-workload", "no-such-workload"),
        ("bench rag --mode fast", "fast"),
        ("bench rag --variant none-such", "none-such"),
        ("bench rag --set none_such=1", "none_such"),
        ("bench rag --model paced:none-such@h100", "none-such"),
        ("serve-model nonesuch --explain", "nonesuch"),
        ("serve-model nonesuch", "nonesuch"),
    ],
)
def test_a_usage_error_is_one_line_that_names_the_fault(run, arguments, named):
    result = run(*arguments.split())
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert named in result.err


def test_our_own_bug_keeps_its_traceback(run, monkeypatch):
    def broken():
        raise ZeroDivisionError

    monkeypatch.setattr("orchprof.run.machine.fingerprint", broken)
    with pytest.raises(ZeroDivisionError):
        run("env")


def test_a_name_that_the_terminal_has_no_characters_for_is_escaped(run, monkeypatch):
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        said = run("prices", "--price", "tool/caf\u00e9=1", "caf\u00e9")
    assert (said.code, said.err) == (0, "")
    assert rb"tool/caf\xe9" in screen.buffer.getvalue()


def test_a_full_disk_is_one_line(run):
    for command in (
        "verify --list",
        "prices",
        "--help",
        "report --help",
        "--version",
        "env",
    ):
        done = subprocess.run(
            f"{' '.join(ORCHPROF)} {command} > /dev/full", shell=True, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 1
        assert done.stderr.startswith("error: cannot write the result, ")
        assert len(done.stderr.splitlines()) == 1


def test_a_traceback_shows_no_values():
    code = (
        "import sys\nfrom orchprof.run import machine\nfrom orchprof.cli import main\n"
        "def broken(secret='hun' + 'ter2'): return 1 / 0\n"
        "machine.fingerprint = broken\nsys.exit(main(['env']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "Traceback (most recent call last):"
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert "hunter2" not in done.stderr


def test_interrupted_is_130_and_says_nothing(run, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("orchprof.run.machine.fingerprint", interrupted)
    said = run("env")
    assert said.code == 130
    assert said.err.strip() == ""


def test_a_reader_who_leaves_is_no_bug():
    with subprocess.Popen([*ORCHPROF, "env"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_module_is_the_command():
    done = subprocess.run([*ORCHPROF, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("orchprof ")


def test_serve_model_says_where_and_stops_when_interrupted():
    import json

    with subprocess.Popen(
        [*ORCHPROF, "serve-model", "zero", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            ready = json.loads(process.stdout.readline())
            assert ready["base_url"] == f"http://127.0.0.1:{ready['port']}/v1"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert b"Traceback" not in process.stderr.read()
