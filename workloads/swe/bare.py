"""The variant without a framework: ask, run the command, show what it printed, until the work is handed in."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import orchprof

from ..chat import client
from . import repository
from .prompt import ACTION, INSTANCE, REJECTED, SENTINEL, STEP_LIMIT, SYSTEM, observation
from .tasks import tasks


class Agent:
    """What both variants share: the tasks, the worker slots, the client and the judgement."""

    def __init__(self, settings: dict[str, Any], seed: int, base_url: str, model: str, workdir: Path) -> None:
        self.timeout_s: int = settings["timeout_s"]
        self.template = repository.template()
        self.bugs = tasks(self.template, seed)
        self.count = len(self.bugs)
        self.facts = {"tasks": self.count}
        self.model = model
        self.workdir = workdir
        self.client = client(base_url)

    def prepare(self, index: int, slot: int) -> None:
        """Put the worker slot's repository into the state of the task."""
        repository.seed(self.copy_of(slot), self.bugs[index], index)

    def run(self, index: int, slot: int) -> str:
        """Return the change that the agent hands in, as `git diff` prints it; "" when it gave up."""
        return self.solve(self.bugs[index].issue, self.copy_of(slot))

    def solve(self, issue: str, copy: Path) -> str:
        """Return the change that resolves an issue of the repository in `copy`."""
        raise NotImplementedError

    def check(self, index: int, answer: str) -> str | None:
        """Return None when the change undoes the fault and does nothing else, else what is wrong with it."""
        return repository.verdict(self.template, self.bugs[index], answer)

    def copy_of(self, slot: int) -> Path:
        """Return the folder of a worker slot's repository."""
        return self.workdir / f"slot-{slot}"

    def close(self) -> None:
        """Close the client; the worker slots go with the run's folder."""
        self.client.close()


class BareAgent(Agent):
    """The plain loop."""

    def solve(self, issue: str, copy: Path) -> str:
        """Return the change that resolves an issue of the repository in `copy`."""
        with orchprof.span("build_prompt"):
            first = INSTANCE.replace("{{task}}", issue)
            messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": first}]
        for _ in range(STEP_LIMIT):
            completion = self.client.chat.completions.create(model=self.model, messages=messages)
            said = str(completion.choices[0].message.content)
            commands = re.findall(ACTION, said, re.DOTALL)
            messages.append({"role": "assistant", "content": said})
            if len(commands) != 1:
                messages.append({"role": "user", "content": _rejection(len(commands))})
                continue
            output, shown = self._bash(commands[0].strip(), copy)
            if output.startswith(f"{SENTINEL}\n"):
                return output.partition("\n")[2]
            messages.append({"role": "user", "content": shown})
        return ""

    @orchprof.tool("bash")
    def _bash(self, command: str, copy: Path) -> tuple[str, str]:
        """Return what the command printed, and the message that shows it to the model."""
        env = {**os.environ, **repository.environment()}
        try:
            done = subprocess.run(
                command, shell=True, cwd=copy, env=env, text=True, errors="replace", timeout=self.timeout_s,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            printed = error.output.decode(errors="replace") if error.output else ""
            return "", observation(printed, -1, f"An error occurred while executing the command: {error}")
        return done.stdout, observation(done.stdout, done.returncode)


def _rejection(commands: int) -> str:
    return REJECTED.replace("{{ actions | length }}", str(commands))
