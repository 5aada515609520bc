"""The loop of the variants without a framework."""

import json
from collections.abc import Callable
from typing import Any, Final

from ..framework import SYSTEM, Ask, Setting

Message = dict[str, Any]
TOOLS: Final = [
    {
        "type": "function",
        "function": {
            "name": "noop",
            "description": "Do nothing.",
            "parameters": {
                "type": "object",
                "properties": {"number": {"type": "integer", "description": "Which call this is."}},
                "required": ["number"],
            },
        },
    }
]


def looping(complete: Callable[[list[Message]], Message], setting: Setting) -> Ask:
    """Return the agent of a function that returns the model's next message.

    Raises:
        RuntimeError: when it is asked, and the model does not come to an end.
    """

    def ask(question: str) -> str:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
        for _ in range(setting.limit):
            said = complete(messages)
            if not said.get("tool_calls"):
                return str(said["content"])
            messages.append(said)
            messages.extend(_called(setting, call) for call in said["tool_calls"])
        raise RuntimeError(f"no answer after {setting.limit} turns")

    return ask


def _called(setting: Setting, call: Message) -> Message:
    result = setting.noop(json.loads(call["function"]["arguments"])["number"])
    return {"role": "tool", "tool_call_id": call["id"], "content": result}
