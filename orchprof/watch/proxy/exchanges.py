"""What is noted of each HTTP exchange: its instants, and what was asked and said, but no text of it.

All instants are CLOCK_MONOTONIC in ns.
"""

import importlib
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, Final

from orchprof.capture.log import Log
from orchprof.clocks import reply
from orchprof.clocks.encodings import decoded
from orchprof.watch.proxy import http_heads
from orchprof.watch.proxy.reading import Reading, json_of
from orchprof.watch.proxy.replies import ToolCall
from orchprof.watch.proxy.wires import UNREADABLE, Asked, asked, wire_of

# A longer request passes as any other, and is not read.
_READ_BYTES: Final = 1 << 24
# Pieces of an answer are read so many at once: between two pieces the caches forget how, and reading takes thrice.
_UNREAD_PIECES: Final = 64
# As long as a name or an id may be: models make names up.
_CHARACTERS: Final = 255
_ZSTD: Final = ("compression.zstd", "backports.zstd", "zstandard")
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")


class Notebook:
    """Where exchanges are noted, what of them is known from earlier ones, and who is told of tool calls."""

    def __init__(self, log: Log, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._log, self.tell = log, tell
        self._begun = 0
        self._results: set[Any] = set()

    def number(self) -> int:
        """Return the next exchange's number; the first is 1."""
        self._begun += 1
        return self._begun

    def note(self, exchange: Mapping[str, Any]) -> None:
        """Note an exchange that has ended."""
        self._log.note(("exchange", exchange))

    def new(self, conversation: int, result_ids: tuple[str, ...]) -> list[str]:
        """Return those results that no earlier request brought; `name#k` means something in one conversation only."""
        found = []
        for number in result_ids:
            known = (conversation, number) if "#" in number else number
            if known not in self._results:
                self._results.add(known)
                found.append(number[:_CHARACTERS])
        return found


class Exchange:
    """One exchange. Its methods say what has just gone through."""

    __slots__ = (
        "_answer_headers", "_asked", "_body", "_book", "_has_ended", "_headers", "_length", "_model_path", "_note",
        "_reading", "_request_headers", "_unread", "_wire",
    )  # fmt: skip

    def __init__(self, book: Notebook, received_ns: int, peer_port: int) -> None:
        self._book, self._note = book, dict[str, Any]()
        self._note |= {"number": book.number(), "variable": None, "peer_port": peer_port}
        self._note |= dict.fromkeys(("method", "path", "wire"))
        self._note |= {"received_ns": received_ns, "sent_ns": None, "headers_ns": None}
        self._note |= dict.fromkeys(
            ("first_token_ns", "last_token_ns", "end_ns", "status", "error", "stream")
        )
        self._wire: str | None = None
        self._model_path = ""
        self._request_headers: http_heads.Headers = []
        self._answer_headers: http_heads.Headers = []
        self._headers: Mapping[str, str] = {}
        self._body: list[bytes] | None = None
        self._length = 0
        self._asked = Asked()
        self._unread: list[tuple[bytes, int]] = []
        self._reading: Reading | None = None
        self._has_ended = False

    def asks(self, variable: str, method: str, path: str, headers: http_heads.Headers) -> None:
        """Say what is asked, where: the path without its prefix and its query."""
        self._wire, self._model_path = wire_of(method, path), path
        self._request_headers = headers
        self._note |= {"variable": variable, "method": method, "path": path, "wire": self._wire}
        if self._wire is not None:
            self._body = []

    def brings(self, data: bytes) -> None:
        """Keep a piece of the request, to be read when it has been sent."""
        if self._body is not None:
            self._length += len(data)
            self._body.append(data)
            if self._length > _READ_BYTES:
                self._body = None

    def sent(self, now_ns: int) -> None:
        """Say that the last byte of the request was passed on."""
        self._note["sent_ns"] = now_ns

    def read_request(self) -> None:
        """Read what the request brought, and let go of it."""
        body, self._body = self._body, None
        if body is None or self._wire is None:
            return
        encoding = http_heads.told(self._request_headers).get("content-encoding", "")
        said = json_of(_plain(b"".join(body), encoding))
        with suppress(*UNREADABLE):
            self._asked = asked(self._wire, said)

    def heard(self, now_ns: int) -> None:
        """Say that the first byte of the answer is here."""
        if self._note["headers_ns"] is None:
            self._note["headers_ns"] = now_ns

    def answers(self, status: int, headers: http_heads.Headers) -> None:
        """Say how the answer begins. Nothing is read yet: a token may come right behind."""
        self._note["status"], self._answer_headers = status, headers

    def gets(self, data: bytes, now_ns: int) -> None:
        """Take a piece of the answer, which has been passed on."""
        if self._wire is not None:
            self._unread.append((data, now_ns))
            if len(self._unread) >= _UNREAD_PIECES:
                self._catch_up(self._wire)

    def _catch_up(self, wire: str) -> Reading:
        """Read what came since the last time."""
        if self._reading is None:
            self._headers = http_heads.told(self._answer_headers)
            self._reading = Reading(wire, self._headers)
        reading, unread, self._unread = self._reading, self._unread, []
        for data, now_ns in unread:
            with suppress(*UNREADABLE):
                reading.feed(data, now_ns)
        return reading

    def ends(self, now_ns: int, error: str | None = None) -> None:
        """Note the exchange, which is over; `error` says what went wrong."""
        if self._has_ended:
            return
        self._has_ended = True
        self.read_request()
        self._note |= {"end_ns": now_ns, "error": error}
        self._note |= self._told() | self._brought()
        self._book.note(self._note)

    def _told(self) -> dict[str, Any]:
        """Return what the reply said, and tell of its tool calls."""
        said: dict[str, Any] = {"account": {}, "tool_calls": [], "response_id": None}
        self._headers = http_heads.told(self._answer_headers)
        said["retry_after_s"] = _retry_after_s(self._headers)
        if self._wire is None:
            said["stream"] = None if self._note["status"] is None else False
        else:
            with suppress(*UNREADABLE):
                said |= self._read(self._catch_up(self._wire))
            said["account"] = reply.account(said["account"], self._headers, self._model_path)
            if self._asked.model is not None:
                said["account"].setdefault("model", self._asked.model[:_CHARACTERS])
        return said

    def _read(self, reading: Reading) -> dict[str, Any]:
        told = reading.end()  # first: a reply that came whole is read by now
        error = self._note["error"] or reading.reply.error
        stream = None if self._note["status"] is None else reading.is_stream
        tokens = {
            "stream": stream,
            "first_token_ns": reading.first_token_ns,
            "last_token_ns": reading.last_token_ns,
        }
        calls = self._calls(reading.reply.calls())
        response_id = (reading.reply.id or "")[:_CHARACTERS] or None
        return {**tokens, "error": error, "account": told, "tool_calls": calls, "response_id": response_id}

    def _calls(self, calls: list[ToolCall]) -> list[dict[str, Any]]:
        named = [{"id": _short(call.id), "name": _short(call.name) or ""} for call in calls]
        if calls:
            lines = [{**said, "command": call.command()} for said, call in zip(named, calls, strict=True)]
            self._book.tell({"calls": lines, "at_ns": self._note["end_ns"]})
        return named

    def _brought(self) -> dict[str, Any]:
        asked = self._asked
        return {
            "result_ids": self._book.new(asked.conversation, asked.result_ids),
            "messages": asked.messages,
            "user_turn": asked.user_turn,
            "offers_tools": asked.offers_tools,
            "answers": asked.answers,
        }


def _short(said: Any) -> str | None:
    return said[:_CHARACTERS] if isinstance(said, str) and said else None


def _plain(body: bytes, encoding: str) -> bytes:
    if "zstd" in encoding:  # decoded by what the program has loaded: this program loads it here
        for name in _ZSTD:
            with suppress(ImportError):
                importlib.import_module(name)
                break
    return decoded(body, encoding)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long the server asks to wait before the next try, in s."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if _NUMBER.fullmatch(headers.get(name, "")):
            return float(headers[name]) * unit_s
    with suppress(KeyError, ValueError, TypeError):
        return max(parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time(), 0.0)
    return None
