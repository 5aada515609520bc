"""What recording costs where programs are many and short: the CPU of a Python process that does nothing, and of a fork.

The same process is started bare, as `orchprof record` starts it, and under `opentelemetry-instrument` where that is
installed; the figure is the difference to `bare` of its group. Forks are counted in the process that makes them, with
its children; the figure is the difference by the number of forks.
"""

import os
import resource
import shutil
import subprocess
import sys

import pytest

from orchprof.watch import launcher

FORKS = 100
START = "a Python process that does nothing"
FORK = f"{FORKS} forks"
FORKING = f"""
import os
for _ in range({FORKS}):
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
"""


def children_cpu_s():
    """Return the CPU of this process's reaped children, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(benchmark, code, environment=None, before=()):
    command = [*before, sys.executable, "-c", code]
    benchmark.pedantic(
        lambda: subprocess.run(command, env=environment, check=True), rounds=20, warmup_rounds=2
    )


@pytest.fixture
def recorded(tmp_path):
    """Return the environment in which a process records itself."""
    return launcher._environment(os.environ, tmp_path, (), "auto")


@pytest.mark.benchmark(group=START, timer=children_cpu_s)
def test_start_bare(benchmark):
    run(benchmark, "pass")


@pytest.mark.benchmark(group=START, timer=children_cpu_s)
def test_start_orchprof(benchmark, recorded):
    run(benchmark, "pass", recorded)


@pytest.mark.benchmark(group=START, timer=children_cpu_s)
def test_start_opentelemetry(benchmark):
    if shutil.which("opentelemetry-instrument") is None:
        pytest.skip("opentelemetry-instrument is not installed")
    exporters = {f"OTEL_{kind}_EXPORTER": "none" for kind in ("TRACES", "METRICS", "LOGS")}
    run(benchmark, "pass", os.environ | exporters, ["opentelemetry-instrument"])


@pytest.mark.benchmark(group=FORK, timer=children_cpu_s)
def test_fork_bare(benchmark):
    run(benchmark, FORKING)


@pytest.mark.benchmark(group=FORK, timer=children_cpu_s)
def test_fork_orchprof(benchmark, recorded):
    run(benchmark, FORKING, recorded)
