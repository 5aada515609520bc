"""Programs that are one task and do not end as usual: killed, terminated, or become another."""

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import kit  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Send = Callable[[dict[str, object]], Awaitable[None]]


def half() -> None:
    """Compute and sleep, and say so before anything can happen."""
    kit.compute(0.3)
    kit.doze(0.3)
    kit.did("anyone", "unknown", 0.0)
    kit.tell()


def killed() -> None:
    """The whole program is killed."""
    half()
    os.kill(os.getpid(), signal.SIGKILL)


def terminated() -> None:
    """The whole program is terminated, and has no handler for it."""
    half()
    os.kill(os.getpid(), signal.SIGTERM)


def exec_launcher() -> None:
    """A launcher becomes the program."""
    kit.compute(0.15)
    if kit.AT["out"] != os.environ.get("BECAME"):
        os.environ.update(BECAME=kit.AT["out"], SPENT=str(kit.DID[0][3]))
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606
    kit.did("compute", "cpu", float(os.environ["SPENT"]))
    kit.doze(0.2)


def closed_files() -> None:
    """Every descriptor is closed, and files are opened where ours were."""
    kit.compute(0.15)
    os.closerange(3, 1024)
    kept = [open(os.devnull, "wb") for _ in range(8)]  # noqa: PTH123, SIM115
    kit.doze(0.2)
    for file in kept:
        file.close()
    kit.compute(0.1)


def cleared_gc() -> None:
    """What follows the collector is thrown out."""
    import gc

    kit.compute(0.15)
    gc.callbacks.clear()
    gc.collect()
    kit.doze(0.2)


def odd_names() -> None:
    """A thread has a name that no encoding knows."""
    import threading

    thread = threading.Thread(target=kit.doze, args=(0.2,), name="\udcff\udcfe")
    thread.start()
    kit.compute(0.1)
    thread.join()


def orderly_server() -> None:
    """A server is told to end after it has answered some requests; each of them is a task."""
    import threading
    from http.client import HTTPConnection
    from socket import socket

    import uvicorn

    async def app(scope: "dict[str, str]", _receive: object, send: "Send") -> None:
        import asyncio

        if scope["type"] == "http":
            kit.TASKS.append(("orderly_server", time.monotonic_ns()))
            await asyncio.sleep(0.08)
            kit.did("agent", "sleep", 0.08)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hi"})

    def ask() -> None:
        for _ in range(4):
            connection = HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.close()
        kit.tell()
        os.kill(os.getpid(), signal.SIGTERM)

    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        threading.Thread(target=ask).start()
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        server.run([listener])


SHAPES = {
    "killed": killed,
    "terminated": terminated,
    "exec_launcher": exec_launcher,
    "closed_files": closed_files,
    "cleared_gc": cleared_gc,
    "odd_names": odd_names,
    "orderly_server": orderly_server,
}

if __name__ == "__main__":
    name = sys.argv[4]
    kit.AT["shape"] = name
    if name != "orderly_server":
        kit.TASKS.append((name, 0))
    kit.main(SHAPES)
