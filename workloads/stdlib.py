"""The standard library's own files: real source code that every installation has."""

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_SKIPPED: Final = {"__pycache__", "dist-packages", "idlelib", "lib2to3", "site-packages", "test", "tests"}


def root() -> Path:
    """Return the standard library's folder."""
    return Path(sysconfig.get_paths()["stdlib"])


def files() -> list[str]:
    """Return its Python files without tests and other people's packages, relative to its folder, sorted."""
    return sorted(_files(root()))


def _files(home: Path) -> Iterator[str]:
    for folder, below, names in os.walk(home):
        below[:] = [name for name in below if name not in _SKIPPED]
        here = Path(folder).relative_to(home)
        yield from ((here / name).as_posix() for name in names if name.endswith(".py"))
