"""Every client library, asked for the same things, shows the same calls: against a server whose timing is known."""

import asyncio
import gc
import http.client
import json
import threading
import time
from http.server import ThreadingHTTPServer

import httpx
import pytest
from http_clients import FIRST_S, MODEL, REPLY, TOKEN_S, Server, by_client, by_plain_client
from support import assert_tiled

import orchprof
from orchprof.capture.hooks.http import call as calls
from orchprof.capture.state import STATE
from orchprof.capture.strands import ThreadClock


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


def in_task(work):
    def program():
        with orchprof.task("t"), orchprof.model("chat"):
            work()

    return program


def failing(ident=None, otherwise=None):
    """Return a function that fails as a part of orchprof does; of one thread only, if that is given."""
    code = """def fail(*args):
    if ident in (None, get_ident()):
        raise RuntimeError("ours")
    return otherwise(*args)
"""
    names = {"__name__": "orchprof.broken", "ident": ident, "otherwise": otherwise}
    exec(code, names | {"get_ident": threading.get_ident}, found := {})
    return found["fail"]


def remotes(tables):
    return tables["strands"].query("kind == 'remote'")


def waited_ns(tables):
    joins = tables["segments"].query("join and role == 'client'")
    return (joins["end_ns"] - joins["start_ns"]).sum()


@by_client
@pytest.mark.parametrize("how", ["plain", "chunked"])
def test_a_model_call_is_one_remote_strand_with_its_servers_account(recorded, url, client, how):
    bodies = []
    tables = recorded(in_task(lambda: bodies.append(client.post(url + MODEL, {"do": how}))))
    assert json.loads(bodies[0]) == REPLY
    call = tables["model_calls"].iloc[0]
    assert (len(remotes(tables)), len(tables["model_calls"])) == (1, 1)
    assert (call["model"], call["status"], call["input_tokens"], call["output_tokens"]) == ("m1", 200, 11, 3)
    assert not call["stream"]
    assert call[["error", "first_token_ns"]].isna().all()
    assert call["sent_ns"] < call["headers_ns"] <= call["end_ns"]
    remote = remotes(tables).iloc[0]
    assert (remote["start_ns"], remote["end_ns"]) == (call["sent_ns"], call["end_ns"])
    assert_tiled(tables)


@by_client
def test_the_client_waits_for_the_server(recorded, url, client):
    tables = recorded(in_task(lambda: client.post(url + MODEL, {"do": "plain"})))
    assert waited_ns(tables) > 0.9 * FIRST_S * 1e9
    call = tables["model_calls"].iloc[0]
    assert call["end_ns"] - call["sent_ns"] >= FIRST_S * 1e9


@by_client
def test_the_first_token_is_not_the_role_chunk_and_the_last_event_has_the_usage(recorded, url, client):
    call = recorded(in_task(lambda: client.post(url + MODEL, {"do": "stream"})))["model_calls"].iloc[0]
    assert call["stream"]
    assert call["first_token_ns"] - call["sent_ns"] > 0.9 * FIRST_S * 1e9
    assert call["end_ns"] - call["first_token_ns"] > 2.5 * TOKEN_S * 1e9
    assert (call["input_tokens"], call["output_tokens"]) == (11, 3)


@by_client
def test_a_stream_tells_its_input_first_and_its_output_last(recorded, url, client):
    call = recorded(in_task(lambda: client.post(url + "/v1/messages", {"do": "anthropic"})))[
        "model_calls"
    ].iloc[0]
    names = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens")
    assert call[list(names)].tolist() == [155, 120, 30, 42]
    assert call["model"] == "m1"
    assert call["first_token_ns"] - call["sent_ns"] > 0.9 * FIRST_S * 1e9


@by_client
@pytest.mark.parametrize("kind", ["packed", "packed_stream"])
def test_a_compressed_reply_tells_as_much(recorded, url, client, kind):
    call = recorded(in_task(lambda: client.post(url + MODEL, {"do": kind})))["model_calls"].iloc[0]
    assert (call["input_tokens"], call["output_tokens"], call["model"]) == (11, 3, "m1")
    if kind == "packed_stream":
        assert call["first_token_ns"] - call["sent_ns"] > 0.9 * FIRST_S * 1e9
        assert call["end_ns"] - call["first_token_ns"] > 0.5 * TOKEN_S * 1e9


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/v1/messages", True),
        ("/model/m%3A0/invoke", True),
        ("/model/m/invoke-with-response-stream", True),
        ("/v1beta/models/g:streamRawPredict", True),
        ("/my/chain/invoke", False),
        ("/search", False),
    ],
)
def test_a_request_to_a_model_is_told_by_its_path(path, is_one):
    assert calls.asks_model("POST", path) is is_one
    assert not calls.asks_model("GET", path)


@by_client
def test_a_time_out_is_told_from_a_wait_and_raises_as_ever(recorded, url, client):
    def work():
        with pytest.raises(Exception) as raised:  # noqa: PT011 - each library has its own
            client.post(url + MODEL, {"do": "stall"}, timeout=0.1)
        assert "timeout" in raised.typename.lower()

    tables = recorded(in_task(work))
    segments = tables["segments"].query("wait_state == 'timeout'")
    assert segments["role"].tolist() == ["client"]
    assert (segments["end_ns"] - segments["start_ns"]).iloc[0] > 0.9 * 0.1 * 1e9
    assert tables["model_calls"]["error"].tolist() == [client.timed_out]
    assert tables["model_calls"]["status"].isna().all()


@by_client
def test_each_hop_of_a_redirect_is_a_remote_strand_of_its_own(recorded, url, client):
    def program():
        with orchprof.task("t"), orchprof.tool("look"):
            assert client.get(url + "/moved") == b"a tool's result"

    tables = recorded(program)
    assert len(remotes(tables)) == 2
    assert remotes(tables)["end_ns"].notna().all()
    assert tables["model_calls"].empty
    rows = tables["segments"][tables["segments"]["strand"].isin(remotes(tables)["strand"])]
    assert set(zip(rows["role"], rows["wait_state"], strict=True)) == {("tool", "net")}


@by_client
def test_a_reply_cut_off_in_the_middle_fails_as_ever(recorded, url, client):
    def work():
        with pytest.raises(Exception):  # noqa: B017, PT011 - each library has its own
            client.post(url + MODEL, {"do": "cut_off"})

    tables = recorded(in_task(work))
    assert remotes(tables)["end_ns"].notna().tolist() == [True]
    assert len(tables["model_calls"]) == 1
    assert_tiled(tables)


@by_client
def test_a_refused_connection_leaves_no_call(recorded, client):
    def work():
        with pytest.raises(Exception):  # noqa: B017, PT011 - each library has its own
            client.post("http://127.0.0.1:9" + MODEL, {})

    tables = recorded(in_task(work))
    assert (len(remotes(tables)), len(tables["model_calls"])) == (0, 0)
    assert_tiled(tables)


@by_plain_client
def test_connecting_is_network_time_of_the_clients_own_strand(recorded, url, client):
    noted = []

    def work():
        client.post(url + MODEL, {"do": "plain"})
        noted.extend(note[1] for note in STATE.recorder.log._notes if note[0] == "call")

    tables = recorded(in_task(work))
    states = tables["segments"].query("role == 'client'").sort_values("start_ns")["wait_state"].dropna()
    assert "net" in set(states)
    assert noted[0]["connect_ns"] > 0
    assert "tls_ns" not in noted[0]


@by_plain_client
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_reply_that_is_never_read_nor_closed_ends_with_what_was_heard_of_it(recorded, url, client):
    def work():
        response = client.opened(url + MODEL, {"do": "plain"})
        del response
        gc.collect()

    tables = recorded(in_task(work))
    call = tables["model_calls"].iloc[0]
    assert call["end_ns"] >= call["sent_ns"]
    assert remotes(tables)["end_ns"].notna().tolist() == [True]


@by_plain_client
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_body_can_be_read_by_another_thread(recorded, url, client):
    bodies = []

    def work():
        response = client.opened(url + MODEL, {"do": "stream"})
        read = response.read if hasattr(response, "read") else lambda: response.content
        reader = threading.Thread(target=lambda: bodies.append(read()), name="reader")
        reader.start()
        reader.join()
        response.close()

    tables = recorded(in_task(work))
    assert b'"content": "c"' in bodies[0]
    call = tables["model_calls"].iloc[0]
    thread = tables["strands"].query("name == 'reader'")["strand"].iloc[0]
    waits = tables["segments"].query("strand == @thread and join")
    assert (waits["end_ns"] - waits["start_ns"]).sum() > 0.8 * FIRST_S * 1e9
    assert call["output_tokens"] == 3
    assert_tiled(tables)


def test_a_stream_that_is_closed_early_ends_when_it_is_closed(recorded, url):
    def work():
        with httpx.Client() as client:
            with client.stream("POST", url + MODEL, json={"do": "stream"}) as response:
                next(response.iter_raw())
                time.sleep(TOKEN_S)

    call = recorded(in_task(work))["model_calls"].iloc[0]
    assert call["end_ns"] - call["headers_ns"] >= TOKEN_S * 1e9
    assert call["first_token_ns"] is not None
    assert call["error"] is None or call[["error"]].isna().all()


def test_waiting_for_a_free_connection_of_a_pool_is_pool_wait(recorded, url):
    def work():
        limits = httpx.Limits(max_connections=1)
        with httpx.Client(limits=limits) as client:
            threads = [
                threading.Thread(target=client.post, args=(url + MODEL,), kwargs={"json": {"do": "plain"}})
                for _ in range(2)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    segments = recorded(in_task(work))["segments"].query("wait_state == 'pool_wait'")
    assert (segments["end_ns"] - segments["start_ns"]).max() > 0.6 * FIRST_S * 1e9


def test_a_wait_around_a_request_goes_on_after_it(recorded, url):
    """A loop's callback that blocks in a request leaves its thread waiting for the loop, as it found it."""

    def program():
        loop = asyncio.new_event_loop()

        def callback():
            httpx.get(url)
            loop.call_later(FIRST_S, loop.stop)

        loop.call_soon(callback)
        with orchprof.task("t"):
            loop.run_forever()
        loop.close()

    tables = recorded(program)
    task = tables["tasks"]["task"].iloc[0]
    last = tables["segments"].query("strand == @task and join").sort_values("start_ns").iloc[-1]
    assert last["end_ns"] - last["start_ns"] > 0.9 * FIRST_S * 1e9


def test_the_programs_own_request_is_left_as_it_was(recorded, url):
    def program():
        with httpx.Client() as client:
            request = client.build_request("GET", url, extensions={"mine": 1})
            before = request.extensions
            client.send(request)
            assert request.extensions is before
            assert set(before) == {"mine", "timeout"}

    recorded(program)


@by_client
@pytest.mark.parametrize("broken", ["_wait", "_resume", "_begin", "_keep", "_account"])
def test_what_fails_in_us_never_reaches_the_program(recorded, url, client, broken, monkeypatch):
    monkeypatch.setattr(calls.Call, broken, failing())
    bodies = []
    tables = recorded(in_task(lambda: bodies.append(client.post(url + MODEL, {"do": "stream"}))))
    assert b'"content": "c"' in bodies[0]
    assert tables["tasks"]["end_ns"].notna().all()


@by_plain_client
def test_a_recorder_that_fails_never_reaches_the_program(recorded, url, client, monkeypatch):
    def program():
        with monkeypatch.context() as patch:
            patch.setattr(ThreadClock, "snapshot", failing(threading.get_ident(), ThreadClock.snapshot))
            assert json.loads(client.post(url + MODEL, {"do": "plain"})) == REPLY

    recorded(program)


def test_an_unknown_version_is_complained_of_and_left_alone(recorded, url, monkeypatch):
    monkeypatch.delattr(http.client.HTTPResponse, "_close_conn")
    monkeypatch.setattr(http.client.HTTPResponse, "close", lambda self: self.fp.close())
    send, notes = http.client.HTTPConnection.send, []

    def program():
        assert http.client.HTTPConnection.send is send
        notes.extend(STATE.recorder.log._notes)

    recorded(program)
    assert [note[1] for note in notes if note[0] == "hook"] == ["http.client"]


def test_everything_is_put_back(recorded):
    before = {name: vars(http.client.HTTPConnection)[name] for name in ("send", "connect", "getresponse")}
    recorded(lambda: None)
    assert {name: vars(http.client.HTTPConnection)[name] for name in before} == before
