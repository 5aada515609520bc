"""A script that plays a coding agent's model: it tests, edits, tests again and answers, by whatever tools are offered.

Agents differ in the names of their tools and of these tools' arguments; both are read from what the request offers.
Where it offers no shell, it is a question beside the work (a title, a summary), and gets a few words.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from orchprof.models.script import Message, Script, text_of

# Names of tools that run a command, edit a file and read one, the more telling first.
_PROGRAMS: Final = "exec"  # codex's, which runs JavaScript that calls its other tools
_SHELLS: Final = (
    "exec_command", "shell_command", "shell", "bash", "run_shell_command", "Bash", "execute_command", "run_in_terminal",
    "run_command", "terminal", "execute", "run", _PROGRAMS,
)  # fmt: skip
_EDITORS: Final = ("apply_patch", "edit", "replace", "Edit", "edit_file", "str_replace", _PROGRAMS)
_READERS: Final = ("read_file", "Read", "read")
_FOLDER: Final = re.compile(r"(?i)(?:workspace|working|cwd)[^\n<>:]{0,40}[:>][\s*-]*(/[^\s<>\"'`,\\]+)")
# The least that a schema's type takes.
_LEAST: Final[dict[str, Any]] = {
    "string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}
}  # fmt: skip
_WAIT_MS: Final = 30_000

TITLE: Final = "Mend the failing test"
ANSWER: Final = "Mended: the tests ran, the code was edited, and the tests ran again."


def make(settings: Mapping[str, object], seed: int) -> Script:
    """Return the script.

    Args:
        settings: all are texts and may be left out. `test`: the command that tests (`python3 -m unittest -q`).
            `file`, `old`, `new`: what is edited (`calc.py`, `return a - b`, `return a + b`). `edit`: the command that
            edits, in place of one made of those three; `tool` for the agent's own editing tool. `beside`: a command
            to be called together with the first test, as parallel tool calls. `output_tokens`: the length that each
            answer is charged.
        seed: not used; there is nothing to choose.
    """
    del seed
    work = _Work(settings)

    def answer(messages: list[Message], tools: list[Message]) -> Message:
        return work.next(messages, _Offer(tools, _folder(messages)))

    return answer


class _Offer:
    """The tools that one request offers."""

    def __init__(self, tools: list[Message], folder: str) -> None:
        described = (tool.get(tool.get("type", "function")) or {} for tool in tools)
        self._tools = {str(one.get("name")): one for one in described}
        self._free = {str(tool["custom"].get("name")) for tool in tools if "custom" in tool}
        self._folder = folder

    def first(self, names: tuple[str, ...]) -> str | None:
        """Return the first of these tools that there is."""
        return next((name for name in names if name in self._tools), None)

    def command(self, shell: str, command: str) -> Message:
        """Return the call that runs a command; a free-form tool takes a program that calls another one."""
        if shell in self._free:
            return {
                "name": shell,
                "arguments": _program("exec_command", {"cmd": command, "yield_time_ms": _WAIT_MS}),
            }
        said = {"cmd": command, "script": command, "yieldtimems": _WAIT_MS, "description": "Run a command"}
        return self._call(shell, {"command": command, **said})

    def edit(self, editor: str, file: str, old: str, new: str) -> Message:
        """Return the call that puts one text in another's place."""
        if editor == _PROGRAMS:
            return {"name": editor, "arguments": _program("apply_patch", _patch(file, old, new))}
        if editor in self._free:
            return {"name": editor, "arguments": _patch(file, old, new)}
        texts = {"oldstring": old, "oldstr": old, "newstring": new, "newstr": new, "instruction": "Mend it"}
        patch = dict.fromkeys(("input", "patch", "patchtext"), _patch(file, old, new))
        return self._call(editor, {**texts, **patch, **self._file(file)})

    def read(self, reader: str, file: str) -> Message:
        """Return the call that reads a file, as some agents insist on before an edit."""
        return self._call(reader, self._file(file))

    def _file(self, file: str) -> dict[str, str]:
        path = f"{self._folder}/{file}" if self._folder else file
        return dict.fromkeys(("filepath", "absolutepath", "path", "targetfile"), path)

    def _call(self, name: str, said: Mapping[str, Any]) -> Message:
        """Return a call with those of the things to say that the tool asks for, and the least for what else it does."""
        schema = self._tools[name].get("parameters") or {}
        properties = schema.get("properties") or {"command": {}}
        known = {key: said[plain] for key in properties if (plain := _plain(key)) in said}
        given = {key: _typed(value, properties[key]) for key, value in known.items()}
        least = {
            key: _least(properties.get(key) or {}) for key in schema.get("required") or () if key not in given
        }
        return {"name": name, "arguments": {**given, **least}}


class _Work:
    """What there is to do, step by step."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._test = str(settings.get("test", "python3 -m unittest -q"))
        self._edit = settings.get("edit")
        self._beside = settings.get("beside")
        self._file = str(settings.get("file", "calc.py"))
        self._old = str(settings.get("old", "return a - b"))
        self._new = str(settings.get("new", "return a + b"))
        tokens = settings.get("output_tokens")
        self._length = {"output_tokens": int(tokens)} if isinstance(tokens, int | str) else {}

    def next(self, messages: list[Message], offer: _Offer) -> Message:
        """Return what follows on so many tool results."""
        shell = offer.first(_SHELLS)
        if shell is None:
            return {"content": TITLE, **self._length}
        steps = self._steps(shell, offer)
        left = _results(messages) - _answers(messages) * sum(map(len, steps))
        for calls in steps:
            if left <= 0:
                return {"content": None, "tool_calls": calls, **self._length}
            left -= len(calls)
        return {"content": ANSWER, **self._length}

    def _steps(self, shell: str, offer: _Offer) -> list[list[Message]]:
        """Return the calls of each step."""
        test = offer.command(shell, self._test)
        beside = [offer.command(shell, str(self._beside))] if self._beside else []
        return [[test, *beside], *([call] for call in self._edits(shell, offer)), [test]]

    def _edits(self, shell: str, offer: _Offer) -> list[Message]:
        editor, reader = offer.first(_EDITORS), offer.first(_READERS)
        if self._edit != "tool" or editor is None:
            return [offer.command(shell, self._command())]
        read = [] if reader is None else [offer.read(reader, self._file)]
        return [*read, offer.edit(editor, self._file, self._old, self._new)]

    def _command(self) -> str:
        if self._edit not in (None, "tool"):
            return str(self._edit)
        program = (
            "s/"
            + "/".join(re.sub(r"([/\\&.*\[\]^$])", r"\\\1", text) for text in (self._old, self._new))
            + "/"
        )
        return f"sed -i '{program}' {self._file}"


def _results(messages: list[Message]) -> int:
    return sum(message.get("role") == "tool" for message in messages)


def _answers(messages: list[Message]) -> int:
    """Return how often the work was done already: each turn of the user's begins it again."""
    return sum(message.get("role") == "assistant" and text_of(message) == ANSWER for message in messages)


def _folder(messages: list[Message]) -> str:
    """Return the folder that the agent says it works in, "" where it says none: some tools take absolute paths only."""
    found = (_FOLDER.search(text_of(message)) for message in messages)
    return next((match[1].rstrip("./)") for match in found if match), "")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a value as its schema has it: a command may be a list of words."""
    return ["bash", "-lc", value] if schema.get("type") == "array" else value


def _least(schema: Mapping[str, Any]) -> Any:
    choices = schema.get("enum")
    return choices[0] if choices else _LEAST.get(str(schema.get("type")), "")


def _program(tool: str, given: Any) -> str:
    return f"text(await tools.{tool}({json.dumps(given)}));"


def _patch(file: str, old: str, new: str) -> str:
    """Return an edit as a patch in the form that codex's tool takes, of a line in a function's body."""
    return f"*** Begin Patch\n*** Update File: {file}\n@@\n-    {old}\n+    {new}\n*** End Patch"
