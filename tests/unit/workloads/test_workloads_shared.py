"""The cache, the chat client and the rules that every workload keeps."""

import asyncio
import importlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from orchprof_workloads import cache, chat, chem, fanout, math, overhead, rag, swe, toolserver, web

WORKLOADS = [chem, fanout, math, overhead, rag, swe, toolserver, web]


def test_a_folder_is_built_once(cache):
    from orchprof_workloads.cache import folder

    built = []

    def build(scratch):
        built.append(scratch)
        (scratch / "file").write_text("made")

    first, second = folder("kind", ["a"], build), folder("kind", ["a"], build)
    assert first == second == next(cache.joinpath("orchprof").glob("kind-*"))
    assert (first / "file").read_text() == "made"
    assert len(built) == 1


def test_other_inputs_give_another_folder():
    assert cache.folder("kind", ["a"], lambda _: None) != cache.folder("kind", ["b"], lambda _: None)


def test_a_failed_build_leaves_nothing(cache):
    from orchprof_workloads.cache import folder

    def fail(scratch):
        (scratch / "half").touch()
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        folder("broken", ["a"], fail)
    assert not [path for path in cache.joinpath("orchprof").iterdir() if "broken" in path.name]


def test_two_builders_at_once_share_the_first_result():
    both_building = threading.Barrier(2)
    found = []

    def build(scratch):
        (scratch / "file").write_text("whole")
        both_building.wait(10)

    threads = [
        threading.Thread(target=lambda: found.append(cache.folder("race", ["a"], build))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert (found[0] / "file").read_text() == "whole"


def test_padding_reaches_the_length_and_never_cuts():
    assert chat.pad("short", 0, "source text") == "short"
    assert chat.pad("a text that is long enough", 2, "source text") == "a text that is long enough"
    assert chat.pad("said", 5, "abc `def`") == "said\n\nabc def abc de"
    assert chat.pad("said", 50, "") == "said"


def test_both_clients_label_their_calls(serve, defaults, labels):
    endpoint = serve(rag, defaults(rag))
    request = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}

    async def ask():
        client = chat.async_client(endpoint.url)
        reply = await client.chat.completions.create(**request)
        await client.close()
        return reply

    with chat.client(endpoint.url) as client:
        said = client.chat.completions.create(**request).choices[0].message.content
    assert said == asyncio.run(ask()).choices[0].message.content == "I do not know."
    assert labels == [("client", "chat")] * 2


def test_the_asynchronous_label_covers_the_wait(serve, defaults, recorded):
    endpoint = serve(rag, defaults(rag))

    async def ask():
        client = chat.async_client(endpoint.url)
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
        await client.close()

    tables = recorded(lambda: asyncio.run(ask()))
    chats = tables["spans"][tables["spans"]["name"] == "chat"]
    called = tables["model_calls"]
    assert len(chats) == len(called) == 1
    assert chats["start_ns"].iloc[0] <= called["sent_ns"].iloc[0] < called["end_ns"].iloc[0]
    assert called["end_ns"].iloc[0] <= chats["end_ns"].iloc[0]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_what_a_workload_declares_fits_together(workload):
    assert set(workload.QUICK) <= set(workload.SETTINGS)
    assert set(workload.REQUIRES) == set(workload.VARIANTS)
    assert all(help_ and type(default) in (int, str) for default, help_ in workload.SETTINGS.values())
    assert "\n" not in workload.SUMMARY


@pytest.mark.parametrize("name", ["orchprof_workloads", "workloads"])
@pytest.mark.parametrize(
    "workload", ["chem", "fanout", "math", "overhead", "rag", "swe", "toolserver", "web"]
)
def test_a_workload_imports_cheaply_and_finds_its_script_under_both_names(name, workload):
    code = (
        f"import sys, {name}.{workload} as workload\n"
        "heavy = {'numpy', 'faiss', 'openai', 'haystack', 'networkx', 'minisweagent', 'wordllama', "
        "'sympy', 'rdkit', 'langchain', 'langgraph', 'mcp', 'sumy', 'selectolax', 'trafilatura'}\n"
        "print(sorted(heavy & set(sys.modules)), workload.SCRIPT)\n"
    )
    root = Path(__file__).parents[3]
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=root)
    assert printed == f"[] {name}.{workload}.script:make\n"
    assert callable(importlib.import_module(f"orchprof_workloads.{workload}.script").make)


@pytest.mark.parametrize(
    ("workload", "variant", "package"),
    [
        (rag, "haystack", "haystack"),
        (rag, "bare", "faiss"),
        (swe, "mini-swe-agent", "minisweagent"),
        (math, "openai", "sympy"),
        (math, "bare", "httpx"),
        (chem, "langgraph", "langgraph"),
        (chem, "bare", "rdkit"),
        (web, "langgraph", "langgraph"),
        (fanout, "langgraph", "langchain_openai"),
        (fanout, "bare", "httpx"),
        (toolserver, "stdio", "mcp"),
        (overhead, "httpx", "httpx"),
        (overhead, "haystack", "haystack"),
    ],
)
def test_a_missing_package_is_an_import_error_of_open(workload, variant, package, defaults):
    code = (
        f"import sys, pathlib, {workload.__name__} as workload\n"
        f"sys.modules[{package!r}] = None\n"
        f"try: workload.open({defaults(workload)}, 1, {variant!r}, 'http://x/v1', 'm', pathlib.Path())\n"
        "except ImportError as error: print(error.name.partition('.')[0])\n"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == package
    assert package in workload.REQUIRES[variant]


def test_event_loops_that_take_turns_keep_their_own_client_and_each_is_closed():
    from orchprof_workloads.chat import AsyncClients

    clients = AsyncClients("http://127.0.0.1:1/v1")

    async def current():
        return clients.current()

    with asyncio.Runner() as one, asyncio.Runner() as other:
        turns = [runner.run(current()) for runner in (one, other, one, other)]
        assert turns[0] is turns[2] is not turns[1]
        assert turns[1] is turns[3]
        for runner in (one, other):
            runner.run(clients.aclose())
        assert turns[0].is_closed()
        assert turns[1].is_closed()
