"""What may be left when a bad day is over, seen from the servers' side and from the service's."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import asyncpg
import httpx
from rethinkdb import r
from rethinkdb.net import DefaultConnection, make_connection

from tests.eventually import until
from tests.serverside import redis_clients

from .serving import Service

NEVER_SAID = (
    "never retrieved",
    "was destroyed",
    "Unclosed",
    "was never awaited",
    "attached to a different loop",
)
"""What asyncio and the drivers log of what was left behind."""
OF_A_POOL = "ConnectionInstance._reader"
"""The task that a pooled connection to RethinkDB has."""
MAX_SIZE = 10
"""Connections that the shipped configuration allows of each backend."""


async def holds(
    service: Service,
    urls: Mapping[str, str],
    before: Mapping[str, Any] | None = None,
    answering: Collection[str] = ("/healthz", "/readyz"),
    max_size: int = MAX_SIZE,
) -> None:
    """Wait until nothing is left of what went on; all clients must have gone.

    Args:
        service: the serving process.
        urls: the servers, all of them running.
        before: what `service.inventory()` said before: no more tasks may run now than then.
        answering: paths that answer 200.
        max_size: connections that each pool may keep open.

    Raises:
        AssertionError: names everything that is left.
    """
    left: list[str] = []

    async def nothing_left() -> bool:
        left[:] = await _left(service, urls, before, max_size)
        return not left

    try:
        await until(nothing_left, 20)
    except TimeoutError:
        raise AssertionError(f"left behind: {left}") from None
    said = service.said()
    for words in NEVER_SAID:
        assert words not in said, said[max(0, said.index(words) - 2000) :][:4000]
    headers = {"Connection": "close"}
    async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=30) as client:
        for path in answering:
            response = await client.get(path)
            assert response.status_code == 200, f"{path}: {response.text}"


async def _left(
    service: Service, urls: Mapping[str, str], before: Mapping[str, Any] | None, max_size: int
) -> list[str]:
    held = await service.inventory()
    left = [
        f"{key} of {name}: {stats[key]}"
        for name, stats in held["stats"].items()
        for key in ("in_use", "waiting")
        if stats[key]
    ]
    left += [f"{key}: {held[key]}" for key in ("leases", "streams") if held[key]]
    if before is not None:
        more = {
            name: count
            for name, count in held["tasks"].items()
            if count > before["tasks"].get(name, 0) and name != OF_A_POOL
        }
        left += [f"tasks: {more}"] if more else []
    sessions = await postgresql(urls["a"])
    clients = await redis_clients(urls["client"])
    cursors, connections = await asyncio.to_thread(rethinkdb, urls["b"])
    if any("idle in transaction" in state for state in sessions):
        left.append(f"idle in transaction: {sessions}")
    if any(state != "idle" for state in sessions):
        left.append(f"sessions at work: {sessions}")
    for name, count in (("a", len(sessions)), ("b", connections), ("client", clients)):
        if count > max_size:
            left.append(f"{count} connections at the server of {name}")
    if cursors:
        left.append(f"cursors: {cursors}")
    return left


async def postgresql(url: str) -> list[str]:
    """The state of each session of the database, the one that asks aside."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        rows = await connection.fetch(
            "SELECT state FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return [row["state"] or "starting" for row in rows]
    finally:
        await connection.close()


def rethinkdb(url: str) -> tuple[list[str], int]:
    """The queries that have a cursor or run, and the connections, of others than who asks."""
    with make_connection(DefaultConnection, url=url, timeout=10) as connection:
        system = r.db("rethinkdb")
        jobs = [job["info"]["query"] for job in system.table("jobs").run(connection)]
        stats = system.table("stats").get(["cluster"]).run(connection)
    others = [query for query in jobs if query != 'r.db("rethinkdb").table("jobs")']
    return others, int(stats["query_engine"]["client_connections"]) - 1
