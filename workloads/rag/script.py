"""What the model says: the title of the document in its prompt that the asked sentence is from."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from ..chat import pad, text_of
from .prompt import UNKNOWN, answer, parse

Message = dict[str, Any]
_ENOUGH: Final = 0.8  # of the sentence's word pairs; below it, the document is about something else


def make(settings: dict[str, Any], seed: int) -> Callable[[list[Message], list[Message]], Message]:
    """Return the script; it reads nothing but the prompt, so a wrong retrieval gives a wrong or no answer."""
    del seed
    tokens = settings["output_tokens"]

    def reply(messages: list[Message], tools: list[Message]) -> Message:
        del tools
        prompt = text_of(messages[-1])
        sentence, documents = parse(prompt)
        said = pad(choose(sentence, documents), tokens, prompt)
        return {"content": said, **({"output_tokens": tokens} if tokens else {})}

    return reply


def choose(sentence: str, documents: list[tuple[str, str]]) -> str:
    """Return the answer: the first of the best documents, or that none of them fits."""
    asked = _pairs(sentence)
    shares = [len(asked & _pairs(text)) / len(asked) if asked else 0.0 for _, text in documents]
    best = max(shares, default=0.0)
    return answer(documents[shares.index(best)][0]) if best >= _ENOUGH else UNKNOWN


def _pairs(text: str) -> set[tuple[str, str]]:
    words = re.findall(r"\w+", text.casefold())
    return set(pairwise(words))
