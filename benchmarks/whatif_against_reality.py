"""What-if against reality: latencies that `orchprof whatif` predicts, beside those of programs really changed.

Run it on a machine that does nothing else: `python benchmarks/whatif_against_reality.py [ROUNDS]`. Base and changed
program run in turn; a prediction is made from the base run of its own round, and medians over the rounds are compared.
`alone` is the error when nothing waits for a core in base and changed run alike: what neighbours did is not in it.
Where cores or workers change, waiting for cores is the question, and there is no such error.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MODEL = "paced:llama-3.1-8b@"
AS_RUN, ALONE = (), ("--scale", "runq=0")


@dataclass(frozen=True)
class Change:
    """What to tell whatif, and what to tell bench besides the base's options; `cores` are those it may use."""

    name: str
    whatif: Sequence[str]
    bench: Sequence[str] = ()
    cores: str | None = None

    @property
    def how(self):
        """The ways to compare."""
        crowds = {"--cores", "--workers"} & set(self.whatif)
        return (AS_RUN,) if crowds else (AS_RUN, ALONE)


@dataclass(frozen=True)
class Case:
    """A workload as it is run, and what is changed of it."""

    workload: str
    base: Sequence[str]
    changes: Sequence[Change]
    tasks: int = 10


def other_model(accelerator):
    option = ("--model", MODEL + accelerator)
    return Change(f"model on {accelerator}", option, option)


CASES = (
    Case(
        "rag",
        ("--quick", "--set", "filler=100000", "--set", "output_tokens=64"),
        (
            other_model("b200"),
            other_model("a100"),
            Change("index of 2x the vectors", ("--scale", "tool:search_docs=2"), ("--set", "filler=202000")),
            Change("answers 2x as long", ("--scale", "model/decode=2.016"), ("--set", "output_tokens=128")),
        ),
    ),
    Case(
        "math",
        ("--set", "delay_ms=800"),
        (
            Change("calculator 2x slower", ("--scale", "tool/net=2"), ("--set", "delay_ms=1600")),
            Change("calculator 2x faster", ("--scale", "tool/net=0.5"), ("--set", "delay_ms=400")),
            other_model("b200"),
        ),
    ),
    Case(
        "fanout",
        ("--quick", "--set", "output_tokens=64"),
        (
            other_model("b200"),
            Change("remote site 6x slower", ("--scale", "tool/net=6"), ("--set", "delay_ms=420")),
            Change("turns 2x as long", ("--scale", "model/decode=2.016"), ("--set", "output_tokens=128")),
        ),
    ),
    Case(
        "web",
        ("--quick",),
        (
            Change("site 3x slower", ("--scale", "tool/net=3"), ("--set", "delay_ms=600")),
            other_model("b200"),
        ),
    ),
    Case(
        "rag",
        ("--concurrency", "4", "--mode", "processes"),
        (
            Change("one core, not two", ("--cores", "1"), cores="0"),
            Change("8 workers, not 4", ("--workers", "8"), ("--concurrency", "8")),
        ),
        tasks=200,
    ),
)


def orchprof(*arguments, cores=None):
    pinned = ["taskset", "--cpu-list", cores] if cores else []
    done = subprocess.run(
        [*pinned, sys.executable, "-m", "orchprof", *map(str, arguments), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}: {done.stderr}")
    return json.loads(done.stdout)


def bench(case, options, out, cores=None):
    """Run the workload; an option given twice is taken from its last place, so a change comes after the base."""
    orchprof("bench", case.workload, "--tasks", case.tasks, "--out", out, *case.base, *options, cores=cores)


def median_s(run, *options):
    """Return the median latency that whatif says, s: now and then a neighbour hits a task, so not the mean."""
    return orchprof("whatif", run, *options)["predicted_p50_s"]


def compare(case, folder, rounds):
    """Return (change, [[(predicted, real)]]) of a case: as run, and with no strand waiting for a core in either."""
    found = {change: [] for change in case.changes}
    for number in range(rounds):
        base = folder / f"{number}-base"
        bench(case, (), base)
        for place, change in enumerate(case.changes):
            changed = folder / f"{number}-{place}"
            bench(case, change.bench, changed, change.cores)
            found[change].append([multiples(base, changed, change, how) for how in change.how])
    return found


def multiples(base, changed, change, how):
    """Return the predicted and the real latency by that of the base."""
    base_s = median_s(base, *how)
    return median_s(base, *change.whatif, *how) / base_s, median_s(changed, *how) / base_s


def write(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(rounds=3):
    """Print the table."""
    write(f"{'workload':9}{'change':26}{'predicted':>10}{'real':>8}{'error':>8}{'alone':>8}")
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            for change, rows in compare(case, Path(folder), rounds).items():
                ways = [
                    [median(row[way][side] for row in rows) for side in (0, 1)]
                    for way in range(len(change.how))
                ]
                errors = "".join(f"{said / real - 1:+8.1%}" for said, real in ways)
                said, real = ways[0]
                write(f"{case.workload:9}{change.name:26}{said:10.3f}{real:8.3f}{errors}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
