"""Redis: what one request does to a socket, or keeps of one, does not reach the next."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from quart import Quart
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from service.connections import Connections, get_db
from tests.connections import conftest
from tests.connections.conftest import MakeApp
from tests.eventually import until
from tests.serverside import rethinkdb_connections as connections_to

make_app = conftest.make_app

CHANNEL = f"channel of {os.getpid()}"
"""Channels are those of all databases of a server."""

Leave = Callable[[Any], Awaitable[object]]

SHOWN = ("db", "name", "user", "resp", "sub", "psub", "ssub", "multi", "watch", "flags", "redir")
"""What CLIENT INFO tells of a session, and what must be as in a new one."""


def command(*words: str | bytes) -> Leave:
    """A command as it is."""

    async def leave(client: Any) -> None:
        with suppress(RedisError):  # some servers refuse some of them
            await client.execute_command(*words)

    return leave


def pipelined(*commands: str, transaction: bool = False) -> Leave:
    """Commands in a pipeline, which is closed."""

    async def leave(client: Any) -> None:
        async with client.pipeline(transaction=transaction) as pipeline:
            for one in commands:
                pipeline.execute_command(*one.split())
            with suppress(ResponseError):
                await pipeline.execute()

    return leave


async def watching(client: Any) -> Any:
    pipeline = client.pipeline()
    await pipeline.watch("watched")
    return pipeline


async def watching_without_a_word(client: Any) -> None:
    await watching(client)


async def queueing(client: Any) -> Any:
    pipeline = await watching(client)
    pipeline.multi()
    pipeline.set("queued", "by another")
    return pipeline


async def subscribed(client: Any) -> Any:
    pubsub = client.pubsub()
    await pubsub.subscribe(CHANNEL)
    await pubsub.psubscribe("pattern*")
    await pubsub.ssubscribe("shard")
    return pubsub


async def subscribed_without_a_word(client: Any) -> None:
    await subscribed(client)


async def notified(client: Any) -> Any:
    notifications = client.keyspace_notifications()
    await notifications.subscribe("__keyspace@0__:*")
    return notifications


async def monitoring(client: Any) -> Any:
    monitor = client.monitor()
    await monitor.__aenter__()
    return monitor


async def monitored(client: Any) -> None:
    async with client.monitor():
        pass


async def own_socket(client: Any) -> Any:
    single = await client.client().initialize()
    await single.select(5)
    assert (await single.client_info())["db"] == 5
    return single


async def own_socket_closed(client: Any) -> None:
    await (await own_socket(client)).aclose()


async def silenced(client: Any) -> None:
    with pytest.raises(RedisError):
        await client.execute_command("CLIENT REPLY", "OFF")


async def select_as_a_view(client: Any) -> None:
    with pytest.raises(AttributeError):  # the driver sends it, and does not know what to answer
        await client.execute_command(memoryview(b"SELECT"), 5)


async def another_user(client: Any) -> None:
    await client.acl_setuser("guest", enabled=True, nopass=True, commands=["+@all"], keys=["*"])
    try:
        await client.execute_command("AUTH", "guest", "")
    finally:
        await client.acl_deluser("guest")


LEFT: dict[str, Leave] = {
    "SELECT": command("SELECT", "5"),
    "select": lambda client: client.select(5),
    "select in one string": command("select 5"),
    "SELECT in bytes": command(b"SELECT", b"5"),
    "SELECT as a view": select_as_a_view,
    "SELECT in a pipeline": pipelined("PING", "SELECT 5", "PING"),
    "SELECT in a transaction": pipelined("PING", "SELECT 5", transaction=True),
    "AUTH": another_user,
    "HELLO": command("HELLO", "3"),
    "RESET": command("RESET"),
    "QUIT": command("QUIT"),
    "READONLY": command("READONLY"),
    "CLIENT SETNAME": lambda client: client.client_setname("left_behind"),
    "CLIENT SETNAME in words": command("CLIENT", "SETNAME", "left_behind"),
    "CLIENT NO-EVICT": lambda client: client.client_no_evict("ON"),
    "CLIENT NO-TOUCH": lambda client: client.client_no_touch("ON"),
    "CLIENT TRACKING": pipelined("HELLO 3", "CLIENT TRACKING ON"),
    "CLIENT REPLY": silenced,
    "MULTI": command("MULTI"),
    "MULTI in a pipeline": pipelined("MULTI", "SET queued 1"),
    "WATCH": command("WATCH", "watched"),
    "watching": watching,
    "watching, forgotten": watching_without_a_word,
    "queueing": queueing,
    "SUBSCRIBE": command("SUBSCRIBE", CHANNEL),
    "subscribed": subscribed,
    "subscribed, forgotten": subscribed_without_a_word,
    "notified": notified,
    "monitoring": monitoring,
    "monitored": monitored,
    "own socket": own_socket,
    "own socket, closed": own_socket_closed,
}


@pytest.fixture
def sockets(redis_url: str) -> Callable[[], int]:
    """How many sockets to the server this process has more than before the test."""
    before = connections_to(redis_url)
    return lambda: connections_to(redis_url) - before


@pytest.fixture
def app(make_app: MakeApp, redis_url: str) -> Quart:
    """An app with one socket."""
    return one_socket(make_app, redis_url)


def one_socket(make_app: MakeApp, url: str) -> Quart:
    options = {"max_size": 1, "acquire_timeout": 2, "socket_timeout": 0.5}
    return make_app(client={"url": url, "decode_responses": True, **options})


@asynccontextmanager
async def request(app: Quart) -> AsyncIterator[Redis]:
    async with app.app_context():
        yield await get_db("client", Redis)


async def session(app: Quart) -> dict[str, object]:
    """What the server tells of the session of the socket that the next request gets."""
    async with request(app) as client:
        info = await client.client_info()
    return {name: info.get(name) for name in SHOWN}


async def socket_of(app: Quart) -> int:
    async with request(app) as client:
        identifier: int = await client.client_id()
        return identifier


@pytest.mark.parametrize("name", LEFT)
async def test_what_a_request_left_is_gone_in_the_next(
    app: Quart, sockets: Callable[[], int], name: str
) -> None:
    new = await session(app)
    async with request(app) as client:
        kept = await LEFT[name](client)
    assert await session(app) == new
    # The server has no more of it than the pool, and who kept it can do nothing with it.
    await until(lambda: sockets() == 1)
    for use in ("next_command", "listen", "subscribe", "execute", "ping"):
        if kept is not True and hasattr(kept, use):
            with pytest.raises((RedisError, RuntimeError)):
                async with asyncio.timeout(5):
                    await use_of(kept, use)
            break
    assert await session(app) == new
    assert sockets() == 1


async def use_of(kept: Any, use: str) -> None:
    if use == "listen":
        await anext(kept.listen())
    elif use == "subscribe":
        await kept.subscribe(CHANNEL)
    else:
        await getattr(kept, use)()


async def ordinary(client: Redis) -> None:
    await client.set("k", "v")
    assert await client.get("k") == "v"


async def transaction(client: Redis) -> None:
    async def double(pipeline: Any) -> None:
        await pipeline.get("n")
        pipeline.multi()
        pipeline.set("n", 2)

    await client.transaction(double, "n")


async def unwatched(client: Redis) -> None:
    async with client.pipeline() as pipeline:
        await pipeline.watch("n")
        await pipeline.get("n")


async def script(client: Redis) -> None:
    assert await client.eval("return redis.call('ECHO', ARGV[1])", 0, "a") == "a"


async def asking(client: Redis) -> None:
    await client.client_list()
    await client.script_exists("0" * 40)


@pytest.mark.parametrize(
    "use",
    [
        *(ordinary, pipelined("GET k", "GET k"), pipelined("GET k", transaction=True), transaction),
        *(unwatched, script, asking, command("GET"), command("NO_SUCH")),
    ],
)
async def test_an_ordinary_request_keeps_the_socket(app: Quart, use: Leave) -> None:
    socket = await socket_of(app)
    async with request(app) as client:
        await use(client)
    assert await socket_of(app) == socket


async def test_a_callback_for_answers_is_the_requests_own(app: Quart) -> None:
    async with app.app_context():
        client: Any = await get_db("client")
        client.set_response_callback("PING", lambda *_: "mine")
        assert await client.ping() == "mine"
        async with client.pipeline() as pipeline:
            pipeline.ping()
            assert await pipeline.execute() == ["mine"]
    async with request(app) as other:
        assert await other.ping() is True


async def test_a_client_kept_beyond_its_request_says_so(app: Quart) -> None:
    async with request(app) as client:
        await client.ping()
    for use in (client.ping, client.pubsub().connect, client.client().ping):
        with pytest.raises(RedisError, match="given back"):
            await use()


async def test_a_subscription_lasts_as_long_as_its_context(
    make_app: MakeApp, redis_url: str, sockets: Callable[[], int]
) -> None:
    app = make_app(client={"url": redis_url, "decode_responses": True, "max_size": 2})
    async with request(app) as client:
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        await pubsub.subscribe(CHANNEL)
        reading = asyncio.ensure_future(anext(pubsub.listen()))
        async with request(app) as other:
            await until(lambda: other.publish(CHANNEL, "news"))
        assert (await reading)["data"] == "news"
        reading = asyncio.ensure_future(anext(pubsub.listen()))
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        with pytest.raises(RedisError):
            await reading
    async with request(app) as client:

        async def nobody_hears() -> bool:
            return bool(await client.publish(CHANNEL, "again") == 0)

        await until(nobody_hears)  # the server may hear of the end a moment later
        assert await client.ping()
    assert sockets() == 1


async def test_the_end_of_a_context_waits_for_nothing(app: Quart) -> None:
    async with request(app) as client:
        kept = await subscribed(client)
        client.pipeline()
        with pytest.raises(StopIteration):
            client.end().send(None)  # type: ignore[attr-defined]
        assert not kept.connection.is_connected


async def test_the_first_of_two_pipelines_holds_nothing_either(app: Quart) -> None:
    async with request(app) as client:
        first = client.pipeline()
        client.pipeline()
        await first.watch("n")
    # Collected with a connection, it would complain of its user.
    assert first.connection is None


async def test_contexts_of_which_one_ends_while_others_work(
    make_app: MakeApp, redis_url: str
) -> None:
    app = make_app(client={"url": redis_url, "decode_responses": True, "max_size": 4})

    async def work(number: int) -> None:
        async with request(app) as client:
            if number % 3 == 0:
                await client.select(5)
                await watching(client)
            else:
                async with client:
                    await client.set(f"k{number}", number)
                assert await client.get(f"k{number}") == str(number)

    await asyncio.gather(*(work(number) for number in range(60)))
    connections: Connections = app.extensions["connections"]
    stats = connections.stats()["client"]
    assert stats.size == stats.idle <= 4
    assert stats.in_use == 0
