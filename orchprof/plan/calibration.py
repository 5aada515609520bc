"""Calibration: how fast a machine's cores are, one at work and all at work, in the unit of the runs' `core_speed`."""

from concurrent.futures import ProcessPoolExecutor
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from typing import Final

from orchprof import files
from orchprof.contract.env import Calibration
from orchprof.errors import UsageError
from orchprof.run import machine

_NAMES: Final = ("core_speed", "all_core_speed", "cores")
_MOST: Final = 1e6  # neither a core nor a machine is larger
ROUNDS: Final = 5  # of about a tenth of a second each, with all cores at work


def measure() -> Calibration:
    """Return this machine's calibration; it keeps every core busy for a second."""
    cores = machine.fingerprint().cores
    alone = machine.spin()
    with ProcessPoolExecutor(max(1, ceil(cores)), mp_context=get_context("spawn")) as pool:
        each = list(pool.map(_spin_many, range(max(1, ceil(cores)))))
    # What is compared is CPU time: a quota that stops the processes for a while does not make a core slower.
    return Calibration(alone, mean(each), cores)


def _spin_many(_worker: int) -> float:
    machine.spin()  # until the others have started as well
    return median(machine.spin() for _ in range(ROUNDS))


def read(path: Path) -> Calibration:
    """Return the calibration in a file that `orchprof env --calibrate FILE` wrote.

    Raises:
        UsageError: the file cannot be read, or holds none.
    """
    try:
        held = files.document(path).get("calibration")
    except files.UnreadableError as why:
        raise UsageError(
            f"cannot read it, {path} @ --calibration, {why}: write it with 'orchprof env --calibrate FILE'"
        ) from None
    values = [held.get(name) for name in _NAMES] if isinstance(held, dict) else []
    speeds = [
        float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    if len(speeds) < len(_NAMES):
        raise UsageError(
            f"no calibration in it, {path} @ --calibration, write it with 'orchprof env --calibrate FILE'"
        )
    if not all(0 < value <= _MOST for value in speeds):
        raise UsageError(f"no speed a core can have, {min(speeds):g} @ {path}, calibrate again")
    return Calibration(*speeds)
