"""A TCP proxy on loopback that does harm on command, to every connection through it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from urllib.parse import urlsplit

_ONE_BYTE_A_SECOND = 1.0


class Harm(Enum):
    """What happens to bytes that a server sends."""

    NONE = auto()
    """They are passed on."""
    DELAY = auto()
    """They are passed on `Proxy.delay` seconds later."""
    DRIP = auto()
    """They are passed on one by one, one a second."""
    SWALLOW = auto()
    """They are lost, and so are those of the client; nobody hears of an end."""
    CUT = auto()
    """Half of them are passed on, then the connection is reset."""
    HALF_CLOSE = auto()
    """The client hears of their end and may go on sending."""
    REFUSE = auto()
    """Connections are refused, and those that are open reset."""


class Proxy:
    """Passes bytes between clients and one server.

    Attributes:
        url: the first server's URL, with the proxy's address in it.
        server: the URL of the server to which new connections lead.
        delay: seconds, for `Harm.DELAY`.
        accepted: connections that clients have opened.
        open: of these, those that their clients have not ended.
        most_open: how many of those there were at once.
    """

    def __init__(self, url: str) -> None:
        self._there = urlsplit(url)
        self.server = url
        self._harm = Harm.NONE
        self._changed = asyncio.Event()
        self._listener: asyncio.Server | None = None
        self._port = 0
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.delay = 0.1
        self.accepted = self.open = self.most_open = 0

    @property
    def url(self) -> str:
        credentials = self._there.netloc.rpartition("@")[0]
        netloc = f"{credentials}{'@' * bool(credentials)}127.0.0.1:{self._port}"
        return self._there._replace(netloc=netloc).geturl()

    async def does(self, harm: Harm) -> None:
        """From now on do this, to connections that are open, too."""
        self._harm = harm
        self._changed.set()
        self._changed = asyncio.Event()
        if harm is Harm.REFUSE:
            await self.close()
        elif self._listener is None:
            await self.listen()

    async def listen(self) -> None:
        """Take connections, on the same port each time."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Take no more connections, and reset those that are open."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        tasks = list(self._serving)
        for task, writer in list(self._serving.items()):
            _reset(writer)
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        self.accepted += 1
        try:
            await self._pass_both_ways(reader, writer)
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            del self._serving[task]
            writer.transport.abort()

    async def _pass_both_ways(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there = urlsplit(self.server)
        answers, server = await asyncio.open_connection(there.hostname, there.port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests(reader, server))
                both.create_task(self._answers(answers, writer))
        finally:
            server.transport.abort()

    async def _requests(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while data := await source.read(65536):
                if self._harm is not Harm.SWALLOW:
                    sink.write(data)
                    await sink.drain()
        finally:
            self.open -= 1
        if self._harm is Harm.SWALLOW:
            await self._changed.wait()
        sink.write_eof()

    async def _answers(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            while data:
                data = await self._pass_on(data, sink)
        if self._harm is Harm.SWALLOW:
            await self._changed.wait()
        sink.write_eof()

    async def _pass_on(self, data: bytes, sink: asyncio.StreamWriter) -> bytes:
        """Do the harm to some of these bytes; those that are left."""
        harm, some = self._harm, len(data)
        if harm is Harm.SWALLOW:
            return b""
        if harm is Harm.DELAY:
            await asyncio.sleep(self.delay)
        elif harm is Harm.DRIP:
            some = 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _ONE_BYTE_A_SECOND)
        elif harm is Harm.CUT:
            sink.write(data[: len(data) // 2])
            await sink.drain()
            _reset(sink)
            raise ConnectionResetError
        elif harm is Harm.HALF_CLOSE:
            sink.write_eof()
            await self._changed.wait()
            raise ConnectionResetError
        sink.write(data[:some])
        await sink.drain()
        return data[some:]


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[Proxy]:
    """A proxy for the server of `url`, which does no harm until it is told to."""
    proxy = Proxy(url)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
