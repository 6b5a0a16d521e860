"""A TCP proxy on loopback that does harm on command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


@asynccontextmanager
async def cutting_after(word: bytes, url: str) -> AsyncIterator[str]:
    """Forward to the server of `url`, cutting a connection once `word` has gone through it."""
    there = urlsplit(url)
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            server_reader, server_writer = await asyncio.open_connection(there.hostname, there.port)
            both = [
                asyncio.create_task(forward(server_reader, writer, None)),
                asyncio.create_task(forward(reader, server_writer, word)),
            ]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in both:
                one.cancel()
            await asyncio.wait(both)
            # Only when the server has seen the end of it has it done what it was told.
            server_writer.write_eof()
            await server_reader.read()
            server_writer.close()
        finally:
            writer.close()
            connections.discard(task)

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        credentials = there.netloc.rpartition("@")[0]
        here = f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        netloc = f"{credentials}@{here}" if credentials else here
        yield there._replace(netloc=netloc).geturl()
    finally:
        proxy.close()
        if connections:
            await asyncio.wait(connections)


async def forward(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, last: bytes | None
) -> None:
    """Pass bytes on until their end, or until `last` was among them."""
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
        if last is not None and last in data:
            return
