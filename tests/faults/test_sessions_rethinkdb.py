"""RethinkDB: no cursor, no `use` and no answer of one request reaches the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from quart import Quart
from rethinkdb import r
from rethinkdb.errors import ReqlDriverError, ReqlError, ReqlTimeoutError

from service.connections import Connections, get_db
from tests.connections import conftest
from tests.connections.conftest import MakeApp
from tests.eventually import until
from tests.serverside import rethinkdb_connections

from .proxy import Harm, Proxy, proxied

make_app = conftest.make_app

Leave = Callable[[Any], Awaitable[object]]

ROWS = r.table("rows")
FOR_EVER = r.range().filter(lambda number: number < 0)
JOBS = r.db("rethinkdb").table("jobs")


@asynccontextmanager
async def request(app: Quart) -> AsyncIterator[Any]:
    async with app.app_context():
        yield await get_db("b")


@pytest.fixture
async def observer(make_app: MakeApp, rethinkdb_url: str) -> Quart:
    """An app beside the one under test, whose database has a table of 100 rows."""
    app = make_app(b=rethinkdb_url)
    async with request(app) as b:
        if "rows" not in await r.table_list().run(b):
            await r.table_create("rows").run(b)
        await ROWS.insert([{"id": number} for number in range(100)], conflict="replace").run(b)
    return app


@pytest.fixture
def app(make_app: MakeApp, rethinkdb_url: str, observer: Quart) -> Quart:
    """An app with one connection."""
    return make_app(b={"url": rethinkdb_url, "max_size": 1, "acquire_timeout": 2})


async def jobs_of(app: Quart, ports: set[int]) -> int:
    """How many queries, cursors and changefeeds the server has for these sockets."""
    async with request(app) as b:
        of_them = JOBS.filter(
            lambda job: r.expr(sorted(ports)).contains(job["info"]["client_port"])
        )
        jobs: list[object] = await of_them.coerce_to("array").run(b)
    return sum(port in ports for port in jobs)


async def open_cursor(b: Any) -> Any:
    cursor = await ROWS.run(b, max_batch_rows=10)
    assert (await cursor.next())["id"] >= 0
    return cursor


async def forgotten_cursor(b: Any) -> None:
    await open_cursor(b)


async def closed_cursor(b: Any) -> None:
    await (await open_cursor(b)).close()


async def read_cursor(b: Any) -> None:
    assert len([row async for row in await open_cursor(b)]) == 99


async def changefeed(b: Any) -> Any:
    return await ROWS.changes(include_initial=True).run(b)


async def closed_changefeed(b: Any) -> None:
    await (await changefeed(b)).close()


async def read_by_a_task(b: Any) -> Any:
    feed = await ROWS.changes().run(b)
    task = asyncio.ensure_future(feed.next())
    await asyncio.sleep(0)
    return task


async def cancelled(query: Any) -> None:
    task = asyncio.ensure_future(query)
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancelled_query(b: Any) -> None:
    await cancelled(FOR_EVER.run(b))


async def cancelled_wait(b: Any) -> None:
    await FOR_EVER.run(b, noreply=True)
    await cancelled(b.noreply_wait())


async def cancelled_close(b: Any) -> None:
    await FOR_EVER.run(b, noreply=True)
    await cancelled(b.close())


async def query_of_a_task(b: Any) -> Any:
    task = asyncio.ensure_future(FOR_EVER.run(b))
    await asyncio.sleep(0.01)
    return task


async def use(b: Any) -> None:
    b.use("rethinkdb")
    assert "jobs" in await r.table_list().run(b)


async def settings_of_its_own(b: Any) -> None:
    b.query_timeout, b.mine = 0.0001, "mine"


async def without_reply(b: Any) -> None:
    await ROWS.get(1).update({"seen": True}).run(b, noreply=True)


async def close(b: Any) -> None:
    await b.close()


async def reconnect(b: Any) -> None:
    await b.reconnect()
    await open_cursor(b)


async def block(b: Any) -> None:
    async with b:
        await open_cursor(b)


KEEPS = [closed_cursor, read_cursor, closed_changefeed, use, settings_of_its_own, without_reply]
LOSES = [
    *(open_cursor, forgotten_cursor, changefeed, read_by_a_task, query_of_a_task),
    *(cancelled_query, cancelled_wait, cancelled_close, close, reconnect, block),
]


@pytest.mark.parametrize("leave", [*KEEPS, *LOSES])
async def test_what_a_request_left_is_gone_in_the_next(
    app: Quart, observer: Quart, rethinkdb_url: str, leave: Leave
) -> None:
    before = rethinkdb_connections(rethinkdb_url)
    async with request(app) as b:
        ports = {b.client_port()}
        kept = await leave(b)
        ports |= {b.client_port()} - {None}
    async with request(app) as b:
        assert (b.client_port() in ports) is (leave in KEEPS)
        assert b.db.startswith("test_")
        assert "rows" in await r.table_list().run(b)
        assert not hasattr(b, "mine")
        answers = await asyncio.gather(*(r.expr(number).run(b) for number in range(20)))
        assert answers == list(range(20))
        await until(lambda: nothing_of(observer, ports))
        assert rethinkdb_connections(rethinkdb_url) == before + 1
    if kept is not None:
        with pytest.raises(ReqlError, match="Connection is closed"):
            await (kept if isinstance(kept, asyncio.Future) else iterate(b, kept))


async def nothing_of(observer: Quart, ports: set[int]) -> bool:
    return await jobs_of(observer, ports) == 0


async def test_a_write_without_a_reply_is_not_lost(app: Quart) -> None:
    async with request(app) as b:
        await ROWS.get(2).update({"n": 5}).run(b, noreply=True)
    async with request(app) as b:
        await b.noreply_wait()
        assert (await ROWS.get(2).run(b))["n"] == 5


async def test_a_handle_kept_beyond_its_request_says_so(app: Quart) -> None:
    async with request(app) as kept:
        assert kept.is_open()
    for go_on in (r.expr(1).run, r.expr(1).run):
        with pytest.raises(ReqlDriverError, match="Connection is closed"):
            await go_on(kept)
    await kept.close()
    async with request(app) as b:
        assert await r.expr(1).run(b) == 1


async def test_a_request_cut_at_any_step(app: Quart) -> None:
    async def secrets() -> None:
        async with request(app) as b:
            await r.expr("secret").run(b)
            async for _ in await ROWS.run(b, max_batch_rows=30):
                pass
            await b.noreply_wait()

    cut = steps = 0
    finished = False
    while not finished:
        task = asyncio.create_task(secrets())
        for _ in range(steps):
            await asyncio.sleep(0)
        finished = not task.cancel()
        await asyncio.wait([task])
        cut += task.cancelled()
        steps += 1
        async with request(app) as b:
            assert await r.expr("mine").run(b) == "mine"
            assert await ROWS.count().run(b) == 100
    assert cut >= 5


@pytest.fixture
async def proxy(rethinkdb_url: str) -> AsyncIterator[Proxy]:
    """A way to the server on which answers can be lost."""
    async with proxied(rethinkdb_url) as found:
        yield found


@pytest.fixture
def frozen(make_app: MakeApp, proxy: Proxy, observer: Quart) -> Quart:
    """An app with one connection, by the proxy, whose queries have 0.2 s for an answer."""
    return make_app(b={"url": proxy.url, "max_size": 1, "query_timeout": 0.2})


async def iterate(b: Any, cursor: Any) -> None:
    async for _ in cursor:
        pass


async def call_next(b: Any, cursor: Any) -> None:
    while True:
        await cursor.next()


async def call_fetch_next(b: Any, cursor: Any) -> None:
    while await cursor.fetch_next():
        await cursor.next()


async def wait_for_writes(b: Any, cursor: Any) -> None:
    await b.noreply_wait()


async def ask_the_server(b: Any, cursor: Any) -> None:
    await b.server()


async def close_politely(b: Any, cursor: Any) -> None:
    await b.close()


async def connect_anew(b: Any, cursor: Any) -> None:
    await b.reconnect()


@pytest.mark.parametrize(
    "go_on",
    [
        *(iterate, call_next, call_fetch_next, wait_for_writes, ask_the_server),
        *(close_politely, connect_anew),
    ],
)
async def test_a_server_silent_after_the_first_batch_is_given_up_after_query_timeout(
    frozen: Quart, proxy: Proxy, go_on: Callable[[Any, Any], Awaitable[None]]
) -> None:
    async with asyncio.timeout(5):
        async with request(frozen) as b:
            cursor = await ROWS.run(b, max_batch_rows=10)
            # The driver has asked for the second batch already, which may have come.
            await proxy.does(Harm.SWALLOW)
            with pytest.raises(ReqlTimeoutError) as raised:
                await go_on(b, cursor)
            connections: Connections = frozen.extensions["connections"]
            assert connections.unavailable(raised.value) is not None
        await proxy.does(Harm.NONE)
        async with request(frozen) as b:
            assert await ROWS.count().run(b) == 100
    await until(lambda: proxy.open == 1)


async def test_a_batch_that_comes_too_late_leaves_no_cursor(frozen: Quart, proxy: Proxy) -> None:
    async with request(frozen) as b:
        port = b.client_port()
        cursor = await ROWS.run(b, max_batch_rows=10)
        proxy.delay = 0.4
        await proxy.does(Harm.DELAY)
        with pytest.raises(ReqlTimeoutError):
            await iterate(b, cursor)
        await until(lambda: not cursor.outstanding_requests)
    await proxy.does(Harm.NONE)
    async with request(frozen) as b:
        assert b.client_port() != port
        assert await ROWS.count().run(b) == 100
    await until(lambda: proxy.open == 1)


@pytest.mark.parametrize(
    "feed", [ROWS.changes(), ROWS.get(3).changes(), ROWS.changes().map(lambda change: change)]
)
async def test_a_changefeed_waits_as_long_as_it_likes(frozen: Quart, feed: Any) -> None:
    async with request(frozen) as b:
        changes = await feed.run(b)
        reading = asyncio.ensure_future(changes.next())
        await asyncio.wait([reading], timeout=0.6)
        assert not reading.done()
        await ROWS.get(3).update({"n": r.row["n"].default(0) + 1}).run(b)
        async with asyncio.timeout(5):
            assert await reading
