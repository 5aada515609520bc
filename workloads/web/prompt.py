"""What the model is asked, written once for both variants and read back by the script."""

import re
from typing import Final

SYSTEM: Final = (
    "You answer questions from summaries of web pages. Use nothing else. "
    "Reply with the name of the page that answers the question, or say that you do not know."
)
UNKNOWN: Final = "I do not know."
_ANSWER: Final = "Answer: "


def question(sentence: str) -> str:
    """Return the question for a sentence of a page."""
    return f'Which page of the documentation says: "{sentence}"'


def render(asked: str, summaries: list[dict[str, str]]) -> str:
    """Return the user message of a question and the pages read for it."""
    listed = "".join(f"### {page['name']}\n{page['summary']}\n\n" for page in summaries)
    return f"{listed}Question: {asked}"


def parse(prompt: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the sentence asked about, and (name, summary) of each page; "" and [] where there are none."""
    summaries = re.findall(r"^### (.+)\n(.*)$", prompt, re.MULTILINE)
    asked = re.search(r'^Question: .* says: "(.*)"$', prompt, re.MULTILINE)
    return (asked[1] if asked else ""), summaries


def answer(name: str) -> str:
    """Return the reply that names a page."""
    return f"{_ANSWER}{name}"


def answered(reply: str) -> str | None:
    """Return the page that a reply names in its first line; None when it names none."""
    first = reply.partition("\n")[0].strip()
    return first.removeprefix(_ANSWER) if first.startswith(_ANSWER) else None
