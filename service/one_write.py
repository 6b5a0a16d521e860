"""The head of an answer and its body in one write, where Hypercorn makes a write of each.

It holds for HTTP/1, and for no longer than a step of the event loop: the head of an answer whose
body is not there yet goes alone, as with Hypercorn.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final, cast

import h11
from hypercorn import protocol
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import H11SendableEvent


class Head(RawData):
    """What need not be written before the next write, or the next step of the loop."""


_NOTHING: Final = RawData(b"")


class JoiningProtocol(H11Protocol):
    """HTTP/1, with the head of an answer sent as such."""

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        if type(event) is not h11.Response:
            await super()._send_h11_event(event)
            return
        try:
            data = cast(h11.Connection, self.connection).send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state != h11.ERROR:
                raise
        else:
            await self.send(Head(data or b""))


class JoiningWriter:
    """A stream's writer that can hold what it is to write until it writes more."""

    def __init__(self, writer: asyncio.StreamWriter, loop: asyncio.AbstractEventLoop) -> None:
        self._writer = writer
        self._loop = loop
        self._held = b""

    def hold(self, data: bytes) -> None:
        """Write it with what is written next, or in the next step of the loop."""
        self._held += data
        self._loop.call_soon(self._write_held)

    def write(self, data: bytes) -> None:
        if data:
            held, self._held = self._held, b""
            self._writer.write(held + data)

    def write_eof(self) -> None:
        self._write_held()
        self._writer.write_eof()

    def _write_held(self) -> None:
        held, self._held = self._held, b""
        with suppress(RuntimeError):  # closed, as uvloop says it
            self.write(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


async def protocol_send(self: TCPServer, event: Event) -> None:
    """Send what a protocol says; nothing for the end of a body whose length was announced."""
    if type(event) is Head:
        cast(JoiningWriter, self.writer).hold(event.data)
        await _protocol_send(self, _NOTHING)  # waits for a client that does not read
    elif type(event) is not RawData or event.data:
        await _protocol_send(self, event)


def make(self: TCPServer, *args: Any) -> None:
    """Make a server for one connection."""
    _make(self, *args)
    self.writer = cast(asyncio.StreamWriter, JoiningWriter(self.writer, self.loop))


_make, _protocol_send = TCPServer.__init__, TCPServer.protocol_send


def register() -> None:
    """Let every HTTP/1 connection of this process write so."""
    protocol.H11Protocol = JoiningProtocol  # type: ignore[attr-defined]
    TCPServer.__init__ = make  # type: ignore[assignment, method-assign]
    TCPServer.protocol_send = protocol_send  # type: ignore[method-assign]
