"""Pools belong to the event loop that opened them: what one loop has, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress

from .configuration import Configured
from .errors import UnknownConnection
from .source import CLOSE_TIMEOUT, Source
from .tasks import Tasks, result_now
from .threads import Threads

THREADS = 40
"""Threads for plain functions, unless `SYNC_THREADS` says otherwise."""


class Loop:
    """The connections of one app on one event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, configured: Mapping[str, Configured], threads: int
    ) -> None:
        self.loop = loop
        self.tasks = Tasks()
        self.threads = Threads(threads)
        self.sources = {
            name: Source(settings, backend, self.tasks)
            for name, (settings, backend) in configured.items()
        }
        self._end = self._until_the_end()
        # To its first yield, which makes the running loop know of the generator.
        result_now(self._end.__anext__())
        with suppress(AttributeError):  # uvloop's loops cannot be given another method
            loop.close = self._closing_before(loop.close)  # type: ignore[method-assign]

    def source(self, name: str) -> Source:
        """Where connections of this name come from.

        Raises:
            UnknownConnection: it is not configured.
        """
        try:
            return self.sources[name]
        except (KeyError, TypeError):
            raise UnknownConnection(name, self.sources) from None

    async def close(self) -> None:
        """Wait a moment for what is being given back, then close every pool.

        Cancelled, the pools that it had begun to close are closed all the same.
        """
        await self.tasks.drain(CLOSE_TIMEOUT)
        self.threads.close()
        closing = [self.tasks.start(source.close()) for source in self.sources.values()]
        if closing:
            await asyncio.wait(closing)

    async def _until_the_end(self) -> AsyncGenerator[None]:
        # asyncio.run, asyncio.Runner and the servers close a loop's async generators last.
        try:
            yield
        finally:
            await self.close()

    def _closing_before(self, close: Callable[[], None]) -> Callable[[], None]:
        # For a loop that is closed by hand, without its generators.
        def close_pools_then_loop() -> None:
            if not (self.loop.is_closed() or self.loop.is_running()):
                self.loop.run_until_complete(self.close())
            close()

        return close_pools_then_loop


class Loops:
    """The `Loop` of every event loop the app has run on."""

    def __init__(self, configured: Mapping[str, Configured]) -> None:
        self._configured = configured
        self.threads = THREADS
        """How many threads each of them has for plain functions."""
        self._loops: dict[asyncio.AbstractEventLoop, Loop] = {}
        self._latest: Loop | None = None

    def here(self) -> Loop:
        """The running loop's.

        Raises:
            RuntimeError: no loop is running.
        """
        running = asyncio.get_running_loop()
        latest = self._latest
        if latest is not None and latest.loop is running:
            return latest
        here = self._loops.get(running)
        if here is None:
            # Other threads may be at this line for loops of their own.
            for closed in [loop for loop in tuple(self._loops) if loop.is_closed()]:
                self._loops.pop(closed, None)
            here = self._loops[running] = Loop(running, self._configured, self.threads)
        self._latest = here
        return here
