"""Redis: an answer that was given up is delivered to no other request."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from quart import Quart
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from service.connections import Connections, Stats, get_db
from tests.connections import conftest
from tests.connections.conftest import MakeApp
from tests.eventually import until
from tests.serverside import rethinkdb_connections as connections_to

make_app = conftest.make_app

CHANNEL = f"channel of {os.getpid()}"
"""Channels are those of all databases of a server."""

Use = Callable[[Any], Awaitable[object]]


@pytest.fixture
def app(make_app: MakeApp, redis_url: str) -> Quart:
    """An app with one socket."""
    return make_app(
        client={"url": redis_url, "decode_responses": True, "max_size": 1, "acquire_timeout": 2}
    )


@pytest.fixture
async def other(redis_url: str) -> AsyncIterator[Redis]:
    """A client beside the app's."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        await client.mset({"mine": "mine", "secret": "secret"})
        yield client
        await client.delete("mine", "secret", "list")


def stats(app: Quart) -> Stats:
    connections: Connections = app.extensions["connections"]
    return connections.stats()["client"]


@asynccontextmanager
async def request(app: Quart) -> AsyncIterator[Any]:
    async with app.app_context():
        yield await get_db("client")


async def cut_when_blocked(app: Quart, other: Redis, use: Use) -> None:
    """Begin a request that waits for the server, and cancel it as it does."""

    async def cut() -> None:
        async with request(app) as client:
            await use(client)

    async def blocked() -> bool:
        database = str((await other.client_info())["db"])
        clients = await other.client_list()
        return any("b" in one["flags"] for one in clients if one["db"] == database)

    task = asyncio.create_task(cut())
    await until(blocked)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def blocking(client: Any) -> None:
    await client.blpop(["list"], 0)


async def blocking_in_a_pipeline(client: Any) -> None:
    async with client.pipeline(transaction=False) as pipeline:
        pipeline.get("secret").blpop(["list"], 0).get("secret")
        await pipeline.execute()


async def blocking_while_watching(client: Any) -> None:
    async with client.pipeline() as pipeline:
        await pipeline.watch("secret")
        await pipeline.blpop(["list"], 0)


async def blocking_on_its_own_socket(client: Any) -> None:
    async with client.client() as single:
        await single.blpop(["list"], 0)


async def blocking_beside_a_subscription(client: Any) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(client.blpop(["list"], 0))
        tasks.create_task(client.get("secret"))


@pytest.mark.parametrize(
    "use",
    [
        blocking,
        blocking_in_a_pipeline,
        blocking_while_watching,
        blocking_on_its_own_socket,
        blocking_beside_a_subscription,
    ],
)
async def test_a_request_cut_as_it_waits(app: Quart, other: Redis, use: Use) -> None:
    await cut_when_blocked(app, other, use)
    async with request(app) as client:
        mine = asyncio.create_task(client.get("mine"))
        # The server does not answer, or give an element to, who is gone.
        await other.rpush("list", "for somebody")
        assert await mine == "mine"
        assert await client.lrange("list", 0, -1) == ["for somebody"]
        assert await client.mget("mine", "mine") == ["mine", "mine"]


@pytest.mark.parametrize("transaction", [True, False])
async def test_a_request_cut_at_any_step(app: Quart, other: Redis, transaction: bool) -> None:
    async def secrets() -> None:
        async with request(app) as client:
            await client.get("secret")
            async with client.pipeline(transaction=transaction) as pipeline:
                pipeline.get("secret").mget("secret", "secret")
                await pipeline.execute()

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
        async with request(app) as client:
            assert await client.get("mine") == "mine"
            assert await client.mget("mine", "mine") == ["mine", "mine"]
    assert cut >= 3  # before it, in the command, in the pipeline


async def test_a_pipeline_that_fails_before_its_last_answer(app: Quart, other: Redis) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("callback")

    async with request(app) as client:
        client.set_response_callback("ECHO", fails)
        with pytest.raises(ValueError, match="callback"):
            async with client.pipeline(transaction=False) as pipeline:
                # The last answer comes when the socket has been given back.
                await pipeline.echo("x").blpop(["list"], 0.2).get("secret").execute()
    async with request(app) as client:
        assert await client.get("mine") == "mine"
        assert await client.get("mine") == "mine"


async def test_a_command_that_times_out(make_app: MakeApp, redis_url: str, other: Redis) -> None:
    app = make_app(client={"url": redis_url, "max_size": 1, "socket_timeout": 0.1})
    connections: Connections = app.extensions["connections"]
    async with request(app) as client:
        with pytest.raises(Exception, match="Timeout reading") as raised:
            await client.blpop(["list"], 0)
        assert connections.unavailable(raised.value) is not None
    async with request(app) as client:
        await other.rpush("list", "for somebody")
        assert await client.get("mine") == b"mine"
        assert await client.lpop("list") == b"for somebody"


async def listen(client: Any) -> None:
    pubsub = client.pubsub()
    await pubsub.subscribe(CHANNEL)
    async for _ in pubsub.listen():
        pass


@pytest.mark.parametrize("use", [listen, blocking, blocking_in_a_pipeline])
async def test_a_task_that_outlives_its_request(app: Quart, other: Redis, use: Use) -> None:
    """Its socket is closed under it, and it gets no other."""
    async with request(app) as client:
        outliving = asyncio.ensure_future(use(client))
        await until(lambda: stats(app).idle == 0)
        await asyncio.sleep(0)
    async with request(app) as client:
        mine = [asyncio.create_task(client.get("mine")) for _ in range(20)]
        await other.publish(CHANNEL, "secret")
        await other.rpush("list", "secret")
        assert await asyncio.gather(*mine) == ["mine"] * 20
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionError):
            await outliving
    assert (stats(app).size, stats(app).idle) == (1, 1)
    assert (await other.pubsub_numsub(CHANNEL))[0][1] == 0


async def test_a_subscription_closed_while_a_task_reads_it(app: Quart, redis_url: str) -> None:
    """The driver connects its socket again for the reader, as the next command does by then."""
    before = connections_to(redis_url)
    async with request(app) as client:
        pubsub = client.pubsub()
        await pubsub.subscribe(CHANNEL)
        assert await pubsub.get_message(timeout=5)
        reading = asyncio.create_task(pubsub.get_message(timeout=60))
        await asyncio.sleep(0)
        await pubsub.aclose()
        for _ in range(20):
            assert await client.ping()
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionError):
                await reading
        assert connections_to(redis_url) == before + 1
