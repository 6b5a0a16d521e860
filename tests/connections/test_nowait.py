"""What needs no waiting costs no task; and it keeps its turn and its order all the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from quart import Quart
from rethinkdb import RethinkDB

from service.connections import Connections, Settings, get_db
from service.connections.postgresql import PostgreSQL
from service.connections.tasks import result_now
from tests.eventually import until

from .conftest import MakeApp
from .ledger import Ledger

r = RethinkDB()
r.set_loop_type("asyncio")


@contextmanager
def counting_tasks() -> Iterator[list[object]]:
    """The coroutines that get tasks of their own meanwhile."""
    begun: list[object] = []

    class Counted(asyncio.Task[Any]):
        def __init__(self, work: Coroutine[Any, Any, Any], **options: Any) -> None:
            begun.append(work)
            super().__init__(work, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, work, **options: Counted(work, loop=loop, **options))
    try:
        with patch("asyncio.Task", Counted):
            yield begun
    finally:
        loop.set_task_factory(None)


@pytest.mark.parametrize("name", ["a", "b", "client"])
async def test_an_idle_connection_costs_no_task(app: Quart, name: str) -> None:
    async with app.app_context():
        await get_db(name)
    with counting_tasks() as begun:
        async with app.app_context():
            await get_db(name)
        async with app.app_context(), get_db(name):
            pass
    assert not begun


async def test_those_that_wait_and_those_that_do_not_go_back_in_order(
    make_app: MakeApp, ledger: Ledger
) -> None:
    app = make_app(x="ledger-nowait://x", y="ledger://x", z="ledger-nowait://x")
    for _ in range(2):
        async with app.app_context():
            for name in "xyz":
                await get_db(name)
    assert ledger.numbers("released") == [3, 2, 1, 6, 5, 4]


async def test_nobody_overtakes_who_waits_for_a_place(make_app: MakeApp, ledger: Ledger) -> None:
    app = make_app(x={"url": "ledger-nowait://x", "max_size": 1})
    connections: Connections = app.extensions["connections"]
    served: list[int] = []

    async def use(number: int) -> None:
        async with app.app_context():
            await get_db("x")
            served.append(number)

    async with app.app_context():
        await get_db("x")
        waiting = asyncio.create_task(use(1))
        await until(lambda: connections.stats()["x"].waiting == 1)
    # Its place is free, and not yet taken.
    await asyncio.gather(use(2), waiting)
    assert served == [1, 2]
    assert connections.stats()["x"].in_use == 0


async def test_what_was_given_back_is_not_got_again(ledger_app: Quart) -> None:
    async with ledger_app.app_context():
        first = [await get_db("x") for _ in range(3)]
        await ledger_app.extensions["connections"].give_back()
        second = [await get_db("x") for _ in range(3)]
    assert [entry.number for entry in first + second] == [1, 1, 1, 2, 2, 2]


async def test_after_a_failure_nothing_is_given_without_a_ping(
    make_app: MakeApp, ledger: Ledger
) -> None:
    app = make_app(x="ledger-nowait://x")
    connections: Connections = app.extensions["connections"]
    async with app.app_context():
        await get_db("x")
        connections.here().source("x").health.lost(OSError("lost"))
    with counting_tasks() as begun:
        async with app.app_context():
            await get_db("x")
    assert begun


async def test_a_release_that_fails_at_once_is_logged_and_frees_its_place(
    make_app: MakeApp, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(x={"url": "ledger-nowait://x", "max_size": 1, "acquire_timeout": 0.1})
    ledger.release_failing = {1, 2}
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            async with app.app_context():
                await get_db("x")
    assert ledger.numbers("released") == [1, 2, 3]
    assert caplog.text.count("'x': giving back failed") == 2


@pytest.mark.parametrize("prepared", [False, True])
async def test_a_query_left_running_is_cancelled_and_reaches_nobody(
    make_app: MakeApp, postgresql_url: str, prepared: bool
) -> None:
    app = make_app(a={"url": postgresql_url, "max_size": 1})
    async with app.app_context():
        db = await get_db("a")
        pid = db.get_server_pid()
        sleep: Callable[[], Any] = lambda: db.fetchval("SELECT pg_sleep(30)")  # noqa: E731
        if prepared:
            sleep = (await db.prepare("SELECT pg_sleep(30)")).fetchval
        running = asyncio.create_task(sleep())
        await asyncio.wait([running], timeout=0.05)
    async with app.app_context():
        db = await get_db("a")
        assert await db.fetchval("SELECT 2") == 2
        assert db.get_server_pid() == pid
    with pytest.raises(Exception, match="cancel"):
        await running


async def test_expired_and_lost_connections_are_not_given_again(
    make_app: MakeApp, postgresql_url: str
) -> None:
    backend = PostgreSQL(Settings(name="a", url=postgresql_url))
    pool = await backend.open()
    first = await backend.acquire(pool)
    await pool.expire_connections()
    assert not backend.release_nowait(pool, first)
    await backend.release(pool, first)
    assert backend.acquire_nowait(pool) is None
    second = await backend.acquire(pool)
    session: Any = second
    session = session._con
    assert backend.release_nowait(pool, second)
    session.terminate()
    assert backend.acquire_nowait(pool) is None
    await backend.close(pool)
    assert backend.acquire_nowait(pool) is None


async def test_an_answer_still_to_come_is_waited_for(app: Quart) -> None:
    async with app.app_context():
        db = await get_db("b")
        backend = app.extensions["connections"].here().source("b").backend
        pool = app.extensions["connections"].here().source("b")._pool
        cursor = await r.range(1000).run(db, max_batch_rows=1)
        await cursor.next()
        assert not backend.release_nowait(pool, db)
        await cursor.close()


async def test_what_waits_has_no_result_now() -> None:
    with pytest.raises(AssertionError, match="waits"):
        result_now(asyncio.sleep(0))


async def test_nobody_overtakes_who_waits_for_the_pool(make_app: MakeApp, ledger: Ledger) -> None:
    app = make_app(x="ledger-nowait://x")
    connections: Connections = app.extensions["connections"]
    source = connections.here().source("x")
    loop = asyncio.get_running_loop()
    late: asyncio.Future[Any] = loop.create_future()

    def come_late() -> None:
        """As soon as the pool is there, and before those who wait for it have heard."""
        if not source.stats().pool:
            loop.call_soon(come_late)
            return
        ledger.pauses = 0
        late.set_result((source.acquire_nowait(), loop.create_task(source.acquire())))

    ledger.pauses = 1
    waiting = [loop.create_task(source.acquire()) for _ in range(2)]
    come_late()
    at_once, later = await late
    assert at_once is None
    grants = [await task for task in (*waiting, later)]
    assert [grant.connection.number for grant in grants] == [1, 2, 3]
