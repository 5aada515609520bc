"""The MCP server: `python -m ...toolserver.server [http]`; over HTTP it says on which port and ends with its input."""

import socket
import sys
import threading

import uvicorn
from mcp.server.mcpserver import MCPServer

from . import library


def make() -> MCPServer:
    """Return the server with its tools, described by their docstrings."""
    server: MCPServer = MCPServer("library", log_level="WARNING")
    for function in (library.find_files, library.search_text, library.read_lines, library.calculate):
        server.add_tool(function)
    return server


def main() -> None:
    """Serve until the standard input ends, which it does with the process that started this one."""
    if sys.argv[1:] != ["http"]:
        make().run("stdio")
        return
    listening = socket.create_server(("127.0.0.1", 0))
    served = uvicorn.Server(uvicorn.Config(make().streamable_http_app(), log_level="warning"))
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()

    def leave() -> None:
        sys.stdin.read()
        served.should_exit = True

    threading.Thread(target=leave, daemon=True).start()
    served.run([listening])


if __name__ == "__main__":
    main()
