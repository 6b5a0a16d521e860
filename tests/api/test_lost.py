"""A server that goes while a request uses it: a 503 that names the connection, and a recovery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import asyncpg
import pytest
from quart import Quart
from redis.asyncio import Redis
from rethinkdb import r
from rethinkdb.asyncio_net.net_asyncio import Connection

from service.api.matches import MATCHES
from service.connections import get_db
from tests.eventually import until
from tests.proxy import cutting_after

from .apps import close, make_app
from .conftest import World

LAST_WORD = b"the last word"
FETCH_MORE = b"[2]"
"""How the driver asks for more of a cursor."""


@pytest.fixture
async def app(urls: Mapping[str, str], world: World) -> AsyncIterator[Quart]:
    """The app, with routes that lose their connection in the middle of a query."""
    async with AsyncExitStack() as stack:
        cut = urls["b"]
        for word in (LAST_WORD, FETCH_MORE):
            cut = await stack.enter_async_context(cutting_after(word, cut))
        app = make_app({**urls, "b": cut})
        add_routes(app, urls["client"])
        yield app
        await close(app)


def add_routes(app: Quart, redis_url: str) -> None:
    @app.get("/lost/a")
    async def lost_a() -> str:
        connection = await get_db("a", asyncpg.Connection)
        return str(await connection.fetchval("SELECT pg_terminate_backend(pg_backend_pid())"))

    @app.get("/lost/b/query")
    async def lost_b_query() -> str:
        connection = await get_db("b", Connection)
        return str(await r.expr(LAST_WORD.decode()).run(connection))

    @app.get("/lost/b/cursor")
    async def lost_b_cursor() -> str:
        connection = await get_db("b", Connection)
        feed = await MATCHES.changes().run(connection)
        return str(await feed.next())

    @app.get("/lost/client")
    async def lost_client() -> str:
        client = await get_db("client", Redis)
        own = await client.client_id()
        waiting = asyncio.ensure_future(client.blpop(["lost"], timeout=30))
        async with Redis.from_url(redis_url) as killer:

            async def blocked() -> bool:
                [state] = await killer.client_list(client_id=[str(own)])
                return bool(state["cmd"] == "blpop")

            await until(blocked)
            await killer.client_kill_filter(_id=str(own))
        return str(await waiting)


@pytest.mark.parametrize(
    ("lost", "name", "path"),
    [
        ("/lost/a", "a", "/api/players"),
        ("/lost/b/query", "b", "/api/matches"),
        ("/lost/b/cursor", "b", "/api/matches"),
        ("/lost/client", "client", "/api/leaderboard"),
    ],
)
async def test_a_connection_lost_in_a_request_is_named(
    app: Quart, caplog: pytest.LogCaptureFixture, lost: str, name: str, path: str
) -> None:
    client = app.test_client()
    response = await client.get(lost)
    problem = await response.get_json()

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert problem["type"] == "/problems/connection-unavailable"
    assert problem["connection"] == name
    [warning] = [text for text in caplog.messages if lost in text]
    assert f"connection '{name}' is unavailable" in warning
    assert (await client.get(path)).status_code == 200
