"""The mini-swe-agent variant: its DefaultAgent and its LocalEnvironment, with a model on the plain SDK.

Its own model classes import litellm, which takes seconds and does nothing here.
"""

import os
from pathlib import Path
from typing import Any

import orchprof

from . import repository
from .bare import Agent
from .prompt import ACTION, INSTANCE, OBSERVATION, REJECTED, STEP_LIMIT, SYSTEM


class ChatModel:
    """mini-swe-agent's model protocol: text in, one bash block out."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.config = {"model_name": name}

    def query(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the model's message, with the commands found in it.

        Raises:
            FormatError: mini-swe-agent's, when there is not exactly one; it tells the model so.
        """
        from minisweagent.models.utils.actions_text import parse_regex_actions

        sent = [{"role": message["role"], "content": message["content"]} for message in messages]
        completion = self.client.chat.completions.create(model=self.config["model_name"], messages=sent)
        said = str(completion.choices[0].message.content)
        actions = parse_regex_actions(said, action_regex=ACTION, format_error_template=REJECTED)
        return {"role": "assistant", "content": said, "extra": {"actions": actions, "cost": 0.0}}

    def format_message(self, **message: Any) -> dict[str, Any]:
        """Return a message as it is kept."""
        return message

    def format_observation_messages(
        self,
        message: dict[str, Any],
        outputs: list[dict[str, Any]],
        template_vars: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Return the messages that show the commands' outputs to the model."""
        from minisweagent.models.utils.actions_text import format_observation_messages

        del message
        shown: list[dict[str, Any]] = format_observation_messages(
            outputs, observation_template=OBSERVATION, template_vars=template_vars
        )
        return shown

    def get_template_vars(self) -> dict[str, Any]:
        """Return what the templates may name."""
        return self.config

    def serialize(self) -> dict[str, Any]:
        """Return this model's part of a trajectory."""
        return {"info": {"config": {"model": self.config}}}


class Shell:
    """mini-swe-agent's own environment, with its commands labelled."""

    def __init__(self, local: Any) -> None:
        self.local = local
        self.config = local.config
        self.get_template_vars = local.get_template_vars
        self.serialize = local.serialize

    def execute(self, action: dict[str, Any]) -> Any:
        """Return a command's output.

        Raises:
            Submitted: mini-swe-agent's, when the work is handed in. It leaves outside the span: it is no error.
        """
        from minisweagent.exceptions import Submitted

        with orchprof.tool("bash"):
            try:
                return self.local.execute(action)
            except Submitted as handed_in:
                submitted = handed_in
        raise submitted


class MiniAgent(Agent):
    """The framework's loop, with a fresh agent for every task."""

    def __init__(self, settings: dict[str, Any], seed: int, base_url: str, model: str, workdir: Path) -> None:
        # Read when mini-swe-agent is imported: it greets on stdout and makes a folder for its settings.
        os.environ.setdefault("MSWEA_SILENT_STARTUP", "1")
        os.environ.setdefault("MSWEA_GLOBAL_CONFIG_DIR", str(workdir / "mini-swe-agent"))
        import minisweagent.agents.default
        import minisweagent.environments.local
        import minisweagent.models.utils.actions_text  # noqa: F401

        super().__init__(settings, seed, base_url, model, workdir)

    def solve(self, issue: str, copy: Path) -> str:
        """Return the change that resolves an issue of the repository in `copy`."""
        from minisweagent.agents.default import DefaultAgent
        from minisweagent.environments.local import LocalEnvironment

        local = LocalEnvironment(cwd=str(copy), timeout=self.timeout_s, env=repository.environment())
        agent = DefaultAgent(
            ChatModel(self.client, self.model), Shell(local), system_template=SYSTEM, instance_template=INSTANCE,
            step_limit=STEP_LIMIT,
        )  # fmt: skip
        return str(agent.run(issue)["submission"])
