"""What the model says: the next call of the tool, as each framework wants it told, and in the end the answer."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from ..chat import text_of
from .framework import answer

Message = dict[str, Any]
HAND_IN: Final = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"  # what mini-swe-agent ends with
_FIELD: Final = r"\[\[ ## observation_\d+ ## \]\]"  # how DSPy tells what came of a call


def make(settings: dict[str, Any], seed: int) -> Callable[[list[Message], list[Message]], Message]:
    """Return the script; what it says follows from the tools on offer and the calls seen in the conversation."""
    del seed
    steps = settings["steps"]

    def reply(messages: list[Message], tools: list[Message]) -> Message:
        offered = {tool["function"]["name"] for tool in tools}
        if not offered:
            return {"content": _fields(messages, steps)}
        done = sum(message["role"] == "assistant" for message in messages)
        if "bash" in offered:
            command = f"noop {done + 1}" if done < steps else f"echo {HAND_IN} && echo {answer(done)}"
            return _call("bash", {"command": command})
        if done < steps:
            return _call("noop", {"number": done + 1})
        if "final_answer" in offered:
            return _call("final_answer", {"answer": answer(done)})
        return {"content": answer(done)}

    return reply


def _call(name: str, arguments: Message) -> Message:
    return {"content": "", "tool_calls": [{"name": name, "arguments": arguments}]}


def _fields(messages: list[Message], steps: int) -> str:
    """Return what DSPy reads: a tool's name and arguments, and when that is over, the answer."""
    done = len(re.findall(_FIELD, text_of(messages[-1])))
    if "next_tool_name" not in text_of(messages[0]):
        return _told(reasoning="All calls are made.", answer=answer(min(done, steps)))
    name, arguments = ("noop", {"number": done + 1}) if done < steps else ("finish", {})
    return _told(next_thought="Next.", next_tool_name=name, next_tool_args=json.dumps(arguments))


def _told(**fields: str) -> str:
    return (
        "".join(f"[[ ## {name} ## ]]\n{value}\n\n" for name, value in fields.items())
        + "[[ ## completed ## ]]"
    )
