"""Rows 9 and 10 of the contract: a backend that is down, a pool that is used up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest
from quart import Quart, got_request_exception
from rethinkdb import r
from rethinkdb.errors import ReqlTimeoutError

from service.connections import (
    Connections,
    ConnectionsError,
    ConnectionUnavailable,
    PoolTimeout,
    UnknownConnection,
    get_db,
)
from tests.eventually import until
from tests.mute import mute_server

from .conftest import MakeApp
from .ledger import Ledger


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("scheme", ["postgresql", "rethinkdb", "redis"])
async def test_a_backend_that_is_down_is_named_with_the_drivers_error(
    make_app: MakeApp, ledger: Ledger, scheme: str
) -> None:
    app = make_app(down=f"{scheme}://user:secret@127.0.0.1:{closed_port()}/0", up="ledger://x")
    async with app.app_context():
        with pytest.raises(ConnectionUnavailable, match="'down' is unavailable") as raised:
            await get_db("down")
        assert raised.value.name == "down"
        assert raised.value.retry_after > 0
        assert isinstance(raised.value.__cause__, Exception)
        assert "secret" not in str(raised.value)
        await get_db("up")
    assert app.extensions["connections"].stats()["down"].failed == 1
    assert app.extensions["connections"].stats()["down"].in_use == 0


@pytest.mark.parametrize("scheme", ["postgresql", "rethinkdb", "redis"])
async def test_a_backend_that_accepts_and_says_nothing_takes_the_connect_timeout(
    make_app: MakeApp, scheme: str
) -> None:
    async with mute_server() as port:
        app = make_app(mute={"url": f"{scheme}://127.0.0.1:{port}/0", "connect_timeout": 0.2})
        async with app.app_context(), asyncio.timeout(5):
            with pytest.raises(ConnectionUnavailable):
                await get_db("mute")
        await app.extensions["connections"].close()


async def test_the_next_await_tries_again(ledger_app: Quart, ledger: Ledger) -> None:
    ledger.failing = OSError("down")
    async with ledger_app.app_context():
        with pytest.raises(ConnectionUnavailable):
            await get_db("x")
        ledger.failing = None
        await get_db("x")


async def use(app: Quart) -> Any:
    """Open `x` in a context of its own."""
    async with app.app_context():
        return await get_db("x")


async def test_repeated_failures_make_attempts_fail_at_once_until_one_finds_it_back(
    make_app: MakeApp, ledger: Ledger
) -> None:
    app = make_app(x={"url": "ledger://x", "fail_after": 2, "fail_for": 60.0})
    source = app.extensions["connections"].here().source("x")

    ledger.failing = OSError("down")
    for _ in range(2):
        with pytest.raises(ConnectionUnavailable, match="OSError"):
            await use(app)
    with pytest.raises(ConnectionUnavailable, match="2 attempts in a row failed") as raised:
        await use(app)
    cause = raised.value.__cause__
    assert repr(cause) == repr(ledger.failing)
    # The frames of an earlier request are nobody else's to see, nor to keep.
    assert cause is not None
    assert cause.__traceback__ is None
    assert 0 < raised.value.retry_after <= 60
    assert ledger.count("acquire") == 2

    ledger.gate = asyncio.Event()
    ledger.entered.clear()
    source.health._retry_at = 0.0  # the 60 seconds are over
    probe = asyncio.create_task(use(app))
    await ledger.entered.wait()
    others = await asyncio.gather(*(use(app) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(other, ConnectionUnavailable) for other in others)
    assert ledger.count("acquire") == 3

    ledger.failing = None
    ledger.gate.set()
    await probe
    await asyncio.gather(*(use(app) for _ in range(20)))


async def test_a_probe_that_is_cancelled_leaves_the_next_to_find_out(
    make_app: MakeApp, ledger: Ledger
) -> None:
    app = make_app(x={"url": "ledger://x", "fail_after": 1, "fail_for": 60.0})
    source = app.extensions["connections"].here().source("x")

    ledger.failing = OSError("down")
    with pytest.raises(ConnectionUnavailable):
        await use(app)
    ledger.gate = asyncio.Event()
    ledger.entered.clear()
    source.health._retry_at = 0.0  # the 60 seconds are over
    probe = asyncio.create_task(use(app))
    await ledger.entered.wait()
    probe.cancel()
    await asyncio.wait([probe])
    ledger.failing, ledger.gate = None, None
    await use(app)


async def test_a_used_up_pool_times_out_and_serves_first_come_first(
    make_app: MakeApp, ledger: Ledger
) -> None:
    app = make_app(x={"url": "ledger://x", "max_size": 1, "acquire_timeout": 0.1})
    stats = app.extensions["connections"].stats
    served: list[int] = []

    async def queue(number: int) -> None:
        async with app.app_context():
            await get_db("x")
            served.append(number)

    async with app.app_context():
        await get_db("x")
        with pytest.raises(PoolTimeout, match=r"all 1 connections .* for 0\.1 s") as raised:
            await queue(0)
        assert raised.value.name == "x"
        assert raised.value.retry_after > 0
        waiting = [asyncio.create_task(queue(number)) for number in (1, 2, 3)]
        await until(lambda: stats()["x"].waiting == 3)
        waiting[1].cancel()
        await asyncio.wait([waiting[1]])
    await asyncio.gather(waiting[0], waiting[2])
    assert served == [1, 3]
    assert (stats()["x"].in_use, stats()["x"].waiting, ledger.out) == (0, 0, 0)


async def test_however_many_wait_they_hear_that_the_backend_is_down(
    make_app: MakeApp, ledger: Ledger
) -> None:
    app = make_app(x={"url": "ledger://x", "max_size": 1, "acquire_timeout": 60, "fail_after": 1})
    stats = app.extensions["connections"].stats

    async def ask() -> None:
        async with app.app_context():
            await get_db("x")

    async with app.app_context():
        await get_db("x")
        waiting = [asyncio.create_task(ask()) for _ in range(1000)]
        await until(lambda: stats()["x"].waiting == 1000)
        ledger.failing = OSError("down")
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(answer) for answer in answers} == {ConnectionUnavailable}
    assert (stats()["x"].in_use, stats()["x"].waiting, stats()["x"].failed) == (0, 0, 1000)


@pytest.mark.parametrize("freed", ["before", "after"])
async def test_a_place_freed_as_the_first_in_line_is_cancelled_goes_to_the_next(
    make_app: MakeApp, ledger: Ledger, freed: str
) -> None:
    app = make_app(x={"url": "ledger://x", "max_size": 1})
    source = app.extensions["connections"].here().source("x")
    grant = await source.acquire()
    first, second = (asyncio.create_task(source.acquire()) for _ in range(2))
    await until(lambda: source.stats().waiting == 2)
    if freed == "before":
        await source.release(grant)
        first.cancel()
    else:
        first.cancel()
        await source.release(grant)
    await source.release(await second)
    await asyncio.wait([first])
    assert first.cancelled()
    assert (source.stats().in_use, source.stats().waiting, ledger.out) == (0, 0, 0)


async def test_a_lost_connection_is_named_by_the_drivers_error(app: Quart) -> None:
    connections = app.extensions["connections"]
    async with app.app_context():
        connection = await get_db("a")
        pid = connection.get_server_pid()
        async with app.app_context():
            await (await get_db("a")).execute("SELECT pg_terminate_backend($1)", pid)
        await until(lambda: connections.stats()["a"].size == 1)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)) as raised:
            await connection.fetchval("SELECT 1")
        unavailable = connections.unavailable(raised.value)
        assert unavailable is not None
        assert unavailable.name == "a"
        for error in (ValueError("mine"), FileNotFoundError("mine"), TimeoutError("mine")):
            assert connections.unavailable(error) is None
    async with app.app_context():
        assert await (await get_db("a")).fetchval("SELECT 1") == 1


async def test_a_query_that_takes_too_long_means_its_connection_is_unavailable(
    make_app: MakeApp, postgresql_url: str, rethinkdb_url: str
) -> None:
    app = make_app(
        a={"url": postgresql_url, "command_timeout": 0.05},
        b={"url": rethinkdb_url, "query_timeout": 0.05},
    )
    connections = app.extensions["connections"]
    async with app.app_context():
        with pytest.raises(TimeoutError) as raised:
            await (await get_db("a")).fetchval("SELECT pg_sleep(60)")
        assert connections.unavailable(raised.value).name == "a"
    async with app.app_context():
        b = await get_db("b")
        with unanswered(b), pytest.raises(ReqlTimeoutError) as raised:
            await r.expr(1).run(b)
        assert connections.unavailable(raised.value).name == "b"
    assert connections.stats()["b"].size == 0


@contextmanager
def unanswered(connection: Any) -> Iterator[None]:
    """The server's answers do not come through."""
    transport = connection._instance._streamwriter.transport
    transport.pause_reading()
    yield
    transport.resume_reading()


async def test_over_http_it_is_a_503_that_names_the_connection_and_says_when_to_come_back(
    make_app: MakeApp, ledger: Ledger
) -> None:
    app = make_app(x={"url": "ledger://x", "max_size": 1, "acquire_timeout": 0.01})

    @app.get("/")
    async def index() -> str:
        await get_db("x")
        return "served"

    async def answer() -> tuple[int, str, str, str]:
        response = await app.test_client().get("/")
        problem = await response.get_json(force=True)
        retry_after = response.headers["Retry-After"]
        return response.status_code, response.content_type, retry_after, problem["connection"]

    ledger.failing = OSError("down")
    assert await answer() == (503, "application/problem+json", "1", "x")
    ledger.failing = None
    source = app.extensions["connections"].here().source("x")
    grant = await source.acquire()
    assert await answer() == (503, "application/problem+json", "1", "x")
    await source.release(grant)


@pytest.mark.parametrize("error", [ConnectionUnavailable, ConnectionsError])
@pytest.mark.parametrize("before", [True, False])
async def test_a_handler_of_the_apps_own_comes_first(
    ledger: Ledger, error: type[ConnectionsError], before: bool
) -> None:
    app = Quart("tests")
    app.config["CONNECTIONS"] = {"x": "ledger://x"}

    async def mine(error: ConnectionUnavailable) -> tuple[str, int]:
        return f"no {error.name}", 599

    if before:
        app.register_error_handler(error, mine)
    Connections(app)
    if not before:
        app.register_error_handler(error, mine)

    @app.get("/")
    async def index() -> str:
        await get_db("x")
        return "served"

    ledger.failing = OSError("down")
    response = await app.test_client().get("/")
    assert (response.status_code, await response.get_data()) == (599, b"no x")


async def test_a_mistake_is_no_503(make_app: MakeApp) -> None:
    app = make_app(x="ledger://x")
    raised: list[Exception] = []

    @app.get("/")
    async def index() -> str:
        await get_db("y")
        return "served"

    @got_request_exception.connect_via(app)
    async def see(_: Quart, exception: Exception) -> None:
        raised.append(exception)

    assert (await app.test_client().get("/")).status_code == 500
    assert [type(each) for each in raised] == [UnknownConnection]
