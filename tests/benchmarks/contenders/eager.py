"""Quart with everything taken out of its pool in `before_request`, whatever the route needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from quart import Quart, g

from .pools import Pools, opened
from .questions import LEADER, MATCH, PLAIN, PLAYER, PLAYER_ID

app = Quart(__name__)
pools: Pools


@app.while_serving
async def lifespan() -> AsyncGenerator[None, None]:
    global pools
    async with opened() as pools:
        yield


@app.before_request
async def open_connections() -> None:
    g.a = await pools.postgresql.acquire()
    g.b = await pools.rethinkdb.acquire()
    g.client = pools.redis


@app.teardown_request
async def give_connections_back(error: BaseException | None) -> None:
    if "b" in g:
        await pools.rethinkdb.release(g.b, error)
    if "a" in g:
        await pools.postgresql.release(g.a)


@app.get("/plain")
async def plain() -> dict[str, Any]:
    return PLAIN


@app.get("/one")
async def one() -> dict[str, Any]:
    return dict(await g.a.fetchrow(PLAYER, PLAYER_ID))


@app.get("/three")
async def three() -> dict[str, Any]:
    player, document, leader = await asyncio.gather(one(), MATCH.run(g.b), g.client.get(LEADER))
    return {"leader": leader, "match": document, "player": player}
