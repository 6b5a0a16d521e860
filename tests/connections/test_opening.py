"""Rows 1, 2, 3, 6, 7 and 8 of the contract: what awaiting a name opens, and what it gives."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from quart import Quart, websocket
from redis.asyncio import Redis
from rethinkdb import r
from rethinkdb.asyncio_net.net_asyncio import Connection as RethinkConnection

from service.connections import (
    Connections,
    ConnectionUnavailable,
    ContextClosed,
    UnknownConnection,
    get_db,
)
from tests.serverside import postgresql_sessions, redis_clients, rethinkdb_connections

from .ledger import Ledger


async def three() -> tuple[int, int, bool]:
    """Use each of the shipped backends once, twice got."""
    a = await get_db("a", asyncpg.Connection)
    b = await get_db("b", RethinkConnection)
    client = await get_db("client", Redis)
    assert await get_db("a") is a
    assert await get_db("b") is b
    assert await get_db("client") is client
    return (
        await a.fetchval("SELECT 1"),
        await r.expr(1).run(b),
        bool(await client.ping()),
    )


async def test_a_request_gets_live_driver_objects_and_the_same_ones_again(app: Quart) -> None:
    @app.get("/")
    async def index() -> list[Any]:
        return list(await three())

    response = await app.test_client().get("/")
    assert await response.get_json() == [1, 1, True]


async def test_a_websocket_gets_them(app: Quart) -> None:
    @app.websocket("/")
    async def index() -> None:
        await websocket.send_json(list(await three()))

    async with app.test_client().websocket("/") as socket:
        assert await socket.receive_json() == [1, 1, True]


async def test_a_background_task_gets_them(app: Quart) -> None:
    got: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        got.set_result(await three())

    @app.get("/")
    async def index() -> str:
        app.add_background_task(work)
        return ""

    await app.test_client().get("/")
    assert await got == (1, 1, True)


async def test_an_app_context_gets_them(app: Quart) -> None:
    async with app.app_context():
        assert await three() == (1, 1, True)


def test_a_cli_command_gets_them(postgresql_url: str) -> None:
    app = Quart("tests")
    app.config["CONNECTIONS"] = {"a": postgresql_url}
    Connections(app)

    async def answer() -> None:
        async with app.app_context():
            print(await (await get_db("a")).fetchval("SELECT 42"))

    @app.cli.command("answer")
    def command() -> None:
        asyncio.run(answer())

    result = app.test_cli_runner().invoke(args=["answer"])
    assert result.output == "42\n", result


async def test_gathered_awaits_open_once_and_all_get_it(
    app: Quart, connections: Connections, postgresql_url: str
) -> None:
    before = await postgresql_sessions(postgresql_url)
    async with app.app_context():
        first, *others = await asyncio.gather(*(get_db("a") for _ in range(20)))
        assert all(other is first for other in others)
        assert await postgresql_sessions(postgresql_url) == before + 1
        assert connections.stats()["a"].opened == 1


async def test_gathered_awaits_all_get_the_error_and_nothing_is_cached(
    ledger_app: Quart, ledger: Ledger
) -> None:
    ledger.failing, ledger.gate = OSError("down"), asyncio.Event()
    async with ledger_app.app_context():
        waiting = asyncio.gather(*(get_db("x") for _ in range(5)), return_exceptions=True)
        await ledger.entered.wait()
        ledger.gate.set()
        errors = await waiting
        assert all(isinstance(error, ConnectionUnavailable) for error in errors)
        assert ledger.count("acquire") == 1
        ledger.failing = None
        assert await get_db("x") is await get_db("x")


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_cancelled_waiter_leaves_the_others_theirs(
    ledger_app: Quart, ledger: Ledger, cancelled: int
) -> None:
    ledger.gate = asyncio.Event()
    async with ledger_app.app_context():
        waiters = [asyncio.create_task(get_db("x")) for _ in range(3)]
        await ledger.entered.wait()
        waiters[cancelled].cancel()
        await asyncio.wait([waiters[cancelled]])
        assert waiters[cancelled].cancelled()
        ledger.gate.set()
        rest = [waiter for waiter in waiters if waiter is not waiters[cancelled]]
        one, other = await asyncio.gather(*rest)
        assert one is other is await get_db("x")
        assert ledger.count("acquire") == 1
    assert ledger.out == 0


async def test_what_nobody_waits_for_any_more_goes_back_at_once(
    ledger_app: Quart, ledger: Ledger
) -> None:
    ledger.gate = asyncio.Event()
    async with ledger_app.app_context():
        waiter = asyncio.create_task(get_db("x"))
        await ledger.entered.wait()
        waiter.cancel()
        await asyncio.wait([waiter])
        ledger.gate.set()
        await ledger.release_entered.wait()
        assert ledger.out == 0


async def test_a_name_never_awaited_opens_nothing(
    app: Quart,
    connections: Connections,
    postgresql_url: str,
    rethinkdb_url: str,
    redis_url: str,
) -> None:
    a, client = await postgresql_sessions(postgresql_url), await redis_clients(redis_url)

    @app.get("/")
    async def index() -> str:
        return str(await r.expr(1).run(await get_db("b")))

    async with app.test_app() as served:
        b = rethinkdb_connections(rethinkdb_url)
        assert await (await served.test_client().get("/")).get_data() == b"1"
        assert await postgresql_sessions(postgresql_url) == a
        assert await redis_clients(redis_url) == client
        assert rethinkdb_connections(rethinkdb_url) == b + 1
        stats = connections.stats()
        assert [stats[name].pool for name in ("a", "b", "client")] == [False, True, False]


async def test_an_eager_connection_is_opened_when_the_app_starts_and_a_dead_one_does_not_stop_it(
    make_app: Any, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(
        x={"url": "ledger://x", "eager": True},
        dead={"url": "redis://127.0.0.1:1", "eager": True},
        lazy="ledger://x",
    )
    async with app.test_app():
        stats = app.extensions["connections"].stats()
        assert stats["x"].pool
        assert not stats["lazy"].pool
        assert ledger.events == ["open", "acquire", "acquired 1", "released 1"]
    assert "connection 'dead' is unavailable: ConnectionError; the app starts wi" in caplog.text


async def test_an_unknown_name_lists_those_that_are_known(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(UnknownConnection, match="'nope'; configured: 'a', 'b', 'client'"):
            await get_db("nope")


async def test_without_an_app_context_it_says_how_to_get_one(app: Quart) -> None:
    with pytest.raises(RuntimeError, match=r"async with app\.app_context\(\)"):
        await get_db("a")
    with pytest.raises(RuntimeError, match="outside of an application context"):
        async with get_db("a"):
            pass


async def test_without_connections_the_app_is_named() -> None:
    async with Quart("bare").app_context():
        with pytest.raises(RuntimeError, match=r"'bare' has no connections: call Connections"):
            await get_db("a")


async def test_a_task_that_outlived_its_context_gets_context_closed(
    ledger_app: Quart, ledger: Ledger
) -> None:
    ended = asyncio.Event()

    async def late() -> None:
        await ended.wait()
        await get_db("x")

    async with ledger_app.app_context():
        await get_db("y")
        stray = asyncio.create_task(late())
    ended.set()
    with pytest.raises(ContextClosed, match="'x'"):
        await stray
    assert ledger.count("acquire") == 1


async def test_a_task_that_is_opening_when_its_context_ends_gets_context_closed(
    ledger_app: Quart, ledger: Ledger
) -> None:
    ledger.gate = asyncio.Event()
    async with ledger_app.app_context():
        stray = asyncio.create_task(get_db("x"))
        await ledger.entered.wait()
    with pytest.raises(ContextClosed):
        await stray
    assert ledger.out == 0


async def test_using_it_before_awaiting_it_says_so(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(AttributeError, match="must be awaited first"):
            get_db("a").fetchval("SELECT 1")
