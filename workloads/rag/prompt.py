"""What the model is asked, written once for both variants and read back by the script."""

import re
from typing import Final

SYSTEM: Final = (
    "You answer questions about documentation. Use only the documents you are given. "
    "Reply with the title of the document that answers the question, or say that you do not know."
)
# Haystack renders this with Jinja; `render` gives the same text.
TEMPLATE: Final = (
    "{% for document in documents %}### {{ document.meta.title }}\n{{ document.content }}\n\n{% endfor %}"
    "Question: {{ question }}"
)
UNKNOWN: Final = "I do not know."
_ANSWER: Final = "Answer: "


def question(sentence: str) -> str:
    """Return the question for a sentence of the documentation."""
    return f'Which documentation entry says: "{sentence}"'


def render(asked: str, documents: list[dict[str, str]]) -> str:
    """Return the user message of a question and the documents found for it."""
    listed = "".join(f"### {document['title']}\n{document['text']}\n\n" for document in documents)
    return f"{listed}Question: {asked}"


def parse(prompt: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the sentence asked about, and (title, text) of each document; "" and [] where there are none."""
    documents = re.findall(r"^### (.+)\n(.*)$", prompt, re.MULTILINE)
    asked = re.search(r'^Question: .* says: "(.*)"$', prompt, re.MULTILINE)
    return (asked[1] if asked else ""), documents


def answer(title: str) -> str:
    """Return the reply that names a title."""
    return f"{_ANSWER}{title}"


def answered(reply: str) -> str | None:
    """Return the title that a reply names in its first line; None when it names none."""
    first = reply.partition("\n")[0].strip()
    return first.removeprefix(_ANSWER) if first.startswith(_ANSWER) else None
