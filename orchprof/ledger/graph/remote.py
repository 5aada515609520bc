"""Remote strands: a model call's tiles from the server's own account, and a bare request's from nothing."""

import numpy as np
import pandas as pd

from orchprof.ledger.graph.columns import NONE, Columns, Ints, Line, ints
from orchprof.ledger.graph.task_strands import Tables
from orchprof.ledger.labels import CODES, N_STATES, ROLE, STATE

_PARTS = ("queue", "prefill", "decode")
_NET, _OFF = CODES["model", "net"], CODES["model", "off"]


def read_remote(tables: Tables, strands: Columns, segments: Columns, line: Line) -> Columns:
    """Return the tiles of the remote strands that have no segments: `strand, start, end, label, span`.

    A model call's window is divided by the server's own account; any other request is its spawner's role x net.
    """
    called = np.flatnonzero(strands["remote"] & (strands["call"] >= 0))
    bare = np.setdiff1d(np.flatnonzero(strands["remote"] & (strands["call"] < 0)), segments["strand"])
    label = _spawner_role(bare, strands, segments, line) * N_STATES + STATE["net"]
    parts = _call_tiles(called, tables["model_calls"].iloc[strands["call"][called]], strands)
    nothing = np.full(len(bare), NONE)
    requests = (bare, strands["begin"][bare], strands["until"][bare], label, nothing)
    names = ("strand", "start", "end", "label", "span")
    tiles = {name: np.concatenate(pair) for name, *pair in zip(names, parts, requests, strict=True)}
    strand = tiles["strand"]
    low, high = strands["begin"][strand], strands["until"][strand]
    tiles["start"], tiles["end"] = np.clip(tiles["start"], low, high), np.clip(tiles["end"], low, high)
    return {name: column[tiles["end"] > tiles["start"]] for name, column in tiles.items()}


def _spawner_role(strand: Ints, strands: Columns, segments: Columns, line: Line) -> Ints:
    parent = strands["parent"][strand]
    tile = line.last(parent, np.minimum(strands["begin"][strand], strands["until"][parent]), at=True)
    found = tile >= 0
    role = np.full(len(strand), ROLE["framework"])
    role[found] = segments["role"][tile[found]]
    return role


def _call_tiles(strand: Ints, calls: pd.DataFrame, strands: Columns) -> tuple[Ints, ...]:
    """Return strand, start, end, label and span of six tiles a call: out, queue, prefill, decode, frontend, back."""
    ended = calls["end_ns"].notna().to_numpy(dtype=bool)
    window = ints(calls["end_ns"], 0) - ints(calls["sent_ns"])
    window = np.where(ended, window, strands["until"][strand] - strands["begin"][strand])
    total = np.where(ended, ints(calls["total_ns"]), NONE)
    known = np.stack([np.where(ended, ints(calls[f"{part}_ns"]), NONE) for part in _PARTS], axis=1)
    server = _server_parts(total, known, window)
    outside = window - server.sum(axis=1)
    # A server that said nothing: one tile is enough, and what it covers cannot be told apart.
    before = np.where(server.any(axis=1), outside // 2, outside)
    lengths = np.column_stack([before, server, outside - before])
    ends = np.cumsum(lengths, axis=1) + strands["begin"][strand][:, None]
    way = np.where(total >= 0, _NET, _OFF)
    frontend = np.where((known >= 0).any(axis=1), CODES["model", "frontend"], _OFF)
    inner = [np.full(len(strand), CODES["model", part]) for part in _PARTS]
    label = np.column_stack([way, *inner, frontend, way])
    span = ints(calls["span"])
    return np.repeat(strand, 6), (ends - lengths).ravel(), ends.ravel(), label.ravel(), np.repeat(span, 6)


def _server_parts(total: Ints, known: Ints, window: Ints) -> Ints:
    """Return queue, prefill, decode and the rest of the server's time (n, 4), at most the window.

    Parts that overstate their total, or a total that overstates the window, shrink in proportion; the finding
    `clock_mismatch` reports the second when it is more than a rounding. With no total the parts are all there is.
    """
    parts = np.maximum(known, 0)
    stated = parts.sum(axis=1)
    rest = np.where(total >= 0, np.maximum(total - stated, 0), 0)
    parts = np.column_stack([parts, rest])
    room = np.minimum(np.where(total >= 0, total, stated), window)
    ends = np.cumsum(parts, axis=1)
    scaled = np.rint(ends * (room / np.maximum(ends[:, -1], 1))[:, None]).astype(np.int64)
    fits = ends[:, -1:] == room[:, None]
    return np.diff(np.where(fits, ends, scaled), axis=1, prepend=0)
