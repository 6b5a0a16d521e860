"""What the servers themselves say about who is connected to them: proof that nothing was opened."""

from __future__ import annotations

from urllib.parse import urlsplit

import asyncpg
import psutil
from redis.asyncio import Redis


async def postgresql_sessions(url: str) -> int:
    """How many sessions the database of ``url`` has, the one that counts aside."""
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return count
    finally:
        await connection.close()


async def redis_clients(url: str) -> int:
    """How many clients have selected the database of ``url``, the one that counts aside."""
    async with Redis.from_url(url, single_connection_client=True) as observer:
        own = await observer.client_id()
        database = urlsplit(url).path.strip("/") or "0"
        clients = await observer.client_list()
        return sum(int(client["id"]) != own and client["db"] == database for client in clients)


def rethinkdb_connections(url: str, pid: int | None = None) -> int:
    """How many connections to the server of ``url`` the process ``pid`` holds, this one if None.

    Seen from the operating system, since the server counts the connections of all processes.
    """
    port = urlsplit(url).port or 28015
    return sum(
        connection.status == psutil.CONN_ESTABLISHED and connection.raddr.port == port
        for connection in psutil.Process(pid).net_connections("tcp")
    )
