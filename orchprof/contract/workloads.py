"""orchprof.workloads/1: what `orchprof bench` can run here."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting of a workload."""

    default: Any
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One workload as a user sees it."""

    name: str
    summary: str
    variants: Annotated[list[str], Meta(description="the same workload with other parts, the default first")]
    settings: Annotated[dict[str, Setting], Meta(description="by name")]
    missing: Annotated[
        list[str], Meta(description="pip requirements of its first variant that are not installed")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workloads:
    """What `orchprof bench` can run here."""

    schema: Literal["orchprof.workloads/1"] = "orchprof.workloads/1"
    workloads: list[Entry]
