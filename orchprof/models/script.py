"""What the model says: a function of the conversation it is sent, and of nothing else.

A script is named `module:function`; the function is `make(settings, seed)` and returns the script itself,
which gets the request's messages and tools and returns an assistant message
`{"content": str | None, "tool_calls": [{"name": str, "arguments": dict}], "output_tokens": int}`; the last two
may be left out. All of it has the form of OpenAI's chat completions, whatever wire it came by; a free-form tool
(`"type": "custom"`) is called with a text in place of the dict. A script keeps no state between calls, so that
concurrent tasks and retries get the same answers.
"""

import importlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from orchprof import errors

Message = dict[str, Any]
Script = Callable[[list[Message], list[Message]], Message]

ECHO: Final = "orchprof.models.script:echo"
CHARACTERS_PER_TOKEN: Final = 4
COUNTING: Final = f"ceil(characters / {CHARACTERS_PER_TOKEN}), tool calls and tool descriptions as JSON"


def load(name: str, settings: Mapping[str, object], seed: int) -> Script:
    """Return the script that a `module:function` factory makes.

    Raises:
        UsageError: there is no such module or function.
    """
    module, _, function = name.partition(":")
    try:
        make = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise errors.UsageError(f"no such script, {name!r} @ {error}, write it as module:function") from error
    made: Script = make(settings, seed)
    return made


def echo(settings: Mapping[str, object], seed: int) -> Script:
    """Return the script that answers with the last user message's words.

    Args:
        settings: `output_tokens` sets the length that is charged; without it the words count.
        seed: not used; an echo has no choice.
    """
    del seed
    tokens = settings.get("output_tokens")

    def answer(messages: list[Message], tools: list[Message]) -> Message:
        del tools
        said = [text_of(message) for message in messages if message.get("role") == "user"]
        length = {"output_tokens": int(tokens)} if isinstance(tokens, int | float | str) else {}
        return {"content": said[-1] if said else "", **length}

    return answer


def text_of(message: Mapping[str, object]) -> str:
    """Return a message's text, of content given as a string or as a list of parts; "" when it has none."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def count_tokens(text: str) -> int:
    """Return how many tokens a text counts as, where no real tokenizer is at hand; 0 for an empty one."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def prompt_text(messages: Sequence[Mapping[str, object]], tools: Sequence[Mapping[str, object]]) -> str:
    """Return the whole conversation as the one text whose tokens a model would compute."""
    described = [json.dumps(tool) for tool in tools]
    return "\n".join([*described, *(_turn(message) for message in messages)])


def _turn(message: Mapping[str, object]) -> str:
    calls = message.get("tool_calls")
    called = f"\n{json.dumps(calls)}" if calls else ""
    return f"{message.get('role', '')}: {text_of(message)}{called}"
