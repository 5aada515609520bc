"""mini-swe-agent: its DefaultAgent, with a model on OpenAI's client and an environment that starts no shell."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from minisweagent.agents.default import DefaultAgent
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.utils.actions_toolcall import (
    BASH_TOOL,
    format_toolcall_observation_messages,
    parse_toolcall_actions,
)

from ...chat import client as connect
from ..framework import SYSTEM, Ask, Setting

Message = dict[str, Any]
_TEMPLATE: Final = "<returncode>{{output.returncode}}</returncode>\n<output>{{output.output}}</output>"


class Model:
    """Its model protocol, as its own classes fill it, without litellm."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.config = {"model_name": name}

    def query(self, messages: list[Message]) -> Message:
        """Return the model's message, with the actions found in it."""
        sent = [{key: value for key, value in message.items() if key != "extra"} for message in messages]
        completion = self.client.chat.completions.create(
            model=self.config["model_name"], messages=sent, tools=[BASH_TOOL]
        )
        said = completion.choices[0].message
        actions = parse_toolcall_actions(said.tool_calls or [], format_error_template="{{error}}")
        extra = {"actions": actions, "cost": 0.0, "timestamp": time.time()}
        message: Message = said.model_dump(exclude_none=True)
        return message | {"extra": extra}

    def format_message(self, **message: Any) -> Message:
        """Return a message as it is kept."""
        return message

    def format_observation_messages(
        self, message: Message, outputs: list[Message], template_vars: Message | None = None
    ) -> list[Message]:
        """Return the messages that show the outputs to the model."""
        shown: list[Message] = format_toolcall_observation_messages(
            actions=message["extra"]["actions"],
            outputs=outputs,
            observation_template=_TEMPLATE,
            template_vars=template_vars,
        )
        return shown

    def get_template_vars(self) -> Message:
        """Return what the templates may name."""
        return self.config

    def serialize(self) -> Message:
        """Return this model's part of a trajectory."""
        return {"info": {"config": {"model": self.config}}}


class Shell(LocalEnvironment):  # type: ignore[misc]  # the package is not typed
    """Its environment, where commands are told and not run."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.noop = setting.noop

    def execute(self, action: Message) -> Message:
        """Return what the command would have printed."""
        words = action["command"].split()
        printed = self.noop(int(words[1])) if words[0] == "noop" else _echoed(action["command"])
        output = {"output": printed, "returncode": 0, "exception_info": ""}
        self._check_finished(output)
        return output


def _echoed(command: str) -> str:
    return "\n".join(part.removeprefix("echo ") for part in command.split(" && "))


@contextmanager
def open(setting: Setting) -> Iterator[Ask]:  # noqa: A001
    """Yield what to ask."""
    with connect(setting.base_url) as client:

        def ask(question: str) -> str:
            agent = DefaultAgent(
                Model(client, setting.model),
                Shell(setting),
                system_template=SYSTEM,
                instance_template="{{task}}",
                step_limit=setting.limit,
            )
            return str(agent.run(question)["submission"])

        yield ask
