"""Programs: what kind of program a command starts, which says how it is recorded: from inside, or from outside."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

# `python` and what starts another program are recorded from inside, where Python runs; any other from outside.
Kind = Literal["python", "launcher", "other"]

_PYTHON: Final = re.compile(r"(python|pypy)[\d.]*(t|d)?")
# Programs that only start what is meant: shells, runners of Python environments, and wrappers of one command.
_LAUNCHERS: Final = frozenset(
    {
        "sh", "bash", "dash", "zsh", "ksh", "fish", "busybox", "make", "just", "env", "nice", "nohup", "time",
        "timeout", "setsid", "stdbuf", "taskset", "numactl", "chrt", "ionice", "xargs", "sudo", "script", "uv", "uvx", "poetry",
        "pdm", "hatch", "pipx", "pipenv", "rye", "conda", "mamba", "micromamba", "pixi", "tox", "nox", "direnv",
    }
)  # fmt: skip
_FIRST_BYTES: Final = 4096
# pip writes a shell's line where the path of the interpreter is too long for a `#!`.
_HIDDEN: Final = re.compile(rb"^'''exec' (\S+)", re.MULTILINE)


def is_python(program: str) -> bool:
    """Return whether a program is a Python interpreter, by its name."""
    return _PYTHON.fullmatch(Path(program).name) is not None


def kind_of(program: str) -> Kind:
    """Return what a command's program is: by its name, or for a script by that of its interpreter."""
    if is_python(program):
        return "python"
    name = Path(program).name
    if name in _LAUNCHERS:
        return "launcher"
    interpreters = [Path(word).name for word in _interpreter(program)]
    if any(map(is_python, interpreters)):
        return "python"
    return "launcher" if any(word in _LAUNCHERS - {"env"} for word in interpreters) else "other"


def _interpreter(program: str) -> Sequence[str]:
    """Return the words of a script's first line; none of anything else."""
    try:
        with Path(shutil.which(program) or program).open("rb") as file:
            head = file.read(_FIRST_BYTES)
    except OSError:
        return ()
    if not head.startswith(b"#!"):
        return ()
    hidden = _HIDDEN.search(head)
    line = head[2:].partition(b"\n")[0] if hidden is None else hidden[1].strip(b"\"'")
    return line.decode("utf-8", "replace").split()
