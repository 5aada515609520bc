"""HTTP calls against a real server in a thread whose timing is known."""

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pandas as pd
import pytest
from support import assert_tiled

import orchprof
from orchprof.capture.log import VERSION, Log, pack
from orchprof.capture.strands import KIND, SPAWN
from orchprof.run.finalize.finalize import finalize

FIRST_S, TOKEN_S = 0.06, 0.04  # so long that a busy machine, which reads late, is not taken for a fault
CLOCK = {"queue_s": 0.005, "prefill_s": 0.02, "decode_s": 0.03, "total_s": 0.06, "accelerator_s": 0.01}
TAIL = {
    "model": "m1",
    "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    "orchprof": CLOCK | {"provenance": "modelled", "decisions": "scripted"},
}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args):
        pass

    def do_GET(self):
        time.sleep(FIRST_S)
        self.answer(b"tool result", "text/plain")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if body.get("stream"):
            self.stream()
        elif body.get("hang_up"):
            self.close_connection = True
        else:
            time.sleep(FIRST_S)
            self.answer(json.dumps(TAIL).encode(), "application/json")

    def answer(self, data, kind):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        time.sleep(FIRST_S)
        for token in "abc":
            self.event({"choices": [{"delta": {"content": token}}]})
            time.sleep(TOKEN_S)
        self.event(TAIL)
        self.wfile.write(b"0\r\n\r\n")

    def event(self, document):
        data = b"data: " + json.dumps(document).encode() + b"\n\n"
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


@pytest.fixture(scope="module")
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def stream_sync(url):
    with orchprof.task("t"), orchprof.model("chat"), httpx.Client() as client:
        with client.stream("POST", f"{url}/v1/chat/completions", json={"stream": True}) as response:
            for _ in response.iter_bytes():
                pass


def stream_async(url):
    async def program():
        async with orchprof.task("t"), orchprof.model("chat"), httpx.AsyncClient() as client:
            async with client.stream("POST", f"{url}/v1/chat/completions", json={"stream": True}) as response:
                async for _ in response.aiter_bytes():
                    pass

    asyncio.run(program())


def plain_sync(url):
    with orchprof.task("t"), orchprof.model("chat"):
        httpx.post(f"{url}/v1/chat/completions", json={})


def plain_async(url):
    async def program():
        async with orchprof.task("t"), orchprof.model("chat"), httpx.AsyncClient() as client:
            await client.post(f"{url}/v1/chat/completions", json={})

    asyncio.run(program())


@pytest.mark.parametrize(
    "program", [plain_sync, plain_async, stream_sync, stream_async], ids=lambda p: p.__name__
)
def test_a_model_call_is_a_remote_strand_with_its_servers_account(recorded, url, program):
    tables = recorded(lambda: program(url))
    call = tables["model_calls"].iloc[0]
    assert len(tables["model_calls"]) == 1
    assert call["task"] == tables["tasks"]["task"].iloc[0]
    assert (call["provenance"], call["server"], call["model"], call["status"]) == (
        "modelled",
        "orchprof",
        "m1",
        200,
    )
    assert (call["input_tokens"], call["output_tokens"]) == (11, 3)
    assert [call[f"{part}_ns"] for part in ("queue", "prefill", "decode", "total")] == [5e6, 20e6, 30e6, 60e6]
    assert call["sent_ns"] < call["headers_ns"] <= call["end_ns"]
    assert call["end_ns"] - call["sent_ns"] >= FIRST_S * 1e9
    remote = tables["strands"].query("kind == 'remote'").iloc[0]
    assert (remote["start_ns"], remote["end_ns"]) == (call["sent_ns"], call["end_ns"])
    assert_tiled(tables)


@pytest.mark.parametrize("program", [stream_sync, stream_async], ids=lambda p: p.__name__)
def test_the_first_token_is_not_the_role_chunk_and_the_call_ends_with_its_stream(recorded, url, program):
    call = recorded(lambda: program(url))["model_calls"].iloc[0]
    assert call["stream"]
    assert call["first_token_ns"] - call["headers_ns"] > 0.9 * FIRST_S * 1e9
    assert call["end_ns"] - call["first_token_ns"] > 1.8 * TOKEN_S * 1e9


@pytest.mark.parametrize(
    "program", [plain_sync, stream_sync, plain_async, stream_async], ids=lambda p: p.__name__
)
def test_the_client_waits_for_the_server_and_for_nothing_else(recorded, url, program):
    tables = recorded(lambda: program(url))
    joins = tables["segments"].query("join and role == 'client'")
    assert (joins["end_ns"] - joins["start_ns"]).sum() > 0.9 * FIRST_S * 1e9
    remote = tables["strands"].query("kind == 'remote'")["strand"].iloc[0]
    for row in joins.itertuples():
        edges = tables["edges"].query("kind == 'join' and dst == @row.strand and at_ns == @row.end_ns")
        assert set(edges["src"]) <= {remote}


def test_a_consumer_that_computes_between_chunks_is_not_waiting(recorded, url):
    def program():
        with orchprof.task("t"), orchprof.model("chat"), httpx.Client() as client:
            with client.stream("POST", f"{url}/v1/chat/completions", json={"stream": True}) as response:
                for _ in response.iter_bytes():
                    with orchprof.span("consume"):
                        sum(range(200_000))

    tables = recorded(program)
    consumed = tables["spans"].query("name == 'consume'")
    inside = tables["segments"][tables["segments"]["span"].isin(consumed["span"])]
    assert not inside["join"].any()
    assert inside["cpu_ns"].sum() > 0


def test_a_request_of_a_tool_is_the_tools_network_and_no_model_call(recorded, url):
    def program():
        with orchprof.task("t"), orchprof.tool("lookup"):
            assert httpx.get(url).text == "tool result"

    tables = recorded(program)
    assert tables["model_calls"].empty
    remote = tables["strands"].query("kind == 'remote'")["strand"].iloc[0]
    row = tables["segments"].query("strand == @remote").iloc[0]
    assert (row["role"], row["wait_state"]) == ("tool", "net")


@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_that_fails_is_noted_and_raises_as_ever(recorded, url, is_async):
    def sync():
        with orchprof.task("t"), orchprof.model("chat"), pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{url}/v1/chat/completions", json={"hang_up": True})

    async def run():
        async with orchprof.task("t"), orchprof.model("chat"), httpx.AsyncClient() as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.post(f"{url}/v1/chat/completions", json={"hang_up": True})

    call = recorded((lambda: asyncio.run(run())) if is_async else sync)["model_calls"].iloc[0]
    assert call["error"] == "RemoteProtocolError"
    assert call["provenance"] == "client_only"
    assert call[["status", "output_tokens", "total_ns"]].isna().all()


def test_a_refused_connection_leaves_no_call_and_raises_as_ever(recorded):
    def program():
        with orchprof.task("t"), orchprof.model("chat"), pytest.raises(httpx.ConnectError):
            httpx.post("http://127.0.0.1:9/v1/chat/completions", json={})

    tables = recorded(program)
    assert tables["tasks"]["end_ns"].notna().all()
    assert_tiled(tables)


def test_a_trace_that_the_program_set_is_still_called(recorded, url):
    seen = []

    def program():
        with httpx.Client() as client:
            client.get(url, extensions={"trace": lambda event, _info: seen.append(event)})

    recorded(program)
    assert "http11.send_request_body.complete" in seen


def test_a_reply_that_nests_too_deep_never_fails_the_program(recorded, url, monkeypatch):
    deep = b"[" * 100_000 + b"]" * 100_000
    monkeypatch.setattr(Server, "do_POST", lambda self: self.answer(deep, "application/json"))

    def program():
        with httpx.Client() as client:
            assert client.post(f"{url}/v1/chat/completions", json={}).content == deep

    calls = recorded(program)["model_calls"]
    assert calls["end_ns"].notna().tolist() == [True]


def blocked(tables):
    """Return the waits for the server of the one call, in order."""
    remote = tables["strands"].query("kind == 'remote'")["strand"].iloc[0]
    joined = tables["edges"][(tables["edges"]["kind"] == "join") & (tables["edges"]["src"] == remote)]
    ends = set(zip(joined["dst"], joined["at_ns"], strict=True))
    return [row for row in tables["segments"].query("join").itertuples() if (row.strand, row.end_ns) in ends]


@pytest.mark.parametrize("is_async", [False, True])
def test_what_had_arrived_before_it_was_read_was_no_wait(recorded, url, is_async):
    """The reader stays away until the server has sent all: the first read waits for headers, no other for anything."""
    away_s = FIRST_S + 4 * TOKEN_S + 0.05

    def sync():
        with orchprof.task("t"), httpx.Client() as client:
            with client.stream("POST", f"{url}/v1/chat/completions", json={"stream": True}) as response:
                time.sleep(away_s)
                for _ in response.iter_bytes():
                    pass

    async def run():
        with orchprof.task("t"):
            async with httpx.AsyncClient() as client:
                how = {"json": {"stream": True}}
                async with client.stream("POST", f"{url}/v1/chat/completions", **how) as response:
                    await asyncio.sleep(away_s)
                    async for _ in response.aiter_bytes():
                        pass

    tables = recorded((lambda: asyncio.run(run())) if is_async else sync)
    call = tables["model_calls"].iloc[0]
    assert all(wait.end_ns <= call["headers_ns"] + 5e6 for wait in blocked(tables))
    # Its last byte arrived long before the reader came back for it.
    (slept,) = (
        tables["segments"].query("wait_state == 'sleep' and end_ns - start_ns > @away_s * 9e8").itertuples()
    )
    assert call["end_ns"] < slept.end_ns - 20e6


def test_a_reply_that_nobody_reads_to_its_end_is_a_call_all_the_same(recorded, url):
    kept = []

    def program():
        with orchprof.task("t"):
            client = httpx.Client()
            how = {"json": {"stream": True}}
            response = client.send(
                client.build_request("POST", f"{url}/v1/chat/completions", **how), stream=True
            )
            kept.extend([client, response, next(response.iter_raw())])

    calls = recorded(program)["model_calls"]
    for one in kept[1::-1]:
        one.close()
    assert calls["end_ns"].notna().tolist() == [True]
    assert calls["output_tokens"].isna().all()


def test_a_call_of_a_process_that_was_killed_has_begun(tmp_path):
    log = Log(tmp_path)
    log.note(("meta", {"version": VERSION, "pid": 7, "ppid": 1, "python": "3"}))
    log.note(("name", 1, "main"))
    log.emit(pack(SPAWN, 10, 0, 0, 0, 1, 1, 0, 0))
    log.emit(pack(SPAWN | KIND["remote"], 20, 0, 0, 0, 1, 2, 0, 1))
    log.note(("asked", {"strand": 2, "span": 0, "sent_ns": 20, "stream": False}))
    log.close()
    (call,) = finalize([log.path]).tables["model_calls"].itertuples()
    assert (call.sent_ns, call.provenance) == (20, "client_only")
    assert pd.isna(call.end_ns)
