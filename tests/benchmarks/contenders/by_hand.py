"""Quart, with each pool opened while serving and used by hand in every route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from quart import Quart

from .pools import Pools, opened
from .questions import LEADER, MATCH, PLAIN, PLAYER, PLAYER_ID

app = Quart(__name__)
pools: Pools


@app.while_serving
async def lifespan() -> AsyncGenerator[None, None]:
    global pools
    async with opened() as pools:
        yield


@app.get("/plain")
async def plain() -> dict[str, Any]:
    return PLAIN


@app.get("/one")
async def one() -> dict[str, Any]:
    async with pools.postgresql.acquire() as connection:
        row: Any = await connection.fetchrow(PLAYER, PLAYER_ID)
        return dict(row)


async def match() -> dict[str, Any]:
    async with pools.rethinkdb.connection() as connection:
        document: dict[str, Any] = await MATCH.run(connection)
        return document


@app.get("/three")
async def three() -> dict[str, Any]:
    player, document, leader = await asyncio.gather(one(), match(), pools.redis.get(LEADER))
    return {"leader": leader, "match": document, "player": player}
