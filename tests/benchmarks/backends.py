"""The databases that the contenders ask, on servers and in databases of their own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from redis import Redis
from rethinkdb import r
from rethinkdb.net import DefaultConnection, make_connection

from service.embedded import postgresql
from service.embedded.directory import data_directory
from service.embedded.process import Server
from service.embedded.servers import start_all, stop_all
from tests import databases

ROWS = 1000
CONNECTIONS = 400
"""Of PostgreSQL: the contenders' pools together, and one for each request in flight."""


@contextmanager
def backends() -> Iterator[Mapping[str, str]]:
    """Start and fill them; the environment that tells a contender where they are."""
    with data_directory(None) as data:
        servers = asyncio.run(start_all(data))
        try:
            asyncio.run(_allow_connections(servers, data))
            with (
                databases.postgresql(servers["postgresql"].url) as postgresql_url,
                databases.rethinkdb(servers["rethinkdb"].url) as rethinkdb_url,
                databases.redis(servers["redis"].url) as redis_url,
            ):
                asyncio.run(_fill_postgresql(postgresql_url))
                _fill_rethinkdb(rethinkdb_url)
                with Redis.from_url(redis_url) as redis:
                    redis.set("leader", "ada")
                yield {
                    "BENCHMARK_POSTGRESQL": postgresql_url,
                    "BENCHMARK_RETHINKDB": rethinkdb_url,
                    "BENCHMARK_REDIS": redis_url,
                }
        finally:
            asyncio.run(stop_all(servers.values()))


def rethinkdb_is_a_stand_in() -> bool:
    """Whether the RethinkDB is this repository's own, for want of one on PATH."""
    return shutil.which("rethinkdb") is None


async def _allow_connections(servers: dict[str, Server], data: Path) -> None:
    connection = await asyncpg.connect(servers["postgresql"].url)
    await connection.execute(f"ALTER SYSTEM SET max_connections = {CONNECTIONS}")
    await connection.close()
    await servers["postgresql"].stop()
    servers["postgresql"] = await postgresql.start(data / "postgresql")


async def _fill_postgresql(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "CREATE TABLE players (id int PRIMARY KEY, name text NOT NULL, points int NOT NULL)"
    )
    players = [(number, "ada" if number == 1 else f"p{number}", 6) for number in range(1, ROWS + 1)]
    await connection.copy_records_to_table("players", records=players)
    await connection.execute("ANALYZE players")
    await connection.close()


def _fill_rethinkdb(url: str) -> None:
    with make_connection(DefaultConnection, url=url) as connection:
        r.table_create("matches").run(connection)
        matches = [{"id": number, "map": "harbour", "winner": 2} for number in range(1, ROWS + 1)]
        r.table("matches").insert(matches).run(connection)
