"""The RethinkDB backend: a small pool over the official driver."""

from __future__ import annotations

import asyncio
import gc
import weakref
from urllib.parse import urlsplit

import pytest
from quart import Quart
from rethinkdb import r
from rethinkdb.asyncio_net.net_asyncio import Connection
from rethinkdb.errors import ReqlAuthError, ReqlDriverError, ReqlError, ReqlRuntimeError

from service.connections import Connections, ConnectionUnavailable, get_db
from service.connections.backend import Settings
from service.connections.rethinkdb import RethinkDB
from tests.eventually import until
from tests.serverside import rethinkdb_connections

from .conftest import MakeApp


@pytest.fixture
def app(make_app: MakeApp, rethinkdb_url: str) -> Quart:
    return make_app(b={"url": rethinkdb_url, "max_size": 2})


async def port_of(app: Quart) -> int:
    """Which socket a context gets."""
    async with app.app_context():
        port: int | None = (await get_db("b", Connection)).client_port()
        assert port is not None
        return port


async def test_a_connection_is_used_again(app: Quart, rethinkdb_url: str) -> None:
    before = rethinkdb_connections(rethinkdb_url)
    assert len({await port_of(app) for _ in range(3)}) == 1
    assert rethinkdb_connections(rethinkdb_url) == before + 1


async def test_it_ends_with_its_context_and_so_does_what_was_done_to_it(app: Quart) -> None:
    async with app.app_context():
        kept = await get_db("b")
        kept.use("elsewhere")
        assert kept.db == "elsewhere"
        port = kept.client_port()
    with pytest.raises(ReqlDriverError, match="Connection is closed"):
        await r.expr(1).run(kept)
    async with app.app_context():
        b = await get_db("b")
        assert b.client_port() == port
        assert b.db.startswith("test_")
        assert await r.expr([1, 2]).run(b) == [1, 2]


async def test_a_cancelled_query_takes_its_connection_along(app: Quart) -> None:
    port = await port_of(app)
    async with app.app_context():
        b = await get_db("b")
        await r.table_create("cut").run(b)
        feed = await r.table("cut").changes().run(b)
        query = asyncio.create_task(feed.next())
        await asyncio.sleep(0)
        query.cancel()
        await asyncio.wait([query])
    assert await port_of(app) != port


async def test_an_open_cursor_takes_its_connection_along(
    app: Quart, connections: Connections, rethinkdb_url: str
) -> None:
    before = rethinkdb_connections(rethinkdb_url)
    async with app.app_context():
        b = await get_db("b")
        await r.table_create("feed").run(b)
        await r.table("feed").changes().run(b)
        assert rethinkdb_connections(rethinkdb_url) == before + 1
    await until(lambda: rethinkdb_connections(rethinkdb_url) == before)
    assert connections.stats()["b"].size == 0


async def test_a_cursor_that_was_closed_does_not(
    app: Quart, connections: Connections, rethinkdb_url: str
) -> None:
    async with app.app_context():
        b = await get_db("b")
        port = b.client_port()
        await r.table_create("closed").run(b)
        feed = await r.table("closed").changes(include_initial=True).run(b)
        await feed.close()
    assert await port_of(app) == port
    assert connections.stats()["b"].size == 1


@pytest.mark.parametrize("idle", [True, False])
async def test_a_connection_that_the_server_closed_is_not_handed_out(
    app: Quart, idle: bool
) -> None:
    async with app.app_context():
        b = await get_db("b")
        port = b.client_port()
        instance = b._instance
        if not idle:
            # From here on it is as if the server had gone: end of file.
            instance._streamreader.feed_eof()
    if idle:
        instance._streamreader.feed_eof()
    assert await port_of(app) != port


async def test_the_collector_may_come_while_a_connection_closes(rethinkdb_url: str) -> None:
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: said.append(str(told)))
    backend = RethinkDB(Settings(name="b", url=rethinkdb_url))
    pool = await backend.open()
    connection = await backend.acquire(pool)
    await backend.ping(connection)
    reader = weakref.ref(connection._instance._reader_task)
    connection.gave_up = True
    await backend.release(pool, connection)
    del connection
    gc.collect()
    assert reader()
    await until(lambda: gc.collect() >= 0 and not reader())
    assert not said


async def test_idle_connections_are_closed_after_a_while(
    make_app: MakeApp, rethinkdb_url: str
) -> None:
    app = make_app(b={"url": rethinkdb_url, "max_idle_time": 0.001})
    port = await port_of(app)
    await asyncio.sleep(0.002)
    assert await port_of(app) != port
    assert app.extensions["connections"].stats()["b"].size == 1


async def test_a_wrong_password_is_refused_and_told(make_app: MakeApp, rethinkdb_url: str) -> None:
    url = urlsplit(rethinkdb_url)
    app = make_app(b=f"rethinkdb://admin:wrong@{url.hostname}:{url.port}{url.path}")
    async with app.app_context():
        with pytest.raises(ConnectionUnavailable, match="ReqlAuthError") as raised:
            await get_db("b")
    assert isinstance(raised.value.__cause__, ReqlAuthError)
    assert "wrong" not in str(raised.value)


async def test_several_hosts_are_tried_in_turn(make_app: MakeApp, rethinkdb_url: str) -> None:
    here = urlsplit(rethinkdb_url)
    credentials, at, server_at = here.netloc.rpartition("@")
    app = make_app(b=here._replace(netloc=f"{credentials}{at}127.0.0.1:1,{server_at}").geturl())
    assert await port_of(app)


async def test_closing_closes_what_is_held_too(app: Quart, rethinkdb_url: str) -> None:
    before = rethinkdb_connections(rethinkdb_url)
    connections = app.extensions["connections"]
    async with app.app_context():
        b = await get_db("b")
        await connections.close()
        assert rethinkdb_connections(rethinkdb_url) == before
        with pytest.raises(ReqlDriverError):
            await r.expr(1).run(b)
    assert connections.stats()["b"].in_use == 0
    assert await port_of(app)


@pytest.mark.parametrize("by", ["query", "cursor"])
async def test_a_lost_connection_is_told_by_queries_and_by_cursors(
    app: Quart, connections: Connections, by: str
) -> None:
    async with app.app_context():
        b = await get_db("b")
        table = r.table(f"lost_by_{by}")
        await r.table_create(f"lost_by_{by}").run(b)
        feed = await table.changes().run(b)
        b._instance._streamwriter.transport.abort()
        with pytest.raises(ReqlError) as raised:
            await (feed.next() if by == "cursor" else table.count().run(b))
        unavailable = connections.unavailable(raised.value)
        assert unavailable is not None
        assert unavailable.name == "b"
        assert connections.unavailable(ReqlRuntimeError("mine", r.expr(1), [])) is None


@pytest.mark.parametrize("how", ["close", "reconnect"])
async def test_what_its_user_closed_or_connected_anew_is_not_handed_on(
    app: Quart, connections: Connections, how: str
) -> None:
    async with app.app_context():
        b = await get_db("b")
        await getattr(b, how)()
        port = b.client_port()
    assert connections.stats()["b"].size == 0
    assert await port_of(app) != port
