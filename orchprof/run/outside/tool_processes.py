"""Tool processes: which child of an agent program ran which of its tools; what is nobody's tool is the agent's own.

A process whose command line held the words of a call was noted as that call's. Of a window without one it is the
child of the agent that was born and ended in it and took most of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchprof.run.finalize.event_logs import Journal
from orchprof.run.outside.model_exchanges import ToolWindow
from orchprof.run.outside.process_tree import Process, by_parent

# The agent hears of a child's end a moment later; so much later than the window's end it may have ended.
_LATE_NS: Final = 10_000_000
_MOST: Final = 0.5  # of a window: what lasts for less can be something beside


@dataclass(frozen=True, slots=True)
class ToolProcess:
    """A child of an agent, with all below it, that ran a tool."""

    process: Process
    tool: ToolWindow
    below: frozenset[int]  # process ids of it and its descendants
    said: bool  # by its command; else told by its time


def tool_processes(
    journals: Iterable[Journal], windows: Sequence[ToolWindow], root: int, processes: Sequence[Process]
) -> list[ToolProcess]:
    """Return the outermost process of each tool call that had one, in the order of their birth.

    Args:
        journals: of those who watched.
        windows: of all tool calls.
        root: the program's process.
        processes: all that were seen below it.
    """
    below = by_parent(processes)
    said = _said(journals, windows, processes)
    found = [ToolProcess(one, tool, _subtree(one, below), said=True) for one, tool in said]
    inside = {pid for one in found for pid in one.below}
    found = [
        one for one in found if not any(one.process.pid in other.below for other in found if other is not one)
    ]
    joined = {one.tool.key for one in found}
    own = [one for one in processes if one.pid not in inside and one.pid != root]
    for window in windows:
        if window.key not in joined and (one := _by_time(window, own, inside)):
            found.append(ToolProcess(one, window, _subtree(one, below), said=False))
            inside |= found[-1].below
    return sorted(found, key=lambda one: one.process.first_ns)


def _said(
    journals: Iterable[Journal], windows: Sequence[ToolWindow], processes: Sequence[Process]
) -> list[tuple[Process, ToolWindow]]:
    tools = {one.key: one for one in windows}
    alive: dict[int, list[Process]] = {}
    for one in processes:
        alive.setdefault(one.pid, []).append(one)
    found = []
    for journal in journals:
        for _, (pid, key, _name, at_ns) in journal.notes["tool_process"]:
            lived = (one for one in alive.get(pid, ()) if one.first_ns <= at_ns <= one.last_ns + _LATE_NS)
            found += [(one, tools[key]) for one in list(lived)[:1] if key in tools]
    return found


def _by_time(window: ToolWindow, own: Sequence[Process], inside: set[int]) -> Process | None:
    start, end = window.window_ns
    fits = [
        one
        for one in own
        if one.pid not in inside
        and start <= one.first_ns
        and one.last_ns <= end + _LATE_NS
        and one.last_ns - one.first_ns > _MOST * (end - start)
    ]
    return max(fits, key=lambda one: one.last_ns - one.first_ns, default=None)


def _subtree(one: Process, below: Mapping[int, Sequence[Process]]) -> frozenset[int]:
    found = [one]
    for parent in found:  # grows while it is gone through
        found += [
            child
            for child in below.get(parent.pid, ())
            if child not in found and parent.first_ns <= child.first_ns <= parent.last_ns + _LATE_NS
        ]
    return frozenset(each.pid for each in found)
