"""The agent of any variant: a framework for each worker slot, the tool that counts its calls, and the judgement."""

import os
from contextlib import ExitStack
from pathlib import Path

from .framework import QUESTION, Ask, Setting, Tally, answer, asking, load


class Agent:
    """Asks the framework once for each task."""

    def __init__(self, steps: int, variant: str, base_url: str, model: str, workdir: Path) -> None:
        # Read by mini-swe-agent when it is imported: it makes a folder for its settings.
        os.environ.setdefault("MSWEA_GLOBAL_CONFIG_DIR", str(workdir / "mini-swe-agent"))
        self.framework = load(variant)
        self.steps, self.base_url, self.model = steps, base_url, model
        self.count = 1_000
        self.facts = {"steps": steps}
        self.slots: dict[int, tuple[Ask, Tally]] = {}
        self.opened = ExitStack()

    def prepare(self, index: int, slot: int) -> None:  # noqa: ARG002
        """Have the worker slot's own framework ready, which is built once: an agent is asked more than one question."""
        if slot not in self.slots:
            tally = Tally()
            setting = Setting(self.base_url, self.model, tally.noop, self.steps)
            self.slots[slot] = self.opened.enter_context(asking(self.framework, setting)), tally

    def run(self, index: int, slot: int) -> str:  # noqa: ARG002
        """Return the number of calls that the tool saw, and the answer."""
        ask, tally = self.slots[slot]
        tally.calls = 0
        said = ask(QUESTION)
        return f"{tally.calls} made, {said.strip()}"

    def check(self, index: int, answered: str) -> str | None:  # noqa: ARG002
        """Return None when the tool was called as often as it should be and the model saw every call."""
        right = f"{self.steps} made, {answer(self.steps)}"
        return None if answered == right else f"{answered[:80]!r}, expected {right!r}"

    def close(self) -> None:
        """Close every worker slot's framework."""
        self.slots.clear()
        self.opened.close()
