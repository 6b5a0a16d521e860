"""Quart with Flask's pattern to the letter: a new connection on `g`, closed at the teardown."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from quart import Quart, g
from redis.asyncio import Redis

from .questions import (
    LEADER,
    MATCH,
    PLAIN,
    PLAYER,
    PLAYER_ID,
    POSTGRESQL_URL,
    REDIS_URL,
    RETHINKDB_URL,
    r,
)

app = Quart(__name__)


async def create_connection(name: str) -> Any:
    if name == "a":
        return await asyncpg.connect(POSTGRESQL_URL)
    if name == "b":
        return await r.connect(url=RETHINKDB_URL)
    return Redis.from_url(REDIS_URL, decode_responses=True)


async def get_db(name: str) -> Any:
    if name not in g:
        setattr(g, name, await create_connection(name))
    return getattr(g, name)


@app.teardown_appcontext
async def close_connections(_: BaseException | None) -> None:
    for name in ("a", "b", "client"):
        connection = g.pop(name, None)
        if connection is not None:
            await (connection.aclose() if name == "client" else connection.close())


@app.get("/plain")
async def plain() -> dict[str, Any]:
    return PLAIN


@app.get("/one")
async def one() -> dict[str, Any]:
    connection = await get_db("a")
    return dict(await connection.fetchrow(PLAYER, PLAYER_ID))


async def match() -> dict[str, Any]:
    document: dict[str, Any] = await MATCH.run(await get_db("b"))
    return document


async def leader() -> str:
    name: str = await (await get_db("client")).get(LEADER)
    return name


@app.get("/three")
async def three() -> dict[str, Any]:
    player, document, name = await asyncio.gather(one(), match(), leader())
    return {"leader": name, "match": document, "player": player}
