"""An agent of the OpenAI Agents SDK whose answer is streamed."""

import asyncio
import os

from agents import Agent, Runner, function_tool, set_default_openai_api
from tools import add, population


async def main() -> None:
    """Ask the agent one question, count what it streams, and print the answer."""
    set_default_openai_api("chat_completions")
    model = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
    agent = Agent(name="city_agent", model=model, tools=[function_tool(population), function_tool(add)])
    stream = Runner.run_streamed(agent, "How many people live in Paris and Berlin together?")
    tools = [event async for event in stream.stream_events() if event.type == "run_item_stream_event"]
    print(len(tools), stream.final_output)


if __name__ == "__main__":
    asyncio.run(main())
