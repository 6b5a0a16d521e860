"""The observed service, which also counts in which phase of its request a client has left."""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import StrEnum
from traceback import walk_tb
from types import FrameType
from uuid import uuid4

import asyncpg
from hypercorn.typing import ASGISendCallable
from quart import Quart, current_app
from quart.asgi import ASGIHTTPConnection
from quart.wrappers import Request
from redis.asyncio import Redis

from service.connections import Connections, get_db

from . import observed
from .inventory import MAX_SIZE
from .traffic import A, Route

APPLICATION = f"{__name__}:create_app()"
PATH = "/_phases"
OF_ITS_OWN = (Route("POST", "/_pair", A), Route("GET", "/_setting", A))
"""What no route of the service does: a transaction, and something to clean up at the end."""
PAIRS = "CREATE TABLE pairs (pair uuid NOT NULL, half int NOT NULL)"
"""What the transaction writes to: two rows, one after the other."""
HALVES = "SELECT pair FROM pairs GROUP BY pair HAVING count(*) <> 2"
"""What no transaction may leave."""


class Phase(StrEnum):
    """Where a request was when its client left."""

    BEFORE = "before"
    """It had asked for no connection: its body was not all there, or its password being hashed."""
    OPENING = "opening"
    QUERY = "query"
    TRANSACTION = "transaction"
    STREAMING = "streaming"
    CLOSING = "closing"
    OTHER = "other"
    """It waited for tasks of its own, each in a phase of its own, or for nothing of a backend."""


FUNCTIONS = {
    "Request.get_data": Phase.BEFORE,
    "hash_password": Phase.BEFORE,
    "Scope.get": Phase.OPENING,
    "Scope.give_all_back": Phase.CLOSING,
    "Scope.end_block": Phase.CLOSING,
    "write_pair": Phase.TRANSACTION,
    "AsyncioCursor._get_next": Phase.STREAMING,
}
"""Which phase a function is, by its qualified name."""
DRIVERS = ("asyncpg", "rethinkdb", "redis")


class CountedRequest(ASGIHTTPConnection):
    """Quart's handling of a request, which Quart cancels when the client has left."""

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        try:
            await super().handle_request(request, send)
        except asyncio.CancelledError as error:
            self.app.extensions["phases"][phase(error)] += 1
            raise


def phase(cancelled: asyncio.CancelledError) -> Phase:
    """Where the request was, by the functions that the cancellation came through."""
    found = [_phase(frame) for frame, _ in walk_tb(cancelled.__traceback__)]
    # A query of a transaction, or of a stream, is told by the function that made it.
    return next(
        (known for known in found if known not in (Phase.OTHER, Phase.QUERY)),
        Phase.QUERY if Phase.QUERY in found else Phase.OTHER,
    )


def _phase(frame: FrameType) -> Phase:
    of_driver = frame.f_globals.get("__name__", "").partition(".")[0] in DRIVERS
    return FUNCTIONS.get(frame.f_code.co_qualname, Phase.QUERY if of_driver else Phase.OTHER)


def create_app() -> Quart:
    """The observed service with `OF_ITS_OWN`; `GET /_phases` tells how many left in each phase.

    `GET /_all_at_once/NAME` answers when it has been asked as often at once as that connection's
    pool has places.
    """
    app = observed.create_app()
    app.asgi_http_class = CountedRequest
    app.extensions["phases"] = Counter(dict.fromkeys(Phase, 0))
    app.extensions["barriers"] = {
        name: asyncio.Barrier(MAX_SIZE) for name in app.extensions["connections"].names
    }
    app.add_url_rule(PATH, view_func=phases)
    app.add_url_rule("/_pair", view_func=pair, methods=["POST"])
    app.add_url_rule("/_setting", view_func=setting)
    app.add_url_rule("/_all_at_once/<name>", view_func=all_at_once)
    return app


async def phases() -> dict[str, int]:
    """How many clients left in each phase."""
    return dict(current_app.extensions["phases"])


async def pair() -> dict[str, str]:
    """Write two rows or none."""
    connection = await get_db("a", asyncpg.Connection)
    await write_pair(connection)
    return {}


async def write_pair(connection: asyncpg.Connection) -> None:
    """The transaction."""
    async with connection.transaction():
        name = uuid4()
        for half in range(2):
            await connection.execute("INSERT INTO pairs VALUES ($1, $2)", name, half)


async def setting() -> dict[str, str]:
    """Leave a session that must be cleaned before the connection goes back."""
    connection = await get_db("a", asyncpg.Connection)
    await connection.execute("SET statement_timeout = '1min'")
    return {}


async def all_at_once(name: str) -> dict[str, str]:
    """Hold a connection that answers until every place in the pool is taken."""
    connections: Connections = current_app.extensions["connections"]
    connection = await get_db(name)
    async with asyncio.timeout(10):
        if isinstance(connection, Redis):
            # Its client is everybody's: what is held is one of its sockets.
            async with connection.client() as socket:
                await socket.ping()
                await current_app.extensions["barriers"][name].wait()
        else:
            await connections.here().source(name).backend.ping(connection)
            await current_app.extensions["barriers"][name].wait()
    return {}
