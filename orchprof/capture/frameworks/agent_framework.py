"""Microsoft Agent Framework: agents and workflows, a workflow's executors, function tools and chat clients."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, Final

from orchprof.capture.frameworks.wrap import Calls, Make, Opened, around_all
from orchprof.capture.hooks.patches import Patches
from orchprof.capture.spans import Span, model, span, task, tool
from orchprof.capture.strands import Strands


def hook(strands: Strands, patches: Patches) -> None:
    """Label agents, workflows, tools and clients as the program imports them."""
    del strands

    def stream(module: Any) -> None:
        for name in ("with_pull_context_manager", "with_cleanup_hook"):
            getattr(module.ResponseStream, name)  # or this version is left alone
        owner, method, make = _STREAMS[module.__name__]
        patches.replace(getattr(module, owner), method, functools.partial(_streaming, make))

    around_all(patches, _CALLS)
    for name in _STREAMS:
        patches.when_imported(name, stream)


def _streaming(make: Make, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function whose streams are under their span from their first pull to their end."""

    @functools.wraps(original)
    def streaming(owner: Any, *args: Any, **options: Any) -> Any:
        result = original(owner, *args, **options)
        if options.get("stream"):
            _follow(result, Opened(make(owner)))
        return result

    return streaming


def _follow(stream: Any, opened: Opened) -> None:
    begun: list[Opened] = []

    @contextlib.contextmanager
    def pull() -> Iterator[None]:
        if begun:
            opened.go_on()
        else:
            begun.append(opened.__enter__())
        try:
            yield
        finally:
            opened.rest()

    stream.with_pull_context_manager(pull)
    stream.with_cleanup_hook(lambda: opened.__exit__(None, None, None))


def _run(runs: Any, *_: Any, **options: Any) -> Span | None:
    return None if options.get("stream") else task(runs.name or type(runs).__name__)


def _step(executor: Any, *_: Any, **__: Any) -> Span:
    return span(executor.id)


def _tool(used: Any, *_: Any, **__: Any) -> Span:
    return tool(used.name)


def _model(client: Any, *_: Any, **options: Any) -> Span | None:
    return None if options.get("stream") else model(getattr(client, "model", None) or type(client).__name__)


_CALLS: Final[tuple[Calls, ...]] = (
    ("agent_framework._agents", "RawAgent", ("run",), _run),
    ("agent_framework._agents", "Agent", ("run",), _run),
    ("agent_framework._workflows._workflow", "Workflow", ("run",), _run),
    ("agent_framework._workflows._executor", "Executor", ("execute",), _step),
    ("agent_framework._tools", "FunctionTool", ("invoke",), _tool),
    ("agent_framework._clients", "BaseChatClient", ("get_response",), _model),
)
# Where what is returned may be a stream.
_STREAMS: Final[dict[str, tuple[str, str, Make]]] = {
    "agent_framework._agents": ("Agent", "run", _run),
    "agent_framework._workflows._workflow": ("Workflow", "run", _run),
    "agent_framework._clients": ("BaseChatClient", "get_response", _model),
}
