"""An agent in several shapes that writes down what everything in it took, by clocks of its own.

See kit.py for how it is called; OUT also says "asked_by", the model's client.
"""

import asyncio
import gc
import importlib
import json
import multiprocessing
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import kit  # type: ignore[import-not-found]
from kit import AT, children_cpu, compute, did, doze, spin

# Only who asks the model pays for a client.
CLIENT = (
    importlib.import_module("openai" if find_spec("openai") else "httpx") if __name__ == "__main__" else None
)

CHILD = """
import sys, time
began = time.process_time()
while time.process_time() - began < float(sys.argv[1]): pass
sys.stdout.write(str(began))
"""


def clocked_wait(who: str, what: str, began: float) -> None:
    """Write down a wait that ends now."""
    did(who, what, time.monotonic() - began)


# Tools. They are named on the command line of whoever records this.


def fetch(seconds: float) -> None:
    """Wait for a server, by a plain socket."""
    with socket.create_connection(("127.0.0.1", AT["wait"])) as connection:
        connection.sendall(b"%f\n" % seconds)
        with kit.clocked() as clock:
            connection.recv(100)
        did("fetch", "net", clock.waited)


def locked(lock: threading.Lock) -> None:
    """Wait for a lock that another thread holds."""
    clock = kit.Clock()
    with lock:
        did("locked", "lock", clock.stop().waited)


def collect(rounds: int) -> None:
    """Make garbage in cycles, and have it collected."""
    spent = [0.0, 0.0]

    def on_collection(phase: str, _info: dict[str, int]) -> None:
        spent[0] += (1 if phase == "stop" else -1) * time.thread_time()

    gc.callbacks.append(on_collection)
    kept = [[i] for i in range(100_000)]
    for _ in range(rounds):
        for _ in range(1000):
            cycle: list[object] = []
            cycle.append(cycle)
        gc.collect()
    gc.callbacks.remove(on_collection)
    del kept
    did("collect", "gc", spent[0])


def contend(barrier: threading.Barrier, seconds: float) -> None:
    """Compute beside others that do so; what is neither CPU nor run delay is waiting for the interpreter."""
    barrier.wait()
    with kit.clocked() as clock:
        spin(seconds)
    did("contend", "cpu", clock.cpu)
    did("contend", "gil", clock.waited)


async def nap(seconds: float) -> None:
    """Sleep on the loop; what comes on top of what was asked for is waiting for the loop, or for a core."""
    await asyncio.sleep(seconds)
    did("nap", "sleep", seconds)


async def call(seconds: float) -> None:
    """Wait for a server on the loop."""
    reader, writer = await asyncio.open_connection("127.0.0.1", AT["wait"])
    writer.write(b"%f\n" % seconds)
    began = time.monotonic()
    await reader.readline()
    clocked_wait("call", "net", began)
    writer.close()
    await writer.wait_closed()


async def block(seconds: float) -> float:
    """Hold the loop, and return its CPU."""
    used: float = spin(seconds)
    did("block", "cpu", used)
    return used


def child(seconds: float) -> None:
    """Have a Python child compute."""
    before, started = children_cpu(), time.thread_time()
    done = subprocess.run([sys.executable, "-c", CHILD, str(seconds)], capture_output=True, check=True)
    own = time.thread_time() - started  # starting and reading it is work too
    did("child", "cpu", own + children_cpu() - before - float(done.stdout))


def opaque(seconds: float) -> None:
    """Have a child compute that nobody can look into."""
    before = children_cpu()
    subprocess.run([sys.executable, "-I", "-S", "-c", CHILD, str(seconds)], capture_output=True, check=True)
    did("opaque", "cpu", children_cpu() - before)


def script(seconds: float) -> None:
    """Have a shell's child sleep."""
    subprocess.run(["sh", "-c", f"sleep {seconds}; true"], check=True)
    did("script", "sleep", seconds)


def job(seconds: float) -> float:
    """Compute in a worker process."""
    took: float = spin(seconds)
    return took


def ask(*times: float) -> None:
    """Ask the model, and read its answer as it comes."""
    url, tokens = f"http://127.0.0.1:{AT['model']}/v1", 21
    messages = [{"role": "user", "content": json.dumps(times)}]
    began = time.monotonic()
    client: Any = CLIENT
    if client.__name__ == "httpx":
        body = {"model": "stub", "messages": messages, "max_tokens": tokens, "stream": True}
        with client.stream("POST", f"{url}/chat/completions", json=body) as response:
            lines = [line[6:] for line in response.iter_lines() if line.startswith("data: {")]
        chunks = [json.loads(line) for line in lines]
    else:
        stream = client.chat.completions.create(
            model="stub", messages=messages, max_tokens=tokens, stream=True
        )
        chunks = [chunk.model_dump() for chunk in stream]
        clocked_wait("model", "all", began)
    for phase in ("queue", "prefill", "decode"):
        did("model", phase, chunks[-1]["orchprof"][f"{phase}_s"])


# The shapes.


def sync() -> None:
    """One thing after the other."""
    did("agent", "cpu", spin(0.15))
    compute(0.15)
    doze(0.15)
    fetch(0.15)
    collect(8)


def model() -> None:
    """One answer of a model, read as it is written."""
    ask(0.05, 0.1, 0.01)


def threads() -> None:
    """Waits side by side, then computing side by side."""
    lock = threading.Lock()
    with ThreadPoolExecutor(3) as pool:
        lock.acquire()
        waits = [pool.submit(locked, lock), pool.submit(doze, 0.2), pool.submit(fetch, 0.25)]
        did("agent", "sleep", kit.nap(0.15))
        lock.release()
        for wait in waits:
            wait.result()
        barrier = threading.Barrier(2)
        for spinning in [pool.submit(contend, barrier, 0.15) for _ in range(2)]:
            spinning.result()


def loop() -> None:
    """Everything on one loop."""
    began = time.thread_time()
    blocked = asyncio.run(_loop())
    did("agent", "cpu", time.thread_time() - began - blocked)


async def _loop() -> float:
    spin(0.1)
    await asyncio.gather(nap(0.1), nap(0.2), call(0.3))
    # The one that is ready waits for the loop until the other lets go of it.
    began = time.monotonic()
    ready = asyncio.ensure_future(_ready(began))
    blocked = await block(0.15)
    await ready
    return blocked


async def _ready(since: float) -> None:
    clocked_wait("block", "loop_lag", since)
    await asyncio.sleep(0)


def processes() -> None:
    """Children, grandchildren and workers."""
    child(0.25)
    opaque(0.2)
    context = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(1) as pool, ProcessPoolExecutor(1, mp_context=context) as workers:
        beside = pool.submit(script, 0.3)
        for used in workers.map(job, [0.1, 0.1]):
            did("job", "cpu", used)
        beside.result()


SHAPES = {"sync": sync, "model": model, "threads": threads, "loop": loop, "processes": processes}


def main() -> None:
    """Run the shapes that are asked for, then write down the truth."""
    asked = kit.begin()
    client: Any = CLIENT
    if client.__name__ == "openai":
        client.base_url, client.api_key = f"http://127.0.0.1:{AT['model']}/v1/", "none"
        ask(0.0, 0.0, 0.0)  # what a client imports and builds for its first call is none of the agent's
        kit.DID.clear()
    gc.freeze()
    for shape in asked:
        kit.task(shape, SHAPES[shape])
    kit.tell(asked_by=client.__name__)


if __name__ == "__main__":
    main()
