"""A real repository without a download: the installed networkx, which carries its tests, under git."""

import compileall
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

from ..cache import folder
from .tasks import Bug

_FORMAT: Final = "1"  # raise it when what _build makes changes
# Python trusts a compiled file whose source has the size and the whole second it was compiled from. A fault often
# keeps the size, so every text gets a second of its own: nothing stale can be run.
_CLEAN_S: Final = 1_500_000_000
_IDENTITY: Final = (("user.name", "orchprof"), ("user.email", "orchprof@localhost"), ("gc.auto", "0"))


def environment() -> dict[str, str]:
    """Return what the agent's commands add to the environment, so that they do the same on every machine.

    `python3` is the Python that runs this; no git settings and no pytest plugins of the user's take part.
    """
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PAGER": "cat",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTEST_ADDOPTS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }


def template() -> Path:
    """Return the clean repository that worker slots are copied from, made once per version of networkx and Python.

    Raises:
        ImportError: networkx or pytest is missing.
    """
    for name in ("networkx", "pytest"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return folder("swe", [_FORMAT, version("networkx"), sys.version], _build)


def seed(copy: Path, bug: Bug, number: int) -> None:
    """Make a worker slot's copy the clean repository plus one commit that brings the fault.

    Args:
        copy: the folder; made when it is not there.
        bug: a fault that fits.
        number: the fault's own, so that its file gets a time that no other text of it has.
    """
    if not copy.is_dir():
        shutil.copytree(template(), copy)
    touched = _git(copy, "diff", "--name-only", "clean").split()
    _git(copy, "reset", "--quiet", "--hard", "clean")
    _git(copy, "clean", "--quiet", "--force", "-d")
    for name in touched:
        os.utime(copy / name, (_CLEAN_S, _CLEAN_S))
    path = copy / bug.path
    path.write_text(_seeded(path, bug), encoding="utf-8")
    os.utime(path, (_CLEAN_S + 1 + number,) * 2)
    _git(copy, "commit", "--quiet", "--all", "--message", f"Simplify {bug.function}")


def verdict(clean: Path, bug: Bug, patch: str) -> str | None:
    """Return None when the patch turns the faulty file into the clean one, else why it does not."""
    if not patch.strip():
        return "nothing was submitted"
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / bug.path
        path.parent.mkdir(parents=True)
        path.write_text(_seeded(clean / bug.path, bug), encoding="utf-8")
        (Path(scratch) / "patch").write_text(patch, encoding="utf-8")
        changed = _run(Path(scratch), "apply", "--numstat", "patch").stdout.split("\t")[2::2]
        if [name.strip() for name in changed] != [bug.path]:
            return f"the patch is not one of {bug.path} alone"
        applied = _run(Path(scratch), "apply", "patch")
        if applied.returncode:
            return f"the patch does not apply: {applied.stderr.strip()}"
        same = path.read_text(encoding="utf-8") == (clean / bug.path).read_text(encoding="utf-8")
    return None if same else f"{bug.path} is not as it was before the fault"


def _seeded(path: Path, bug: Bug) -> str:
    text = bug.seeded(path.read_text(encoding="utf-8"))
    if text is None:
        raise ValueError(f"the fault does not fit, {bug.function} @ {path}, open the workload again")
    return text


def _build(scratch: Path) -> None:
    spec = importlib.util.find_spec("networkx")
    assert spec is not None
    assert spec.submodule_search_locations
    package = scratch / "networkx"
    shutil.copytree(spec.submodule_search_locations[0], package, ignore=shutil.ignore_patterns("__pycache__"))
    # Its own pytest settings, so that no settings of a folder above it apply.
    (scratch / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n", encoding="utf-8")
    (scratch / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")
    for path in package.rglob("*.py"):
        os.utime(path, (_CLEAN_S, _CLEAN_S))
    compileall.compile_dir(package, quiet=2, rx=re.compile(r"/tests/"))
    _git(scratch, "init", "--quiet")
    for name, value in _IDENTITY:
        _git(scratch, "config", name, value)
    _git(scratch, "add", "--all")
    _git(scratch, "commit", "--quiet", "--message", "networkx as installed")
    _git(scratch, "tag", "clean")


def _git(folder: Path, *arguments: str) -> str:
    done = _run(folder, *arguments)
    done.check_returncode()
    return done.stdout


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A scratch folder may lie inside some other repository, which must not be found.
    env = {**os.environ, **environment(), "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
