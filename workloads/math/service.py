"""The remote calculator: an HTTP service that prints its port when it is ready, and ends when its input does.

`POST /` takes `{"operation", "expression"}` and gives `{"result"}`, or status 400 and `{"error"}`. A reply leaves no
sooner than the delay after its request came.
"""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .calculator import CalculatorError, calculate, warm_up


class Server(ThreadingHTTPServer):
    """Serves the calculator on a free port of this machine."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, delay_s: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delay_s = delay_s


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        came_s = time.monotonic()
        status, reply = _reply(self.rfile.read(int(self.headers.get("content-length", 0))))
        time.sleep(max(0.0, came_s + self.server.delay_s - time.monotonic()))
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def _reply(body: bytes) -> tuple[int, dict[str, str]]:
    try:
        asked = json.loads(body)
        return 200, {"result": calculate(str(asked["operation"]), str(asked["expression"]))}
    except CalculatorError as error:
        return 400, {"error": str(error)}
    except (ValueError, LookupError, TypeError) as error:
        return 400, {
            "error": f"not a request, {type(error).__name__} @ its JSON, give operation and expression"
        }


def serve(delay_ms: int) -> None:
    """Serve until the input ends, which it does with whoever holds the other end of it."""
    warm_up()
    server = Server(delay_ms / 1000)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    while os.read(0, 4096):
        pass
