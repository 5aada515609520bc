"""What the programs wait for: a port that answers after a while, and a model that streams at known times.

Prints both ports as JSON and serves until its standard input ends.
"""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer


class Quiet:
    """A server whose clients may leave as they like."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


class Waits(Quiet, ThreadingTCPServer):
    """Waits for several clients at a time."""


class Models(Quiet, ThreadingHTTPServer):
    """Answers several requests at a time."""


class Later(StreamRequestHandler):
    """Answers a line that says how many seconds to wait."""

    def handle(self) -> None:
        """Wait, then answer."""
        for line in self.rfile:
            time.sleep(float(line))
            self.wfile.write(b"done\n")


class Model(BaseHTTPRequestHandler):
    """Streams an answer; the request says how long it queues, is read and is written, in seconds.

    A request holds {"max_tokens": N, "messages": [.., {"content": JSON [queue, prefill, per token]}]}; with
    "refuse" it is turned away after `prefill`. Who leaves before the end is not waited for.
    """

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer one request."""
        received = time.monotonic()
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        queue, prefill, each = json.loads(asked["messages"][-1]["content"])
        if asked.get("refuse"):
            time.sleep(prefill)
            self.send_response(429)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        time.sleep(queue)
        started = time.monotonic()
        time.sleep(prefill)
        self._tell({"role": "assistant", "content": "word "})
        first = time.monotonic()
        for _ in range(asked["max_tokens"] - 1):
            time.sleep(each)
            self._tell({"content": "word "})
        last = time.monotonic()
        times = {"queue_s": started - received, "prefill_s": first - started, "decode_s": last - first}
        clock = {**times, "total_s": last - received, "provenance": "measured"}
        self._tell({}, finish_reason="stop", orchprof=clock)
        self._send(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _tell(self, delta: dict[str, str], finish_reason: str | None = None, **more: object) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "stub"}
        self._send(b"data: " + json.dumps({**head, "choices": [choice], **more}).encode() + b"\n\n")

    def _send(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until the standard input ends."""
    servers = [Waits(("127.0.0.1", 0), Later), Models(("127.0.0.1", 0), Model)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(json.dumps([server.server_address[1] for server in servers]) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
