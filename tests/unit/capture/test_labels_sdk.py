"""A client library's call is a client span under the model's name, and its retries are inside it."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import orchprof

openai = pytest.importorskip("openai")

REPLY = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "m1-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
}
MESSAGES = [{"role": "user", "content": "hello"}]


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args):
        pass

    def do_GET(self):
        self.answer(200, {"object": "list", "data": []})

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked += 1
        busy = self.server.asked <= self.server.busy
        self.answer(503 if busy else 200, {"error": {"message": "busy"}} if busy else REPLY)

    def answer(self, status, document):
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("retry-after-ms", "30")
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    server.busy = server.asked = 0
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def address(server):
    return f"http://127.0.0.1:{server.server_port}/v1"


def ask(server):
    with orchprof.task("t"), openai.OpenAI(base_url=address(server), api_key="k") as client:
        assert client.chat.completions.create(model="m1", messages=MESSAGES).usage.total_tokens == 14


def ask_async(server):
    async def program():
        async with orchprof.task("t"), openai.AsyncOpenAI(base_url=address(server), api_key="k") as client:
            reply = await client.chat.completions.create(model="m1", messages=MESSAGES)
            assert reply.usage.total_tokens == 14

    asyncio.run(program())


def ask_litellm(server):
    litellm = pytest.importorskip("litellm")
    with orchprof.task("t"):
        reply = litellm.completion("openai/m1", messages=MESSAGES, api_base=address(server), api_key="k")
    assert reply.usage.total_tokens == 14


@pytest.mark.parametrize("program", [ask, ask_async], ids=lambda p: p.__name__)
def test_a_call_is_one_client_span_named_by_the_model_asked_for(recorded, server, program):
    tables = recorded(lambda: program(server))
    spans = tables["spans"]
    assert list(zip(spans["role"], spans["name"], strict=True)) == [("client", "m1")]
    assert tables["model_calls"]["span"].tolist() == spans["span"].tolist()
    assert tables["model_calls"]["model"].tolist() == ["m1-2026"]


@pytest.mark.parametrize("program", [ask, ask_async], ids=lambda p: p.__name__)
def test_retries_are_transport_calls_of_one_client_span(recorded, server, program):
    server.busy = 2
    tables = recorded(lambda: program(server))
    calls, span = tables["model_calls"], tables["spans"].iloc[0]
    assert len(tables["spans"]) == 1
    assert sorted(calls["status"]) == [200, 503, 503]
    assert (calls["span"] == span["span"]).all()
    assert (calls["sent_ns"] > span["start_ns"]).all()
    assert (calls["end_ns"] < span["end_ns"]).all()
    assert (tables["strands"]["kind"] == "remote").sum() == 3


def test_what_asks_no_model_is_named_by_method_and_host(recorded, server):
    def program():
        with orchprof.task("t"), openai.OpenAI(base_url=address(server), api_key="k") as client:
            client.models.list()

    tables = recorded(program)
    assert tables["spans"]["name"].tolist() == ["GET 127.0.0.1"]
    assert tables["model_calls"].empty


@pytest.mark.filterwarnings("ignore")
def test_litellm_and_the_library_below_it_are_one_call(recorded, server):
    pytest.importorskip("litellm")
    tables = recorded(lambda: ask_litellm(server))
    spans = tables["spans"]
    assert list(zip(spans["role"], spans["name"], strict=True)) == [("client", "m1")]
    assert len(tables["model_calls"]) == 1
