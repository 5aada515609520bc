"""What tests of several rooms share: recording a block of code, and reading how a strand's time was tiled."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from orchprof.capture import recorder

Tables = dict[str, pd.DataFrame]


@contextmanager
def recording(directory: Path) -> Iterator[None]:
    """Record the block into `directory`."""
    recorder.start(directory)
    try:
        yield
    finally:
        recorder.stop()


def tiles(tables: Tables, strand: int) -> list[tuple]:
    """Return (role, state, wall ns) of a strand's segments, a JOIN or the state of its wait for the state."""
    rows = tables["segments"]
    rows = rows[rows["strand"] == strand].sort_values("start_ns")
    state = rows["wait_state"].where(~rows["join"], "join").astype(object).where(lambda s: s.notna(), None)
    return list(zip(rows["role"], state, rows["end_ns"] - rows["start_ns"], strict=True))


def assert_tiled(tables: Tables) -> None:
    """Fail unless every ended strand of this process is covered by its segments, without gap or overlap."""
    strands = tables["strands"].set_index("strand")
    for strand, found in tables["segments"].groupby("strand"):
        rows = found.sort_values("start_ns")
        assert (rows["end_ns"].to_numpy()[:-1] == rows["start_ns"].to_numpy()[1:]).all()
        assert rows["start_ns"].iloc[0] == strands.loc[strand, "start_ns"]
        if not pd.isna(strands.loc[strand, "end_ns"]):
            assert rows["end_ns"].iloc[-1] == strands.loc[strand, "end_ns"]
