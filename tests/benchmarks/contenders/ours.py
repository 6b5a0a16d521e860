"""Quart with `service.connections`, as its README shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from quart import Quart

from service import tuning
from service.connections import Connections, get_db

from .questions import (
    LEADER,
    MATCH,
    PLAIN,
    PLAYER,
    PLAYER_ID,
    POSTGRESQL_URL,
    REDIS_URL,
    RETHINKDB_URL,
)

CONNECTIONS: dict[str, Any] = {
    "a": POSTGRESQL_URL,
    "b": RETHINKDB_URL,
    "client": {"url": REDIS_URL, "decode_responses": True},
}


def create_app(connections: Mapping[str, Any] = CONNECTIONS) -> Quart:
    """The app, with these connections."""
    app = Quart(__name__)
    app.config["CONNECTIONS"] = connections
    Connections(app)
    tuning.register(app)
    app.get("/plain")(plain)
    app.get("/one")(one)
    app.get("/three")(three)
    return app


async def plain() -> dict[str, Any]:
    return PLAIN


async def one() -> dict[str, Any]:
    connection = await get_db("a")
    return dict(await connection.fetchrow(PLAYER, PLAYER_ID))


async def match() -> dict[str, Any]:
    document: dict[str, Any] = await MATCH.run(await get_db("b"))
    return document


async def leader() -> str:
    name: str = await (await get_db("client")).get(LEADER)
    return name


async def three() -> dict[str, Any]:
    player, document, name = await asyncio.gather(one(), match(), leader())
    return {"leader": name, "match": document, "player": player}
