"""An MCP server of the two tools, on stdin and stdout: mcp_agent.py starts it."""

from mcp.server import MCPServer
from tools import add, population

server = MCPServer("cities")
server.tool()(population)
server.tool()(add)

if __name__ == "__main__":
    server.run()
