"""Clients that do not wait for their answers."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from . import raw_http

PATIENCE = (0.3, 0.3, 0.3, 1.5)
"""Seconds that clients wait at most: where everything takes long, some see much of it, too."""
_LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Departure:
    """A request, and when and how its client leaves.

    Attributes:
        sent: what it sends, which may be less than the whole request.
        seconds: how long it waits after that.
        reset: whether it resets the connection, rather than closing it.
    """

    sent: bytes
    seconds: float
    reset: bool

    async def take(self, url: str) -> None:
        """Ask the server of `url`, and leave: with the answer, if that was quicker."""
        there = urlsplit(url)
        reader, writer = await asyncio.open_connection(there.hostname, there.port)
        try:
            writer.write(self.sent)
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(self.seconds):
                    await reader.read()
        finally:
            if self.reset:
                connection: socket.socket = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            writer.transport.abort()


def at_random(request: dict[str, Any], chance: random.Random) -> Departure:
    """A departure at any moment of this request, as `Clients.request` describes it."""
    body = json.dumps(request["json"]).encode() if "json" in request else None
    headers = [f"{name}: {value}".encode() for name, value in request["headers"].items()]
    method = request["method"].encode()
    sent = raw_http.request(request["url"], *headers, method=method, body=body)
    if body is not None and chance.random() < 0.25:
        sent = sent[: -len(body) // 2]
    return Departure(sent, chance.uniform(0, chance.choice(PATIENCE)), chance.random() < 0.5)


async def take_all(departures: Iterable[Departure], url: str, at_once: int) -> None:
    """Take them in their order, so many at a time."""
    left = iter(departures)

    async def one_after_the_other() -> None:
        for departure in left:
            await departure.take(url)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one_after_the_other())
