"""Agent waits: what a program that is seen from outside waited for: calls of a model, and the processes of its tools.

A model's call counts before a tool: the part of a tool's process that lies beside a call is not waited for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchprof.run.outside.model_exchanges import Exchange, Window
from orchprof.run.outside.tool_processes import ToolProcess


@dataclass(frozen=True, slots=True)
class Wait:
    """A call, or a part of the life of a tool's process; `awaited` unless it went on beside a call."""

    window_ns: Window
    call: Exchange | None = None
    tool: ToolProcess | None = None
    awaited: bool = True


def waits_of(calls: Iterable[Exchange], tools: Iterable[ToolProcess], window_ns: Window) -> list[Wait]:
    """Return what a program waited for within a window, and what went on beside, in the order of its beginning."""
    found = [
        Wait(mine, call=call)
        for call in calls
        if (mine := clipped((call.received_ns, call.end_ns), window_ns))
    ]
    model = union(one.window_ns for one in found)
    for tool in tools:
        mine = clipped((tool.process.first_ns, tool.process.last_ns), window_ns)
        if mine:
            apart = minus([mine], model)
            found += [Wait(part, tool=tool) for part in apart]
            found += [Wait(part, tool=tool, awaited=False) for part in minus([mine], apart)]
    return sorted(found, key=lambda one: one.window_ns)


def blocks(waits: Iterable[Wait]) -> list[list[Wait]]:
    """Return the awaited ones in groups that overlap, each in the order of its beginning."""
    found: list[list[Wait]] = []
    until = 0
    for wait in waits:
        if wait.awaited:
            if not found or wait.window_ns[0] >= until:
                found.append([])
            found[-1].append(wait)
            until = max(until, wait.window_ns[1])
    return found


def clipped(window: Window, bounds: Window) -> Window | None:
    """Return the part of a window inside some bounds; None where there is none."""
    start, end = max(window[0], bounds[0]), min(window[1], bounds[1])
    return (start, end) if start < end else None


def union(windows: Iterable[Window]) -> list[Window]:
    """Return windows in order that do not touch, and cover what some windows cover."""
    found: list[Window] = []
    for start, end in sorted(windows):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def minus(windows: Iterable[Window], others: Sequence[Window]) -> list[Window]:
    """Return what some windows cover and others, which are in order and apart, do not."""
    found = []
    for start, end in windows:
        now = start
        for low, high in others:
            if low < end and high > now:
                if low > now:
                    found.append((now, low))
                now = max(now, high)
        if now < end:
            found.append((now, end))
    return found
