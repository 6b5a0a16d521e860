"""What clients send that Hypercorn cannot read: refused, and nothing of it or beside it is kept.

Hypercorn decodes as ASCII what need not be, after its parsers let it pass. The error ends the task
of the connection, with everything else that runs on it, and the log gets the bytes, which may be
secret. It also never closes where it has refused a handshake itself, or HTTP/2 begins with nothing.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from typing import Any, Final

from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded
from hypercorn.events import Closed, Event, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.events import StreamClosed
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.ws_stream import WSStream

log = logging.getLogger("service.protocol_errors")

_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token (RFC 9110, 5.6.2)."""
_IN_ASCII: Final = {b":path", b"sec-websocket-extensions", b"sec-websocket-protocol"}

_handle = ProtocolWrapper.handle
_handle_events = H2Protocol._handle_events
_initiate = H2Protocol.initiate
_refuse = WSStream._send_error_response


async def handle(self: ProtocolWrapper, event: Event) -> None:
    """Take what has come; what cannot be read ends the connection, with a 400 if it can.

    Such as a WebSocket's handshake that is not ASCII.
    """
    try:
        await _handle(self, event)
    except Exception as error:
        # No traceback, and no text: they have the bytes.
        log.warning("a connection is closed: %s in what was sent", type(error).__name__)
        if isinstance(self.protocol, H11Protocol):
            with suppress(Exception):
                await self.protocol._send_error_response(400)
        await self.send(Closed())


async def handle_events(self: H2Protocol, events: list[Any]) -> None:
    """Take what HTTP/2 has brought, but for malformed requests and what follows them.

    These are errors of their streams (RFC 9113, 8.1.1).
    """
    readable = []
    expected = set(self.streams)
    for event in events:
        if isinstance(event, RequestReceived):
            if not _is_readable(event.headers or []):
                self.connection.reset_stream(event.stream_id, ErrorCodes.PROTOCOL_ERROR)
                continue
            expected.add(event.stream_id)
        elif isinstance(event, DataReceived) and event.stream_id not in expected:
            # Of a stream that is over; it counts for the window of the connection.
            length = event.flow_controlled_length or 0
            self.connection.acknowledge_received_data(length, event.stream_id)
            continue
        elif isinstance(event, StreamEnded) and event.stream_id not in expected:
            continue
        readable.append(event)
    await _handle_events(self, readable)


async def initiate(
    self: H2Protocol,
    headers: list[tuple[bytes, bytes]] | None = None,
    settings: bytes | None = None,
) -> None:
    """Begin with HTTP/2; until a request comes, the connection is idle."""
    await _initiate(self, headers, settings)
    if headers is None:
        await self.send(Updated(idle=True))


async def refuse(self: WSStream, status_code: int) -> None:
    """Refuse a handshake; if no app has seen it, none will end its stream."""
    await _refuse(self, status_code)
    if self.app_put is None:
        await self.send(StreamClosed(stream_id=self.stream_id))


def _is_readable(headers: list[tuple[bytes, bytes]]) -> bool:
    methods = [value for name, value in headers if name == b":method"]
    return (
        any(name == b":path" for name, _ in headers)
        and all(value.isascii() for name, value in headers if name in _IN_ASCII)
        and all(map(_METHOD.fullmatch, methods))
    )


def register() -> None:
    """Let every connection of this process be read so."""
    ProtocolWrapper.handle = handle  # type: ignore[method-assign]
    H2Protocol._handle_events = handle_events  # type: ignore[method-assign]
    H2Protocol.initiate = initiate  # type: ignore[method-assign]
    WSStream._send_error_response = refuse  # type: ignore[method-assign]
