"""What the agents are told, the tools that they may call, and how answers are written and read back."""

import json
import re
from typing import Any, Final

Findings = dict[str, list[Any]]  # results by tool, in the order of the groups
SYSTEM: Final = (
    "You survey Python files. Call all the tools that you need in one turn: they run at the same time. "
    "Then reply with one line of JSON that gives each tool's results in the order of the groups."
)
AGENT_SYSTEM: Final = (
    "You find the longest function of a group of Python files. Call `longest_function` for every file in one turn. "
    "Then reply with `FUNCTION in FILE`, and nothing else on the first line."
)
COUNTS: Final = ("count_definitions", "count_tokens", "count_lines")
_FILES: Final = {"files": {"type": "array", "items": {"type": "string"}}}
_FILE: Final = {"file": {"type": "string"}}


def _tool(name: str, description: str, properties: dict[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


TOOLS: Final = [
    _tool("count_definitions", "Count the functions and classes that the files define.", _FILES),
    _tool("count_tokens", "Count the files' tokens.", _FILES),
    _tool("count_lines", "Fetch the files from the remote site and count their lines.", _FILES),
    _tool("ask_agent", "Have an agent find the longest function of the files.", _FILES),
]
AGENT_TOOLS: Final = [_tool("longest_function", "Find the longest function of a file.", _FILE)]


def question(counted: tuple[tuple[str, ...], ...], searched: tuple[tuple[str, ...], ...]) -> str:
    """Return the request for a survey."""
    lines = [f"count: {' '.join(group)}" for group in counted] + [
        f"longest: {' '.join(group)}" for group in searched
    ]
    asked = "Count definitions, tokens and lines of the groups marked `count`. Ask an agent for each marked `longest`."
    return "\n".join([asked, *lines])


def parse(asked: str) -> list[tuple[str, list[str]]]:
    """Return (mark, files) of each group that a request names."""
    found = re.findall(r"^(count|longest): (.+)$", asked, re.MULTILINE)
    return [(mark, files.split(" ")) for mark, files in found]


def answer(findings: Findings) -> str:
    """Return the reply that gives the findings."""
    return json.dumps(findings)


def answered(reply: str) -> Findings | None:
    """Return the findings that a reply gives in its first line; None when it gives none."""
    try:
        found = json.loads(reply.partition("\n")[0])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
