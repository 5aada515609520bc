"""DSPy: its ReAct module, whose tools are called by text and not by the API's own calls; nothing is cached."""

from collections.abc import Iterator
from contextlib import contextmanager

import dspy

from ...chat import API_KEY
from ..framework import Ask, Setting


@contextmanager
def open(setting: Setting) -> Iterator[Ask]:  # noqa: A001
    """Yield what to ask."""
    model = dspy.LM(f"openai/{setting.model}", api_base=setting.base_url, api_key=API_KEY, cache=False)
    agent = dspy.ReAct("question -> answer", tools=[setting.noop], max_iters=setting.limit)

    def ask(question: str) -> str:
        with dspy.context(lm=model):
            return str(agent(question=question).answer)

    yield ask
