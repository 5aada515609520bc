"""The seeded faults: each is one changed line of networkx that turns at least one named test red."""

import json
import random
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bug:
    """A fault, and what it breaks."""

    path: str
    function: str
    kind: str
    before: str  # the line as networkx has it, with its indentation
    after: str  # the line as the fault has it
    tests: str  # the file of tests
    failing: str  # one test of it that fails

    def seeded(self, text: str) -> str | None:
        """Return a file's text with the fault in it; None when this text has not exactly one place for it."""
        lines = text.split("\n")
        if lines.count(self.before) != 1 or self.after in lines:
            return None
        lines[lines.index(self.before)] = self.after
        return "\n".join(lines)

    @property
    def issue(self) -> str:
        """Return what the agent is told."""
        return (
            f"Since the last change, `{self.function}` gives wrong results: `{self.tests}::{self.failing}` fails. "
            "Find the fault and correct it. Leave the tests as they are."
        )


def bugs() -> list[Bug]:
    """Return every fault of the table, in its order."""
    rows = json.loads(Path(__file__).with_name("bugs.json").read_text(encoding="utf-8"))
    return [Bug(**row) for row in rows]


def tasks(root: Path, seed: int) -> list[Bug]:
    """Return the faults that can be seeded in the package under `root`, shuffled by the seed.

    Raises:
        ValueError: there are none.
    """
    usable = [bug for bug in bugs() if _seedable(root / bug.path, bug)]
    if not usable:
        raise ValueError(f"no fault fits the installed networkx @ {root}, install networkx 3.6")
    random.Random(seed).shuffle(usable)
    return usable


def _seedable(path: Path, bug: Bug) -> bool:
    return path.is_file() and bug.seeded(path.read_text(encoding="utf-8")) is not None
