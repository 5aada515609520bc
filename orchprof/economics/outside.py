"""Outside: which tools and hosts beyond this machine the tasks used, as far as it was seen; the rest is free.

What a tool takes of this machine is in its cores and memory. A price of its own can only be asked by somebody else, who
is reached by the network: a tool that asked no other host, and waited for no network whose other end was not seen,
cost nothing more. The same holds for the bytes of the network.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.ledger.columns import NONE, Columns, Ints, Line, indices, ints
from orchprof.ledger.labels import STATE
from orchprof.ledger.names import inherited_spans, span_names
from orchprof.ledger.segments import read_segments
from orchprof.ledger.strands import Tables, finished_tasks, read_strands
from orchprof.run.schema import UNEXPLAINED_LIMIT

UNSEEN: Final = "a connection whose other end was not seen"
# Specs whose endpoint the bench starts beside the agent.
_SERVED_HERE: Final = ("paced:", "llama:", "torch:", "zero")
_LOCAL: Final = ("localhost", "::1", "[::1]")
_HELD: Final = ("cpu", "runq", "gil", "lag")  # of a segment's wall, no wait for anybody


@dataclass(frozen=True, slots=True)
class Outside:
    """What left this machine.

    Attributes:
        tools: by name, which other hosts a tool reached, UNSEEN among them; a tool that reached none is not here.
        hosts: all that were reached, UNSEEN among them; those of tools too.
    """

    tools: dict[str, tuple[str, ...]]
    hosts: tuple[str, ...]


def outside(tables: Tables, spec: str | None) -> Outside:
    """Return what the finished tasks reached beyond this machine.

    A host is that of an HTTP request. Whoever waits for the network without a request of which the host is known (a
    database's own protocol, say) has reached UNSEEN, unless the same tool has requests and all of them stayed here:
    then the wait was for their connections.

    Args:
        tables: of a run, which stay as they are.
        spec: of its model: an endpoint that the bench started is here, whatever its calls are named.
    """
    tasks = finished_tasks(tables)
    strands = read_strands(tables, tasks)
    segments = read_segments(tables, tasks, strands)
    line = Line.over(segments["strand"], segments["start"], int(strands["until"].max(initial=0)) + 2)
    inherited = inherited_spans(strands, segments, line)
    asked = np.flatnonzero(strands["remote"])
    hosts = _hosts(tables, strands, asked, spec)
    by_tool = _Tools(tables)
    askers = by_tool.of(inherited[asked])
    # A tool that asks a model has the model's price for it, not one of its own.
    models = strands["call"][asked] != NONE
    reached: dict[str, set[str]] = {}
    for host, tool, is_model in zip(hosts, askers, models.tolist(), strict=True):
        reached.setdefault(tool, set()).update({host} if host and not (is_model and tool) else ())
    for tool in _waited(segments, by_tool.of(_spans(segments, inherited))):
        reached.setdefault(tool, {UNSEEN})
    every = {host for found in reached.values() for host in found} | set(hosts)
    tools = {tool: tuple(sorted(found)) for tool, found in reached.items() if tool and found}
    return Outside(tools, tuple(sorted(every - {""})))


class _Tools:
    """Which tool a span belongs to."""

    def __init__(self, tables: Tables) -> None:
        names, _, owner = span_names(tables)
        self._ids = ints(tables["spans"]["span"])
        self._names = [name if role == "tool" else "" for role, name in names]
        self._owner = owner

    def of(self, spans: Ints) -> list[str]:
        """Return the tool's name of each span; empty where it is none's."""
        rows = indices(self._ids, spans)
        return [self._names[self._owner[row]] if row != NONE else "" for row in rows.tolist()]


def _hosts(tables: Tables, strands: Columns, asked: Ints, spec: str | None) -> list[str]:
    """Return the host of each request, empty of one that is this machine."""
    table = tables["strands"]
    names = table["name"].fillna("").to_numpy()[indices(ints(table["strand"]), strands["id"][asked])]
    here = (
        strands["call"][asked] != NONE
        if str(spec or "").startswith(_SERVED_HERE)
        else np.zeros(len(asked), bool)
    )
    told = (str(name).partition(" ")[2] for name in names)
    return ["" if own or _is_here(host) else host or UNSEEN for host, own in zip(told, here, strict=True)]


def _is_here(host: str) -> bool:
    return host in _LOCAL or host.startswith("127.") or host.endswith(".localhost")


def _waited(segments: Columns, tools: list[str]) -> set[str]:
    """Return the tools that waited for the network; empty stands for the agent.

    A segment is such a wait where that is most of it, and a tool waited where this is more of its time than may stay
    unexplained: what little was off the core of a segment at work is nobody's wait.
    """
    length = segments["end"] - segments["start"]
    waits = length - sum((segments[name] for name in _HELD), np.zeros_like(length))
    waits = np.where((segments["wait_state"] == STATE["net"]) & (waits > length / 2), waits, 0)
    names, of = np.unique(np.array(tools, dtype=object), return_inverse=True)
    shares = np.bincount(of, waits) / np.maximum(np.bincount(of, length), 1)
    return {
        str(name) for name, share in zip(names, shares.tolist(), strict=True) if share > UNEXPLAINED_LIMIT
    }


def _spans(segments: Columns, inherited: Ints) -> Ints:
    own = segments["span"]
    return np.where(own == NONE, inherited[segments["strand"]], own)
