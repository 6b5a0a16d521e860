"""A connection whose bytes come right from its transport, as long as they are plain requests."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, Final, cast

import h11
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.task_group import _handle
from hypercorn.asyncio.tcp_server import MAX_RECV, TCPServer
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState

from service.keep_alive import Idleness

from . import request_head
from .exchange import Exchange

_AHEAD: Final = 2**16
"""Bytes of next requests that may wait before the transport reads no more."""
_OF_WSGI: Final[Any] = (None, None)
"""What Hypercorn runs WSGI apps with, which this is not for."""


class Over:
    """What a connection reads with when it closes: nothing.

    With h11 in its place, Hypercorn waits for ever to go on with a request that came too early.
    """

    our_state = their_state = None
    they_are_waiting_for_100_continue = False
    trailing_data = (b"", True)

    def receive_data(self, data: bytes) -> None:
        """Drop it."""

    def next_event(self) -> type[h11.NEED_DATA]:
        """Nothing has come."""
        return h11.NEED_DATA

    def send(self, event: Any) -> bytes:
        """Nobody reads it."""
        return b""


class Http1Connection(H11Protocol, asyncio.Protocol):
    """HTTP/1 as Hypercorn has it, and as a transport has it.

    With the first bytes it takes the place of the stream that Hypercorn reads, and so is told by
    the transport. It gives the place back before a request that is not plain, and is only
    Hypercorn's from there on.

    Attributes:
        loop: the connection's.
    """

    loop: asyncio.AbstractEventLoop
    _context: Context
    _server: TCPServer
    _idle: Idleness
    _transport: Any
    _stream: Any

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._is_new = True
        self._reads = False
        self._ahead = b""
        self._ended = False
        self._ends_behind = False
        self._paused = False
        self._full = False

    async def handle(self, event: Event) -> None:
        """What Hypercorn has read; nothing, at its end, is what it reads of what is read here."""
        if type(event) is not RawData:
            await super().handle(event)
        elif self._reads:
            await self._refuse_part()
        elif self._is_new and self._takes_place(event.data):
            self.data_received(event.data)
        else:
            await super().handle(event)

    def _takes_place(self, data: bytes) -> bool:
        """Read from the transport from now on, if nothing is in the way and nothing left behind."""
        self._is_new = False
        server = getattr(self.send, "__self__", None)
        if (
            not isinstance(server, TCPServer)
            or not isinstance(server.idle_task, Idleness)
            or not isinstance(self.app, ASGIWrapper)
            or self.config.read_timeout is not None
            or self.config.h11_pass_raw_headers
            or not 0 < len(data) < MAX_RECV
            or server.reader.at_eof()
            or server.writer.transport.is_closing()
        ):
            return False
        self.loop, self._server, self._idle = server.loop, server, server.idle_task
        self._transport = server.writer.transport
        self._stream = self._transport.get_protocol()
        self._transport.set_protocol(self)
        self._context = copy_context()
        self._reads = True
        return True

    def _give_back(self) -> None:
        """Let Hypercorn read on, from the beginning of this request."""
        self._reads = False
        self._transport.set_protocol(self._stream)
        self.connection = self._new_h11()
        ahead, self._ahead = self._ahead, b""
        self.regulate()  # before the stream, which may have reasons of its own not to read
        self._server.reader.feed_data(ahead)
        if self._ended:
            self._stream.eof_received()

    def data_received(self, data: bytes) -> None:
        """The transport has read this."""
        if self._transport.is_closing():
            return  # What TLS still had; the rest of a body may look like a request.
        exchange = cast(Exchange | None, self.stream)
        if exchange is None:
            searched = len(self._ahead)
            self._ahead += data
            self._begin(searched)
            return
        if exchange.to_come:
            body, data = data[: exchange.to_come], data[exchange.to_come :]
            exchange.take(body)
        self._ahead += data
        self.regulate()

    def eof_received(self) -> bool | None:
        """The client sends no more; its last requests are begun before Hypercorn hears of it."""
        self._ended = True
        if self.stream is not None and self._ahead and not self.ssl:
            self._ends_behind = True
            return True
        return cast("bool | None", self._stream.eof_received())

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed, from whichever side."""
        self._stream.connection_lost(error)

    def pause_writing(self) -> None:
        """The client does not read what it asked for."""
        self._full = True
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        """It has read."""
        self._full = False
        self._stream.resume_writing()

    def regulate(self) -> None:
        """Read no more than the app takes."""
        exchange = cast(Exchange | None, self.stream)
        most = max(_AHEAD, self.config.h11_max_incomplete_size)
        full = len(self._ahead) > most or (exchange is not None and exchange.is_full)
        pause = self._reads and full
        if pause is not self._paused and not self._transport.is_closing():
            self._paused = pause
            change = self._transport.pause_reading if pause else self._transport.resume_reading
            with suppress(RuntimeError):  # closed, as uvloop says it
                # The loop keeps the context of who resumes.
                self._context.copy().run(change)

    def _begin(self, searched: int = 0) -> None:
        """Begin with the next request, if its head is here."""
        data = self._ahead
        end = request_head.end(data, searched)
        if end is None and len(data) <= self.config.h11_max_incomplete_size and data[:1] > b" ":
            return
        head = None if end is None else request_head.read(data[:end])
        if head is None or not self._is_for_us(head):
            self._give_back()
            return
        self._idle.interrupt()
        self.keep_alive_requests += 1
        closes = not head.keeps_alive or (
            self.keep_alive_requests >= self.config.keep_alive_max_requests
        )
        exchange = self.stream = Exchange(self, head, closes=closes)
        self._ahead = b""
        if rest := data[end:]:
            self.data_received(rest)
        # Not in the context of an app that has just answered the request before.
        self._context.copy().run(self.task_group.spawn, self._answer, exchange)

    def _is_for_us(self, head: request_head.RequestHead) -> bool:
        names = self.config.server_names
        return not names or any(
            name == b"host" and value.decode("latin1") in names for name, value in head.headers
        )

    async def _answer(self, exchange: Exchange) -> None:
        await self.context.mark_request()
        scope, receive, send = exchange.scope, exchange.receive, exchange.app_send
        await _handle(self.app, self.config, scope, receive, send, *_OF_WSGI)

    async def _refuse_part(self) -> None:
        """Nothing more comes; a request of which only a part has come is refused."""
        exchange = cast(Exchange | None, self.stream)
        if self._ends_behind:
            return  # as Hypercorn, which does not wait for the end then
        if self._ahead if exchange is None else exchange.to_come:
            if exchange is None or exchange.state is ASGIHTTPState.REQUEST:
                self.connection = self._new_h11()
                await self._send_error_response(400)
            await self.send(Closed())

    def write(self, data: bytes) -> None:
        """Send this, if the client is still there."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def written(self) -> None:
        """Wait for a client that does not read."""
        if self._full:
            await self.send(RawData(b""))

    def connect_h11(self, head: bytes) -> None:
        """Let h11 write the answer to this request."""
        self.connection = self._new_h11()
        self.connection.receive_data(head)
        self.connection.next_event()

    def _new_h11(self) -> h11.Connection:
        return h11.Connection(
            h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size
        )

    async def _maybe_recycle(self) -> None:
        if self._reads:
            await self.recycle(cast(Exchange | None, self.stream))
            return
        states = {self.connection.our_state, self.connection.their_state}
        if states != {h11.DONE} or self.context.terminated.is_set():
            self.connection = cast(Any, Over())
        await super()._maybe_recycle()

    async def recycle(self, exchange: Exchange | None) -> None:
        """This answer has come to its end; go on with the next request, or close."""
        # Another than the connection's: the client has left before.
        goes_on = exchange is not None and exchange is self.stream and self._may_go_on(exchange)
        await self._close_stream()
        if not goes_on:
            await self.send(Closed())
            return
        self._idle.begin(self.loop.time())
        self.regulate()
        if self._ahead and not self._transport.is_closing():
            self._begin()
            if self._reads and self._ends_behind and (self.stream is None or not self._ahead):
                self._stream.eof_received()

    def _may_go_on(self, exchange: Exchange) -> bool:
        if exchange.to_come or self.context.terminated.is_set():
            return False
        if exchange.by_h11:
            return self.connection.our_state is h11.DONE
        return exchange.state is ASGIHTTPState.CLOSED and not exchange.closes
