"""Waits of coroutines, and the longest segment of one."""

import asyncio

WAIT_S = 0.03


def longest_wait(tables, name):
    """Return the longest segment of the coroutine named `name`, and the names of the strands it joined at its end."""
    strands = tables["strands"].set_index("strand")
    strand = strands.index[strands["name"] == name][0]
    rows = tables["segments"].query("strand == @strand")
    row = rows.loc[(rows["end_ns"] - rows["start_ns"]).idxmax()]
    edges = tables["edges"].query("kind == 'join' and dst == @strand and at_ns == @row.end_ns")
    return row, [strands.loc[source, "name"] for source in edges["src"]]


async def named(name, coroutine):
    return await asyncio.create_task(coroutine, name=name)


async def nap():
    await asyncio.sleep(WAIT_S)


async def by_task():
    await asyncio.create_task(nap(), name="other")
