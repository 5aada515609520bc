"""Two agents of the OpenAI Agents SDK: the first hands the question to the one that can answer it."""

import os

from agents import Agent, Runner, function_tool, set_default_openai_api
from tools import add, population


def main() -> None:
    """Ask the first agent one question and print the answer."""
    set_default_openai_api("chat_completions")
    model = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
    tools = [function_tool(population), function_tool(add)]
    expert = Agent(name="city_expert", model=model, tools=tools)
    desk = Agent(name="front_desk", model=model, handoffs=[expert])
    answer = Runner.run_sync(desk, "How many people live in Paris and Berlin together?")
    print(answer.final_output)


if __name__ == "__main__":
    main()
