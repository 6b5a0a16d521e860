"""Connections that Hypercorn keeps for a next request: closed without losing what is under way.

Hypercorn closes those that were idle for long enough, and all idle ones when it is told to stop. A
request that comes at this moment is begun, and its answer has nowhere to go. It also closes where
an answer is ready before the whole request has come, without a word before. And a connection that
its client has closed it keeps for as long as one may be idle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from hypercorn.asyncio import tcp_server
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import AsyncioSingleTask
from quart.wrappers import Request
from quart.wrappers.request import Body

_STEPS = 8
"""Steps of the loop from the bytes that a socket has brought to the request that they are."""
_REST = 0.1
"""Seconds for the rest of a body that the answer did not wait for."""


class ReceivedBody(Body):
    """A body that knows when all of it has come, also what was too much and dropped.

    Attributes:
        received: set then.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.received = asyncio.Event()
        self._appending = False

    def append(self, data: bytes) -> None:
        # This calls set_complete as soon as it is too much, which is not the end of it.
        self._appending = True
        super().append(data)
        self._appending = False

    def set_complete(self) -> None:
        super().set_complete()
        if not self._appending:
            self.received.set()


async def received(request: Request) -> bool:
    """Whether all of a request has come, or comes in a moment."""
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return True  # with its head
    body = request.body
    event = body.received if isinstance(body, ReceivedBody) else body._complete
    with suppress(TimeoutError):
        async with asyncio.timeout(_REST):
            await event.wait()
    return event.is_set()


class Idleness(AsyncioSingleTask):
    """One task for the life of a connection, where Hypercorn makes one for each time it is idle.

    Attributes:
        since: the time of the loop when it became idle; None while a request is under way.
        over: whether a request has come since this was last set to False.
    """

    def __init__(self) -> None:
        super().__init__()
        self.since: float | None = None
        self.over = False

    async def restart(self, task_group: Any, action: Callable[..., Any]) -> None:
        """The connection is idle now; `action`, if it does not run, looks after that."""
        self.begin(task_group._loop.time())
        if self._handle is None or self._handle.done():
            self._handle = task_group._task_group.create_task(action())

    async def stop(self) -> None:
        """A request has come, or the connection closes."""
        self.interrupt()

    def begin(self, now: float) -> None:
        """The connection is idle from this time of the loop on."""
        self.since = now

    def interrupt(self) -> None:
        """It is not idle any more."""
        self.since, self.over = None, True

    async def end(self) -> None:
        """Nobody need look after it any more."""
        await super().stop()

    async def lasts(self, steps: int) -> bool:
        """Whether no request comes in so many steps of the loop."""
        self.over = False
        for _ in range(steps):
            await asyncio.sleep(0)
            if self.over:
                return False
        return True


async def close_when_idle(self: TCPServer) -> None:
    """Wait until it was idle for the timeout, or serving ends; then close if no request comes."""
    if self.reader.at_eof() or self.reader.exception() is not None:
        return
    terminated, idle = self.context.terminated, cast(Idleness, self.idle_task)
    closes = False
    while not closes:
        now = self.loop.time()
        until = self.config.keep_alive_timeout + (now if idle.since is None else idle.since)
        if now < until and not terminated.is_set():
            # Not `wait_for`, which may lose a cancellation (Python < 3.12).
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await terminated.wait()
        elif idle.since is None:
            return  # Hypercorn closes after the last answer.
        else:
            closes = await _no_request_comes(self, idle)
    await asyncio.shield(self._initiate_server_close())


async def _no_request_comes(self: TCPServer, idle: Idleness) -> bool:
    """Read no more, unless what was read is a request."""
    transport: Any = self.writer.transport
    closed = RuntimeError  # as uvloop says it
    with suppress(closed):
        transport.pause_reading()
    none_came = False
    try:
        none_came = await idle.lasts(_STEPS)
    finally:
        if none_came:
            transport.close()  # What TLS still has would be begun, and not be answered.
        # TLS reads the other's end before its own.
        if not none_came or transport.get_extra_info("ssl_object") is not None:
            with suppress(closed):
                transport.resume_reading()
    return none_came


async def read_to_the_end(self: TCPServer) -> None:
    """Read until the client has no more to say; there is no next request to wait for then."""
    await _read_data(self)
    await cast(Idleness, self.idle_task).end()


_read_data = TCPServer._read_data


def register() -> None:
    """Let every connection of this process end so."""
    tcp_server.AsyncioSingleTask = Idleness  # type: ignore[attr-defined]
    TCPServer._idle_timeout = close_when_idle  # type: ignore[method-assign]
    TCPServer._read_data = read_to_the_end  # type: ignore[method-assign]
