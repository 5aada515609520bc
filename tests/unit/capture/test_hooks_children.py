import os
import subprocess
import sys
import time

import pytest
from support import assert_tiled

import orchprof

SPIN = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.15: pass"


def child_rows(tables):
    strands = tables["strands"].query("kind == 'child'")
    return strands, tables["segments"][tables["segments"]["strand"].isin(strands["strand"])]


def test_a_child_is_charged_with_its_cpu_and_joined(recorded):
    def program():
        with orchprof.task("t"), orchprof.tool("spin"):
            subprocess.run([sys.executable, "-c", SPIN], check=True)

    tables = recorded(program)
    strands, rows = child_rows(tables)
    assert len(rows) == 1
    row = rows.iloc[0]
    assert (row["role"], row["cpu_state"], row["wait_state"]) == ("tool", "cpu", "unexplained")
    assert row["cpu_ns"] > 0.14e9
    joins = tables["edges"].query("kind == 'join'")
    assert strands["strand"].iloc[0] in set(joins["src"])
    assert_tiled(tables)


def test_a_grandchild_counts_with_its_parent(recorded):
    def program():
        with orchprof.task("t"), orchprof.tool("shell"):
            subprocess.run(f"{sys.executable} -c '{SPIN}'; true", shell=True, check=True)

    _, rows = child_rows(recorded(program))
    assert rows["cpu_ns"].sum() > 0.14e9


@pytest.mark.parametrize("reap", ["poll", "wait", "communicate"])
def test_a_child_ends_however_it_is_reaped(recorded, reap):
    def program():
        with orchprof.task("t"):
            process = subprocess.Popen(["sleep", "0.05"], stdout=subprocess.PIPE)
            if reap == "poll":
                while process.poll() is None:
                    time.sleep(0.005)
            else:
                getattr(process, reap)()
            process.stdout.close()
            assert process.returncode == 0

    strands, rows = child_rows(recorded(program))
    assert strands["end_ns"].notna().all()
    assert (rows["end_ns"] - rows["start_ns"]).iloc[0] >= 0.05e9
    assert rows["cpu_ns"].iloc[0] < 0.05e9


def test_the_window_of_a_short_child_opens_at_the_call(recorded):
    def program():
        with orchprof.task("t"):
            subprocess.Popen(["true"]).wait()

    strands, _ = child_rows(recorded(program))
    assert strands["name"].tolist() == ["true"]
    assert (strands["end_ns"] > strands["start_ns"]).all()


def test_a_command_that_does_not_exist_raises_as_ever_and_ends(recorded):
    def program():
        with orchprof.task("t"), pytest.raises(FileNotFoundError):
            subprocess.run(["/no/such/command"], check=False)

    strands, _ = child_rows(recorded(program))
    assert strands["end_ns"].notna().all()


def test_a_child_past_its_timeout_is_killed_and_reaped_as_ever(recorded):
    def program():
        with orchprof.task("t"), pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(["sleep", "9"], timeout=0.05, check=False)

    strands, _ = child_rows(recorded(program))
    assert strands["end_ns"].notna().all()


def test_a_command_given_as_an_iterator_is_left_for_the_program_to_read(recorded):
    def program():
        with subprocess.Popen(iter(["echo", "hi"]), stdout=subprocess.PIPE) as process:
            assert process.communicate()[0] == b"hi\n"

    assert child_rows(recorded(program))[0]["name"].tolist() == ["child"]


def test_a_child_that_somebody_else_reaped_ends(recorded):
    def program():
        process = subprocess.Popen(["true"])
        os.waitpid(process.pid, 0)
        process.wait()

    assert child_rows(recorded(program))[0]["end_ns"].notna().all()


def test_starting_a_child_is_startup_and_no_wait_for_it(recorded):
    def program():
        with orchprof.task("t"):
            process = subprocess.Popen(["true"])
        process.wait()

    tables = recorded(program)
    root = tables["tasks"]["task"].iloc[0]
    assert "startup" in set(tables["segments"].query("strand == @root")["wait_state"].dropna())
    assert tables["edges"].query("kind == 'join' and dst == @root").empty
