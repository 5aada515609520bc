"""orchprof.env/1: what this machine is, and what can be measured on it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """The revision of the current folder."""

    revision: str
    dirty: Annotated[bool, Meta(description="whether tracked files differ from it")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Which clocks can be read, and how finely."""

    schedstat: Annotated[bool, Meta(description="the kernel's account of waiting for a core")]
    syscall: Annotated[bool, Meta(description="the system call that a process is in")]
    monotonic_resolution_ns: Count
    thread_cpu_resolution_ns: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The machine and its Python, without anything that identifies anybody."""

    cpu_model: Annotated[str | None, Meta(description="null: the system does not tell")]
    cores_host: Annotated[int | None, Meta(description="null: the system does not tell")]
    cores_affinity: Count
    cores_quota: Annotated[float | None, Meta(description="of the control group; null: it has none")]
    cores: Annotated[float, Meta(description="usable: the least of affinity and quota, not always whole")]
    memory_host_bytes: Count
    memory_bytes: Annotated[int, Meta(ge=0, description="usable: the least of the host's and the quota")]
    system: str
    kernel: str
    architecture: str
    python: str
    implementation: str
    packages: Annotated[dict[str, str], Meta(description="versions of what latency may hang on")]
    git: Annotated[Git | None, Meta(description="null: the current folder is under no git")]
    load_average: Annotated[
        list[float], Meta(min_length=3, max_length=3, description="of 1, 5 and 15 minutes")
    ]
    clocks: Clocks


@dataclass(frozen=True, slots=True)
class Calibration:
    """A machine's cores, as `plan` takes them with --calibration; speeds in million spin steps per CPU second."""

    core_speed: Annotated[float, Meta(gt=0, description="of a core while the others are idle")]
    all_core_speed: Annotated[float, Meta(gt=0, description="of each core while all are at work")]
    cores: Annotated[float, Meta(gt=0, description="usable, not always whole")]

    @property
    def full_share(self) -> float:
        """What is left of a core's speed when all are at work."""
        return min(self.all_core_speed / self.core_speed, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Something that a machine can or cannot measure."""

    name: str
    available: bool
    consequence: Annotated[str, Meta(description="what follows from that, in words")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """What this machine is and what can be measured on it."""

    schema: Literal["orchprof.env/1"] = "orchprof.env/1"
    machine: Fingerprint
    core_speed: Annotated[float, Meta(description="million spin steps per CPU second")]
    calibration: Annotated[Calibration | None, Meta(description="null: not asked for")]
    can_measure: list[Capability]
