"""One pool for each database, opened when the app starts: what people write without a layer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from redis.asyncio import Redis

from .questions import POSTGRESQL_URL, REDIS_URL, RETHINKDB_URL, r


class RethinkDBPool:
    """A few connections, opened as they are needed: the driver has no pool.

    Attributes:
        SIZE: how many, which is what asyncpg's pool has by default.
    """

    SIZE = 10

    def __init__(self) -> None:
        self._idle = asyncio.LifoQueue[Any]()
        for _ in range(self.SIZE):
            self._idle.put_nowait(None)

    async def acquire(self) -> Any:
        """A connection, as soon as nobody holds it."""
        connection = await self._idle.get()
        if connection is not None:
            return connection
        try:
            return await r.connect(url=RETHINKDB_URL)
        except BaseException:
            self._idle.put_nowait(None)
            raise

    async def release(self, connection: Any, error: BaseException | None = None) -> None:
        """Take one back; after an error it is closed, for its query may not be over."""
        if error is None:
            self._idle.put_nowait(connection)
            return
        try:
            await connection.close(noreply_wait=False)
        finally:
            self._idle.put_nowait(None)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection for the length of a block."""
        connection = await self.acquire()
        try:
            yield connection
        except BaseException as error:
            await self.release(connection, error)
            raise
        await self.release(connection)

    async def close(self) -> None:
        """Close those that nobody holds."""
        while not self._idle.empty():
            connection = self._idle.get_nowait()
            if connection is not None:
                await connection.close(noreply_wait=False)


@dataclass(frozen=True)
class Pools:
    """The three pools of an app."""

    postgresql: asyncpg.Pool
    rethinkdb: RethinkDBPool
    redis: Redis


@asynccontextmanager
async def opened() -> AsyncIterator[Pools]:
    """All three, for the life of an app."""
    rethinkdb = RethinkDBPool()
    async with (
        asyncpg.create_pool(POSTGRESQL_URL) as postgresql,
        Redis.from_url(REDIS_URL, decode_responses=True) as redis,
    ):
        try:
            yield Pools(postgresql, rethinkdb, redis)
        finally:
            await rethinkdb.close()
