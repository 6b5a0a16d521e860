"""An ASGI function and the drivers' pools: the least that a careful person would write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from .pools import Pools, opened
from .questions import LEADER, MATCH, PLAIN, PLAYER, PLAYER_ID

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

pools: Pools


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The application."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        route = ROUTES.get(scope["path"])
        if route is None or scope["method"] != "GET":
            await respond(send, 404, {"error": "not found"})
        else:
            await respond(send, 200, await route())


async def lifespan(receive: Receive, send: Send) -> None:
    global pools
    await receive()
    async with opened() as pools:
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def respond(send: Send, status: int, content: dict[str, Any]) -> None:
    body = json.dumps(content, separators=(",", ":")).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def plain() -> dict[str, Any]:
    return PLAIN


async def one() -> dict[str, Any]:
    async with pools.postgresql.acquire() as connection:
        row: Any = await connection.fetchrow(PLAYER, PLAYER_ID)
        return dict(row)


async def match() -> dict[str, Any]:
    async with pools.rethinkdb.connection() as connection:
        document: dict[str, Any] = await MATCH.run(connection)
        return document


async def three() -> dict[str, Any]:
    row, document, leader = await asyncio.gather(one(), match(), pools.redis.get(LEADER))
    return {"leader": leader, "match": document, "player": row}


ROUTES: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
    "/plain": plain,
    "/one": one,
    "/three": three,
}
