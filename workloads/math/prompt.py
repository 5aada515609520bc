"""What the model is asked and may call, written once for both variants and read back by the script."""

import re
from typing import Any, Final

SYSTEM: Final = (
    "You answer questions in mathematics. Calculate nothing yourself: call the calculator. "
    'Then reply with "Answer: " and the result in Python\'s notation, several results apart by commas.'
)
STEP_LIMIT: Final = 10
QUESTIONS: Final = {
    "arithmetic": "How much is {}?",
    "solve": "For which x, real or complex, is {} = 0?",
    "differentiate": "What is the derivative of {} with respect to x?",
    "integrate": "What is an antiderivative of {} with respect to x?",
}
TOOLS: Final[list[dict[str, Any]]] = [
    {
        "type": "function",
        "function": {
            "name": "calculate",
            "description": "Apply an operation to an expression in x; solve finds where it is zero.",
            "parameters": {
                "type": "object",
                "properties": {
                    "operation": {"type": "string", "enum": list(QUESTIONS)},
                    "expression": {
                        "type": "string",
                        "description": "in Python's notation, like x**2 + sin(3*x)",
                    },
                },
                "required": ["operation", "expression"],
            },
        },
    }
]
_ANSWER: Final = "Answer: "


def parse(question: str) -> tuple[str, str] | None:
    """Return the operation and the expression that a question is about; None when it is no such question."""
    for operation, template in QUESTIONS.items():
        before, _, after = template.partition("{}")
        found = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", question)
        if found:
            return operation, found[1]
    return None


def answer(result: str) -> str:
    """Return the reply that states a result."""
    return f"{_ANSWER}{result}"


def answered(reply: str) -> str | None:
    """Return the result that a reply states in its first line; None when it states none."""
    first = reply.partition("\n")[0].strip()
    return first.removeprefix(_ANSWER) if first.startswith(_ANSWER) else None
