"""The wire: the kernel's word on whether a read would wait, and on when data came."""

import socket
import time

import pytest

from orchprof.capture.hooks.http.wire import Wire


@pytest.fixture
def pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        yield near, far
        near.close()
        far.close()


def test_a_read_waits_until_there_is_something(pair):
    near, far = pair
    wire = Wire.of(near)
    assert not wire.has_data()
    far.sendall(b"x")
    assert wire.has_data()
    near.recv(1)
    assert not wire.has_data()
    far.close()
    assert wire.has_data(), "the end of a stream is not waited for either"


def test_what_lay_there_came_when_the_kernel_took_it_in(pair):
    near, far = pair
    far.sendall(b"x")
    sent_ns = time.monotonic_ns()
    time.sleep(0.1)
    now_ns = time.monotonic_ns()
    assert abs(Wire.of(near).arrived_ns(now_ns) - sent_ns) < 40_000_000


def test_a_socket_that_knows_no_times_says_now():
    near, far = socket.socketpair()
    with near, far:
        assert Wire.of(near).arrived_ns(123) == 123


def test_what_a_tls_object_has_decrypted_is_there():
    class Tls:
        def pending(self):
            return 3

    near, far = socket.socketpair()
    with near, far:
        assert Wire.of(near, Tls()).has_data()


def test_what_is_no_socket_has_no_wire():
    assert Wire.of(None) is None
    assert Wire.of(object()) is None
