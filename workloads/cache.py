"""What is costly to prepare and the same every time, kept between runs."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def folder(kind: str, inputs: list[str], build: Callable[[Path], None]) -> Path:
    """Return the folder that `build` fills from these inputs, built at most once per set of inputs.

    Safe for concurrent processes: each builds beside the final place and renames; whoever is late uses the
    winner's. It lies under `$XDG_CACHE_HOME`, or `~/.cache`, in `orchprof`.

    Args:
        kind: the first part of the folder's name.
        inputs: everything that what is built depends on.
        build: fills the empty folder that it is given.
    """
    digest = hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]
    target = _home() / f"{kind}-{digest}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{kind}-", dir=target.parent))
    try:
        build(scratch)
        _publish(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _home() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "orchprof"


def _publish(scratch: Path, target: Path) -> None:
    try:
        scratch.rename(target)
    except OSError:
        if not target.is_dir():
            raise
