"""What following HTTP costs the client: the same requests with and without a recording, in one run.

The server is a process of its own; what is compared is the client's CPU, plain calls and streamed pieces apart. The
figure is the difference between `orchprof` and `bare` of one group, by the number of calls or pieces in a round.
"""

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import orchprof
from orchprof.capture import recorder

CALLS, PIECES = 100, 1_000
SERVER = """
import asyncio, json
DOCUMENT = b'{"model": "m1", "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 3}}'
PLAIN = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(DOCUMENT)
STREAM = b"HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n"
EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "word"}}]}\\n\\n'
CHUNK = b"%x\\r\\n" % len(EVENT) + EVENT + b"\\r\\n"

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\\r\\n")[0])
            pieces = json.loads(await reader.readexactly(length)).get("pieces")
            writer.write(STREAM if pieces else PLAIN + DOCUMENT)
            for _ in range(pieces or 0):
                writer.write(CHUNK)
                await asyncio.sleep(0.0002)
            writer.write(b"0\\r\\n\\r\\n" if pieces else b"")
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def url():
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1/chat/completions"
        server.kill()


def httpx_calls(url):
    client = httpx.Client()

    def plain():
        for _ in range(CALLS):
            client.post(url, json={})

    def streamed():
        with client.stream("POST", url, json={"pieces": PIECES}) as response:
            for _ in response.iter_raw():
                pass

    return plain, streamed, client.close


def requests_calls(url):
    session = pytest.importorskip("requests").Session()

    def plain():
        for _ in range(CALLS):
            session.post(url, json={}, timeout=10)

    def streamed():
        with session.post(url, json={"pieces": PIECES}, stream=True, timeout=10) as response:
            for _ in response.iter_content(None):
                pass

    return plain, streamed, session.close


def measure(benchmark, tmp_path: Path, url, calls, what, recorded):
    plain, streamed, close = calls(url)
    work = plain if what == "plain" else streamed
    if recorded:
        recorder.start(tmp_path)
    try:
        with orchprof.task("t"):
            benchmark.pedantic(work, rounds=7, warmup_rounds=1)
    finally:
        recorder.stop()
        close()


@pytest.mark.parametrize("recorded", [False, True], ids=["bare", "orchprof"])
@pytest.mark.parametrize("what", ["plain", "streamed"])
@pytest.mark.parametrize("calls", [httpx_calls, requests_calls], ids=lambda c: c.__name__)
@pytest.mark.benchmark(timer=time.thread_time)
def test_http(benchmark, tmp_path, url, calls, what, recorded):
    benchmark.group = (
        f"{calls.__name__}, {CALLS} calls" if what == "plain" else f"{calls.__name__}, {PIECES} pieces"
    )
    measure(benchmark, tmp_path, url, calls, what, recorded)
