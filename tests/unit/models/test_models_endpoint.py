"""The endpoint over HTTP: its format, its clock, its errors, its process, and how exact its times are."""

import asyncio
import contextlib
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import uvicorn

from orchprof import clocks
from orchprof.clocks import reply
from orchprof.errors import ModelError
from orchprof.models import script, web
from orchprof.models.endpoint_process import start
from orchprof.models.explain import resolve
from orchprof.models.source import Spent, Work, ZeroSource
from orchprof.models.source_paced import PacedSource
from orchprof.models.spec import DEFAULT_SPEC, parse

TOOL = {"type": "function", "function": {"name": "search", "parameters": {}}}


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """Let the endpoint's process import the scripts beside this file."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), before]))
    yield
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def zero():
    with start("zero", "scripted_models:tools", {"query": "cats"}) as endpoint:
        yield endpoint


def _ask(endpoint, **more):
    return {
        "model": endpoint.model,
        "messages": [{"role": "user", "content": "go on"}],
        "tools": [TOOL],
    } | more


def _post(endpoint, body):
    return httpx.post(f"{endpoint.base_url}/chat/completions", json=body, timeout=30)


def _events(endpoint, body):
    reply = _post(endpoint, body | {"stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in reply.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def test_it_is_there(zero):
    assert httpx.get(f"{zero.base_url}/models").json()["data"][0]["id"] == "zero"
    assert httpx.get(zero.base_url.replace("/v1", "/health")).json() == {"status": "ok"}
    assert (zero.provenance, zero.band) == ("measured", None)


def test_a_completion_with_a_tool_call(zero):
    body = _post(zero, _ask(zero)).json()
    (choice,) = body["choices"]
    assert body["object"] == "chat.completion"
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "search", "arguments": '{"query": "cats"}'}
    # "search" and the arguments are 23 characters.
    assert body["usage"]["completion_tokens"] == 6
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + 6
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}
    assert body["orchprof"]["decisions"] == "scripted"


def test_the_clock_reads_back(zero):
    reply = _post(zero, _ask(zero))
    clock = clocks.read(reply.json(), reply.headers)
    assert (clock.queue_ns, clock.prefill_ns, clock.decode_ns, clock.accelerator_ns) == (0, 0, 0, 0)
    assert clock.provenance == "measured"
    assert clock.total_ns > 0


def test_a_stream_says_the_same(zero):
    *chunks, last = _events(zero, _ask(zero, stream_options={"include_usage": True}))
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 6
    assert clocks.read(last, {}).total_ns > 0
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert len({chunk["id"] for chunk in chunks}) == 1
    parts = [part for chunk in chunks for part in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert parts[0]["function"]["name"] == "search"
    assert "".join(part["function"]["arguments"] for part in parts) == '{"query": "cats"}'


def test_a_stream_without_usage_asked_for_carries_the_clock_in_its_last_chunk(zero):
    *_, last = _events(zero, _ask(zero))
    assert last["choices"][0]["finish_reason"] == "tool_calls"
    assert clocks.read(last, {}) is not None


def test_the_answer_follows_the_conversation(zero):
    asked = _ask(zero)
    asked["messages"].append({"role": "tool", "content": "three cats"})
    chunks = _events(zero, asked)
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == "found three cats"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b'{"model": "zero"}', 400, "missing_messages"),
        (b'{"model": "other", "messages": [{"role": "user"}]}', 404, "model_not_found"),
    ],
)
def test_errors_are_openai_s(zero, content, status, code):
    reply = httpx.post(f"{zero.base_url}/chat/completions", content=content)
    assert reply.status_code == status
    assert reply.json()["error"]["code"] == code
    assert reply.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("GET", "/v1/models/other/one", 404, "model_not_found"),
    ],
)
def test_the_router_s_errors_are_openai_s_too(zero, method, path, status, code):
    reply = httpx.request(method, zero.base_url.removesuffix("/v1") + path)
    assert reply.status_code == status
    assert reply.json()["error"]["code"] == code
    assert reply.json()["error"]["type"] == "invalid_request_error"


def test_one_model_can_be_asked_for(zero):
    card = httpx.get(f"{zero.base_url}/models/zero").json()
    assert card == httpx.get(f"{zero.base_url}/models").json()["data"][0]
    assert (card["id"], card["object"]) == ("zero", "model")


def _urls(endpoint):
    """Return where each wire is asked, and what for."""
    base = endpoint.base_url
    said = [{"role": "user", "content": "hi"}]
    contents = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    return {
        f"{base}/chat/completions": {"model": "zero", "messages": said},
        f"{base}/responses": {"model": "zero", "input": "hi"},
        f"{base}/messages?beta=true": {"model": "zero", "messages": said, "max_tokens": 9},
        f"{base}beta/models/zero:generateContent": contents,
        f"{base}/models/zero:generateContent": contents,
    }


@pytest.fixture(scope="module")
def echo():
    with start("zero") as endpoint:
        yield endpoint


def test_one_script_answers_over_every_wire(echo):
    for url, body in _urls(echo).items():
        reply = httpx.post(url, json=body)
        assert (reply.status_code, '"hi"' in reply.text) == (200, True), url
        assert clocks.read(reply.json(), reply.headers).total_ns > 0
        assert reply.headers["x-request-id"].startswith("req_")
        assert reply.headers["x-request-id"] == reply.headers["request-id"]


def test_streams_over_every_wire(echo):
    for url, body in _urls(echo).items():
        streams = url.replace(":generateContent", ":streamGenerateContent?alt=sse")
        reply = httpx.post(streams, json=body if "contents" in body else body | {"stream": True})
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert '"hi"' in reply.text, url
        assert reply.headers["x-request-id"]
    reply = httpx.post(url.replace(":generate", ":streamGenerate"), json=body)
    assert reply.headers["content-type"] == "application/json"
    assert [chunk.get("usageMetadata") is None for chunk in reply.json()] == [True, False]


def test_other_models_are_refused_in_the_vendor_s_form(echo):
    for url, body in _urls(echo).items():
        reply = httpx.post(url.replace("/zero:", "/other:"), json=body | {"model": "other"})
        assert reply.status_code == 404, url
        assert "no model 'other'" in reply.json()["error"]["message"]
        assert (reply.json().get("type") == "error") == ("/messages" in url)


def test_any_model_may_be_asked_for():
    with start("zero", any_model=True) as endpoint:
        for url, body in _urls(endpoint).items():
            reply = httpx.post(url.replace("/zero:", "/other:"), json=body | {"model": "other"})
            assert reply.status_code == 200, url
            assert (reply.json().get("model") or reply.json()["modelVersion"]) == "other"
        assert httpx.get(f"{endpoint.base_url}/models/other").json()["id"] == "other"


def test_tokens_are_counted_without_an_answer(echo):
    said = {"model": "zero", "messages": [{"role": "user", "content": "four words are here"}]}
    assert httpx.post(f"{echo.base_url}/messages/count_tokens", json=said).json() == {"input_tokens": 7}
    contents = {"contents": [{"role": "user", "parts": [{"text": "four words are here"}]}]}
    counted = httpx.post(f"{echo.base_url}beta/models/zero:countTokens", json=contents)
    assert counted.json() == {"totalTokens": 7}


def test_models_are_listed_for_each_vendor(echo):
    assert httpx.get(f"{echo.base_url}beta/models").json()["models"][0]["name"] == "models/zero"
    listed = httpx.get(f"{echo.base_url}/models").json()
    assert (listed["object"], listed["has_more"], listed["data"][0]["type"]) == ("list", False, "model")


def test_a_websocket_is_refused_so_that_the_client_posts(echo):
    asks = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "eA==",
    }
    assert httpx.get(f"{echo.base_url}/responses", headers=asks).status_code == 426
    assert httpx.get(f"{echo.base_url}/responses").status_code == 405


def test_what_gemini_s_path_asks_for_and_is_not_here(echo):
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    for path in ("beta/models/zero:embedContent", "/models/zero:embedContent"):
        reply = httpx.post(f"{echo.base_url}{path}", json=body)
        assert (reply.status_code, reply.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert httpx.get(f"{echo.base_url}/models/a:b").json()["error"]["code"] == "model_not_found"


class Speaking(ZeroSource):
    """A model with words of its own: a thought, a word, a call."""

    asked = None

    async def converse(self, body):
        self.asked = body
        call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        for delta in (
            {"role": "assistant", "content": None},
            {"reasoning_content": "hm"},
            {"tool_calls": [call]},
        ):
            yield {"choices": [{"delta": delta}]}, None
        usage = {"prompt_tokens": 5, "completion_tokens": 3}
        last = {"choices": [{"delta": {}, "finish_reason": "tool_calls"}], "usage": usage}
        yield last, Spent(0.0, 0.1, 0.2)


def test_a_model_s_own_words_go_over_every_wire():
    async def ask(url, body):
        source = Speaking()
        transport = httpx.ASGITransport(web.app(web.Service("zero", source, None)))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            whole = (await client.post(url, json=body)).json()
            streams = url.replace(":generateContent", ":streamGenerateContent?alt=sse")
            events = await client.post(streams, json=body if "contents" in body else body | {"stream": True})
            return source.asked, whole, reply.account(reply.streamed([events.content]), {}), events.text

    for url, body in _urls(SimpleNamespace(base_url="/v1")).items():
        asked, whole, told, events = asyncio.run(ask(url, body))
        assert asked["messages"] == [{"role": "user", "content": "hi"}], url
        assert '"hm"' in events
        assert '"f"' in events
        assert (told["input_tokens"], told["output_tokens"], told["decisions"]) == (5, 3, "model"), url
        assert '"f"' in json.dumps(whole)


class Faulty(ZeroSource):
    """A time source with a fault of its own."""

    async def count(self, text):
        raise LookupError("lost count")


def test_a_fault_in_here_is_a_server_error_in_openai_s_form():
    async def ask():
        faulty = web.app(web.Service("zero", Faulty(), script.load(script.ECHO, {}, 0)))
        transport = httpx.ASGITransport(faulty, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            body = {"model": "zero", "messages": [{"role": "user", "content": "hi"}]}
            return await client.post("/v1/chat/completions", json=body)

    reply = asyncio.run(ask())
    assert reply.status_code == 500
    error = reply.json()["error"]
    assert (error["type"], error["code"]) == ("server_error", "internal_error")
    assert error["message"] == "LookupError: lost count"


def _paced_source():
    return PacedSource(resolve(parse(DEFAULT_SPEC)))


def test_a_cancelled_handler_takes_its_request_out_of_the_batch():
    async def leave():
        source = _paced_source()

        async def listen():
            async for _ in source.generate(Work("", 100, 100_000, stream=True)):
                heard.set()

        heard = asyncio.Event()
        listening = asyncio.create_task(listen())
        await heard.wait()
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        return await _empty(source)

    assert asyncio.run(leave())


async def _empty(source):
    """Wait until nothing is in the source's batch; return whether that came to be."""
    for _ in range(400):
        if math.isinf(source._batch.next_event_s()):
            return True
        await asyncio.sleep(0.005)
    return False


def test_a_client_that_hangs_up_takes_its_request_out_of_the_batch():
    async def hang_up():
        source = _paced_source()
        service = web.Service("m", source, script.load(script.ECHO, {"output_tokens": 100_000}, 0))
        config = uvicorn.Config(
            web.app(service), log_level="warning", lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
            async with httpx.AsyncClient() as client, client.stream("POST", url, json=body) as reply:
                await anext(reply.aiter_lines())
                busy = math.isfinite(source._batch.next_event_s())
            gone = await _empty(source)
            server.should_exit = True
            await serving
        return busy, gone

    assert asyncio.run(hang_up()) == (True, True)


def test_a_script_that_fails_is_a_server_error():
    with start("zero", "scripted_models:broken") as endpoint:
        reply = _post(endpoint, _ask(endpoint))
    assert reply.status_code == 500
    assert "KeyError" in reply.json()["error"]["message"]


def test_a_conversation_that_is_too_long():
    with start("paced:qwen3-8b@h100", settings={"output_tokens": 50_000}) as endpoint:
        reply = _post(endpoint, _ask(endpoint))
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "context_length_exceeded"


def test_the_process_ends_with_the_block():
    with start("zero") as endpoint:
        assert Path(f"/proc/{endpoint.pid}").exists()
    assert not Path(f"/proc/{endpoint.pid}").exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{endpoint.base_url}/models")


def test_it_dies_with_its_parent():
    arguments = {"spec": "zero", "script": None, "settings": {}, "seed": 0, "die_with_parent": True}
    with subprocess.Popen(
        [sys.executable, "-m", "orchprof.models.endpoint", json.dumps(arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert json.loads(child.stdout.readline())["model"] == "zero"
        child.stdin.close()
        assert child.wait(10) == 0


def test_what_does_not_start_says_why():
    with pytest.raises(ModelError, match="no such script, 'nowhere:f'"), start("zero", "nowhere:f"):
        pass
    with pytest.raises(ModelError, match="no such file"), start("llama:/nowhere/x.gguf"):
        pass


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = {"spec": "zero", "script": None, "settings": {}, "seed": 0, "port": port}
        done = subprocess.run(
            [sys.executable, "-m", "orchprof.models.endpoint", json.dumps(arguments)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot listen")
    assert done.stdout == ""


def test_somebody_s_server(zero):
    with start(f"{zero.base_url}#zero") as endpoint:
        assert (endpoint.base_url, endpoint.model, endpoint.pid) == (zero.base_url, "zero", None)
        assert endpoint.provenance == "reported"
    with pytest.raises(ModelError, match="cannot reach the server"), start("http://127.0.0.1:9/v1#m"):
        pass


async def _timed(client, endpoint, prompt):
    """Stream once; return when the first token and the end came, and when the clock says that they should.

    Both count from the instant the request's last byte has left, as the capture does.
    """
    sent_s = []

    async def trace(name, info):
        if name == "http11.send_request_body.complete":
            sent_s.append(time.perf_counter())

    body = {"model": endpoint.model, "messages": [{"role": "user", "content": prompt}], "stream": True}
    first_s = None
    url, extensions = f"{endpoint.base_url}/chat/completions", {"trace": trace}
    async with client.stream("POST", url, json=body, extensions=extensions) as reply:
        async for line in reply.aiter_lines():
            if line.startswith("data: {"):
                first_s = first_s or time.perf_counter() - sent_s[0]
                last = line
    total_s = time.perf_counter() - sent_s[0]
    clock = clocks.read(json.loads(last.removeprefix("data: ")), {})
    first_ns = clock.queue_ns + clock.prefill_ns
    return first_s, first_ns / 1e9, total_s, (first_ns + clock.decode_ns) / 1e9


async def _clients(endpoint, concurrency, rounds):
    """Return the times of clients that ask together, connected beforehand. Threads would wait for the GIL."""
    async with httpx.AsyncClient(timeout=60) as client:
        await asyncio.gather(*(_timed(client, endpoint, "warm up") for _ in range(concurrency)))
        results = []
        for _ in range(rounds):
            results += await asyncio.gather(
                *(_timed(client, endpoint, "word " * 6400) for _ in range(concurrency))
            )
        return results


def _exact(endpoint, concurrency, rounds):
    """Return whether the medians of |actual - intended| are below 2 % or 1 ms, and the figures."""
    results = asyncio.run(_clients(endpoint, concurrency, rounds))
    first = statistics.median(abs(actual - intended) for actual, intended, _, _ in results)
    total = statistics.median(abs(actual - intended) for _, _, actual, intended in results)
    first_limit = max(0.001, 0.02 * statistics.median(row[1] for row in results))
    total_limit = max(0.001, 0.02 * statistics.median(row[3] for row in results))
    return first < first_limit and total < total_limit, (first, first_limit, total, total_limit)


@pytest.mark.parametrize(("concurrency", "rounds"), [(1, 7), (8, 1)])
def test_times_are_exact_as_the_client_sees_them(concurrency, rounds):
    with start(DEFAULT_SPEC, settings={"output_tokens": 40}) as endpoint:
        exact, figures = _exact(endpoint, concurrency, rounds)
        if not exact:  # one more chance on a machine that has other things to do
            exact, figures = _exact(endpoint, concurrency, rounds)
    sys.stderr.write(f"concurrency {concurrency}: {figures}\n")
    assert exact, figures
