"""Asynchronous agents on plain threads: an event loop for each thread, and what belongs to a loop kept open on it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class PerLoop(Generic[T]):
    """Something that belongs to the event loop it was opened on, as clients and sessions do: one for each loop."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._make = make
        self._held: dict[asyncio.AbstractEventLoop, _Held[T]] = {}

    async def current(self) -> T:
        """Return the running loop's; a loop's first call opens it."""
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is None or held.task.done():
            held = self._held[loop] = _Held(self._make())
        return await asyncio.shield(held.opened)

    async def aclose(self) -> None:
        """Close the running loop's, if it has one."""
        held = self._held.pop(asyncio.get_running_loop(), None)
        if held is not None:
            held.over.set()
            await held.task


class _Held(Generic[T]):
    """An asynchronous context that one task enters and leaves, because task groups inside of it ask for that."""

    def __init__(self, manager: AbstractAsyncContextManager[T]) -> None:
        self.opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        self.task = asyncio.create_task(self._hold(manager))

    async def _hold(self, manager: AbstractAsyncContextManager[T]) -> None:
        try:
            async with manager as thing:
                self.opened.set_result(thing)
                await self.over.wait()
        except Exception as error:
            if self.opened.done():
                raise
            self.opened.set_exception(error)


class Loops:
    """The event loops of the threads that use this, each kept until it is closed."""

    def __init__(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Make it.

        Args:
            last: is awaited on a loop before that is closed.
        """
        self._last = last
        self._own = threading.local()
        self._runners: list[asyncio.Runner] = []

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Return what a coroutine returns, run on this thread's loop.

        One that is broken off may leave others running, so the thread's next call gets a new loop.
        """
        try:
            return self._runner().run(coroutine)
        except BaseException:
            self._own.spoiled = True
            raise

    def _runner(self) -> asyncio.Runner:
        if getattr(self._own, "spoiled", False):
            self._own.spoiled = False
            self._runners.remove(self._own.runner)
            self._end(self._own.runner)
            del self._own.runner
        if not hasattr(self._own, "runner"):
            self._own.runner = asyncio.Runner()
            self._runners.append(self._own.runner)
        runner: asyncio.Runner = self._own.runner
        return runner

    def close(self) -> None:
        """Close every loop; none may be running."""
        while self._runners:
            self._end(self._runners.pop())

    def _end(self, runner: asyncio.Runner) -> None:
        # A loop that was left half-way may refuse; it goes all the same.
        with contextlib.suppress(Exception):
            runner.run(self._last())
        runner.close()
