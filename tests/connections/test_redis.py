"""The Redis backend: a client for each context over the sockets of all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from quart import Quart
from redis import exceptions
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from service.connections import ConfigurationError, Connections, PoolTimeout, Stats, get_db
from service.connections.redis_url import parse
from tests.eventually import until
from tests.mute import mute_server
from tests.proxy import cutting_after
from tests.serverside import redis_clients

from .conftest import MakeApp


def stats(app: Quart) -> Stats:
    found: Connections = app.extensions["connections"]
    return found.stats()["client"]


async def as_many_as(before: int, url: str) -> bool:
    return await redis_clients(url) == before


async def test_every_context_has_a_client_of_its_own_over_the_same_sockets(
    make_app: MakeApp, redis_url: str
) -> None:
    before = await redis_clients(redis_url)
    app = make_app(client=redis_url)
    seen = []
    for _ in range(3):
        async with app.app_context():
            client = await get_db("client", Redis)
            assert await get_db("client") is client
            seen.append(client)
            await client.ping()
    assert len({id(client) for client in seen}) == 3
    assert await redis_clients(redis_url) == before + 1


@pytest.mark.parametrize(
    ("query", "options", "value"),
    [
        ("", {}, b"v"),
        ("?decode_responses=true", {}, "v"),
        ("?decode_responses=false", {"decode_responses": True}, b"v"),
        ("", {"decode_responses": True}, "v"),
    ],
)
async def test_answers_are_bytes_or_str(
    make_app: MakeApp, redis_url: str, query: str, options: dict[str, bool], value: object
) -> None:
    app = make_app(client={"url": redis_url + query, **options})
    async with app.app_context():
        client = await get_db("client", Redis)
        await client.set("k", "v")
        assert await client.get("k") == value


async def test_commands_share_max_size_sockets(make_app: MakeApp, redis_url: str) -> None:
    before = await redis_clients(redis_url)
    app = make_app(client={"url": redis_url, "max_size": 3})

    async def work() -> None:
        async with app.app_context():
            await (await get_db("client", Redis)).ping()

    await asyncio.gather(*(work() for _ in range(50)))
    assert await redis_clients(redis_url) == before + 3
    assert stats(app).size == stats(app).idle == 3


async def test_a_command_is_never_sent_twice(make_app: MakeApp, redis_url: str) -> None:
    async with cutting_after(b"INCR", redis_url) as url:
        app = make_app(client=url)
        async with app.app_context():
            client = await get_db("client", Redis)
            await client.delete("count")
            with pytest.raises(ConnectionError):
                await client.incr("count")
            assert await client.get("count") == b"1"
        await app.extensions["connections"].close()


async def test_what_was_killed_is_not_handed_out(make_app: MakeApp, redis_url: str) -> None:
    app: Quart = make_app(client=redis_url)
    async with app.app_context():
        client = await get_db("client", Redis)
        own = await client.client_id()
        async with Redis.from_url(redis_url, single_connection_client=True) as killer:
            await killer.client_kill_filter(_id=str(own))
    async with app.app_context():
        assert await (await get_db("client", Redis)).ping()


async def test_a_command_that_finds_no_socket_in_time_raises_pool_timeout(
    make_app: MakeApp, redis_url: str
) -> None:
    app = make_app(client={"url": redis_url, "max_size": 1, "acquire_timeout": 0.05})
    async with app.app_context():
        client = await get_db("client")
        assert (stats(app).size, stats(app).idle) == (1, 1)
        blocked = asyncio.create_task(client.blpop(["nothing"], 0))
        await until(lambda: stats(app).idle == 0)
        assert stats(app).size == 1
        assert await get_db("client") is client
        with pytest.raises(PoolTimeout, match=r"'client': all 1 .* for 0\.05 s") as caught:
            await client.ping()
        assert caught.value.retry_after == 0.05
        blocked.cancel()
        assert await client.ping()
        assert (stats(app).size, stats(app).idle) == (1, 1)


async def test_a_full_pool_says_nothing_against_the_server(
    make_app: MakeApp, redis_url: str
) -> None:
    app = make_app(
        client={"url": redis_url, "max_size": 1, "acquire_timeout": 0.05, "fail_after": 1}
    )
    source = app.extensions["connections"].here().source("client")
    async with app.app_context():
        client = await get_db("client")
        blocked = asyncio.create_task(client.blpop(["nothing"], 0))
        await until(lambda: stats(app).idle == 0)
        source.health.lost(ConnectionError())
        for _ in range(2):
            async with app.app_context():
                with pytest.raises(PoolTimeout):
                    await get_db("client")
        blocked.cancel()
    async with app.app_context():
        assert await (await get_db("client")).ping()


async def test_the_turn_of_who_is_cancelled_goes_to_the_next(
    make_app: MakeApp, redis_url: str
) -> None:
    app = make_app(client={"url": redis_url, "max_size": 1})
    async with app.app_context():
        client = await get_db("client")
        pool = client.connection_pool
        held = await pool.get_connection()
        first, second = (asyncio.create_task(client.ping()) for _ in range(2))
        await asyncio.sleep(0)
        await pool.release(held)
        first.cancel()
        async with asyncio.timeout(1):
            assert await second
        assert (stats(app).size, stats(app).idle) == (1, 1)


@pytest.mark.parametrize("steps", range(12))
async def test_a_command_cancelled_at_any_step_loses_no_socket(
    make_app: MakeApp, redis_url: str, steps: int
) -> None:
    before = await redis_clients(redis_url)
    app = make_app(client={"url": redis_url, "max_size": 2, "acquire_timeout": 1})
    async with app.app_context():
        client = await get_db("client")
        tasks = [asyncio.create_task(client.ping()) for _ in range(6)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
            task.cancel()
        await asyncio.wait(tasks)
        assert all(await asyncio.gather(*(client.ping() for _ in range(10))))
        assert stats(app).size == stats(app).idle <= 2
    await app.extensions["connections"].close()
    await until(lambda: as_many_as(before, redis_url))


async def test_closing_leaves_nothing_of_who_still_holds_the_client(
    make_app: MakeApp, redis_url: str
) -> None:
    before = await redis_clients(redis_url)
    app = make_app(client={"url": redis_url, "max_size": 3})
    async with app.app_context():
        client = await get_db("client")
        blocked = asyncio.create_task(client.blpop(["nothing"], 0))
        await until(lambda: stats(app).idle == 0)
        connecting = [asyncio.create_task(client.ping()) for _ in range(5)]
        await asyncio.sleep(0)
        await app.extensions["connections"].close()
        async with asyncio.timeout(1):
            results = await asyncio.gather(blocked, *connecting, return_exceptions=True)
        assert isinstance(results[0], ConnectionError)
        assert {type(result) for result in results} <= {ConnectionError, bool}
        await until(lambda: as_many_as(before, redis_url))
        with pytest.raises(ConnectionError, match="closed"):
            await client.ping()
    assert await redis_clients(redis_url) == before


async def test_a_route_that_closes_the_client_takes_it_from_nobody(
    make_app: MakeApp, redis_url: str
) -> None:
    app = make_app(client=redis_url)
    async with app.app_context():
        async with await get_db("client", Redis) as client:
            await client.ping()
        assert await client.ping()


async def test_a_server_without_a_word_is_given_up_after_connect_timeout(
    make_app: MakeApp,
) -> None:
    async with mute_server() as port:
        app = make_app(client={"url": f"redis://127.0.0.1:{port}", "connect_timeout": 0.05})
        check = (await app.extensions["connections"].check())["client"]
        assert not check.ok
        assert check.seconds < 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exceptions.ConnectionError(), True),
        (exceptions.TimeoutError(), True),
        (exceptions.BusyLoadingError(), True),
        (exceptions.MasterDownError("MASTERDOWN"), True),
        (exceptions.ResponseError(), False),
        (exceptions.ReadOnlyError(), False),
        (exceptions.LockError(), False),
        (OSError(), False),
        (TimeoutError(), False),
        (ConnectionResetError(), False),
    ],
)
async def test_only_the_drivers_errors_tell_of_a_lost_server(
    make_app: MakeApp, redis_url: str, error: Exception, expected: bool
) -> None:
    app = make_app(client=redis_url)
    async with app.app_context():
        await get_db("client")
        found = app.extensions["connections"].unavailable(error)
    assert (found is not None) is expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://h/players", "no database number; allowed: none, or such as /0"),
        ("redis://h/1/2", "no database number"),
        ("redis://h/-1", "no database number"),
        ("redis://h1,h2/0", r"several hosts; allowed: one, or redis\+sentinel://"),
        ("redis://h:0", "host of the URL is wrong; allowed: host, host:port"),
        ("redis://h/0#one", "must be written as %2F"),
        ("redis://h?max_connections=5", "no option 'max_connections' in the URL's query; allowed"),
        ("redis://h?retry_on_timeout=yes", "no option 'retry_on_timeout'.*allowed: db, .*protocol"),
        ("redis://h?ssl_cert_reqs=none", "no option 'ssl_cert_reqs'"),
        ("redis://h?sentinel_password=hunter2", "no option 'sentinel_password'"),
        ("redis://h?protocol=4", "protocol is '4'; allowed: 2, 3"),
        ("redis://h?db=one", "db is 'one'; allowed: a whole number from 0"),
        ("redis://h?socket_timeout=0", "socket_timeout is '0'; allowed: a number of seconds"),
        ("redis://h?encoding=klingon", "encoding is 'klingon'; allowed: the name of a"),
        ("rediss://h?ssl_cert_reqs=maybe", "'maybe'; allowed: none, optional, required"),
        ("rediss://h?ssl_ca_certs=/no/such/file", "'/no/such/file'; allowed: the path of a PEM"),
        ("unix://h/run/redis.sock", "a path and no host; allowed: unix:///path"),
        ("unix://", "a path and no host"),
        ("unix:///run/redis.sock?socket_keepalive=yes", "no option 'socket_keepalive'"),
        ("redis+sentinel://h/main/one", "no database number"),
        ("redis+sentinel://h/main?ssl_cert_reqs=none", "no option 'ssl_cert_reqs'"),
        ("redis+cluster://h?db=1", "no option 'db'"),
        ("redis+cluster://h1,h2:port", "host of the URL is wrong"),
        ("rediss+cluster://h?ssl_password=hunter2", "no option 'ssl_password'"),
    ],
)
def test_a_url_that_cannot_work_is_refused(make_app: MakeApp, url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        make_app(client=url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2/@h",
        "redis://:hunter?2@h",
        "redis://:h#unter2@h",
        "redis://user:hunter2",
        "redis://h?hunter2@",
    ],
)
def test_a_url_that_is_wrong_shows_no_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"allowed|written as") as caught:
        parse(url, ())
    assert "unter" not in str(caught.value)


def test_a_socket_timeout_of_nothing_is_refused(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match=r"socket_timeout is 0; allowed: .* or null"):
        make_app(client={"url": "redis://h", "socket_timeout": 0})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h?db=3", {"db": 3}),
        ("redis://u%40:p%2F@h", {"username": "u@", "password": "p/"}),
        ("redis://h?socket_keepalive=no", {"socket_keepalive": False}),
        ("redis://h?protocol=3&client_name=it", {"protocol": 3, "client_name": "it"}),
        ("redis://h?health_check_interval=1.5", {"health_check_interval": 1.5}),
        ("redis://h/2?db=3", {"db": 3}),
    ],
)
async def test_options_of_the_url_reach_the_driver(
    make_app: MakeApp, url: str, expected: dict[str, Any]
) -> None:
    app = make_app(client=url)
    source = app.extensions["connections"].here().source("client")
    options = source.backend._client().connection_pool.connection_kwargs
    assert {option: options[option] for option in expected} == expected
