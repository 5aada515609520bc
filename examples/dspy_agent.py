"""A DSPy program whose one step is a ReAct agent."""

import os

import dspy
from tools import add, population


class CityAgent(dspy.Module):
    """Answers questions about cities."""

    def __init__(self) -> None:
        super().__init__()
        self.react = dspy.ReAct("question -> answer", tools=[population, add])

    def forward(self, question: str) -> dspy.Prediction:
        """Return the answer to a question."""
        return self.react(question=question)


def main() -> None:
    """Ask the program one question and print its answer."""
    model = "openai/" + os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
    base_url, key = os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
    dspy.configure(lm=dspy.LM(model, api_base=base_url, api_key=key, cache=False, engine="litellm"))
    print(CityAgent()(question="How many people live in Paris and Berlin together?").answer)


if __name__ == "__main__":
    main()
