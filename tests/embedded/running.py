"""A local server for the length of a block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from service.embedded.process import Server
from service.embedded.servers import Start


@asynccontextmanager
async def running(start: Start, data: Path, port: int | None = None) -> AsyncIterator[Server]:
    """The server that `start` starts on the directory `data`, stopped at the end."""
    server = await start(data, port)
    try:
        yield server
    finally:
        await server.stop()
