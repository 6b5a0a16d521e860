"""A fresh database on each kind of server, gone again at the end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg
from redis import Redis
from rethinkdb import r
from rethinkdb.net import DefaultConnection, make_connection

_REDIS_LOCK = "service-tests:database:{}"
_REDIS_LOCK_SECONDS = 3600


@contextmanager
def postgresql(server_url: str) -> Iterator[str]:
    """Create a PostgreSQL database; its URL differs from the server's in the path only."""
    name = f"test_{secrets.token_hex(8)}"

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(server_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute(f"CREATE DATABASE {name}"))
    try:
        yield _with_path(server_url, name)
    finally:
        asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))


@contextmanager
def rethinkdb(server_url: str) -> Iterator[str]:
    """Create a RethinkDB database; its URL differs from the server's in the path only."""
    name = f"test_{secrets.token_hex(8)}"
    with make_connection(DefaultConnection, url=server_url) as connection:
        r.db_create(name).run(connection)
    try:
        yield _with_path(server_url, name)
    finally:
        with make_connection(DefaultConnection, url=server_url) as connection:
            r.db_drop(name).run(connection)


@contextmanager
def redis(server_url: str) -> Iterator[str]:
    """Claim one of the Redis databases that nobody else claims, empty at the start and the end."""
    with Redis.from_url(server_url, decode_responses=True) as registry:
        owner = secrets.token_hex(8)
        count = int(registry.config_get("databases")["databases"])
        for number in range(1, count):
            lock = _REDIS_LOCK.format(number)
            if registry.set(lock, owner, nx=True, ex=_REDIS_LOCK_SECONDS):
                break
        else:
            raise RuntimeError(f"all of the databases 1 to {count - 1} are claimed")
        url = _with_path(server_url, str(number))
        with Redis.from_url(url) as database:
            try:
                database.flushdb()
                yield url
                database.flushdb()
            finally:
                if registry.get(lock) == owner:
                    registry.delete(lock)


def _with_path(url: str, path: str) -> str:
    return urlsplit(url)._replace(path=f"/{path}").geturl()
