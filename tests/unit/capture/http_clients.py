"""A model server whose timing is known, and every client library behind one face."""

import asyncio
import contextlib
import gzip
import json
import time
import urllib.request
import zlib
from http.server import BaseHTTPRequestHandler

import pytest

FIRST_S, TOKEN_S, LONG_S = 0.06, 0.02, 0.5

REPLY = {"model": "m1", "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}}

MODEL = "/v1/chat/completions"


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args):
        pass

    def do_GET(self):
        if self.path == "/moved":
            self.answer(b"", status=302, location="/there")
        else:
            self.answer(b"a tool's result")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with contextlib.suppress(OSError):  # a client may be gone
            getattr(self, asked["do"])()

    def plain(self):
        time.sleep(FIRST_S)
        self.answer(json.dumps(REPLY).encode())

    def chunked(self):
        self.start("application/json")
        data = json.dumps(REPLY).encode()
        for part in (data[:7], data[7:]):
            self.chunk(part)
        self.wfile.write(b"0\r\n\r\n")

    def stall(self):
        time.sleep(LONG_S)
        self.answer(b"{}")

    def stream(self):
        self.start("text/event-stream")
        self.event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        time.sleep(FIRST_S)
        for token in "abc":
            self.event({"choices": [{"delta": {"content": token}}]})
            time.sleep(TOKEN_S)
        self.event(REPLY)
        self.wfile.write(b"0\r\n\r\n")

    def anthropic(self):
        self.start("text/event-stream")
        told = {"input_tokens": 5, "cache_read_input_tokens": 120, "cache_creation_input_tokens": 30}
        self.event(
            {"type": "message_start", "message": {"model": "m1", "usage": told | {"output_tokens": 1}}}
        )
        time.sleep(FIRST_S)
        for _ in range(30):
            self.event(
                {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "word " * 1000}}
            )
        self.event({"type": "message_delta", "usage": {"output_tokens": 42}})
        self.wfile.write(b"0\r\n\r\n")

    def packed(self):
        self.answer(gzip.compress(json.dumps(REPLY).encode()), **{"content-encoding": "gzip"})

    def packed_stream(self):
        self.start("text/event-stream", **{"content-encoding": "gzip"})
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        for wait_s, document in (
            (0, {"choices": [{"delta": {"role": "assistant", "content": ""}}]}),
            (FIRST_S, {"choices": [{"delta": {"content": "a"}}]}),
            (TOKEN_S, REPLY),
        ):
            time.sleep(wait_s)
            line = b"data: " + json.dumps(document).encode() + b"\n\n"
            self.chunk(packer.compress(line) + packer.flush(zlib.Z_SYNC_FLUSH))
        self.chunk(packer.flush())
        self.wfile.write(b"0\r\n\r\n")

    def cut_off(self):
        self.start("text/event-stream")
        self.event({"choices": [{"delta": {"content": "a"}}]})
        self.close_connection = True

    def answer(self, data, status=200, **headers):
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def start(self, kind, **headers):
        self.send_response(200)
        for name, value in {"content-type": kind, "transfer-encoding": "chunked", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def event(self, document):
        self.chunk(b"data: " + json.dumps(document).encode() + b"\n\n")

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


class Httpx:
    name, timed_out = "httpx", "ReadTimeout"

    @property
    def library(self):
        return pytest.importorskip(self.name)

    def post(self, url, body, timeout=5):
        return self.library.post(url, json=body, timeout=timeout).content

    def get(self, url):
        return self.library.get(url, follow_redirects=True).content

    def opened(self, url, body):
        client = self.library.Client()
        return client.send(client.build_request("POST", url, json=body), stream=True)


class AsyncHttpx(Httpx):
    def post(self, url, body, timeout=5):
        async def program():
            async with self.library.AsyncClient() as client:
                return (await client.post(url, json=body, timeout=timeout)).content

        return asyncio.run(program())

    def get(self, url):
        async def program():
            async with self.library.AsyncClient(follow_redirects=True) as client:
                return (await client.get(url)).content

        return asyncio.run(program())


class Httpx2(Httpx):
    name = "httpx2"


class AsyncHttpx2(AsyncHttpx):
    name = "httpx2"


class Aiohttp:
    timed_out = "SocketTimeoutError"

    def post(self, url, body, timeout=5):
        aiohttp = pytest.importorskip("aiohttp")

        async def program():
            limits = aiohttp.ClientTimeout(sock_read=timeout)
            async with aiohttp.ClientSession() as session:
                async with session.post(url, json=body, timeout=limits) as response:
                    return await response.read()

        return asyncio.run(program())

    def get(self, url):
        aiohttp = pytest.importorskip("aiohttp")

        async def program():
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                return await response.read()

        return asyncio.run(program())


class Requests:
    timed_out = "TimeoutError"

    def post(self, url, body, timeout=5):
        requests = pytest.importorskip("requests")
        return requests.post(url, json=body, timeout=timeout).content

    def get(self, url):
        return pytest.importorskip("requests").get(url, timeout=5).content

    def opened(self, url, body):
        return pytest.importorskip("requests").post(url, json=body, stream=True, timeout=5)


class Urllib3(Requests):
    def post(self, url, body, timeout=5):
        urllib3 = pytest.importorskip("urllib3")
        with urllib3.PoolManager(retries=False) as pool:
            return pool.request("POST", url, json=body, timeout=timeout).data

    def get(self, url):
        with pytest.importorskip("urllib3").PoolManager() as pool:
            return pool.request("GET", url).data

    def opened(self, url, body):
        pool = pytest.importorskip("urllib3").PoolManager()
        return pool.request("POST", url, json=body, preload_content=False)


class Urllib(Requests):
    def post(self, url, body, timeout=5):
        with self.opened(url, body, timeout) as response:
            return response.read()

    def get(self, url):
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read()

    def opened(self, url, body, timeout=5):
        request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
        return urllib.request.urlopen(request, timeout=timeout)


CLIENTS = [Httpx, AsyncHttpx, Httpx2, AsyncHttpx2, Aiohttp, Requests, Urllib3, Urllib]

by_client = pytest.mark.parametrize("client", [kind() for kind in CLIENTS], ids=[k.__name__ for k in CLIENTS])

by_plain_client = pytest.mark.parametrize(
    "client", [Httpx(), Requests(), Urllib3(), Urllib()], ids=lambda c: type(c).__name__
)
