"""One request and its answer: what a connection has for the app, and the app for it."""

from __future__ import annotations

import asyncio
from collections import deque
from time import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import h11
from hypercorn.protocol.events import Event
from hypercorn.protocol.h11 import STREAM_ID
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.typing import ASGIReceiveEvent, ASGISendEvent
from hypercorn.utils import build_and_validate_headers, suppress_body

from . import answer_head
from .request_head import RequestHead

if TYPE_CHECKING:
    from .connection import Http1Connection


_COPIED: Final = 2**16
"""Bytes of a body that are worth a copy, if that saves a write."""


class Exchange(HTTPStream):
    """Hypercorn's side of ASGI, for a request whose head is here.

    Attributes:
        head: of the request.
        to_come: bytes of its body that are still to come.
        closes: whether no other request may follow on this connection.
        by_h11: whether h11 writes the answer.
    """

    def __init__(self, connection: Http1Connection, head: RequestHead, *, closes: bool) -> None:
        super().__init__(
            connection.app,
            connection.config,
            connection.context,
            connection.task_group,
            connection.ssl,
            connection.client,
            connection.server,
            connection.stream_send,
            STREAM_ID,
        )
        self.head = head
        self.to_come = head.length
        self.closes = closes
        self.by_h11 = False
        self._connection = connection
        self._held = b""
        self._plain = False
        self._left = 0
        self._bodyless = False
        self._messages: deque[ASGIReceiveEvent] = deque()
        self._receivers: list[asyncio.Future[None]] = []
        if not head.length:
            self._messages.append({"type": "http.request", "body": b"", "more_body": False})
        path, _, query_string = head.target.partition(b"?")
        self.scope = {
            "type": "http",
            "http_version": head.http_version,
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "method": head.method,
            "scheme": self.scheme,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query_string,
            "root_path": self.config.root_path,
            "headers": head.headers,
            "client": self.client,
            "server": self.server,
            "state": connection.connection_state.copy(),  # type: ignore[typeddict-item]
            "extensions": {},
        }
        self.start_time = time()

    @property
    def is_full(self) -> bool:
        """Whether as much of the body waits for the app as may."""
        return 0 < self.config.max_app_queue_size < len(self._messages)

    def take(self, data: bytes) -> None:
        """A part of the body has come."""
        self.to_come -= len(data)
        self._tell({"type": "http.request", "body": data, "more_body": self.to_come > 0})

    async def handle(self, event: Event) -> None:
        """It is over: answered, or its client has left."""
        if not self.closed:
            self.closed = True
            if self.state is not ASGIHTTPState.CLOSED:
                await self.config.log.access(self.scope, None, time() - self.start_time)  # type: ignore[arg-type]
            self._tell({"type": "http.disconnect"})

    def _tell(self, message: ASGIReceiveEvent) -> None:
        self._messages.append(message)
        for receiver in self._receivers:
            if not receiver.done():
                receiver.set_result(None)
        self._receivers.clear()

    async def receive(self) -> ASGIReceiveEvent:
        """What has come, and last that it is over: ASGI's `receive`."""
        while not self._messages:
            receiver = self._connection.loop.create_future()
            self._receivers.append(receiver)
            await receiver
        message = self._messages[0]
        if message["type"] == "http.request":
            self._messages.popleft()
            self._connection.regulate()
        return message

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """ASGI's `send`; None: the app has ended."""
        kind = message and message["type"]
        if kind == "http.response.start" and self._hold(message):
            return
        if kind == "http.response.body" and self._plain and self.state is ASGIHTTPState.RESPONSE:
            await self._send_body(message)
            return
        if self._plain:
            self._send_held()
        elif not self.by_h11:
            self.by_h11 = True
            self._connection.connect_h11(self.head.text)
        await super().app_send(message)

    def _hold(self, start: Any) -> bool:
        """Keep a plain head for its body to come, or for the next step of the loop."""
        if self.state is not ASGIHTTPState.REQUEST or start.get("trailers", False):
            return False
        headers = start.get("headers", [])
        if not isinstance(headers, (list, tuple)):
            return False  # It may be there but once.
        headers = build_and_validate_headers(headers)
        status = int(start["status"])
        plain = answer_head.write(status, headers, self.config.response_headers("h11"))
        if plain is None:
            return False
        text, length = plain
        self._held = text + (b"Connection: close\r\n\r\n" if self.closes else b"\r\n")
        self._bodyless = suppress_body(self.head.method, status)
        self._left = 0 if self._bodyless else length
        self._plain = True
        self.response = start
        self.state = ASGIHTTPState.RESPONSE
        self._connection.loop.call_soon(self._send_held)
        return True

    def _send_held(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._connection.write(held)

    async def _send_body(self, message: Any) -> None:
        """Send a part of a body whose length is announced; with the head, if that is held."""
        data = b"" if self._bodyless else bytes(message.get("body", b""))
        if len(data) > self._left:
            self._left = -1  # no part is right any more
            raise h11.LocalProtocolError("Too much data for declared Content-Length")
        self._left -= len(data)
        held, self._held = self._held, b""
        if len(data) > _COPIED:
            self._connection.write(held)
            self._connection.write(data)
        elif held or data:
            self._connection.write(held + data)
        await self._connection.written()
        if not message.get("more_body", False) and self.state is ASGIHTTPState.RESPONSE:
            if self._left:
                self._left = -1
                raise h11.LocalProtocolError("Too little data for declared Content-Length")
            self.state = ASGIHTTPState.CLOSED
            await self.config.log.access(self.scope, self.response, time() - self.start_time)
            await self._connection.recycle(self)
