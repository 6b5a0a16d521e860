"""The Redis backend: one client per process, whose own pool does the work."""

from __future__ import annotations

import asyncio

import pytest
from quart import Quart
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from service.connections import get_db
from tests.proxy import cutting_after
from tests.serverside import redis_clients

from .conftest import MakeApp


async def test_every_context_shares_one_client(make_app: MakeApp, redis_url: str) -> None:
    before = await redis_clients(redis_url)
    app = make_app(client=redis_url)
    seen = []
    for _ in range(3):
        async with app.app_context():
            client = await get_db("client", Redis)
            seen.append(client)
            await client.ping()
    assert len({id(client) for client in seen}) == 1
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
    assert app.extensions["connections"].stats()["client"].size == 3


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
