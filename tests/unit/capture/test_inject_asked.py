"""Functions that are made tools or tasks by name, and requests that are tasks."""

import asyncio
import io
import json
import os
import subprocess
import sys
import textwrap
import threading
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from recorded_logs import born, notes, spans
from support import assert_tiled

import orchprof
from orchprof.capture import recorder
from orchprof.capture.inject import asked, first
from orchprof.run.finalize.finalize import finalize
from orchprof.watch.launcher import launch

FIRST = Path(first.__file__).parent
LIBRARY = """
    def find(query):
        return query.upper()
    TOOLS = [find]
    class Shelf:
        @staticmethod
        def put(x): return x
        @classmethod
        def make(cls): return cls()
        def take(self): yield 1
        async def wait(self): return 2
    constant = 3
"""
AGENT = """
    import asyncio, sys
    import library
    def search(query):
        return query * 2
    TOOLS = {"search": search}
    def main():
        print(TOOLS["search"]("ab"), library.find("c"))
        shelf = library.Shelf.make()
        print(shelf.put(1), list(shelf.take()), asyncio.run(shelf.wait()), type(shelf).__name__)
    if __name__ == "__main__":
        main()
        print(sys.gettrace())
"""


@pytest.fixture
def run(tmp_path):
    """Run `agent.py` in an empty folder; return what it said and where its logs are."""

    def start(agent, tools=(), task_from="", how=("agent.py",)):
        (tmp_path / "logs").mkdir()
        (tmp_path / "library.py").write_text(textwrap.dedent(LIBRARY))
        (tmp_path / "agent.py").write_text(textwrap.dedent(agent))
        told = {asked.TOOLS: json.dumps(tools), asked.TASK_FROM: task_from}
        env = os.environ | told | {"PYTHONPATH": str(FIRST), "ORCHPROF_LOGS": str(tmp_path / "logs")}
        command = [sys.executable, *how]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout, tmp_path / "logs"

    return start


@pytest.mark.parametrize("how", [("agent.py",), ("-m", "agent")])
def test_tools_are_found_in_the_program_and_in_what_it_imports(run, how):
    wanted = ["agent:search", "library:find", "library:Shelf.put", "library:Shelf.make", "library:Shelf.take",
              "library:Shelf.wait"]  # fmt: skip
    said, logs = run(AGENT, wanted, how=how)
    assert said == "abab C\n1 [1] 2 Shelf\nNone\n"
    assert spans(logs) == [("tool", name) for name in ("search", "find", "make", "put", "take", "wait")]
    assert sorted(place for (place,) in notes(logs, "label")) == sorted(wanted)


def test_the_programs_own_name_is_main_too(run):
    assert spans(run(AGENT, ["__main__:search"])[1]) == [("tool", "search")]


def test_what_is_not_there_or_no_function_is_told_and_changes_nothing(run):
    said, logs = run(AGENT, ["library:constant", "library:nothing", "library:Shelf.nothing", "nowhere:f"])
    assert said.startswith("abab C\n")
    assert notes(logs, "label") == []
    assert sorted(where for where, _ in notes(logs, "hook")) == ["library:Shelf.nothing", "library:constant"]


def test_the_outermost_call_of_a_function_is_a_task(run):
    agent = """
        def answer(depth):
            return depth and answer(depth - 1)
        answer(2)
        answer(0)
    """
    _, logs = run(agent, task_from="agent:answer")
    assert born(logs, "task") == ["answer", "answer"]
    assert spans(logs) == []  # a call inside its like is that same call


def test_coroutine_functions_that_run_side_by_side_are_a_task_each(run):
    agent = """
        import asyncio
        async def answer(n):
            await asyncio.sleep(0.001)
        async def main():
            await asyncio.gather(answer(1), answer(2))
        asyncio.run(main())
    """
    assert born(run(agent, task_from="agent:answer")[1], "task") == ["answer", "answer"]


def test_the_whole_program_is_one_task_with_all_that_it_starts(run):
    agent = """
        import os, subprocess, sys
        subprocess.run([sys.executable, "-c", "pass"])
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
    """
    _, logs = run(agent, task_from="program")
    assert born(logs, "task") == ["agent.py"]
    assert len(notes(logs, "meta")) == 2  # a forked child that does nothing is its parent's to know


@pytest.fixture
def serving(tmp_path, monkeypatch):
    monkeypatch.setenv(asked.TASK_FROM, "http")
    recorder.start(tmp_path, hooks=(asked.hook,))
    yield tmp_path
    recorder.stop()


def test_a_request_to_an_asgi_server_is_one_task(serving):
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    app = Starlette(routes=[Route("/ask/{what}", lambda request: PlainTextResponse("fine"))])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))

    async def ask():
        serve = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  it has no event to wait for
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        answer = await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/ask/me?really=1")
        server.should_exit = True
        await serve
        return answer

    assert asyncio.run(ask()) == b"fine"
    recorder.stop()
    assert born(serving, "task") == ["GET /ask/me"]


async def _served(app, path):
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    serve = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  it has no event to wait for
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    answer = await asyncio.to_thread(_get, f"http://127.0.0.1:{port}{path}")
    server.should_exit = True
    await serve
    return answer


@pytest.mark.parametrize("streams", [False, True])
def test_a_request_ends_with_its_last_byte_and_not_after_background_tasks(serving, streams):
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    async def later():
        with orchprof.span("later"):
            await asyncio.sleep(0.02)

    async def chunks():
        for part in ("fi", "ne"):
            await asyncio.sleep(0.005)
            yield part

    def answer(_request):
        kind, body = (StreamingResponse, chunks()) if streams else (PlainTextResponse, "fine")
        return kind(body, background=BackgroundTask(later))

    assert asyncio.run(_served(Starlette(routes=[Route("/", answer)]), "/")) == b"fine"
    recorder.stop()
    tables = finalize(serving.glob("*.bin"))[0]
    (task,) = tables["tasks"].itertuples()
    (span,) = tables["spans"].query("name == 'later'").itertuples()
    assert (task.end_ns <= span.start_ns, pd.isna(span.task)) == (True, True)
    assert (task.end_ns - task.start_ns >= 10e6) == streams
    assert tables["segments"].query(f"strand == {task.task} and wait_state == 'unexplained'").empty
    assert_tiled(tables)


def test_a_wsgi_request_ends_before_what_its_body_does_when_closed(serving):
    from wsgiref.handlers import SimpleHandler

    class Body:
        def __iter__(self):
            return iter([b"fine"])

        def close(self):
            with orchprof.span("later"):
                pass

    def app(environ, start_response):
        start_response("200 OK", [])
        return Body()

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/ask", "SERVER_PROTOCOL": "HTTP/1.1"}
    SimpleHandler(io.BytesIO(), io.BytesIO(), io.BytesIO(), environ).run(app)
    recorder.stop()
    tables = finalize(serving.glob("*.bin"))[0]
    assert tables["tasks"]["name"].tolist() == ["GET /ask"]
    assert tables["spans"]["task"].isna().tolist() == [True]


def test_a_request_to_a_wsgi_server_is_one_task(serving):
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log_message(self, *args):
            pass

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"fine"]

    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert _get(f"http://127.0.0.1:{server.server_port}/ask") == b"fine"
        thread.join()
    recorder.stop()
    assert born(serving, "task") == ["GET /ask"]


def _get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def test_a_program_sees_no_trace_function_but_its_own(run):
    agent = """
        import sys, threading
        print(sys.gettrace(), sys.getprofile())

        def before():
            return sys.gettrace()

        print(before())

        def search(x):
            return x

        print(search(1), sys.gettrace(), sys._getframe().f_trace, sys.gettrace)

        def mine(*_):
            return None

        sys.settrace(mine)
        print(sys.gettrace() is mine)
        sys.settrace(None)
    """
    said = "None None\nNone\n1 None None <built-in function gettrace>\nTrue\n"
    assert run(agent, ["__main__:search"])[0] == said


def test_a_program_that_traces_itself_is_left_alone(run):
    agent = """
        import sys

        def mine(frame, event, arg):
            return mine

        sys.settrace(mine)

        def search(x):
            return x

        print(search(1), sys.gettrace() is mine)
        sys.settrace(None)
    """
    assert run(agent, ["__main__:search"])[0] == "1 True\n"


SERVER = """
import asyncio, threading, urllib.request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
import uvicorn

async def index(request):
    await asyncio.sleep(0.01)
    return PlainTextResponse("hi")

app = Starlette(routes=[Route("/", index)])
server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))

def ask():
    while not server.started:
        pass
    port = server.servers[0].sockets[0].getsockname()[1]
    for _ in range(3):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/").read()
    server.should_exit = True
"""
SERVES = "threading.Thread(target=ask).start()\nserver.run()\n"
ASKS = "thread = threading.Thread(target=server.run)\nthread.start()\nask()\nthread.join()\n"


@pytest.mark.parametrize(("body", "found"), [(SERVES, 3), (ASKS, 1), ("import orchprof\n@orchprof.task\n"
    "def work(): pass\nwork()\n" + SERVES, 1)], ids=["server", "agent", "tasks"])  # fmt: skip
def test_the_requests_of_a_program_that_is_a_server_are_its_tasks(tmp_path, body, found):
    (tmp_path / "agent.py").write_text(SERVER + body)
    (tmp_path / "logs").mkdir()
    ended = launch([sys.executable, str(tmp_path / "agent.py")], tmp_path / "logs")
    assert ended.code == 0
    tables, findings, _ = finalize((tmp_path / "logs").glob("*.bin"), whole_programs=True)
    assert len(tables["tasks"]) == found
    assert ("served_requests" in {each["code"] for each in findings}) == (found == 3)
