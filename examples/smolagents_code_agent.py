"""An agent of smolagents that writes code, which calls tools."""

import os

from smolagents import CodeAgent, OpenAIModel
from smolagents_agent import add, population


def main() -> None:
    """Ask the agent one question and print its answer."""
    model = OpenAIModel(
        os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        api_base=os.environ.get("OPENAI_BASE_URL"),
        api_key=os.environ["OPENAI_API_KEY"],
    )
    agent = CodeAgent([population, add], model, name="city_coder", verbosity_level=0)
    print(agent.run("How many people live in Paris and Berlin together?"))


if __name__ == "__main__":
    main()
