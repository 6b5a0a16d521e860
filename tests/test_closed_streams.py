"""A connection ends with its client, also if nobody took what the client has sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service import closed_streams, keep_alive
from tests.eventually import until
from tests.test_keep_alive import kept, served

HEAD = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"1\r\nx\r\n"


async def answers_without_a_look(scope: Any, receive: Any, send: Any) -> None:
    """An app that takes nothing of what is sent."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 431, "headers": []})
        await send({"type": "http.response.body", "body": b"too much"})


@pytest.mark.parametrize("chunks", [5, 11, 50, 5000])
async def test_a_body_that_nobody_takes_keeps_no_connection(chunks: int) -> None:
    keep_alive.register()
    closed_streams.register()
    async with served(answers_without_a_look, asyncio.Event()) as (reader, writer):
        writer.write(HEAD + CHUNK * chunks)
        assert (await reader.readline()).startswith(b"HTTP/1.1 431")
        port = writer.get_extra_info("peername")[1]
        writer.transport.abort()
        await until(lambda: not kept(port))
