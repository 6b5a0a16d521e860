"""The shipped service, with routes that hold one or more connections for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any

from quart import Quart
from rethinkdb import r

from service.connections import get_db

from . import observed

SECONDS = 0.05
"""How long each connection is at work: what its server says takes that long."""
STARTED = "started"
"""What counts the starts at a server: a sequence, a document, a key."""


def create_app() -> Quart:
    """`GET /hold/a,b` works with `a`, then with `b`, too; `GET /asked/a` tells the order."""
    app = observed.create_app()
    asked = count()

    @app.get("/asked/<name>")
    async def tell(name: str) -> dict[str, int]:
        number = next(asked)
        return {"asked": number, "started": await WORK[name](await get_db(name))}

    @app.get("/hold/<names>")
    async def hold(names: str) -> dict[str, int]:
        return {name: await WORK[name](await get_db(name)) for name in names.split(",")}

    return app


async def _postgresql(connection: Any) -> int:
    row = await connection.fetchrow(f"SELECT nextval('{STARTED}'), pg_sleep({SECONDS})")
    return int(row[0])


async def _rethinkdb(connection: Any) -> int:
    document = r.table(STARTED).get(0)
    more = document.update({"n": r.row["n"] + 1}, return_changes=True)
    return int((await more.run(connection))["changes"][0]["new_val"]["n"])


async def _redis(client: Any) -> int:
    return int(await client.incr(STARTED))


WORK: Mapping[str, Callable[[Any], Awaitable[int]]] = {
    "a": _postgresql,
    "one": _postgresql,
    "other": _postgresql,
    "b": _rethinkdb,
    "client": _redis,
}
