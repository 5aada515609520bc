"""What the model says: the next command, decided from what the commands before it printed.

It knows the table of faults, as a model that knows networkx would, but not where a fault is now or whether it is
there: it goes by what it reads, and hands in nothing when that is not what it needs.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, Final

from ..chat import pad, text_of
from .prompt import ACTION, SENTINEL
from .tasks import Bug, bugs

Message = dict[str, Any]
Turn = tuple[str, str]  # a command, and what it showed
Step = tuple[str, str]  # a thought, and the command it leads to
_WINDOW_LINES: Final = 80
_READS: Final = 4
# How each kind of command begins.
_KINDS: Final = {"grep": "find", "nl": "read", "python3": "test", "cat": "look", "sed": "edit"}


def make(settings: dict[str, Any], seed: int) -> Callable[[list[Message], list[Message]], Message]:
    """Return the script.

    Args:
        settings: the workload's; `tests`, `steps` and `output_tokens` matter here.
        seed: not used; the order of the tasks does not matter to who solves them.
    """
    del seed
    table = {bug.issue: bug for bug in bugs()}
    tokens = settings["output_tokens"]

    def reply(messages: list[Message], tools: list[Message]) -> Message:
        del tools
        bug = next((table[issue] for issue in table if issue in text_of(messages[1])), None)
        turns = _turns(messages[2:])
        thought, command = _next(bug, turns, settings) if bug else _give_up("I cannot make out the issue.")
        thought = pad(f"THOUGHT: {thought}", tokens - len(command) // 4, turns[-1][1] if turns else "")
        length = {"output_tokens": tokens} if tokens else {}
        return {"content": f"{thought}\n\n```bash\n{command}\n```", **length}

    return reply


def _turns(messages: list[Message]) -> list[Turn]:
    """Return each command that was run with what it showed; replies that were rejected are left out."""
    texts = [text_of(message) for message in messages]
    turns = []
    for said, shown in zip(texts[::2], texts[1::2], strict=False):
        commands = re.findall(ACTION, said, re.DOTALL)
        if len(commands) == 1:
            turns.append((commands[0].strip(), shown))
    return turns


def _next(bug: Bug, turns: list[Turn], settings: dict[str, Any]) -> Step:
    if not turns:
        return (
            f"The issue is about `{bug.function}`. I look for where it is defined.",
            f"grep -rn --include='*.py' {shlex.quote(f'def {bug.function}(')} networkx",
        )
    after = _AFTER.get(_kind(turns[-1]))
    return after(bug, turns, settings) if after else _give_up("That did not work.")


def _after_find(bug: Bug, turns: list[Turn], settings: dict[str, Any]) -> Step:
    del settings
    start = _defined_at(bug, turns)
    if start is None:
        return _give_up(f"`{bug.function}` is not where I expected it.")
    return _read(bug, start)


def _after_read(bug: Bug, turns: list[Turn], settings: dict[str, Any]) -> Step:
    reads = _of_kind(turns, "read")
    if _fault_at(bug, turns) is not None:
        return _test(
            "I have read the function and have a suspicion. First I want to see it fail.", bug, "quick"
        )
    if len(reads) == _READS:
        return _give_up("I have read the function and see nothing wrong with it.")
    start = _defined_at(bug, turns)
    assert start is not None
    del settings
    return _read(bug, start + len(reads) * _WINDOW_LINES)


def _after_test(bug: Bug, turns: list[Turn], settings: dict[str, Any]) -> Step:
    shown = turns[-1][1]
    if _of_kind(turns, "edit"):
        return _submit() if _passed(shown) else _give_up("The tests do not pass with my change.")
    if bug.failing.partition("::")[2] not in shown or not re.search(r"\d+ failed", shown):
        return _give_up("I cannot reproduce the failure.")
    return _look_or_edit(bug, turns, settings)


def _look_or_edit(bug: Bug, turns: list[Turn], settings: dict[str, Any]) -> Step:
    looks = len(_of_kind(turns, "look"))
    if looks < settings["steps"]:
        first = 1 + looks * _WINDOW_LINES
        return (
            f"The failure is there. I read what the tests expect of `{bug.function}`.",
            f"cat -n {bug.tests} | sed -n '{first},{first + _WINDOW_LINES - 1}p'",
        )
    line = _fault_at(bug, turns)
    assert line is not None
    change = f"{line}c\\{bug.before}"
    return (
        f"Line {line}, `{bug.after.strip()}`, is wrong. It should be `{bug.before.strip()}`.",
        f"sed -i {shlex.quote(change)} {bug.path}",
    )


def _after_edit(bug: Bug, turns: list[Turn], settings: dict[str, Any]) -> Step:
    del turns
    return _test("I have made the change. I run the tests again.", bug, settings["tests"])


_AFTER: Final = {
    "find": _after_find,
    "read": _after_read,
    "test": _after_test,
    "look": _look_or_edit,
    "edit": _after_edit,
}


def _read(bug: Bug, first: int) -> Step:
    return (
        f"I read `{bug.function}` in {bug.path} from line {first}.",
        f"nl -ba {bug.path} | sed -n '{first},{first + _WINDOW_LINES - 1}p'",
    )


def _test(thought: str, bug: Bug, selection: str) -> Step:
    target = bug.tests if selection == "quick" else str(PurePosixPath(bug.tests).parent)
    return thought, f"python3 -m pytest -q {target}"


def _submit() -> Step:
    return "The tests pass. I hand in the change.", f"echo {SENTINEL} && git diff"


def _give_up(why: str) -> Step:
    return f"{why} I hand in nothing.", f"echo {SENTINEL}"


def _kind(turn: Turn) -> str:
    return _KINDS.get(turn[0].split()[0], "")


def _of_kind(turns: list[Turn], kind: str) -> list[Turn]:
    return [turn for turn in turns if _kind(turn) == kind]


def _defined_at(bug: Bug, turns: list[Turn]) -> int | None:
    found = re.search(rf"^{re.escape(bug.path)}:(\d+):def ", turns[0][1], re.MULTILINE)
    return int(found[1]) if found else None


def _fault_at(bug: Bug, turns: list[Turn]) -> int | None:
    """Return the number of the faulty line, from the numbered lines that were read; None before it is found."""
    faulty = re.compile(rf"^ *(\d+)\t{re.escape(bug.after)}$", re.MULTILINE)
    found = next((found for _, shown in _of_kind(turns, "read") if (found := faulty.search(shown))), None)
    return int(found[1]) if found else None


def _passed(shown: str) -> bool:
    """Return whether pytest's last line counts passed tests and no failed ones or errors."""
    summary = re.findall(r"^.*\b\d+ passed.* in [\d.]+s.*$", shown, re.MULTILINE)
    return bool(summary) and not re.search(r"\d+ (failed|error)", summary[-1])  # "xfailed" is no failure
