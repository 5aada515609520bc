"""An agent whose parts can be made faster and slower: knobs.py MODEL_PORT MODEL IO CPU CRUNCH, factors all.

Prints how long its task took, in seconds.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

ROUNDS = 2


def spin(seconds: float) -> None:
    """Use the CPU for some seconds of this thread's time."""
    began = time.thread_time()
    while time.thread_time() - began < seconds:
        sum(range(500))


def io(seconds: float) -> None:
    """Wait for something far away."""
    time.sleep(seconds)


def crunch(seconds: float) -> None:
    """Compute on a thread."""
    spin(seconds)


def ask(port: str, factor: float) -> None:
    """Ask the model."""
    times = [0.01 * factor, 0.05 * factor, 0.005 * factor]
    body = {"model": "stub", "max_tokens": 9, "messages": [{"role": "user", "content": json.dumps(times)}]}
    connection = HTTPConnection("127.0.0.1", int(port))
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    connection.getresponse().read()
    connection.close()


def agent(port: str, model: float, waiting: float, cpu: float, crunching: float) -> None:
    """Decide, ask, and use two tools at once, again and again."""
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            ask(port, model)
            spin(0.06 * cpu)
            for used in [pool.submit(io, 0.12 * waiting), pool.submit(crunch, 0.08 * crunching)]:
                used.result()


def main(port: str, *factors: str) -> None:
    """Run it once and say how long it took."""
    began = time.monotonic()
    agent(port, *map(float, factors))
    sys.stdout.write(f"{time.monotonic() - began}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
