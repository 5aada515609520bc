"""The model endpoint: a server of four vendors' protocols in its own process that says where its time went.

Run as `python -m orchprof.models.endpoint '{"spec": ..., "script": ..., "settings": {}, "seed": 0}'`.
"""

import asyncio
import json
import os
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from orchprof import errors
from orchprof.models import script as scripts
from orchprof.models.explain import resolve
from orchprof.models.source import Source, ZeroSource
from orchprof.models.spec import DEFAULT_LLAMA, LlamaSpec, PacedSpec, Spec, ZeroSpec, parse
from orchprof.models.web import Service, app

_SHUTDOWN_S: Final = 1
# A tool may work for longer than uvicorn's five seconds between two calls; a connection that is closed just as the
# next request is sent is an error that no model made.
_KEEP_ALIVE_S: Final = 600


def serve(  # noqa: PLR0913  what a child process is told
    spec: str,
    script: str | None,
    settings: Mapping[str, object],
    seed: int,
    port: int = 0,
    host: str = "127.0.0.1",
    *,
    any_model: bool = False,
) -> None:
    """Serve until killed; print one JSON line on stdout when ready.

    Args:
        spec: paced, llama or zero.
        script: `module:function`; None is the echo, or the model's own words for a user's GGUF file.
        settings: for the script and the time source.
        seed: for the script.
        port: 0 takes a free one.
        host: the address to listen on.
        any_model: answer to any model's name; else others than the spec's are refused.

    Raises:
        UsageError: the spec or the script is not understood.
        ModelError: the model does not load or the port is taken.
        MissingExtraError: a package of the time source is not installed.
    """
    service = replace(_service(parse(spec), script, settings, seed), is_any_model=any_model)
    asyncio.run(_serve(service, _listen(host, port)))


def _service(spec: Spec, script: str | None, settings: Mapping[str, object], seed: int) -> Service:
    own_words = script is None and isinstance(spec, LlamaSpec) and spec.model != DEFAULT_LLAMA
    chosen = None if own_words else scripts.load(script or scripts.ECHO, settings, seed)
    return Service(spec.model, _source(spec, settings), chosen)


def _source(spec: Spec, settings: Mapping[str, object]) -> Source:
    if isinstance(spec, ZeroSpec):
        return ZeroSource()
    if isinstance(spec, PacedSpec):
        from orchprof.models.source_paced import PacedSource

        return PacedSource(resolve(spec))
    if isinstance(spec, LlamaSpec):
        from orchprof.models.source_llama import LlamaSource

        return LlamaSource(spec.model, settings)
    raise errors.UsageError(f"nothing to serve, {spec.text!r} @ model spec, that server runs elsewhere")


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise errors.ModelError(
            f"cannot listen, {error.strerror} @ {host}:{port}, choose another port"
        ) from error
    # Accepted sockets inherit it. Without it the kernel holds a stream's next chunk back for up to 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def _serve(service: Service, listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        app(service),
        log_level="error",  # a client that tries a WebSocket first is no warning
        access_log=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=_SHUTDOWN_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn offers no event for it
        await asyncio.sleep(0.005)
    host, port = listener.getsockname()[:2]
    ready = {"port": port, "base_url": f"http://{host}:{port}/v1", "model": service.model}
    sys.stdout.write(json.dumps({**ready, "provenance": service.source.provenance}) + "\n")
    sys.stdout.flush()
    await running


def _die_with_parent() -> None:
    """End this process when its stdin does: whoever started it is gone."""

    def watch() -> None:
        while os.read(0, 4096):  # not sys.stdin: its lock would be held when the interpreter ends
            pass
        os._exit(0)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _main(arguments: dict[str, Any]) -> int:
    if arguments.pop("die_with_parent", False):
        _die_with_parent()
    try:
        serve(**arguments)
    except errors.OrchprofError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main(json.loads(sys.argv[1])))
