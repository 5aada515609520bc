"""What-if against reality: latencies that `orchprof whatif` predicts, beside those of programs really changed.

Run it on a machine that does nothing else: `python benchmarks/whatif_against_reality.py [ROUNDS]`. Base and changed
program run in turn; a prediction is made from the base run of its own round, and medians over the rounds are compared.
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


@dataclass(frozen=True)
class Change:
    """What to tell whatif, and what to tell bench besides the base's options."""

    name: str
    whatif: Sequence[str]
    bench: Sequence[str]


@dataclass(frozen=True)
class Case:
    """A workload as it is run, and what is changed of it."""

    workload: str
    base: Sequence[str]
    changes: Sequence[Change]


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
        ("--quick",),
        (
            other_model("b200"),
            Change("remote site 6x slower", ("--scale", "tool/net=6"), ("--set", "delay_ms=420")),
            Change("model without time", ("--model", "zero"), ("--model", "zero")),
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
)


def orchprof(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "orchprof", *map(str, arguments), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}: {done.stderr}")
    return json.loads(done.stdout)


def really(case, options, out, tasks):
    """Return the mean latency of a run of the workload, s.

    An option given twice is taken from its last place, so a change comes after the base.
    """
    record = orchprof("bench", case.workload, "--tasks", tasks, "--out", out, *case.base, *options)
    return record["reports"][0]["latency_s"]["mean"]


def compare(case, folder, rounds, tasks):
    """Return (change, predicted, real) of a case, as medians of multiples of the base."""
    found = {change: ([], []) for change in case.changes}
    for number in range(rounds):
        base_run = folder / f"{case.workload}-{number}-base"
        base_s = really(case, (), base_run, tasks)
        for place, change in enumerate(case.changes):
            said = orchprof("whatif", base_run, *change.whatif)
            took_s = really(case, change.bench, folder / f"{case.workload}-{number}-{place}", tasks)
            found[change][0].append(said["ratio"])
            found[change][1].append(took_s / base_s)
    return [(change, median(said), median(real)) for change, (said, real) in found.items()]


def write(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(rounds=3, tasks=10):
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        write(f"{'workload':9}{'change':26}{'predicted':>10}{'real':>8}{'error':>8}")
        for case in CASES:
            for change, said, real in compare(case, Path(folder), rounds, tasks):
                row = f"{case.workload:9}{change.name:26}{said:10.3f}{real:8.3f}{said / real - 1:+8.1%}"
                write(row)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
