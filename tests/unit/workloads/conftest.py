"""A model endpoint that takes no time: it asks the workload's script and answers in OpenAI's JSON."""

import importlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Endpoint:
    def __init__(self, script):
        self.script, self.requests = script, []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def _handler(endpoint):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                endpoint.requests.append(request)
                message = endpoint.script(request["messages"], request.get("tools") or [])
                self._send(json.dumps(_completion(request, message)).encode())

            def _send(self, body):
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        return Handler

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def _completion(request, message):
    calls = [
        {
            "id": f"call_{len(request['messages'])}_{number}",
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
        }
        for number, call in enumerate(message.get("tool_calls") or [])
    ]
    said = {"role": "assistant", "content": message["content"], **({"tool_calls": calls} if calls else {})}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": request["model"],
        "choices": [{"index": 0, "finish_reason": "tool_calls" if calls else "stop", "message": said}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


@pytest.fixture
def serve():
    """Start an endpoint that speaks for a workload."""
    started = []

    def start(workload, settings, seed=1):
        module, _, function = workload.SCRIPT.partition(":")
        script = getattr(importlib.import_module(module), function)(settings, seed)
        started.append(Endpoint(script))
        return started[-1]

    yield start
    for endpoint in started:
        endpoint.close()


@pytest.fixture
def defaults():
    """Return a workload's settings with some of them changed."""
    return lambda workload, **changed: (
        {name: value for name, (value, _) in workload.SETTINGS.items()} | changed
    )


@pytest.fixture
def labels(monkeypatch):
    """Collect the (role, name) of every span in the order in which they open."""
    from orchprof.capture import spans

    opened = []
    enter = spans.Span.__enter__

    def noted(span):
        opened.append((span.role, span.name))
        return enter(span)

    monkeypatch.setattr(spans.Span, "__enter__", noted)
    return opened


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    """Keep what is built in one place per test session, never in the user's cache."""
    home = tmp_path_factory.getbasetemp() / "workloads-cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home
