"""Tool calls: which process does what the model has asked for, found by the words of its command line.

The proxy tells each response's calls as a line of JSON. Their commands stay in this process's memory, and so do command
lines: what is logged is a process's number, the call's id and the tool's name.
"""

import json
import os
import re
import shlex
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from orchprof.watch import proc

_KEPT: Final = 1_000
_READ_BYTES: Final = 1 << 16
_LONGEST_LINE_BYTES: Final = 8 << 20
_COMMAND_LINE_BYTES: Final = 1 << 20
# A program may start what a response asks for before the proxy has told of it.
_EARLY_NS: Final = 100_000_000
_SPACE: Final = re.compile(r"\s+")
# What may stand next to a command in a shell's text.
_BEFORE: Final = r"(?:^|[\s;&|<>(){}'\"`])"
_AFTER: Final = r"(?:$|[\s;&|<>(){}'\"`])"
# How a quote stands inside quotes: '\'' and '"'"'.
_QUOTED: Final = ("'\\''", "'\"'\"'")


@dataclass(slots=True)
class Call:
    """A call of a tool that runs a command: its id (or the tool's name with a number), the tool, and when it came."""

    ident: str
    name: str
    at_ns: int
    words: tuple[str, ...]
    found: re.Pattern[str]


class ToolCalls:
    """Keeps the calls that no process has been found for yet."""

    def __init__(self, pipe: int) -> None:
        """Read from the proxy's pipe, a descriptor that is the caller's to close."""
        os.set_blocking(pipe, False)
        self._pipe, self._text = pipe, b""
        self._open: deque[Call] = deque(maxlen=_KEPT)
        self._named: Counter[str] = Counter()
        self._ended = False

    def fileno(self) -> int:
        """Return the descriptor that can be read when there are new calls; -1 once there will be none."""
        return -1 if self._ended else self._pipe

    def read(self) -> bool:
        """Take in what the proxy has told; return whether there are new calls."""
        with suppress(BlockingIOError):
            while part := os.read(self._pipe, _READ_BYTES):
                self._text += part
            self._ended = True
        *lines, self._text = self._text.split(b"\n")
        if len(self._text) > _LONGEST_LINE_BYTES:
            self._text = b""
        before = len(self._open)
        for call in (each for line in lines for each in self._calls(line)):
            self._open.append(call)
        return len(self._open) > before

    def _calls(self, line: bytes) -> Iterator[Call]:
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            told = json.loads(line)
            for call in told.get("calls", ()):
                self._named[call["name"]] += 1
                ident = call["id"] or f"{call['name']}#{self._named[call['name']]}"
                if call["command"]:
                    yield _call(str(ident), str(call["name"]), int(told["at_ns"]), call["command"])

    def take(self, pid: int, since_ns: int) -> Call | None:
        """Return the call that a process does, which is then no longer looked for; None when it does none.

        Args:
            pid: the process.
            since_ns: since when it runs its program: an older one does nothing that was asked for later.
        """
        if not self._open:
            return None
        line = command_line(pid)
        fits = [call for call in self._open if since_ns > call.at_ns - _EARLY_NS and _fits(call, line)]
        # Of two commands the longer one says more; of two that are the same the elder was asked for first.
        best = max(fits, key=lambda call: len(call.found.pattern), default=None)
        if best is not None:
            self._open.remove(best)
        return best


def _call(ident: str, name: str, at_ns: int, command: str) -> Call:
    text = _plain(command)
    found = re.compile(_BEFORE + re.escape(text) + _AFTER)
    return Call(ident, name, at_ns, _words(command), found)


def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError:  # an open quote
        return ()


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def command_line(pid: int) -> list[str]:
    """Return the words that a process was started with, all of them up to 1 MiB; none when it is gone."""
    with suppress(OSError), open(f"{proc.FOLDER}/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - as in proc
        return os.fsdecode(file.read(_COMMAND_LINE_BYTES)).removesuffix("\0").split("\0")
    return []


def _fits(call: Call, line: list[str]) -> bool:
    """Return whether a command line is the call's command, as a shell's text or as its last words."""
    if call.words:
        first, *rest = line[-len(call.words) :] or ("",)
        if tuple(rest) == call.words[1:] and (first == call.words[0] or first.endswith(f"/{call.words[0]}")):
            return True
    return any(call.found.search(text) for word in line[1:] for text in _readings(word))


def _readings(word: str) -> Iterator[str]:
    yield _plain(word)
    for quoted in _QUOTED:
        if quoted in word:
            yield _plain(word.replace(quoted, "'"))


def note(call: Call, pid: int, at_ns: int) -> tuple[str, list[Any]]:
    """Return what is logged of a process that does a call."""
    return "tool_process", [pid, call.ident, call.name, at_ns]
