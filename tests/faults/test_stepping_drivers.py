"""A cancellation at every moment of acquire, use and release, on the real drivers and servers."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar
from urllib.parse import urlsplit

import asyncpg
import pytest
from quart import Quart
from redis.asyncio import Redis as RedisClient
from rethinkdb import r
from rethinkdb.asyncio_net.net_asyncio import Connection
from rethinkdb.net import make_connection

from service.connections import Connections, get_db
from tests.eventually import until
from tests.serverside import rethinkdb_connections

from .inventory import OF_A_POOL
from .stepping import SteppedLoop, others_ended, step_once, step_twice

WAIT_FOR_LOSES_CANCELLATIONS = sys.version_info < (3, 12)
"""`asyncio.wait_for` did, and drivers use it."""


class Server(ABC):
    """What is done on a server, and what the server tells about it afterwards.

    Attributes:
        phases: functions, by qualified name, in which cuts must have come.
        moments: how many there are at least.
    """

    phases: ClassVar[tuple[str, ...]]
    moments: ClassVar[int]

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    async def prepare(self) -> None:
        """Make what is used, and an observer's own connection."""
        ...

    @abstractmethod
    async def use(self) -> None:
        """Acquire, use in several ways, release."""
        ...

    @abstractmethod
    async def states(self) -> list[str]:
        """What the server says goes on in each connection of ours: "idle" for nothing."""
        ...

    @abstractmethod
    async def answers_rightly(self) -> None:
        """Use it again: what was cut is neither in the data nor in the answers."""
        ...

    @abstractmethod
    async def close(self) -> None:
        """The observer leaves."""
        ...


class PostgreSQL(Server):
    phases = (
        "PostgreSQL._connect",
        "Transaction.__aenter__",
        "CursorIterator.__anext__",
        "Scope.leave",
    )
    moments = 50

    async def prepare(self) -> None:
        self.observer = await asyncpg.connect(self.url)
        await self.observer.execute("CREATE TABLE IF NOT EXISTS stepped (n int)")

    async def use(self) -> None:
        async with get_db("it") as db:
            await db.fetchval("SELECT 1")
        db = await get_db("it")
        await db.execute("SET statement_timeout = '10s'")
        async with db.transaction():
            await db.execute("INSERT INTO stepped VALUES (1)")
            async for _ in db.cursor("SELECT * FROM generate_series(1, 3)", prefetch=2):
                pass
            await db.execute("DELETE FROM stepped")

    async def states(self) -> list[str]:
        rows = await self.observer.fetch(
            "SELECT state, query FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return [
            "idle" if row["state"] == "idle" else f"{row['state']}: {row['query']}" for row in rows
        ]

    async def answers_rightly(self) -> None:
        async with get_db("it") as db:
            assert await db.fetchval("SELECT count(*) FROM stepped") == 0
            assert await db.fetchval("SHOW statement_timeout") == "0"

    async def close(self) -> None:
        await self.observer.close()


class RethinkDB(Server):
    phases = (
        "RethinkDB._connect",
        "LeasedConnection._start",
        "AsyncioCursor.__anext__",
        "Scope.leave",
    )
    moments = 30

    async def prepare(self) -> None:
        self.observer = await make_connection(Connection, url=self.url)
        self.others = rethinkdb_connections(self.url)
        if "stepped" not in await r.table_list().run(self.observer):
            await r.table_create("stepped").run(self.observer)
            await r.table("stepped").insert([{"id": n} for n in range(3)]).run(self.observer)

    async def use(self) -> None:
        async with get_db("it") as db:
            await r.expr(1).run(db)
        db = await get_db("it")
        rows = await r.table("stepped").run(db, max_batch_rows=1)
        async for _ in rows:
            pass
        feed = await r.table("stepped").changes(include_initial=True).run(db)
        await feed.next()
        await feed.close()

    async def states(self) -> list[str]:
        jobs = (
            await r.db("rethinkdb")
            .table("jobs")["info"]["query"]
            .coerce_to("array")
            .run(self.observer)
        )
        ours = [query for query in jobs if 'table("stepped")' in query]
        return ours + ["idle"] * (rethinkdb_connections(self.url) - self.others)

    async def answers_rightly(self) -> None:
        async with get_db("it") as db:
            assert await r.table("stepped").count().run(db) == 3

    async def close(self) -> None:
        await self.observer.close(noreply_wait=False)


class Redis(Server):
    phases = ("Sockets.get_connection", "Redis.execute_command", "Pipeline.execute")
    moments = 30

    async def prepare(self) -> None:
        self.database = urlsplit(self.url).path.strip("/")
        self.observer = RedisClient.from_url(self.url, single_connection_client=True)
        self.others = {client["id"] for client in await self.observer.client_list()}

    async def use(self) -> None:
        async with get_db("it") as client:
            await client.set("stepped", 1)
        client = await get_db("it")
        async with client.pipeline() as pipeline:
            await pipeline.watch("stepped")
            pipeline.multi()
            pipeline.incr("stepped")
            await pipeline.execute()
        async with client.pubsub() as channel:
            await channel.subscribe("stepped")
            await channel.get_message(timeout=1)
        await client.blpop(["empty"], timeout=0.01)

    async def states(self) -> list[str]:
        idle = {"flags": "N", "sub": "0", "psub": "0", "watch": "0"}
        return [
            "idle" if client | idle == client else str(client)
            for client in await self.observer.client_list()
            if client["db"] == self.database and client["id"] not in self.others
        ]

    async def answers_rightly(self) -> None:
        client = await get_db("it")
        for n in range(3):
            assert await client.echo(str(n)) == str(n).encode()

    async def close(self) -> None:
        await self.observer.aclose()


class Stepping:
    """The use of one server, again and again, each time cancelled at other moments."""

    def __init__(self, runner: asyncio.Runner, server: Server) -> None:
        self._runner = runner
        self._server = server
        self._app = Quart("stepped")
        self._app.config["CONNECTIONS"] = {"it": {"url": server.url, "max_size": 2}}
        self._connections = Connections(self._app)

    def __call__(self, moments: tuple[int, ...]) -> int:
        try:
            return self._runner.run(self._run(moments))
        except BaseException as error:
            error.add_note(f"cancelled at {moments}")
            raise

    async def _run(self, moments: tuple[int, ...]) -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppedLoop)
        await self._connections.close()
        task = asyncio.create_task(self._use())
        left = await loop.cut_in(task, [(moment, task.cancel) for moment in moments])
        await others_ended(besides=[OF_A_POOL])
        assert task.cancelled() or task.exception() is None
        assert task.cancelled() or left == len(moments) or WAIT_FOR_LOSES_CANCELLATIONS
        await self._nothing_is_left()
        async with self._app.app_context():
            await self._server.answers_rightly()
        await self._nothing_is_left()
        return left

    async def _use(self) -> None:
        async with self._app.app_context():
            await self._server.use()

    async def _nothing_is_left(self) -> None:
        stats = self._connections.stats()["it"]
        assert (stats.in_use, stats.waiting) == (0, 0)
        assert stats.size <= 2
        states: list[str] = []

        async def all_idle() -> bool:
            states[:] = await self._server.states()
            return states == ["idle"] * stats.size

        try:
            await until(all_idle)
        except TimeoutError:
            raise AssertionError(f"left of {stats.size}: {states}") from None


@contextmanager
def stepping(server: Server) -> Iterator[tuple[Stepping, SteppedLoop]]:
    """Step through the use of a server; at the end nothing may have complained."""
    complaints: list[Mapping[str, Any]] = []
    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SteppedLoop)
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        runner.run(server.prepare())
        try:
            yield Stepping(runner, server), loop
        finally:
            runner.run(server.close())
    gc.collect()
    assert not complaints


SERVERS: dict[str, type[Server]] = {
    "postgresql": PostgreSQL,
    "rethinkdb": RethinkDB,
    "redis": Redis,
}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Server:
    caplog.set_level(logging.CRITICAL, "service.connections")
    return SERVERS[request.param](request.getfixturevalue(f"{request.param}_url"))


def test_a_cancellation_at_every_moment_leaves_nothing(server: Server) -> None:
    with stepping(server) as (run, loop):
        assert step_once(run) >= server.moments
        for phase in (*server.phases, "Source._connect"):
            assert loop.inside[phase]


def test_a_second_cancellation_soon_after_it_leaves_nothing(server: Server, full: bool) -> None:
    with stepping(server) as (run, _):
        assert step_twice(run, within=1000 if full else 1) > server.moments
