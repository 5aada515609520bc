"""Examining this machine: trials, one after the other, until there are enough or somebody has had enough."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from orchprof.contract.verify import Verify
from orchprof.run import machine
from orchprof.verify.compare import compare
from orchprof.verify.measurement import Trial, server, trial
from orchprof.verify.shapes import chosen, lacking


def examine(
    runs: int, keep: Path | None, notify: Callable[[int, int], None], names: Sequence[str] = ()
) -> Verify:
    """Return `orchprof.verify/1` of so many trials; when interrupted, of those that were done.

    Args:
        runs: how many; which of recorded and unrecorded goes first alternates.
        keep: new directory for the recorded runs; they are thrown away when None.
        notify: told how many are done, of how many.
        names: the shapes to make; all when none is named.

    Raises:
        OrchprofError: a program failed.
        UsageError: there is no such shape.
    """
    shapes = chosen(names)
    can = {name for name, shape in shapes.items() if not lacking(shape)}
    facts, done, interrupted = machine.fingerprint(), list[Trial](), False
    with nullcontext(str(keep)) if keep else TemporaryDirectory(prefix="orchprof-verify-") as folder:
        try:
            with server() as ports:
                for number in range(runs if can else 0):
                    notify(number, runs)
                    here = Path(folder) / f"run-{number + 1:02}"
                    done.append(trial(here, ports, can, recorded_first=bool(number % 2)))
        except KeyboardInterrupt:
            interrupted = True
    return compare(done, facts, shapes, interrupted=interrupted)
