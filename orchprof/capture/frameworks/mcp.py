"""MCP: a tool call as the client sees it, and the handler of it on the server's side, under the tool's name."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Final

from orchprof.capture.frameworks.wrap import around, around_all, under
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, tool
from orchprof.capture.strands import Strands

_CALL: Final = "tools/call"


def hook(strands: Strands, patches: Patches) -> None:
    """Label both sides as the program imports them."""
    del strands

    def server(module: Any) -> None:
        if hasattr(module.Server, "get_request_handler"):
            patches.replace(module.Server, "get_request_handler", functools.partial(_handler_of, patches))
        else:  # before version 2
            around(patches, module.Server, "_handle_request", _handled)

    around_all(patches, [("mcp.client.session", "ClientSession", ("call_tool",), _called)])
    patches.when_imported("mcp.server.lowlevel.server", server)


def _called(session: Any, name: str, *_: Any, **__: Any) -> Span:
    del session
    return tool(name)


def _handled(server: Any, message: Any, request: Any, *_: Any, **__: Any) -> Span | None:
    del server, message
    return tool(request.params.name) if request.method == _CALL else None


def _handler_of(patches: Patches, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_request_handler(server: Any, method: str) -> Any:
        entry = original(server, method)
        if method != _CALL or entry is None:
            return entry
        return dataclasses.replace(entry, handler=under(patches, _CALL, entry.handler, _requested))

    return get_request_handler


def _requested(context: Any, parameters: Any) -> Span:
    del context
    return tool(parameters.name)
