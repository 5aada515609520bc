"""What the model is asked and may call, written once for both variants and read back by the script."""

import re
from typing import Any, Final

SYSTEM: Final = (
    "You are a chemist's assistant. Calculate nothing yourself: call one tool at a time. "
    "Then report what was asked for, each on a line of its own like `formula: H2O`, and nothing else."
)
STEP_LIMIT: Final = 20
# In the order in which a task with few tools asks for them: the tool, what it takes, and what it does.
_ABLE: Final = (
    ("parse_smiles", "smiles", "Parse a SMILES: canonical SMILES, molecular formula, size."),
    ("describe", "smiles", "Calculate descriptors: weight, logP, polar surface, and more."),
    ("embed_3d", "smiles", "Build the 3-D structure and minimise its energy."),
    ("search_library", "smarts", "Count the molecules of our library that hold a SMARTS pattern."),
    ("search_literature", "query", "Search the literature for words."),
)
_ITEMS: Final = (
    "formula: its molecular formula",
    "weight: its average molecular weight in g/mol",
    "atoms: the number of atoms of its 3-D structure",
    "library: how many molecules of our library hold this group: {group}",
    'entry: the title of the entry of the literature that says: "{sentence}"',
)
NAMES: Final = tuple(name for name, *_ in _ABLE)
TOOLS: Final[list[dict[str, Any]]] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": {takes: {"type": "string"}}, "required": [takes]},
        },
    }
    for name, takes, description in _ABLE
]
TAKES: Final = {name: takes for name, takes, _ in _ABLE}


def question(name: str, smiles: str, group: str, sentence: str, tools: int) -> str:
    """Return what is asked about a molecule: one line of a report for each of the first `tools` tools."""
    asked = "\n".join(item.format(group=group, sentence=sentence) for item in _ITEMS[:tools])
    return f"Study {name}, SMILES {smiles}\nReport:\n{asked}"


def parse(asked: str) -> dict[str, str]:
    """Return what a question holds: `smiles`, `group` and `sentence`, as far as it has them."""
    patterns = {
        "smiles": r"^Study .+, SMILES (\S+)$",
        "group": r"^library: .* this group: (.+)$",
        "sentence": r'^entry: .* says: "(.+)"$',
    }
    found = {name: re.search(pattern, asked, re.MULTILINE) for name, pattern in patterns.items()}
    return {name: match[1] for name, match in found.items() if match}


def items(asked: str) -> int:
    """Return how many lines a question asks for."""
    return len(re.findall(r"^\w+: ", asked.partition("\nReport:\n")[2], re.MULTILINE))


def report(values: dict[str, str]) -> str:
    """Return the reply that reports these values."""
    return "\n".join(f"{name}: {value}" for name, value in values.items())


def reported(reply: str) -> dict[str, str]:
    """Return the values that a reply reports."""
    return dict(re.findall(r"^(\w+): (.+)$", reply, re.MULTILINE))
