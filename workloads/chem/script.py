"""What the model says: the next call, from the question and what the calls before it gave, and then the report.

It knows how the groups are written as patterns, as a model that knows chemistry would; everything that it reports it
takes from what the tools said.
"""

import json
import operator
from collections.abc import Callable
from typing import Any, Final

from ..chat import pad, text_of
from .prompt import NAMES, TAKES, items, parse, report

Message = dict[str, Any]
Results = dict[str, Any]  # what each tool that was called gave
SMARTS: Final = {
    "amide": "C(=O)N",
    "bromine": "Br",
    "chlorine": "Cl",
    "cyclohexane": "C1CCCCC1",
    "cyclopropane": "C1CC1",
    "ester": "C(=O)O[#6]",
    "fluorine": "F",
    "furan": "c1ccoc1",
    "methoxy": "[CH3]O",
    "morpholine": "C1COCCN1",
    "nitrile": "C#N",
    "nitro": "[N+](=O)[O-]",
    "pyridine": "n1ccccc1",
    "thiophene": "c1ccsc1",
}
_THOUGHTS: Final = {
    "parse_smiles": "I read the structure first, to have its formula and a canonical form.",
    "describe": "With the canonical SMILES I calculate the descriptors.",
    "embed_3d": "I need its structure in space.",
    "search_library": "I look through the library for the group, written as a SMARTS pattern.",
    "search_literature": "I search the literature for what the entry is to say.",
}
# The line of the report that a tool is called for, and what in its result goes there.
_LINES: Final = {
    "parse_smiles": ("formula", "formula"),
    "describe": ("weight", "MolWt"),
    "embed_3d": ("atoms", "atoms"),
    "search_library": ("library", "count"),
}
_LOST: Final = "I cannot find that out."


def make(settings: dict[str, Any], seed: int) -> Callable[[list[Message], list[Message]], Message]:
    """Return the script."""
    del seed
    tokens = settings["output_tokens"]

    def reply(messages: list[Message], tools: list[Message]) -> Message:
        del tools
        said, calls = _said(messages)
        spent = sum(len(str(call)) // 4 for call in calls)
        padded = pad(said, tokens - spent, text_of(messages[-1]))
        length = {"output_tokens": tokens} if tokens else {}
        return {"content": padded, "tool_calls": calls, **length}

    return reply


def _said(messages: list[Message]) -> tuple[str, list[Message]]:
    """Return what is said next, and the calls that are made with it."""
    asked = text_of(next(message for message in messages if message["role"] == "user"))
    known, lines = parse(asked), items(asked)
    try:
        results = _results(messages)
        if len(results) == lines:
            return report(_values(results, known)), []
        name = NAMES[len(results)]
        return _THOUGHTS[name], [{"name": name, "arguments": {TAKES[name]: _argument(name, known, results)}}]
    except (LookupError, TypeError, ValueError):  # a tool said something else than it should, or nobody asked
        return _LOST, []


def _results(messages: list[Message]) -> Results:
    """Return what every tool that was called gave, in order."""
    calls = [call for message in messages for call in message.get("tool_calls") or []]
    names = {call["id"]: call["function"]["name"] for call in calls}
    shown = [message for message in messages if message["role"] == "tool"]
    return {names[message["tool_call_id"]]: json.loads(text_of(message)) for message in shown}


def _argument(name: str, known: dict[str, str], results: Results) -> str:
    if name == "search_library":
        return SMARTS[known["group"]]
    if name == "search_literature":
        return known["sentence"]
    return str(results["parse_smiles"]["smiles"]) if results else known["smiles"]


def _values(results: Results, known: dict[str, str]) -> dict[str, str]:
    """Return the lines of the report that there are results for."""
    values = {line: str(results[name][key]) for name, (line, key) in _LINES.items() if name in results}
    if "search_literature" in results:
        values["entry"] = _title(results["search_literature"], known["sentence"])
    return values


def _title(found: list[dict[str, str]], sentence: str) -> str:
    """Return the title of the passage that says a sentence, the earliest in its text; "unknown" when none does."""
    wanted = " ".join(sentence.split()).casefold()
    places = [(" ".join(item["text"].split()).casefold().find(wanted), item["title"]) for item in found]
    saying = [(place, title) for place, title in places if place >= 0]
    return min(saying, default=(0, "unknown"), key=operator.itemgetter(0))[1]
