"""nest_asyncio: it patches asyncio for good, so the program is one of its own."""

import subprocess
import sys

import pytest
from support import assert_tiled, tiles

from orchprof.run.finalize.finalize import finalize

pytest.importorskip("nest_asyncio")

PROGRAM = """
import asyncio, sys
from pathlib import Path
import orchprof
from orchprof.capture import recorder
recorder.start(Path(sys.argv[1]))
import nest_asyncio
nest_asyncio.apply()

async def inner():
    await asyncio.sleep(0.03)
    return 7

async def main():
    with orchprof.task("t"), orchprof.tool("nested"):
        assert asyncio.run(inner()) == 7
        assert asyncio.get_event_loop().run_until_complete(inner()) == 7

asyncio.run(main())
recorder.stop()
"""


def test_whoever_runs_a_loop_inside_itself_waits_for_what_that_completes(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    tables = finalize(tmp_path.glob("*.bin"))[0]
    root = tables["tasks"]["task"].item()
    waits = [wall for role, state, wall in tiles(tables, root) if (role, state) == ("tool", "join")]
    assert sorted(waits)[-2] >= 0.9 * 30e6
    inner = tables["strands"].query("name == 'inner'")["strand"].tolist()
    assert len(inner) == 2
    assert set(inner) <= set(tables["edges"].query(f"kind == 'join' and dst == {root}")["src"])
    assert_tiled(tables)
