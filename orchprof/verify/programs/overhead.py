"""A program of which recording costs a known amount: many short tools, loop steps, waits and a few children.

It is recorded as one task, so that all that recording did is in its ledger.
"""

import asyncio
import subprocess
import sys
import threading

ROUNDS = 12_000


def tiny() -> None:
    """Do next to nothing, as a tool."""


async def steps(n: int) -> None:
    """Go round the loop."""
    for _ in range(n):
        await asyncio.sleep(0)


def main() -> None:
    """Do a little of everything."""
    for _ in range(ROUNDS):
        tiny()
    asyncio.run(steps(ROUNDS))
    for _ in range(4):
        subprocess.run([sys.executable, "-c", ""], check=True)
    for _ in range(50):
        thread = threading.Thread(target=tiny)
        thread.start()
        thread.join()


if __name__ == "__main__":
    main()
