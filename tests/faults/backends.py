"""The three servers, each to be killed, restarted, frozen and thawed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
from redis.asyncio import Redis

from service.embedded.process import Server
from service.embedded.servers import START, start_all

KINDS: Mapping[str, str] = {"a": "postgresql", "b": "rethinkdb", "client": "redis"}
"""What kind of server each connection of the shipped configuration leads to."""


class Backends:
    """Servers of one test's own, by the names of the shipped configuration."""

    def __init__(self, data: Path, servers: Mapping[str, Server]) -> None:
        self._data = data
        self._servers = {name: servers[kind] for name, kind in KINDS.items() if kind in servers}

    @property
    def urls(self) -> dict[str, str]:
        """Where each is: the same for as long as these servers are used."""
        return {name: server.url for name, server in self._servers.items()}

    async def kill(self, name: str) -> None:
        """End a server and all its processes as `kill -9` does."""
        server = self._servers[name]
        processes = self._processes(name)
        _signal(processes, signal.SIGKILL)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(psutil.wait_procs, processes, timeout=10)

    async def restart(self, name: str) -> None:
        """Start a server that was killed, on its data and its port; it answers on return."""
        kind = KINDS[name]
        port = urlsplit(self._servers[name].url).port
        self._servers[name] = await START[kind](self._data / kind, port)
        await self.never_waits_for_the_disk(name)

    async def never_waits_for_the_disk(self, name: str) -> None:
        """A disk that is busy for as long as a timeout is is no fault that any test means."""
        url = self._servers[name].url
        if name == "a":
            connection = await asyncpg.connect(url)
            await connection.execute("ALTER SYSTEM SET fsync = off")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.close()
        elif name == "client":
            async with Redis.from_url(url, single_connection_client=True) as redis:
                await redis.config_set("appendfsync", "no")

    async def freeze(self, name: str) -> None:
        """Stop a server where it stands: it accepts and says nothing more."""
        _signal(self._processes(name), signal.SIGSTOP)

    async def thaw(self, name: str) -> None:
        """Let a frozen server go on."""
        _signal(self._processes(name), signal.SIGCONT)

    async def stop(self) -> None:
        """End them all, frozen ones, too."""
        for name in self._servers:
            with suppress(psutil.NoSuchProcess):
                await self.kill(name)

    def _processes(self, name: str) -> list[psutil.Process]:
        main = psutil.Process(self._servers[name].pid)
        return [main, *main.children(recursive=True)]


@asynccontextmanager
async def backends(data: Path, names: Collection[str] = tuple(KINDS)) -> AsyncIterator[Backends]:
    """Servers for the connections called `names`, on the directory `data`."""
    found = Backends(data, await start_all(data, [KINDS[name] for name in names]))
    try:
        for name in found.urls:
            await found.never_waits_for_the_disk(name)
        yield found
    finally:
        await asyncio.shield(found.stop())


def _signal(processes: Collection[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
