"""Replies of a model that are read late, slowly, in part, or not at all."""

import time
from http.client import HTTPResponse

import kit  # type: ignore[import-not-found]

KEPT: list[object] = []
# A read shorter than that found its bytes there.
BLOCKED_S = 0.001


def opened(times: list[float], tokens: int) -> HTTPResponse:
    """Ask, and return the answer as it begins."""
    connection = kit.connect()
    KEPT.append(connection)
    connection.request("POST", "/v1/chat/completions", kit.question(times, tokens, stream=True))
    answer: HTTPResponse = connection.getresponse()
    return answer


def read(times: list[float], tokens: int, limit: int, work_s: float) -> HTTPResponse:
    """Ask for some tokens, read a part of them with work after each, and say what was whose.

    The server does not wait for its reader: until the last read that blocked the time is the model's, whatever the
    reader did meanwhile; from there on it is the reader's.
    """
    with kit.clocked() as clock:
        answer = opened(times, tokens)
    sent = until = time.monotonic() - clock.waited
    agent = before = clock.cpu
    for _ in range(limit):
        with kit.clocked() as clock:
            answer.readline()
            answer.readline()
        agent += clock.cpu
        if clock.waited > BLOCKED_S:
            until, agent = time.monotonic() - clock.ready, before
        agent += kit.spin(work_s)
    kit.did("model", "all", until - sent)
    kit.did("agent", "cpu", agent)
    return answer


def slow_reader() -> None:
    """An agent slower than the stream that it reads."""
    kit.task("slow_reader", lambda: read([0.02, 0.08, 0.01], 11, 11, 0.03).read())


def fast_reader() -> None:
    """An agent that waits for each token."""

    def work() -> None:
        read([0.02, 0.05, 0.03], 7, 7, 0.005).read()
        kit.did("agent", "cpu", kit.spin(0.15))

    kit.task("fast_reader", work)


def read_late() -> None:
    """A reply that is there long before it is read."""

    def work() -> None:
        connection = kit.connect()
        connection.request("POST", "/v1/chat/completions", kit.question([0, 0.05, 0], 1))
        kit.did("agent", "cpu", kit.spin(0.3))
        with kit.clocked() as clock:
            connection.getresponse().read()
        kit.did("model", "all", clock.waited if clock.waited > BLOCKED_S else 0.0)
        connection.close()

    kit.task("read_late", work)


def left_by_break() -> None:
    """A stream that is left after a few tokens; the agent goes on."""

    def work() -> None:
        read([0.02, 0.05, 0.03], 40, 5, 0.002).close()
        KEPT.clear()
        kit.did("agent", "cpu", kit.spin(0.15))

    kit.task("left_by_break", work)


def retries() -> None:
    """A model that refuses at first: back-off is the agent's own sleep."""

    def work() -> None:
        kit.did("model", "all", kit.ask([0, 0.1, 0], refuse=True))
        kit.did("agent", "sleep", kit.nap(0.2))
        kit.did("model", "all", kit.ask([0, 0.1, 0]))

    kit.task("retries", work)


def own_connection_twice() -> None:
    """Two calls on one connection, work between them."""

    def work() -> None:
        connection = kit.connect()
        for _ in range(2):
            with kit.clocked() as clock:
                connection.request("POST", "/v1/chat/completions", kit.question([0, 0.12, 0], 1))
                connection.getresponse().read()
            kit.did("model", "all", clock.waited)
            kit.did("agent", "cpu", clock.cpu + kit.spin(0.08))
        connection.close()

    kit.task("kept_open", work)


def dropped_open() -> None:
    """A stream that is open still when the program ends."""

    def work() -> None:
        KEPT.append(read([0.02, 0.05, 0.03], 40, 5, 0.002))
        kit.did("agent", "cpu", kit.spin(0.15))

    kit.task("dropped_open", work)


SHAPES = {
    "slow_reader": slow_reader,
    "fast_reader": fast_reader,
    "read_late": read_late,
    "left_by_break": left_by_break,
    "retries": retries,
    "kept_open": own_connection_twice,
    "dropped_open": dropped_open,
}

if __name__ == "__main__":
    kit.main(SHAPES)
