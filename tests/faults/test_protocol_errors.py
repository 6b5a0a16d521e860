"""What Hypercorn cannot read is refused alone, closed in time, and not shown in a log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from quart import Quart, Response, request

from service import keep_alive, protocol_errors
from tests.test_keep_alive import served

Header = tuple[bytes, bytes]


class Client:
    """One connection of HTTP/2, which does not look at what it sends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = H2Connection(
            H2Configuration(
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self._http.initiate_connection()
        self.events: list[Event] = []

    def ask(self, path: bytes, *more: Header, method: bytes = b"GET", end: bool = True) -> int:
        """Send a request's headers; the number of its stream."""
        stream: int = self._http.get_next_available_stream_id()
        headers = [(b":method", method), (b":path", path), *more]
        required = [(b":scheme", b"http"), (b":authority", b"here")]
        self._http.send_headers(stream, [*required, *headers], end_stream=end)
        self._send()
        return stream

    def send(self, stream: int, data: bytes) -> None:
        """Send a body to its end."""
        self._http.send_data(stream, data, end_stream=True)
        self._send()

    async def over(self, stream: int) -> int | str:
        """Wait for the end of a stream: the status of its answer, or "reset"."""
        while True:
            of_it = [event for event in self.events if getattr(event, "stream_id", 0) == stream]
            if any(isinstance(event, StreamReset) for event in of_it):
                return "reset"
            if any(isinstance(event, StreamEnded) for event in of_it):
                [answer] = [event for event in of_it if isinstance(event, ResponseReceived)]
                return int(dict(answer.headers or [])[b":status"])
            data = await self._reader.read(65536)
            assert data, "the connection was closed"
            for event in self._http.receive_data(data):
                if isinstance(event, DataReceived):
                    length = event.flow_controlled_length or 0
                    self._http.acknowledge_received_data(length, event.stream_id or 0)
                self.events.append(event)
            self._send()

    def _send(self) -> None:
        self._writer.write(self._http.data_to_send())


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[Client]:
    """A client of an app that answers what it is sent, or at once without a look at it."""
    keep_alive.register()
    protocol_errors.register()
    app = Quart(__name__)

    @app.post("/")
    async def echo() -> Response:
        return Response(await request.get_data())

    @app.post("/early")
    async def early() -> Response:
        return Response(status=401)

    async with served(app, asyncio.Event(), **options) as (reader, writer):
        yield Client(reader, writer)


MALFORMED: dict[str, dict[str, Any]] = {
    "a path that is not ASCII": {"path": b"/caf\xc3\xa9"},
    "a method that is not ASCII": {"path": b"/", "method": b"\xff"},
    "a method with a space": {"path": b"/", "method": b"GET /admin HTTP/1.1"},
    "a protocol that is not ASCII": {
        "path": b"/",
        "method": b"CONNECT",
        "more": [(b":protocol", b"websocket"), (b"sec-websocket-protocol", b"\xff")],
    },
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_request_is_the_end_of_its_stream_alone(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    malformed = dict(MALFORMED[case])
    more = malformed.pop("more", [])
    async with asyncio.timeout(5), connected() as client:
        before = client.ask(b"/", method=b"POST", end=False)
        wrong = client.ask(malformed.pop("path"), *more, **malformed, end=False)
        client.send(wrong, b"more of it")
        client.send(before, b"body")
        assert await client.over(wrong) == "reset"
        assert await client.over(before) == 200
        after = client.ask(b"/", method=b"POST", end=False)
        client.send(after, b"body")
        assert await client.over(after) == 200
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_a_body_may_come_after_the_answer() -> None:
    async with asyncio.timeout(5), connected() as client:
        early = client.ask(b"/early", method=b"POST", end=False)
        assert await client.over(early) == 401
        client.send(early, b"x" * 10_000)
        after = client.ask(b"/", method=b"POST", end=False)
        client.send(after, b"body")
        assert await client.over(after) == 200


async def test_what_cannot_be_read_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    protocol_errors.register()
    head = (
        b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: a2V5\r\nSec-WebSocket-Version: 13\r\n"
        b"Authorization: Bearer secret\r\nSec-WebSocket-Protocol: \xe9\r\n\r\n"
    )
    async with asyncio.timeout(5), served(Quart(__name__), asyncio.Event()) as (reader, writer):
        writer.write(head)
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
    [record] = caplog.records
    assert record.getMessage().endswith("UnicodeDecodeError in what was sent")
    assert record.exc_info is None


REFUSED = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
NOTHING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


@pytest.mark.parametrize(("sent", "told"), [(REFUSED, b"HTTP/1.1 400"), (NOTHING, b"")])
async def test_who_gets_nowhere_is_not_kept(sent: bytes, told: bytes) -> None:
    keep_alive.register()
    protocol_errors.register()
    stop = asyncio.Event()
    options = {"keep_alive_timeout": 0.1}
    async with asyncio.timeout(5), served(Quart(__name__), stop, **options) as (reader, writer):
        writer.write(sent)
        assert (await reader.read()).startswith(told)
