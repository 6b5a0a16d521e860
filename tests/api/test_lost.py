"""A server that goes while a request uses it: a 503 that names the connection, and a recovery."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import asyncpg
import pytest
from quart import Quart
from redis.asyncio import Redis

from service.connections import get_db

from .apps import until


@pytest.fixture
def app(app: Quart, urls: Mapping[str, str]) -> Quart:
    """The app, with routes that lose their connection in the middle of a query."""

    @app.get("/lost/a")
    async def lost_a() -> str:
        connection = await get_db("a", asyncpg.Connection)
        return str(await connection.fetchval("SELECT pg_terminate_backend(pg_backend_pid())"))

    @app.get("/lost/client")
    async def lost_client() -> str:
        client = await get_db("client", Redis)
        own = await client.client_id()
        waiting = asyncio.ensure_future(client.blpop(["lost"], timeout=30))
        async with Redis.from_url(urls["client"]) as killer:

            async def blocked() -> bool:
                [state] = await killer.client_list(client_id=[str(own)])
                return bool(state["cmd"] == "blpop")

            await until(blocked)
            await killer.client_kill_filter(_id=str(own))
        return str(await waiting)

    return app


@pytest.mark.parametrize(("name", "path"), [("a", "/api/players"), ("client", "/api/leaderboard")])
async def test_a_connection_lost_in_a_request_is_named(app: Quart, name: str, path: str) -> None:
    client = app.test_client()
    response = await client.get(f"/lost/{name}")
    problem = await response.get_json()

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert problem["type"] == "/problems/connection-unavailable"
    assert problem["connection"] == name
    assert (await client.get(path)).status_code == 200
