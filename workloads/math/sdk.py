"""The variant on the OpenAI SDK."""

from typing import Any

from ..chat import client
from .bare import Agent, Message
from .prompt import TOOLS


class OpenAIAgent(Agent):
    """The same loop, with the SDK's client."""

    def __init__(self, settings: dict[str, Any], seed: int, base_url: str, model: str) -> None:
        self.client = client(base_url)
        super().__init__(settings, seed, model)

    def complete(self, messages: list[Message]) -> Message:
        """Return the model's next message."""
        completion = self.client.chat.completions.create(model=self.model, messages=messages, tools=TOOLS)
        message: Message = completion.choices[0].message.model_dump(exclude_none=True)
        return message

    def close(self) -> None:
        """Close the client and the calculator."""
        self.client.close()
        super().close()
