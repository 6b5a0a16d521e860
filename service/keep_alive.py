"""Connections that Hypercorn keeps for a next request: closed without losing what is under way.

Hypercorn closes those that were idle for long enough, and all idle ones when it is told to stop. A
request that comes at this moment is begun, and its answer has nowhere to go. It also closes where
an answer is ready before the whole request has come, without a word before. And a connection that
its client has closed it keeps for as long as one may be idle.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from hypercorn.asyncio.tcp_server import TCPServer
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


async def close_when_idle(self: TCPServer) -> None:
    """Wait for the timeout or the end of serving, then close; a request that comes cancels this."""
    if self.reader.at_eof() or self.reader.exception() is not None:
        return
    # Not `wait_for`, which may lose a cancellation (Python < 3.12).
    with suppress(TimeoutError):
        async with asyncio.timeout(self.config.keep_alive_timeout):
            await self.context.terminated.wait()
    transport: Any = self.writer.transport
    with suppress(RuntimeError):  # uvloop's word for one that is closed
        transport.pause_reading()
        try:
            for _ in range(_STEPS):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            transport.resume_reading()
            raise
        if transport.get_extra_info("ssl_object") is not None:
            transport.resume_reading()  # TLS reads the other's end before its own
    await asyncio.shield(self._initiate_server_close())


async def read_to_the_end(self: TCPServer) -> None:
    """Read until the client has no more to say; there is no next request to wait for then."""
    await _read_data(self)
    await self.idle_task.stop()


_read_data = TCPServer._read_data


def register() -> None:
    """Let every connection of this process end so."""
    TCPServer._idle_timeout = close_when_idle  # type: ignore[method-assign]
    TCPServer._read_data = read_to_the_end  # type: ignore[method-assign]
