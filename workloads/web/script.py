"""What the model says: the page in its prompt whose summary holds the asked sentence."""

from collections.abc import Callable
from typing import Any

from ..chat import pad, text_of
from .prompt import UNKNOWN, answer, parse

Message = dict[str, Any]


def make(settings: dict[str, Any], seed: int) -> Callable[[list[Message], list[Message]], Message]:
    """Return the script; it reads nothing but the prompt, so a wrong page or summary gives a wrong or no answer."""
    del seed
    tokens = settings["output_tokens"]

    def reply(messages: list[Message], tools: list[Message]) -> Message:
        del tools
        prompt = text_of(messages[-1])
        sentence, summaries = parse(prompt)
        said = pad(choose(sentence, summaries), tokens, prompt)
        return {"content": said, **({"output_tokens": tokens} if tokens else {})}

    return reply


def choose(sentence: str, summaries: list[tuple[str, str]]) -> str:
    """Return the answer: the first page whose summary holds the sentence, or that none does."""
    held = (name for name, summary in summaries if sentence and sentence in summary)
    name = next(held, None)
    return UNKNOWN if name is None else answer(name)
