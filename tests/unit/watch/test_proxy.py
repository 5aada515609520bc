"""The recording proxy as an agent meets it: what goes through, what is noted, and what happens when an end fails."""

import gzip
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from watched_proxy import (
    VARIABLE,
    ask,
    chunk,
    connect,
    exchanges,
    notes,
    proxied,
    raw,
    serving,
    stream,
    whole,
)

from orchprof import errors
from orchprof.watch.proxy import proxy_process

COMPLETIONS = "/chat/completions"
USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
ONE_CALL = {
    "index": 0,
    "id": "c1",
    "function": {"name": "shell", "arguments": '{"command": "ls SECRETWORD"}'},
}
EVENTS = [
    {"id": "r1", "model": "m", "choices": [{"delta": {"role": "assistant"}}]},
    {"id": "r1", "model": "m", "choices": [{"delta": {"tool_calls": [ONE_CALL]}}]},
    {"id": "r1", "model": "m", "choices": [], "usage": USAGE},
    b"[DONE]",
]


def told(tmp_path):
    (found,) = exchanges(tmp_path)
    return found


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_stream_goes_through_as_it_is_and_is_noted(tmp_path, framing):
    with serving(stream(*EVENTS, framing=framing)) as server:
        with proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
            response, connection = ask(
                proxy, f"{COMPLETIONS}?x=1", json.dumps({"messages": [{"role": "user"}]})
            )
            body = response.read()
            port = connection.sock.getsockname()[1] if connection.sock else None
            line = json.loads(os.read(proxy.calls_pipe_fd, 4096))
    assert [json.loads(each) for each in re.findall(rb"data: ({.*)", body)] == EVENTS[:-1]
    head, _ = server.asked[0]
    assert (head[""], head["host"]) == ("POST /v1/chat/completions?x=1 HTTP/1.1", f"127.0.0.1:{server.port}")
    assert head["accept-encoding"] == "identity"
    said = told(tmp_path)
    names = ("number", "variable", "method", "path", "wire", "status", "error", "stream", "response_id")
    expected = [1, VARIABLE, "POST", COMPLETIONS, "chat", 200, None, True, "r1"]
    assert [said[name] for name in names] == expected
    assert port in (None, said["peer_port"])
    assert said["tool_calls"] == [{"id": "c1", "name": "shell"}]
    assert line == {
        "calls": [{"id": "c1", "name": "shell", "command": "ls SECRETWORD"}],
        "at_ns": said["end_ns"],
    }
    assert (said["account"]["input_tokens"], said["account"]["output_tokens"]) == (7, 3)
    stamps = ("received_ns", "sent_ns", "headers_ns", "first_token_ns", "last_token_ns", "end_ns")
    assert [said[name] for name in stamps] == sorted(said[name] for name in stamps)


def test_a_whole_reply_and_its_conversation(tmp_path):
    history = [{"role": "user", "content": "a"}]
    reply = {"id": "r1", "model": "m", "choices": [{"message": {"content": "b", "tool_calls": [ONE_CALL]}}]}
    with serving(whole({**reply, "usage": USAGE})) as server:
        with proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
            connection = connect(proxy)
            for _ in range(3):
                body = json.dumps({"messages": history, "tools": [{}]})
                connection.request("POST", f"/openai-base-url{COMPLETIONS}", body)
                assert json.loads(connection.getresponse().read())["usage"] == USAGE
                history += [{"role": "assistant"}, {"role": "tool", "tool_call_id": f"c{len(history)}"}]
    found = exchanges(tmp_path)
    assert server.connections == 1  # kept, as the agent keeps its own
    assert [each["result_ids"] for each in found] == [[], ["c1"], ["c3"]]
    assert [each["messages"] for each in found] == [1, 3, 5]
    assert [each["user_turn"] for each in found] == [True, False, False]
    assert [each["answers"] for each in found] == [False, True, True]
    assert len({each["peer_port"] for each in found}) == 1


@pytest.mark.parametrize("encoding", [None, "gzip", "zstd"])
def test_a_request_is_passed_on_byte_for_byte(tmp_path, encoding):
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 300_000}]}).encode()
    if encoding == "zstd":
        body = pytest.importorskip("zstandard").compress(body)
    body = gzip.compress(body) if encoding == "gzip" else body
    headers = {"Content-Encoding": encoding} if encoding else {}
    with serving(whole({})) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        ask(proxy, COMPLETIONS, body, **headers)[0].read()
        ask(proxy, COMPLETIONS, iter([body[:1000], body[1000:]]), **headers)[0].read()
    assert [each[1] for each in server.asked] == [body, body]
    assert [head.get("transfer-encoding") for head, _ in server.asked] == [None, "chunked"]
    assert [each["messages"] for each in exchanges(tmp_path)] == [1, 1]


def test_bodies_that_are_none(tmp_path):
    def answer(connection, head, _body):
        status = head["x-status"]
        connection.sendall(
            f"HTTP/1.1 {status} x\r\n".encode() + b"content-length: 5\r\n" * (status == "200") + b"\r\n"
        )

    with serving(answer) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 200)):
            response, _ = ask(proxy, "/models", None, method=method, **{"X-Status": str(status)})
            assert (response.status, response.read()) == (status, b"")
    assert [each["error"] for each in exchanges(tmp_path)] == [None] * 4


def test_a_websocket_is_refused_so_that_the_agent_asks_by_http(tmp_path):
    with proxied(tmp_path) as proxy:
        connection = raw(
            proxy,
            b"GET /openai-base-url/responses HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 426 ")
    said = told(tmp_path)
    assert (said["status"], said["path"], said["wire"]) == (426, "/responses", None)


def test_another_upgrade_is_passed_over(tmp_path):
    with serving(whole({"id": "r1"})) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        head = (
            b"POST /openai-base-url/chat/completions HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\n"
            b"Upgrade: h2c\r\nHTTP2-Settings: x\r\nContent-Length: 2\r\n\r\n{}"
        )
        assert raw(proxy, head).recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert server.asked[0][1] == b"{}"
    assert not {"upgrade", "http2-settings", "connection"} & server.asked[0][0].keys()


def test_an_agent_that_asks_before_it_sends_is_told_to_go_on(tmp_path):
    with serving(whole({})) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        connection = raw(
            proxy, b"POST /openai-base-url/x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert "expect" not in server.asked[0][0]


def test_an_agent_of_http_1_0_gets_no_chunks(tmp_path):
    with serving(stream({"id": "r1"})) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        connection = raw(
            proxy, b"POST /openai-base-url/chat/completions HTTP/1.0\r\nContent-Length: 0\r\n\r\n"
        )
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert body == b'data: {"id": "r1"}\n\n'
    assert b"transfer-encoding" not in head.lower()


def test_what_is_meant_for_one_connection_stays_there(tmp_path):
    answer = whole({}, headers="connection: x-own\r\nx-own: 1\r\nx-request-id: q\r\n")
    with serving(answer) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        headers = {"Connection": "keep-alive, X-Mine", "X-Mine": "1", "TE": "trailers", "Authorization": "k"}
        response, _ = ask(proxy, COMPLETIONS, **headers)
    assert (response.headers["x-own"], response.headers["x-request-id"]) == (None, "q")
    head = server.asked[0][0]
    assert head["authorization"] == "k"
    assert not {"x-mine", "te", "connection"} & head.keys()


def test_an_unknown_prefix_is_said(tmp_path):
    with proxied(tmp_path) as proxy:
        response, _ = ask(proxy, "/x", variable="NOBODYS")
        assert (response.status, json.load(response)["error"]["type"]) == (404, "unknown_prefix")
    assert exchanges(tmp_path) == []


def test_an_upstream_that_is_down_is_said_to_the_agent(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    with proxied(tmp_path, OPENAI_BASE_URL=url) as proxy:
        response, connection = ask(proxy, COMPLETIONS, json.dumps({"model": "m", "messages": []}))
        assert (response.status, json.load(response)["error"]["type"]) == (502, "cannot_connect")
        connection.request(
            "POST", f"/openai-base-url{COMPLETIONS}", b"x" * 1_000_000
        )  # by the same connection
        assert connection.getresponse().status == 502
    found = exchanges(tmp_path)
    assert [(each["error"], each["status"], each["headers_ns"]) for each in found] == [
        ("cannot_connect", None, None)
    ] * 2
    assert found[0]["account"]["model"] == "m"


def test_half_a_stream_is_passed_on_and_then_broken_off(tmp_path):
    def answer(connection, _head, _body):
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        connection.sendall(chunk(b"data: " + json.dumps(EVENTS[1]).encode() + b"\n\n"))
        return "close"

    with serving(answer) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        response, _ = ask(proxy, COMPLETIONS)
        with pytest.raises(http.client.IncompleteRead) as cut:
            response.read()
    assert b"SECRETWORD" in cut.value.partial
    said = told(tmp_path)
    assert (said["error"], said["status"], said["tool_calls"]) == (
        "upstream_closed",
        200,
        [{"id": "c1", "name": "shell"}],
    )


def test_an_upstream_that_says_nothing_and_leaves(tmp_path):
    with serving(lambda *_: "close") as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            ask(proxy, COMPLETIONS)
    assert told(tmp_path)["error"] == "upstream_closed"


def test_an_answer_that_is_no_http(tmp_path):
    def answer(connection, _head, _body):
        connection.sendall(b"SSH-2.0-server\r\n\r\n")

    with serving(answer) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            ask(proxy, COMPLETIONS)
    assert told(tmp_path)["error"] == "bad_answer"


def test_a_connection_that_went_stale_is_made_anew(tmp_path):
    """The server closes after each answer without having said so: the next request finds it gone, or about to go."""
    first = []

    def answer(connection, _head, body):
        if not first:
            first.append(connection)
        elif connection in first:
            return "close"  # the second request on the first connection: it is not answered
        return whole({"got": body.decode()})(connection, _head, body)

    with serving(answer) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        for text in (b"1", b"2"):
            assert json.load(ask(proxy, COMPLETIONS, text)[0]) == {"got": text.decode()}
    assert server.connections == 2
    assert [each["error"] for each in exchanges(tmp_path)] == [None, None]


def test_an_agent_that_leaves_takes_the_upstream_with_it(tmp_path):
    gone = threading.Event()

    def answer(connection, _head, _body):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n")
        gone.wait(0) or connection.settimeout(20)
        assert connection.recv(1) == b""
        gone.set()

    with serving(answer) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        connection = raw(proxy, b"POST /openai-base-url/responses HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        assert connection.recv(1000)
        connection.close()
        assert gone.wait(20)
    assert told(tmp_path)["error"] == "agent_left"


def test_a_slow_agent_holds_the_upstream_back(tmp_path):
    sent, whole_bytes = [0], 64 << 20

    def answer(connection, _head, _body):
        connection.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {whole_bytes}\r\n\r\n".encode())
        for _ in range(64):
            connection.sendall(bytes(1 << 20))
            sent[0] += 1 << 20

    with serving(answer) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        response, _ = ask(proxy, "/files", method="GET")
        before = -1
        while before != sent[0]:  # until the server gets rid of no more
            before = sent[0]
            time.sleep(0.3)
        assert before < whole_bytes
        assert len(response.read()) == whole_bytes
    assert told(tmp_path)["error"] is None


def test_an_answer_that_comes_before_the_request_is_whole(tmp_path):
    """The rest of that request goes nowhere, and nothing of it into the next one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with proxied(tmp_path, OPENAI_BASE_URL=url) as proxy:
            agent = raw(proxy, b"POST /openai-base-url/x HTTP/1.1\r\nContent-Length: 4\r\n\r\nab")
            for rest in (b"cd", b""):
                upstream, _ = listener.accept()
                with upstream:
                    assert upstream.recv(1000).startswith(b"POST /x HTTP/1.1")
                    upstream.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
                    assert agent.recv(1000).startswith(b"HTTP/1.1 413")
                    agent.sendall(rest + b"POST /openai-base-url/x HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
                    assert rest == b"" or upstream.recv(1000) == b""
    assert [each["status"] for each in exchanges(tmp_path)][:2] == [413, 413]


def test_a_retry_says_when_it_is_welcome(tmp_path):
    error = {"error": {"type": "rate_limit_error", "message": "slowly"}}
    with serving(whole(error, status="429 Too Many", headers="retry-after: 1.5\r\n")) as server:
        with proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
            assert ask(proxy, COMPLETIONS)[0].status == 429
    said = told(tmp_path)
    assert (said["status"], said["retry_after_s"], said["error"]) == (429, 1.5, "rate_limit_error")


def test_nothing_that_was_said_is_in_the_log(tmp_path):
    """Words and keys in every place of an exchange: of each only what is an id or a name may be kept."""
    call = {"index": 0, "id": "c1", "function": {"name": "shell", "arguments": '{"cmd": "PLANTED"}'}}
    events = [
        {"id": "r1", "model": "m", "choices": [{"delta": {"content": "PLANTED", "reasoning": "PLANTED"}}]},
        {"id": "r1", "model": "m", "choices": [{"delta": {"tool_calls": [call]}}]},
        {"error": {"type": "PLANTED text", "message": "PLANTED", "code": "PLANTED !"}},
        b'{"PLANTED": "PLANTED',
    ]
    result = {"role": "tool", "tool_call_id": "c0", "content": "PLANTED", "name": "PLANTED"}
    history = [{"role": "user", "content": "PLANTED"}, result]
    body = json.dumps(
        {"messages": history, "model": "m", "tools": [{"PLANTED": "PLANTED"}], "user": "PLANTED"}
    )
    keys = {"Authorization": "PLANTED", "X-Api-Key": "PLANTED", "Cookie": "PLANTED", "User-Agent": "PLANTED"}
    with serving(stream(*events, headers="set-cookie: PLANTED\r\nretry-after: PLANTED\r\n")) as server:
        with proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
            assert b"PLANTED" in ask(proxy, f"{COMPLETIONS}?key=PLANTED", body, **keys)[0].read()
            assert b"PLANTED" in os.read(proxy.calls_pipe_fd, 4096)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert b"PLANTED" not in b"".join(path.read_bytes() for path in files)
    assert told(tmp_path)["result_ids"] == ["c0"]


def test_two_hundred_streams_at_once(tmp_path):
    together = threading.Barrier(200)

    def answer(*asked):
        together.wait(30)
        return stream(*EVENTS)(*asked)

    with serving(answer) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        bodies = []
        threads = [
            threading.Thread(target=lambda: bodies.append(ask(proxy, COMPLETIONS)[0].read()))
            for _ in range(200)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(40)
    assert len(bodies) == 200
    assert len(set(bodies)) == 1
    assert [each["account"]["input_tokens"] for each in exchanges(tmp_path)] == [7] * 200


def test_two_proxies_at_once(tmp_path):
    with serving(whole({})) as server:
        with (
            proxied(tmp_path, OPENAI_BASE_URL=server.url) as one,
            proxied(tmp_path, OPENAI_BASE_URL=server.url) as two,
        ):
            assert one.port != two.port
            for proxy in (one, two):
                ask(proxy, COMPLETIONS)[0].read()
    assert len(list(tmp_path.glob("log-*.bin"))) == 2
    assert len(exchanges(tmp_path)) == 2


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(errors.ModelError, match="in use"):
        with proxy_process.start(tmp_path, os.environ, taken.getsockname()[1]):
            pass


def test_a_proxy_that_is_killed_leaves_what_it_noted(tmp_path):
    with serving(whole({})) as server, proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
        ask(proxy, COMPLETIONS)
        deadline = time.monotonic() + 20
        while not exchanges(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(proxy.pid, signal.SIGKILL)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(proxy, COMPLETIONS)
    assert len(exchanges(tmp_path)) == 1
    assert [note[0] for note in notes(tmp_path)] == ["meta", "exchange"]


def test_what_is_on_its_way_when_the_proxy_ends_is_noted(tmp_path):
    with serving(lambda *_: threading.Event().wait(20)) as server:
        with proxied(tmp_path, OPENAI_BASE_URL=server.url) as proxy:
            connection = raw(proxy, b"POST /openai-base-url/responses HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
            while not server.asked:
                time.sleep(0.01)
    connection.close()
    assert told(tmp_path)["error"] == "proxy_ended"


def certificate(folder):
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = [
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout",
        folder / "key",
        "-out",
        folder / "cert",
    ]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context, str(folder / "cert")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_an_upstream_over_tls_is_trusted_as_the_system_trusts(tmp_path_factory):
    tls, path = certificate(tmp_path_factory.mktemp("tls"))
    logs, others = tmp_path_factory.mktemp("logs"), tmp_path_factory.mktemp("others")
    with serving(stream(*EVENTS), tls) as server:
        with proxied(logs, OPENAI_BASE_URL=server.url, SSL_CERT_FILE=path) as proxy:
            assert b"SECRETWORD" in ask(proxy, COMPLETIONS)[0].read()
        with proxied(others, OPENAI_BASE_URL=server.url) as proxy:
            assert ask(proxy, COMPLETIONS)[0].status == 502
    assert (told(logs)["error"], told(others)["error"]) == (None, "cannot_connect")
