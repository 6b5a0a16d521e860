"""The driver's Redis pools, with a bounded wait for a socket and an end that is final."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import redis.asyncio as driver
from redis import exceptions
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.sentinel import SentinelConnectionPool

from .backend import Settings
from .errors import PoolTimeout
from .redis_session import NodeTCP, NodeTLS, Session


def is_open(connection: AbstractConnection) -> bool:
    """Whether it is connected, as far as this end knows."""
    reader = connection._reader
    return reader is not None and not reader.at_eof()


class Places:
    """Room for `max_size` at once; who finds none waits `acquire_timeout`, in the order asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free = asyncio.Semaphore(settings.max_size)
        self.closed = False

    async def take(self) -> None:
        """Wait for a place.

        Raises:
            PoolTimeout: there was none for `acquire_timeout` seconds.
            redis.ConnectionError: the pool has been closed.
        """
        seconds = self._settings.acquire_timeout
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise PoolTimeout(
                self._settings.name,
                max_size=self._settings.max_size,
                waited=seconds,
            ) from None
        if self.closed:
            self.give_back()
            raise exceptions.ConnectionError("The pool was closed.")

    def give_back(self) -> None:
        """Free a place; the first who waits has it."""
        self._free.release()


class Sockets(ConnectionPool):
    """The driver's pool of one server's sockets, `max_size` at most.

    The driver's own blocking pool loses the turn of who is cancelled as it comes (Python < 3.13).
    """

    def __init__(self, *args: Any, settings: Settings, **options: Any) -> None:
        super().__init__(*args, **{"max_connections": settings.max_size} | options)
        self.places = Places(settings)
        self._failed = 0

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Session:
        """A connected socket.

        Raises:
            PoolTimeout: there was no place in time.
            redis.ConnectionError: the server cannot be reached, or could not while this waited.
        """
        failed = self._failed
        await self.places.take()
        try:
            connection: Session = self.get_available_connection()  # type: ignore[no-untyped-call]
        except BaseException:
            self.places.give_back()
            raise
        try:
            await self._connect(connection, failed)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def _connect(self, connection: Session, failed: int) -> None:
        if self._failed > failed and not is_open(connection):
            raise exceptions.ConnectionError("Another attempt to connect has just failed.")
        try:
            await self.ensure_connection(connection)
        except exceptions.RedisError:
            self._failed += 1
            raise
        self._failed = 0

    async def release(self, connection: AbstractConnection) -> None:
        """Take a socket back, or close it if it is not as clean as a new one.

        Nothing in it waits, so that no cancellation can come between.
        """
        assert isinstance(connection, Session)
        if not connection.is_clean:
            await self.drop(connection)
            return
        if self.places.closed:
            await connection.disconnect(nowait=True)
        await super().release(connection)
        self.places.give_back()

    async def drop(self, connection: Session) -> None:
        """Close a socket that is in use, for good. Does not wait."""
        if connection in self._in_use_connections:
            self._in_use_connections.remove(connection)
            self.places.give_back()
        await connection.end()

    def connections(self) -> tuple[list[AbstractConnection], list[AbstractConnection]]:
        """Connections, open or not: the idle ones and those in use."""
        return self._available_connections, list(self._in_use_connections)

    async def close(self) -> None:
        """Disconnect every socket, and those that are being connected as soon as they are back."""
        self.places.closed = True
        await self.aclose()


class SentinelSockets(Sockets, SentinelConnectionPool):
    """The same for a master that sentinels name."""


class Cluster(driver.RedisCluster):
    """The driver's cluster client, with `max_size` commands at once, each with its own socket.

    Its nodes open a socket for whatever finds none idle, so that the commands bound the sockets
    of a node. Pipelines and subscriptions come on top.
    """

    def __init__(self, *, settings: Settings, **options: Any) -> None:
        super().__init__(max_connections=sys.maxsize, **options)
        self.places = Places(settings)
        # Of the nodes it finds: those it is given are only asked for them.
        self.connection_kwargs["connection_class"] = NodeTLS if options.get("ssl") else NodeTCP

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command. Raises `PoolTimeout` if it cannot begin in time."""
        await self.places.take()
        try:
            return await super().execute_command(*args, **options)
        finally:
            self.places.give_back()
            if self.places.closed:
                await self._disconnect()

    def connections(self) -> tuple[list[AbstractConnection], list[AbstractConnection]]:
        """Connections of all nodes, open or not: the idle ones and those in use."""
        nodes = self._nodes()
        idle = {connection for node in nodes for connection in node._free}
        every = {connection for node in nodes for connection in node._connections}
        return [*idle], [*every - idle]

    async def drop_lost(self) -> None:
        """Disconnect the idle sockets that the server has closed: the driver would use them."""
        for connection in self.connections()[0]:
            if connection.is_connected and not is_open(connection):
                await connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Disconnect every socket, and those that are being connected as soon as they are."""
        self.places.closed = True
        await self.aclose()
        await self._disconnect()

    async def _disconnect(self) -> None:
        # The driver's own `aclose` does nothing while it has to find out about the cluster anew.
        await asyncio.gather(*(node.disconnect() for node in self._nodes()))

    def _nodes(self) -> list[driver.cluster.ClusterNode]:
        # The driver may have two objects for one node: the one it asked first, and the one found.
        manager = self.nodes_manager
        known = [*manager.nodes_cache.values(), *manager.startup_nodes.values()]
        return list({id(node): node for node in known}.values())
