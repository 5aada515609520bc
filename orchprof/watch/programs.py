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
        "timeout", "setsid", "stdbuf", "taskset", "numactl", "chrt", "ionice", "xargs", "sudo", "script", "uv", "uvx",
        "poetry", "pdm", "hatch", "pipx", "pipenv", "rye", "conda", "mamba", "micromamba", "pixi", "tox", "nox",
        "direnv",
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


def _options(command: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return an interpreter's own options, one letter each, and what follows them, `-c` or `-m` first if given."""
    letters: list[str] = []
    rest = list(command[1:])
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--" or word.startswith("--"):
            continue
        for at, letter in enumerate(word[1:], start=1):
            if letter in "cm":
                return letters, [f"-{letter}", *([word[at + 1 :]] if word[at + 1 :] else []), *rest]
            letters.append(letter)
            if letter in "WX":
                rest = rest if word[at + 1 :] else rest[1:]
                break
    return letters, rest


def refusing_option(command: Sequence[str]) -> str | None:
    """Return the option by which a Python command refuses to be recorded; None when there is none."""
    letters = _options(command)[0] if is_python(command[0]) else []
    return next((f"-{letter}" for letter in letters if letter in "IES"), None)


def shown(command: Sequence[str]) -> list[str]:
    """Return the part of a command that may be kept: program and script. Other arguments may hold secrets."""
    program = Path(command[0]).name
    if not is_python(program):
        return [program]
    rest = _options(command)[1]
    if rest[:1] == ["-m"]:
        return [program, *rest[:2]]
    return [program, *(Path(word).name for word in rest[:1])]


def name_of(command: Sequence[str]) -> str:
    """Return what a run of a command is called: its script's or module's name, else its program's."""
    *_, last = shown(command)
    name = Path(command[0]).name if last.startswith("-") else last.removesuffix(".py")
    return re.sub(r"[^\w.-]", "_", name) or "command"
