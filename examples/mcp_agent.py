"""An agent of PydanticAI whose tools are those of an MCP server in a process of its own."""

import asyncio
import os
import sys
from pathlib import Path

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel

SERVER = Path(__file__).with_name("mcp_server.py")


async def main() -> None:
    """Ask the agent one question and print its answer."""
    transport = StdioTransport(sys.executable, [str(SERVER)], env=dict(os.environ))
    model = OpenAIChatModel(os.environ.get("OPENAI_MODEL", "gpt-4o-mini"))
    agent = Agent(model, name="city_agent", toolsets=[MCPToolset(transport)])
    answer = await agent.run("How many people live in Paris and Berlin together?")
    print(answer.output)


if __name__ == "__main__":
    asyncio.run(main())
