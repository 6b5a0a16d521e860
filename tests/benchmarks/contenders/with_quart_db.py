"""Quart with Quart-DB, which puts a PostgreSQL connection on `g` for every request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from quart import Quart, g
from quart_db import QuartDB
from redis.asyncio import Redis

from .pools import RethinkDBPool
from .questions import LEADER, MATCH, PLAIN, PLAYER, PLAYER_ID, POSTGRESQL_URL, REDIS_URL

app = Quart(__name__)
QuartDB(app, url=POSTGRESQL_URL, migrations_folder=None)

NAMED_PLAYER = PLAYER.replace("$1", ":id")
matches: RethinkDBPool
redis: Redis


@app.while_serving
async def lifespan() -> AsyncGenerator[None, None]:
    global matches, redis
    matches = RethinkDBPool()
    async with Redis.from_url(REDIS_URL, decode_responses=True) as redis:
        yield
    await matches.close()


@app.get("/plain")
async def plain() -> dict[str, Any]:
    return PLAIN


@app.get("/one")
async def one() -> dict[str, Any]:
    return dict(await g.connection.fetch_first(NAMED_PLAYER, {"id": PLAYER_ID}))


async def match() -> dict[str, Any]:
    async with matches.connection() as connection:
        document: dict[str, Any] = await MATCH.run(connection)
        return document


@app.get("/three")
async def three() -> dict[str, Any]:
    player, document, leader = await asyncio.gather(one(), match(), redis.get(LEADER))
    return {"leader": leader, "match": document, "player": player}
