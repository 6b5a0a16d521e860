"""Requests as bytes: what no client library would send."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What came back on a connection until one side closed it.

    Attributes:
        raw: every byte.
        closed: whether the server closed the connection.
        seconds: until the first byte came.
    """

    raw: bytes
    closed: bool
    seconds: float

    @property
    def status(self) -> int:
        """The status of the answer; 0 if there is none."""
        _, found, rest = self.raw.replace(b"HTTP/1.1 100 ", b"", 1).partition(b"HTTP/1.1 ")
        return int(rest[:3]) if found else 0

    @property
    def head(self) -> str:
        """The status line and the headers."""
        return self.raw.partition(b"\r\n\r\n")[0].decode("latin1")

    @property
    def problem(self) -> Any:
        """The problem that the answer tells of."""
        head, _, body = self.raw.rpartition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in head, self.raw
        return json.loads(body)


async def send(url: str, *parts: bytes, patience: float = 3.0) -> Answer:
    """Send bytes to the server of ``url`` as they are, and read what comes until it closes.

    ``patience`` is the seconds after which this side closes.
    """
    there = urlsplit(url)
    reader, writer = await asyncio.open_connection(there.hostname, there.port)
    loop = asyncio.get_running_loop()
    began, seconds, received = loop.time(), patience, b""
    try:
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(patience):
                writer.writelines(parts)
                while data := await reader.read(65536):
                    seconds = seconds if received else loop.time() - began
                    received += data
        return Answer(received, reader.at_eof() or reader.exception() is not None, seconds)
    finally:
        writer.transport.abort()


def request(
    target: str = "/healthz",
    *headers: bytes,
    method: bytes = b"GET",
    body: bytes | None = None,
    content_type: bytes = b"application/json",
) -> bytes:
    """A request that is the last on its connection; with a ``body`` it is a POST."""
    lines = [b"Host: localhost", b"Connection: close", *headers]
    if body is not None:
        method = b"POST"
        lines += [b"Content-Type: " + content_type, b"Content-Length: %d" % len(body)]
    head = b"".join(line + b"\r\n" for line in lines)
    return method + b" " + target.encode() + b" HTTP/1.1\r\n" + head + b"\r\n" + (body or b"")
