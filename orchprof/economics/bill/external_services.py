"""Outside: which tools and hosts beyond this machine the tasks used, as far as it was seen; the rest is free.

What a tool takes of this machine is in its cores and memory. A price of its own can only be asked by somebody else, who
is reached by the network: a tool that asked no other host, and waited for no network whose other end was not seen,
cost nothing more. The same holds for the bytes of the network.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from orchprof.ledger.graph.columns import NONE, Columns, Ints, Line, indices, ints
from orchprof.ledger.graph.segments import read_segments
from orchprof.ledger.graph.span_names import inherited_spans, span_names
from orchprof.ledger.graph.task_strands import Tables, finished_tasks, read_strands
from orchprof.ledger.labels import STATE
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
    spans = np.where(segments["span"] == NONE, inherited[segments["strand"]], segments["span"])
    tools, owner = _tools(tables)
    askers = _owners(tables, owner, inherited[asked]).tolist()
    # A tool that asks a model has the model's price for it, not one of its own.
    models = (strands["call"][asked] != NONE).tolist()
    reached: dict[int, set[str]] = {}
    for host, tool, is_model in zip(hosts, askers, models, strict=True):
        reached.setdefault(tool, set()).update({host} if host and not (is_model and tool != NONE) else ())
    for tool in _waited(segments, _owners(tables, owner, spans), len(tools)):
        reached.setdefault(tool, {UNSEEN})
    every = {host for services in reached.values() for host in services} | set(hosts)
    named = {
        tools[tool]: tuple(sorted(services))
        for tool, services in reached.items()
        if tool != NONE and services
    }
    return Outside(named, tuple(sorted(every - {""})))


def _tools(tables: Tables) -> tuple[list[str], Ints]:
    """Return the names of tools, and of each span the index of the one it belongs to, NONE where that is none."""
    pairs, _, owner = span_names(tables)
    names = sorted({name for role, name in pairs if role == "tool"})
    index = np.array([names.index(name) if role == "tool" else NONE for role, name in pairs], dtype=np.int64)
    return names, index[owner]


def _owners(tables: Tables, owner: Ints, spans: Ints) -> Ints:
    """Return the tool of each span's id, NONE where that is none."""
    return np.append(owner, NONE)[indices(ints(tables["spans"]["span"]), spans)]


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


def _waited(segments: Columns, tool: Ints, n: int) -> list[int]:
    """Return the tools that waited for the network; NONE stands for the agent.

    A segment is such a wait where that is most of it, and a tool waited where this is more of its time than may stay
    unexplained: what little was off the core of a segment at work is nobody's wait.

    Args:
        segments: of all strands.
        tool: the index of each segment's tool.
        n: how many tools there are.
    """
    length = segments["end"] - segments["start"]
    waits = length - sum((segments[name] for name in _HELD), np.zeros_like(length))
    waits = np.where((segments["wait_state"] == STATE["net"]) & (waits > length / 2), waits, 0)
    whole = np.bincount(tool + 1, length, minlength=n + 1)
    shares = np.bincount(tool + 1, waits, minlength=n + 1) / np.maximum(whole, 1)
    return [row - 1 for row in np.flatnonzero(shares > UNEXPLAINED_LIMIT).tolist()]
