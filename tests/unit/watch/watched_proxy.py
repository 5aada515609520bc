"""A server that says what a test has it say, byte for byte, and what the proxy noted of it."""

import http.client
import json
import os
import socket
import threading
from contextlib import contextmanager

from orchprof.capture.log import read_frames
from orchprof.watch.proxy import proxy_process

VARIABLE = "OPENAI_BASE_URL"
OPEN = []  # the agents' connections, closed after the proxy


class Server:
    """Answers each request by `answer(connection, head, body)`; keeps what it was asked."""

    def __init__(self, answer, tls=None):
        self.answer, self.tls = answer, tls
        self.asked, self.connections = [], 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            file = connection.makefile("rb")
            while first := file.readline():
                head = {"": first.decode().strip()}
                while line := file.readline().strip():
                    name, _, value = line.decode("latin-1").partition(":")
                    head[name.lower()] = value.strip()
                body = read_body(file, head)
                self.asked.append((head, body))
                if self.answer(connection, head, body) == "close":
                    break
        except OSError:
            pass
        finally:
            connection.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def read_body(file, head):
    if head.get("transfer-encoding") != "chunked":
        return file.read(int(head.get("content-length", 0)))
    body = b""
    while size := int(file.readline(), 16):
        body += file.read(size)
        file.readline()
    file.readline()
    return body


@contextmanager
def serving(answer, tls=None):
    server = Server(answer, tls)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def proxied(tmp_path, **urls):
    """Yield a proxy for these upstreams, by variable."""
    try:
        with proxy_process.start(tmp_path, {**os.environ, **urls}) as proxy:
            yield proxy
    finally:
        while OPEN:
            OPEN.pop().close()


def exchanges(logs):
    return [note[1] for note in notes(logs) if note[0] == "exchange"]


def notes(logs):
    found = []
    for path in logs.glob("log-*.bin"):
        for tag, payload in read_frames(path):
            found += json.loads(payload) if tag == b"NOTE" else []
    return found


def ask(proxy, path, body=b"{}", variable=VARIABLE, method="POST", **headers):
    """Return the response, read, and the connection."""
    connection = connect(proxy)
    prefix = variable.lower().replace("_", "-")
    connection.request(method, f"/{prefix}{path}", body, headers)
    return connection.getresponse(), connection


def connect(proxy):
    OPEN.append(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20))
    return OPEN[-1]


def raw(proxy, text):
    """Return a connection by which these bytes were sent."""
    OPEN.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=20))
    OPEN[-1].sendall(text)
    return OPEN[-1]


def stream(*events, framing="chunked", status="200 OK", headers=""):
    """Return an answer that sends each event in a write of its own."""

    def answer(connection, _head, _body):
        kind = "transfer-encoding: chunked\r\n" if framing == "chunked" else ""
        connection.sendall(
            f"HTTP/1.1 {status}\r\ncontent-type: text/event-stream\r\n{kind}{headers}\r\n".encode()
        )
        for event in events:
            data = b"data: " + (event if isinstance(event, bytes) else json.dumps(event).encode()) + b"\n\n"
            connection.sendall(chunk(data) if framing == "chunked" else data)
        if framing == "chunked":
            connection.sendall(b"0\r\n\r\n")
        return "close" if framing == "close" else None

    return answer


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(document, status="200 OK", headers=""):
    def answer(connection, _head, _body):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        connection.sendall(head.encode() + body)

    return answer
