"""The machine a run was made on: what it is, what can be measured on it, how fast one of its cores is.

Nothing here identifies anybody: no host name, no user name, no environment variable.
"""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from orchprof.contract.env import Capability, Clocks, Fingerprint, Git
from orchprof.run import cgroup

# What an agent's latency may hang on; only what is installed is listed, and none of it is imported.
_PACKAGES: Final = (
    "orchprof", "anthropic", "faiss-cpu", "haystack-ai", "httpx", "langchain-core", "langgraph",
    "llama-index-core", "mini-swe-agent", "numpy", "openai", "pandas", "pyarrow", "ray", "starlette",
    "tokenizers", "torch", "uvicorn", "uvloop", "wordllama", "xllamacpp",
)  # fmt: skip
_INSTALLED: Final = ".dist-info"
_SPIN_STEPS: Final = 50_000
_SPIN_REPEATS: Final = 7
# About what looking at a core's speed takes.
SPIN_S: Final = 0.05
_SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")
_SYSCALL: Final = Path("/proc/self/syscall")
_GPU_DEVICES: Final = ("/dev/nvidiactl", "/dev/kfd")
_NS_PER_US: Final = 1000
# What follows from a capability being there, and from its absence.
_CONSEQUENCES: Final = {
    "run delay": (
        "waiting for a core is told apart from other waits",
        "waiting for a core counts as other waits",
    ),
    "thread CPU": (
        "CPU is measured per thread, to the microsecond",
        "CPU of short steps is too coarse to trust",
    ),
    "wait sampler": ("unknown waits can be sampled from outside", "waits of unknown kind stay one state"),
    "CPU throttling": (
        "time held back by a CPU quota can be read",
        "a CPU quota's throttling looks like run delay",
    ),
    "child CPU": ("a child's CPU is charged to the tool that ran it", "children are seen from outside only"),
    "GPU": (
        "a model server can compute on this machine",
        "model time is modelled, on this CPU, or a server's",
    ),
}


def fingerprint() -> Fingerprint:
    """Return what this machine and this Python are, for `run.json` and `orchprof env`.

    `cores` is what this process may use: the smaller of its affinity and its control group's quota, so it
    need not be whole. A value is None where the system does not tell it.
    """
    held = cgroup.limits()
    affinity = _affinity()
    host_bytes = _memory_bytes()
    return Fingerprint(
        cpu_model=_cpu_model(),
        cores_host=os.cpu_count(),
        cores_affinity=affinity,
        cores_quota=held.cpu_cores,
        cores=min(float(affinity), held.cpu_cores or float("inf")),
        memory_host_bytes=host_bytes,
        memory_bytes=min(host_bytes, held.memory_bytes or host_bytes),
        system=platform.system(),
        kernel=platform.release(),
        architecture=platform.machine(),
        python=platform.python_version(),
        implementation=sys.implementation.name,
        packages=_versions(),
        git=_git(),
        load_average=list(os.getloadavg()),
        clocks=_clocks(),
    )


def document(**more: float) -> dict[str, object]:
    """Return the fingerprint as a new run.json holds it, and what more is known of the machine."""
    return {**msgspec.to_builtins(fingerprint()), **more}


def spin() -> float:
    """Return how fast a core is now: millions of spin steps per second of this thread's CPU time.

    A step is one turn of a fixed pure-Python integer loop, so the figure moves with the processor, its
    frequency, its neighbours on the same core and the interpreter, but not with waiting for a core. It is the
    median of several goes of about 5 ms; compare it only between runs of one Python version.
    """
    return median(_spin_once() for _ in range(_SPIN_REPEATS))


def can_measure() -> list[Capability]:
    """Return each capability of this machine, and in words what follows from its being there or not."""
    checks = {
        "run delay": _run_delay_counts(),
        "thread CPU": _resolution_ns(time.CLOCK_THREAD_CPUTIME_ID) <= _NS_PER_US,
        "wait sampler": _readable(_SYSCALL),
        "CPU throttling": cgroup.throttled_us() is not None,
        "child CPU": hasattr(os, "wait4") and hasattr(os, "waitid"),
        "GPU": any(Path(path).exists() for path in _GPU_DEVICES),
    }
    return [
        Capability(name=name, available=able, consequence=_CONSEQUENCES[name][0 if able else 1])
        for name, able in checks.items()
    ]


def _spin_once() -> float:
    x = 1
    start_ns = time.thread_time_ns()
    for _ in range(_SPIN_STEPS):
        x = (x * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
    return _SPIN_STEPS * 1e3 / max(1, time.thread_time_ns() - start_ns)


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().total)


def _cpu_model() -> str | None:
    """Return the processor's name; ARM kernels give none in cpuinfo, then what the platform says, or None."""
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or None


def _versions() -> dict[str, str]:
    """Return the versions of what is installed, by the names of the folders that say so.

    `importlib.metadata` reads the same, and takes longer to import than a short program runs.
    """
    versions: dict[str, str] = {}
    for folder in sys.path:
        for name in _names(Path(folder)):
            package, _, version = name.removesuffix(_INSTALLED).partition("-")
            if name.endswith(_INSTALLED):
                versions.setdefault(package.replace("_", "-").lower(), version)
    return {package: versions[package] for package in _PACKAGES if package in versions}


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are all that is wanted of thousands
    except OSError:
        return []


def _git() -> Git | None:
    """Return the current folder's revision and whether tracked files differ from it; None outside git."""
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    revision, _, dirty = done.stdout.strip().partition("-")
    return Git(revision=revision, dirty=bool(dirty)) if revision else None


def _clocks() -> Clocks:
    return Clocks(
        schedstat=_readable(_SCHEDSTAT),
        syscall=_readable(_SYSCALL),
        monotonic_resolution_ns=_resolution_ns(time.CLOCK_MONOTONIC),
        thread_cpu_resolution_ns=_resolution_ns(time.CLOCK_THREAD_CPUTIME_ID),
    )


def _resolution_ns(clock: int) -> int:
    return round(time.clock_getres(clock) * 1e9)


def _run_delay_counts() -> bool:
    """Return whether the kernel keeps schedstat: without that it reads three zeros."""
    fields = _text(_SCHEDSTAT).split()
    return len(fields) == 3 and int(fields[2]) > 0  # noqa: PLR2004


def _readable(path: Path) -> bool:
    return bool(_text(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
