"""A workload that talks to the real endpoint and can be told to misbehave in every way that real ones do."""

import asyncio
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx

import orchprof

SUMMARY = "One model call per task, and trouble on request."
SETTINGS = {
    "trouble": ("", "what goes wrong"),
    "at": (1, "at which task"),
    "nap_s": (0.0, "seconds per task"),
    "big": (False, "a switch"),
}  # fmt: skip
TASKS = 4
QUICK = {"nap_s": 0.001}
VARIANTS = ("plain", "needy")
REQUIRES = {"needy": {"surely_not_installed": "surely-not-installed>=1"}}
SCRIPT = "orchprof.models.script:echo"
ENV = {"PYTHONPATH": str(Path(__file__).parent)}


class Agent:
    count = 7

    def __init__(self, settings, base_url, model):
        self.settings, self.base_url, self.model = settings, base_url, model

    def prepare(self, index, slot):
        self.trouble(index, "prepare")

    def run(self, index, slot):
        self.trouble(index, "run")
        with orchprof.tool("nap"):
            time.sleep(self.settings["nap_s"])
        with orchprof.model("chat"):
            asked = {"model": self.model, "messages": [{"role": "user", "content": f"say {index}"}]}
            reply = httpx.post(f"{self.base_url}/chat/completions", json=asked).raise_for_status().json()
        return reply["choices"][0]["message"]["content"]

    def check(self, index, answer):
        if self.settings["trouble"] == "wrong" and index == self.settings["at"]:
            return "wrong answer"
        return None if str(index) in answer else f"no {index} in {answer!r}"

    def close(self):
        pass

    def trouble(self, index, place):
        kind = self.settings["trouble"]
        if index != self.settings["at"]:
            return
        if (kind, place) == ("prepare", "prepare"):
            raise OSError("no scratch")
        if place == "run" and kind in TROUBLES:
            TROUBLES[kind]()


def crash():
    raise RuntimeError("tool crashed")


def lock():
    threading.Thread(target=time.sleep, args=(60,)).start()  # one that the process must not wait for
    held = threading.Lock()
    held.acquire()
    held.acquire()


def cancel():
    raise asyncio.CancelledError


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def fork():
    if not os.fork():
        time.sleep(60)
    die()


def pool():
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as started:
        started.submit(os.getpid).result()


TROUBLES = {
    "raise": crash,
    "lock": lock,
    "cancel": cancel,
    "die": die,
    "fork": fork,
    "pool": pool,
    "exit": functools.partial(sys.exit, 0),
    "leave": functools.partial(os._exit, 0),
}


def open(settings, seed, variant, base_url, model, workdir):  # noqa: A001
    if settings["trouble"] == "open":
        raise ValueError("no such corpus")
    sys.stdout.write("set up, and chatty on stdout\n")
    return Agent(settings, base_url, model)
