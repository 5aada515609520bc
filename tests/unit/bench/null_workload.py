"""A workload that does next to nothing, or sleeps, or has one server that tasks queue for."""

import asyncio
import threading
import time
from pathlib import Path

SUMMARY = "Nothing, a sleep, or a queue."
SETTINGS = {"nap_s": (0.0, "seconds asleep"), "served_s": (0.0, "seconds with the only server")}
TASKS = 8
QUICK = {}
VARIANTS = ("awaited", "blocking")
REQUIRES = {}
SCRIPT = "orchprof.models.script:echo"
ENV = {"PYTHONPATH": str(Path(__file__).parent)}


class Blocking:
    count = 5

    def __init__(self, settings):
        self.nap_s, self.served_s = settings["nap_s"], settings["served_s"]
        self.server = threading.Lock()

    def prepare(self, index, slot):
        pass

    def run(self, index, slot):
        time.sleep(self.nap_s)
        if self.served_s:
            with self.server:
                time.sleep(self.served_s)
        return str(index)

    def check(self, index, answer):
        return None if answer == str(index) else "another task's answer"

    def close(self):
        pass


class Awaited(Blocking):
    async def arun(self, index, slot):
        await asyncio.sleep(self.nap_s)
        return str(index)


def open(settings, seed, variant, base_url, model, workdir):  # noqa: A001
    return Awaited(settings) if variant == "awaited" else Blocking(settings)
