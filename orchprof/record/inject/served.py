"""Requests to the user's own HTTP server, each of them a task, whatever server and framework it is."""

import functools
from types import ModuleType
from typing import Any, Final

from orchprof.record.hooks.labels.wrap import around
from orchprof.record.hooks.patches import Patches
from orchprof.record.spans import Task
from orchprof.record.state import STATE
from orchprof.record.strands import Strands


def _of_cycle(cycle: Any, *_args: Any) -> str | None:
    return _of_scope(cycle, cycle.scope)


def _of_scope(_app: Any, scope: Any, *_args: Any) -> str | None:
    return f"{scope['method']} {scope['path']}" if scope["type"] == "http" else None


def _of_request(*args: Any) -> str | None:
    """Take the first argument that knows its method and path."""
    return next((f"{arg.method} {arg.path}" for arg in args if hasattr(arg, "method")), None)


def _of_environ(handler: Any, *_args: Any) -> str | None:
    facts = handler.base_env
    return f"{facts['REQUEST_METHOD']} {facts['PATH_INFO']}"


def _of_line(handler: Any) -> str | None:
    return f"{handler.command} {handler.path.partition('?')[0]}"


# Module, class, the method that serves one request, and how to name it from its arguments.
_SERVERS: Final = (
    ("uvicorn.protocols.http.h11_impl", "RequestResponseCycle", "run_asgi", _of_cycle),
    ("uvicorn.protocols.http.httptools_impl", "RequestResponseCycle", "run_asgi", _of_cycle),
    # The outermost part of every Starlette application; servers call the application itself to see what it is.
    ("starlette.middleware.errors", "ServerErrorMiddleware", "__call__", _of_scope),
    ("aiohttp.web_protocol", "RequestHandler", "_handle_request", _of_request),
    ("gunicorn.workers.sync", "SyncWorker", "handle_request", _of_request),
    ("gunicorn.workers.gthread", "ThreadWorker", "handle_request", _of_request),
    ("werkzeug.serving", "WSGIRequestHandler", "run_wsgi", _of_line),
    ("wsgiref.handlers", "SimpleHandler", "run", _of_environ),
)


def hook(strands: Strands, patches: Patches) -> None:  # noqa: ARG001
    """Make each request a task, from the moment that its server hands it on until it is answered."""
    for module, owner, name, of in _SERVERS:
        patches.when_imported(module, functools.partial(_patch, patches, owner, name, of))


def _patch(patches: Patches, owner: str, name: str, of: Any, module: ModuleType) -> None:
    def make(*args: Any, **_kwargs: Any) -> Task | None:
        said = None if _in_a_task() else of(*args)
        return said and Task(said, None, None, warmup=False)

    around(patches, getattr(module, owner), name, make)


def _in_a_task() -> bool:
    """Return whether a server further out has made a task of this request already."""
    carrier = STATE.here.carrier
    return carrier is not None and carrier.fiber.task in carrier.strands.open_tasks
