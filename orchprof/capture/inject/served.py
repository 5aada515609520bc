"""Requests to the user's own HTTP server, each of them a task, whatever server and framework it is.

It begins when the server hands the request on and ends when the server has been given the answer's last byte: what is
done after that, background tasks for instance, nobody who asked waits for.
"""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from orchprof.capture.frames import COROUTINE
from orchprof.capture.frameworks.wrap import around
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Task
from orchprof.capture.state import STATE

_Call = Callable[..., Any]
_Wrap = Callable[[_Call], _Call]


class Request(Task):
    """A request to the user's server."""

    __slots__ = ()


class Provisional(Request):
    """A request that counts only where the program turns out to be a server, and to have no other tasks."""

    __slots__ = ()
    provisional = True


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


def _is_last(_cycle: Any, message: Any) -> bool:
    return message.get("type") == "http.response.body" and not message.get("more_body", False)


# Module, class, the method that gives the server the last byte, or closes a body that was all given.
_AFTER: Final = (
    ("aiohttp.web_response", "StreamResponse", "write_eof"),
    ("gunicorn.http.wsgi", "Response", "close"),
    ("wsgiref.handlers", "BaseHandler", "finish_content"),
)
_BEFORE: Final = (("werkzeug.wsgi", "ClosingIterator", "close"),)
_SENDING: Final = ("uvicorn.protocols.http.h11_impl", "uvicorn.protocols.http.httptools_impl")


def hook(patches: Patches, *, provisional: bool) -> None:
    """Make each request a task, from the moment that its server hands it on until it is answered."""
    kind = Provisional if provisional else Request
    for module, owner, name, of in _SERVERS:
        patches.when_imported(module, functools.partial(_patch, patches, (owner, name), of, kind))
    ends = [(module, "RequestResponseCycle", "send", _after_send) for module in _SENDING]
    ends += [(*place, _after) for place in _AFTER] + [(*place, _before) for place in _BEFORE]
    ends.append(("starlette.middleware.errors", "ServerErrorMiddleware", "__call__", _with_send))
    for module, owner, name, make in ends:
        patches.when_imported(module, functools.partial(_patch_end, patches, owner, name, make))


def _patch_end(patches: Patches, owner: str, name: str, make: _Wrap, module: ModuleType) -> None:
    patches.replace(getattr(module, owner), name, make)


def _after(original: _Call) -> _Call:
    if _is_coroutine_function(original):
        return _after_awaiting(original, lambda *_args: True)

    @functools.wraps(original)
    def ending(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        _answered()
        return result

    return ending


def _before(original: _Call) -> _Call:
    @functools.wraps(original)
    def closing(*args: Any, **kwargs: Any) -> Any:
        _answered()
        return original(*args, **kwargs)

    return closing


def _after_awaiting(original: _Call, is_last: _Call) -> _Call:
    @functools.wraps(original)
    async def ending(*args: Any, **kwargs: Any) -> Any:
        result = await original(*args, **kwargs)
        if is_last(*args, **kwargs):
            _answered()
        return result

    return ending


def _after_send(original: _Call) -> _Call:
    return _after_awaiting(original, _is_last)


def _with_send(original: _Call) -> _Call:
    @functools.wraps(original)
    async def call(app: Any, scope: Any, receive: Any, send: Any) -> Any:
        if scope["type"] == "http":
            send = _after_awaiting(send, lambda message: _is_last(None, message))
        return await original(app, scope, receive, send)

    return call


def _is_coroutine_function(function: Any) -> bool:
    return bool(getattr(getattr(function, "__code__", None), "co_flags", 0) & COROUTINE)


def _answered() -> None:
    """End the request that is answered on this strand, or on behalf of which it runs."""
    thread_clock = STATE.here.thread_clock
    if thread_clock is not None:
        task = thread_clock.strands.open_tasks.get(thread_clock.execution.task)
        if isinstance(task, Request):
            thread_clock.strands.safely(task.over)


def _patch(
    patches: Patches, place: tuple[str, str], of: Any, kind: type[Request], module: ModuleType
) -> None:
    owner, name = place

    def make(*args: Any, **_kwargs: Any) -> Request | None:
        said = None if _in_a_task() else of(*args)
        return said and kind(said, None, None, warmup=False)

    around(patches, getattr(module, owner), name, make)


def _in_a_task() -> bool:
    """Return whether a server further out has made a task of this request already."""
    thread_clock = STATE.here.thread_clock
    return thread_clock is not None and thread_clock.execution.task in thread_clock.strands.open_tasks
