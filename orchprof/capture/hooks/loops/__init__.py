"""Event loops: asyncio, uvloop, nested loops, trio, gevent, and the worker threads of anyio, one file each."""
