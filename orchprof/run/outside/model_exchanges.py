"""Exchanges: the HTTP exchanges of a program with its model servers, as the recording proxy logged them.

A *tool window* lies between an answer that asks for a tool and the request that brings the tool's result.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchprof.run.finalize.event_logs import Journal

Window = tuple[int, int]
_FAILED: Final = 400  # HTTP status from which an answer is a refusal


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer; all times in ns of CLOCK_MONOTONIC, None where it did not come to that."""

    number: int
    wire: str | None  # None: no model call
    received_ns: int
    sent_ns: int | None
    headers_ns: int | None
    first_token_ns: int | None
    end_ns: int
    status: int | None
    error: str | None
    stream: bool | None
    account: Mapping[str, Any]  # columns of `model_calls` that the server's own words fill
    tool_calls: tuple[tuple[str | None, str], ...]  # id and name of each
    result_ids: tuple[str, ...]
    messages: int
    user_turn: bool
    offers_tools: bool
    answers: bool

    @property
    def failed(self) -> bool:
        """Whether it brought no answer, or a refusal."""
        return self.status is None or self.status >= _FAILED


@dataclass(frozen=True, slots=True)
class ToolWindow:
    """The time in which a tool that an answer asked for had to run."""

    key: str  # as the child processes of the call are noted with
    name: str
    window_ns: Window


def exchanges(journals: Iterable[Journal]) -> list[Exchange]:
    """Return all exchanges in the order in which their requests came."""
    found = [_exchange(said) for journal in journals for _, said in journal.notes["exchange"]]
    return sorted(found, key=lambda one: (one.received_ns, one.number))


def _exchange(said: Mapping[str, Any]) -> Exchange:
    return Exchange(
        said["number"],
        said["wire"],
        said["received_ns"],
        said.get("sent_ns"),
        said.get("headers_ns"),
        said.get("first_token_ns"),
        said["end_ns"],
        said.get("status"),
        said.get("error"),
        said.get("stream"),
        said.get("account") or {},
        tuple((call.get("id"), call["name"]) for call in said.get("tool_calls") or ()),
        tuple(said.get("result_ids") or ()),
        said.get("messages") or 0,
        bool(said.get("user_turn")),
        bool(said.get("offers_tools")),
        bool(said.get("answers")),
    )


def by_sockets(journals: Iterable[Journal]) -> list[Exchange]:
    """Return each use of the network as a call of which only the time is known.

    So are told the calls of an agent whose login no variable redirects: its connections are to its model's servers.
    """
    uses = [said for journal in journals for _, said in journal.notes["socket"]]
    return [
        Exchange(
            number, "socket", first_ns, None, None, None, last_ns, None, None, None, {}, (), (), 0,
            user_turn=False, offers_tools=False, answers=False,
        )
        for number, (first_ns, last_ns, *_) in enumerate(sorted(uses), 1)
        if first_ns < last_ns
    ]  # fmt: skip


def tool_windows(calls: Sequence[Exchange], until_ns: int) -> list[ToolWindow]:
    """Return the windows of all tool calls, in the order of their beginning.

    A call whose result never came has until the next request of its conversation, which holds more messages, or until
    the program's end.

    Args:
        calls: model calls in the order of their requests.
        until_ns: when the program ended.
    """
    found: list[ToolWindow] = []
    asked: Counter[str] = Counter()
    for at, call in enumerate(calls):
        for call_id, name in call.tool_calls:
            asked[name] += 1
            key = call_id or f"{name}#{asked[name]}"
            end = next(_brings(calls[at + 1 :], call, key), until_ns)
            found.append(ToolWindow(key, name, (call.end_ns, max(end, call.end_ns))))
    return sorted(found, key=lambda one: one.window_ns)


def _brings(later: Sequence[Exchange], call: Exchange, key: str) -> Iterator[int]:
    """Yield when the result of a call came by, then when the next longer request did."""
    yield from (one.received_ns for one in later if key in one.result_ids)
    yield from (
        one.received_ns
        for one in later
        if one.offers_tools and one.messages > call.messages and one.received_ns >= call.end_ns
    )


def turns(calls: Sequence[Exchange], program_ns: Window) -> list[Window]:
    """Return the windows of a program's user turns: from the user's message to the last answer before the next.

    The first begins with the program, the last ends with it. A conversation goes on where a request holds earlier
    answers and ends in the user's own words; a side call (a title, a summary) offers no tools.
    """
    begins = [
        one
        for one in calls
        if one.user_turn and one.answers and one.offers_tools and not _pending(calls, one)
    ]
    bounds = [program_ns[0], *(one.received_ns for one in begins)]
    ends = [max(one.end_ns for one in calls if one.received_ns < turn.received_ns) for turn in begins]
    return list(zip(bounds, [*ends, program_ns[1]], strict=True))


def _pending(calls: Sequence[Exchange], request: Exchange) -> bool:
    """Return whether another call was going on when a request came, or the last answer before had asked for tools."""
    earlier = [one for one in calls if one.received_ns < request.received_ns and one.offers_tools]
    if any(one.end_ns > request.received_ns for one in earlier):
        return True
    retried = bool(earlier) and earlier[-1].failed
    return not earlier or retried or bool(earlier[-1].tool_calls)
