"""Containers: work that a client hands to a daemon, outside the tree of its own process.

Its CPU can be found where a control group for a new container appears while the client lives; several clients at
once get the new groups in the order in which they began. A container that ran before, as with `docker exec`, is
only named.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchprof.capture.log import Log

CLIENTS: Final = frozenset({"docker", "podman", "podman-remote", "nerdctl", "kubectl", "ctr", "crictl"})
EVERY_NS: Final = 100_000_000
_USERS: Final = "user.slice/user-*.slice/user@*.service/user.slice"
_ABOVE: Final = ("system.slice", "machine.slice", _USERS)
_SCOPES: Final = ("docker-*.scope", "libpod-*.scope", "nerdctl-*.scope")
_V2: Final = ("docker/*", *(f"{above}/{scope}" for above in _ABOVE for scope in _SCOPES))
_GROUPS: Final = (*_V2, *(f"cpuacct/{group}" for group in _V2))
# Podman's own keeper of a container, not the container.
_KEEPER: Final = "libpod-conmon-"


@dataclass(slots=True)
class Client:
    """A living client, the control group that appeared for it, and the CPU that this had used when last read."""

    pid: int
    name: str
    group: Path | None = None
    used_us: int | None = None


class Containers:
    """Follows the clients of container daemons and the groups of the containers that they start."""

    def __init__(self, log: Log, groups: Path = Path("/sys/fs/cgroup")) -> None:
        self._log, self._folder = log, groups
        self._clients: dict[int, Client] = {}
        self._known: set[Path] = set()
        self._sampled_ns = 0

    def meet(self, pid: int, name: str) -> None:
        """Note a process by the name of what it runs, if that is a client."""
        if name not in CLIENTS or pid in self._clients:
            return
        self._log.note(("container", [pid, name]))
        if self._clients:
            self._sample()
        else:
            self._known = set(self._groups())
        self._clients[pid] = Client(pid, name)

    def sample(self, now_ns: int) -> None:
        """Look at the groups, while there are clients and not more often than ten times a second."""
        if self._clients and now_ns - self._sampled_ns >= EVERY_NS:
            self._sampled_ns = now_ns
            self._sample()

    def part(self, pid: int) -> None:
        """Note the CPU of what a client started, now that the client is gone, if it was found."""
        if pid not in self._clients:
            return
        self._sample()
        client = self._clients.pop(pid)
        if client.used_us is not None:
            self._log.note(("container_cpu", [client.pid, client.name, client.used_us]))

    def close(self) -> None:
        """Part with every client."""
        for pid in list(self._clients):
            self.part(pid)

    def _sample(self) -> None:
        for group in sorted(set(self._groups()) - self._known):
            self._known.add(group)
            without = (client for client in self._clients.values() if client.group is None)
            client = next(without, None)
            if client is not None:
                client.group = group
        for client in self._clients.values():
            used_us = _used_us(client.group) if client.group is not None else None
            client.used_us = client.used_us if used_us is None else used_us

    def _groups(self) -> Iterator[Path]:
        for pattern in _GROUPS:
            for group in self._folder.glob(pattern):
                if _used_us(group) is not None and not group.name.startswith(_KEEPER):
                    yield group


def _used_us(group: Path) -> int | None:
    """Return the CPU microseconds of a group (v2, v1); None when it is gone, or no group."""
    for name, per_us in (("cpu.stat", 1), ("cpuacct.usage", 1000)):
        try:
            text = (group / name).read_text().removeprefix("usage_usec")
        except OSError:
            continue
        first = text.split(maxsplit=1)[:1]
        if first and first[0].isdigit():
            return int(first[0]) // per_us
    return None
