"""The published agent's program for `APPS`: bubble sort of 10,000 and 20,000 numbers; prints CPU seconds of each."""

import json
import random
import sys
import time

NUMBERS = (10_000, 20_000)


def sort(values: list[int]) -> None:
    """Sort in place, as everybody writes it first."""
    for done in range(len(values)):
        for i in range(len(values) - 1 - done):
            if values[i] > values[i + 1]:
                values[i], values[i + 1] = values[i + 1], values[i]


def main() -> None:
    """Sort each once."""
    generator = random.Random(0)
    seconds = {}
    for count in NUMBERS:
        values = [generator.randrange(count) for _ in range(count)]
        wanted = sorted(values)
        start_s = time.process_time()
        sort(values)
        seconds[count] = time.process_time() - start_s
        assert values == wanted
    sys.stdout.write(json.dumps(seconds) + "\n")


if __name__ == "__main__":
    main()
