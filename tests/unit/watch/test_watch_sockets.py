"""Uses of the network as the kernel counts them: a real server on loopback, and clients that nobody asks."""

import os
import socket
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from watched import told

from orchprof.watch import launcher
from orchprof.watch.before import Outside
from orchprof.watch.sockets import Connection, Sockets

ANSWER = b"a" * 5_000
ASK = b"q" * 300
CLIENT = """
import socket, sys, time
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as server:
    for _ in range(int(sys.argv[2])):
        server.sendall(b"q" * 300)
        got = 0
        while got < 5000:
            got += len(server.recv(9000))
        time.sleep(0.3)
"""


@contextmanager
def server(log, wait_s=0.4):
    """Serve on loopback, and keep the instants of each request's arrival and of its answer's end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            peer, _ = listener.accept()
            with peer:
                while peer.recv(len(ASK), socket.MSG_WAITALL):
                    began = time.monotonic_ns()
                    time.sleep(wait_s)
                    peer.sendall(ANSWER)
                    log.append((began, time.monotonic_ns()))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_a_use_goes_from_the_request_to_the_last_byte_of_the_answer(tmp_path, monkeypatch):
    monkeypatch.setattr("orchprof.watch.sockets._SHARE", 1.0)  # however many sockets other tests have left
    served = []
    with server(served) as port:
        launcher.launch(
            [sys.executable, "-I", "-c", CLIENT, str(port), "2"],
            tmp_path,
            launcher.Asked(injected=False, outside=True),
        )
    uses = told(tmp_path).notes["socket"]
    (root, _), *_ = told(tmp_path).notes["root"]
    assert [(pid, peer) for _, _, pid, peer, _, _ in uses] == [(root, f"127.0.0.1:{port}")] * 2
    for (first, last, *_, received), (began, ended) in zip(uses, served, strict=True):
        assert received == len(ANSWER)
        assert last - first > (ended - began) / 2
    assert uses[0][1] < served[1][1] - 100e6  # the first ended before the second was answered


def test_the_proxys_own_port_is_told_of_by_the_proxy(tmp_path):
    with server([], 0.2) as port:
        command = [sys.executable, "-I", "-c", CLIENT, str(port), "1"]
        launcher._run(command, os.environ, tmp_path, "client", Outside(ports=frozenset([port])))
    assert "socket" not in told(tmp_path).notes


class Notes:
    def __init__(self):
        self.all = []
        self.note = self.all.append


@pytest.fixture
def follow(monkeypatch):
    """Follow one connection of this process, of which the kernel says what the test does."""
    with socket.socket() as mine:
        inode = int(str(Path(f"/proc/self/fd/{mine.fileno()}").readlink())[len("socket:[") : -1])
        log, kernel = Notes(), []
        monkeypatch.setattr("orchprof.watch.sockets.connections", lambda _: kernel)
        monkeypatch.setattr("orchprof.watch.sockets._SHARE", 1.0)
        sockets = Sockets(log, lambda: [os.getpid()])

        def at(now_ms, *counted, sent_ms=0, received_ms=0):
            ago = (now_ms - sent_ms) * 10**6, (now_ms - received_ms) * 10**6
            kernel[:] = [Connection(inode, 5000, "10.0.0.1", 443, *counted, *ago)] if counted else []
            sockets.sample(now_ms * 10**6)
            return [(note[0] // 10**6, note[1] // 10**6, *note[4:]) for _, note in log.all]

        yield at
        sockets.close()


def test_the_next_request_ends_a_use_and_an_acknowledgement_does_not(follow):
    assert follow(1_000, 100, 0, sent_ms=950) == []
    assert follow(1_100, 100, 50, sent_ms=950, received_ms=1_090) == []
    assert follow(1_200, 110, 90, sent_ms=1_092, received_ms=1_190) == []
    assert follow(1_300, 200, 90, sent_ms=1_250, received_ms=1_190) == [(950, 1_190, 110, 90)]
    assert follow(1_400) == [(950, 1_190, 110, 90), (1_250, 1_400, 90, 0)]  # hung up on, without an answer


def test_an_answer_and_the_next_request_between_two_looks_are_two_uses(follow):
    assert follow(1_000, 100, 0, sent_ms=950) == []
    assert follow(2_000, 200, 50, sent_ms=1_900, received_ms=1_500) == [(950, 1_500, 100, 50)]


def test_a_connection_that_is_not_used_is_not_told(follow):
    assert follow(1_000, 0, 0) == []
    assert follow(1_200) == []


def test_a_kernel_that_does_not_tell_is_left_in_peace(monkeypatch):
    def refuse(_):
        raise PermissionError

    monkeypatch.setattr("orchprof.watch.sockets.connections", refuse)
    sockets = Sockets(Notes(), lambda: [os.getpid()])
    sockets.sample(10**9)
    sockets.sample(2 * 10**9)
    sockets.close()
