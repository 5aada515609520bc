"""Errors that pass through hooks: printed, logged or looked at, they are what they are without a recording."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import orchprof.capture.inject.first
from orchprof.capture.frames import hidden

FIRST = Path(orchprof.capture.inject.first.__file__).parent

PROGRAM = """
import asyncio, concurrent.futures as futures, http.client, multiprocessing, os, queue, subprocess, sys, threading
import time, traceback

import orchprof

def bad(*_):
    raise ValueError("bad")

async def abad():
    await asyncio.sleep(0)
    bad()

def find(x):
    bad()

async def afind(x):
    bad()

def finds(x):
    yield x
    bad()

async def afinds(x):
    yield x
    bad()

async def drain(items):
    return [item async for item in items]

@orchprof.tool()
def decorated():
    bad()

def show(what, call):
    print("==", what)
    try:
        call()
    except BaseException:
        print(traceback.format_exc())

def in_pool(take):
    with futures.ThreadPoolExecutor(1) as pool:
        take(pool)

def in_process(take):
    with futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        take(pool)

def in_workers(take):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        take(pool)

def in_thread(kind, *args):
    thread = kind(*args)
    thread.start()
    thread.join()

async def callbacks():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, told: print(*traceback.format_exception(told["exception"])))
    loop.call_soon(bad)
    loop.call_later(0, bad)
    await asyncio.sleep(0.01)

def interrupt():
    raise KeyboardInterrupt

async def interrupted():
    asyncio.get_running_loop().call_soon(interrupt)
    await asyncio.sleep(1)

async def group():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(abad())

async def late():
    async with asyncio.timeout(0):
        await asyncio.sleep(1)

def shown():
    yield "decorated", decorated
    yield "find", lambda: find(1)
    yield "afind", lambda: asyncio.run(afind(1))
    yield "finds", lambda: list(finds(1))
    yield "afinds", lambda: asyncio.run(drain(afinds(1)))
    yield "result", lambda: in_pool(lambda pool: pool.submit(bad).result())
    yield "of a span", lambda: in_pool(lambda pool: pool.submit(decorated).result())
    yield "map", lambda: in_pool(lambda pool: list(pool.map(bad, [1])))
    yield "late", lambda: in_pool(lambda pool: pool.submit(time.sleep, 0.05).result(0))
    yield "process", lambda: in_process(lambda pool: pool.submit(bad).result())
    yield "apply", lambda: in_workers(lambda pool: pool.apply(bad))
    yield "imap", lambda: in_workers(lambda pool: list(pool.imap(bad, [1])))
    yield "thread", lambda: in_thread(threading.Thread, None, bad)
    yield "timer", lambda: in_thread(threading.Timer, 0, bad)
    yield "unstarted", lambda: threading.Thread().join()
    yield "empty", lambda: queue.Queue().get(timeout=0.001)
    yield "unlocked", lambda: threading.Condition().wait()
    yield "sleep", lambda: time.sleep(-1)
    yield "no program", lambda: subprocess.Popen(["/nonexistent"])
    yield "status", lambda: subprocess.run(["false"], check=True)
    yield "expired", lambda: subprocess.run(["sleep", "9"], timeout=0.01)
    yield "no child", lambda: os.waitpid(os.getpid(), 0)
    yield "not spawned", lambda: os.posix_spawn("/nonexistent", ["x"], {})
    yield "refused", lambda: http.client.HTTPConnection("127.0.0.1", 1).request("GET", "/")
    yield "input", input
    for call in (callbacks, group, late, interrupted, abad):
        yield call.__name__, lambda: asyncio.run(call())
    yield "to thread", lambda: asyncio.run(asyncio.to_thread(bad))

if __name__ == "__main__":
    for what, call in shown():
        show(what, call)
    bad()
"""


def ran(path, **environment):
    done = subprocess.run(
        [sys.executable, str(path)], env=os.environ | environment, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    # A result is there already when it is asked for, or a moment later: two lines of one method.
    varying = re.compile(r"0x[0-9a-f]+|PoolWorker-\d+|process \d+|after \S+ seconds|line \d+, in result")
    return done.returncode, varying.sub("", done.stdout), varying.sub("", done.stderr)


def test_an_error_shows_the_frames_that_it_shows_without_a_recording(tmp_path):
    script, logs = tmp_path / "program.py", tmp_path / "logs"
    script.write_text(PROGRAM)
    logs.mkdir()
    tools = [f"__main__:{name}" for name in ("find", "afind", "finds", "afinds")]
    paths = [str(FIRST), *filter(None, [os.environ.get("PYTHONPATH")])]
    recorded = {
        "PYTHONPATH": os.pathsep.join(paths), "ORCHPROF_LOGS": str(logs), "ORCHPROF_TOOLS": json.dumps(tools)
    }  # fmt: skip
    bare, observed = ran(script), ran(script, **recorded)
    assert observed == bare
    assert "orchprof/capture" not in bare[1].replace("orchprof/capture/spans.py", "")
    assert list(logs.iterdir())


def test_a_function_is_hidden_once():
    def call(x):
        return x

    once = hidden(call)
    assert (once(1), hidden(once) is once, once.__name__) == (1, True, "call")


CALLS = """
import os, pickle, signal, time
for name in ("kill", "system", "waitpid", "fork", "execv", "abort", "posix_spawn"):
    print(pickle.loads(pickle.dumps(getattr(os, name))) is getattr(os, name))
print(pickle.loads(pickle.dumps(time.sleep)) is time.sleep)
for call, args in ((os.kill, ("a", 1)), (os.kill, (1 << 70, 1)), (signal.raise_signal, (999,))):
    try:
        call(*args)
    except Exception as error:
        print(type(error).__name__)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigwait({signal.SIGUSR2}))
import asyncio
async def never():
    await asyncio.wait_for(asyncio.sleep(float("inf")), 0.01)
try:
    asyncio.run(never())
except TimeoutError:
    print("patience")
"""


def test_what_is_followed_can_be_pickled_fails_as_ever_and_takes_no_signal(tmp_path):
    (tmp_path / "agent.py").write_text(CALLS)
    (tmp_path / "logs").mkdir()
    bare = subprocess.run(
        [sys.executable, "agent.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    code = (
        "import sys; from pathlib import Path; from orchprof.watch.launcher import launch\n"
        "sys.exit(launch([sys.executable, 'agent.py'], Path('logs')).code)"
    )
    recorded = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (recorded.returncode, recorded.stdout, recorded.stderr) == (0, bare.stdout, bare.stderr)
