"""This process's control group: how much CPU and memory it may really use (v1 and v2, read only)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# v1 says "no limit" with the largest page-aligned int64 there is.
_V1_UNLIMITED_BYTES: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class Limits:
    """What the control groups above this process allow; None: no limit, or none that can be read."""

    cpu_cores: float | None
    memory_bytes: int | None


def limits(root: Path = Path("/")) -> Limits:
    """Return the tightest limits from this process's groups up to the mount.

    Args:
        root: where `proc` and `sys` lie; another folder in tests.
    """
    cpu = [_cpu_cores(folder) for folder in _folders(root, "cpu")]
    memory = [_memory_bytes(folder) for folder in _folders(root, "memory")]
    return Limits(
        min((cores for cores in cpu if cores is not None), default=None),
        min((size for size in memory if size is not None), default=None),
    )


def throttled_us(root: Path = Path("/")) -> int | None:
    """Return the microseconds this process's nearest group was held back by its quota; None: not told."""
    for folder in _folders(root, "cpu"):
        fields = dict(
            line.split(maxsplit=1) for line in _read(folder / "cpu.stat").splitlines() if " " in line
        )
        if "throttled_usec" in fields:
            return int(fields["throttled_usec"])
        if "throttled_time" in fields:  # v1 counts nanoseconds
            return int(fields["throttled_time"]) // 1000
    return None


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders that may hold a controller's files, the process's own group first.

    Every group above counts too: a quota on a parent binds its children.
    """
    for mount, top, member in _hierarchies(root, controller):
        inside = member.removeprefix(top.rstrip("/")).strip("/")
        folder = root / mount.lstrip("/") / inside
        for _ in range(len(Path(inside).parts) + 1):
            yield folder
            folder = folder.parent


def _hierarchies(root: Path, controller: str) -> Iterator[tuple[str, str, str]]:
    """Yield (mount point, group that is mounted there, group of this process) where a controller may lie."""
    groups = _groups(root)
    for line in _read(root / "proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        mounted, kind = left.split(), right.split()
        name = "" if kind[:1] == ["cgroup2"] else controller
        if kind and kind[0] in ("cgroup", "cgroup2") and (not name or name in kind[-1].split(",")):
            yield mounted[4], mounted[3], groups.get(name, "/")


def _groups(root: Path) -> dict[str, str]:
    """Return this process's group by controller; the unified (v2) one is under the empty name."""
    groups: dict[str, str] = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        groups.update(dict.fromkeys(names.split(","), path))
    return groups


def _cpu_cores(folder: Path) -> float | None:
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    if not quota or quota in ("max", "-1"):
        return None
    return int(quota) / int(period or 100_000)


def _memory_bytes(folder: Path) -> int | None:
    text = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
    return None if text in ("", "max") or int(text) >= _V1_UNLIMITED_BYTES else int(text)


def _read(path: Path) -> str:
    """Return a file's text without its last newline; empty when it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
