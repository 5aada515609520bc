"""Starts the remote calculator, `python -m ....math DELAY_MS`, as nobody's child."""

import os
import sys

if __name__ == "__main__":
    # The CPU of a far machine is not the agent's. What is left behind here has loaded nothing yet, so it costs little.
    if os.fork():
        os._exit(0)
    from .service import serve

    serve(int(sys.argv[1]))
