"""The stand-in in this process, and connections of the official driver to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from rethinkdb import r
from rethinkdb.asyncio_net.net_asyncio import Connection
from rethinkdb.net import make_connection

from service.embedded.rethinkdb import StandIn

Connect = Callable[..., Awaitable[Any]]


async def open_connection(port: int, **options: Any) -> Any:
    """An asyncio connection of the driver to the server on a port of this machine."""
    wanted = {"db": "test", "user": "admin", "password": "", **options}
    return await make_connection(Connection, host="127.0.0.1", port=port, **wanted)


async def rows(query: Any, connection: Any) -> list[Any]:
    """What a query gives, as a list, whether it is an array or a cursor."""
    found = await query.run(connection)
    return found if isinstance(found, list) else [row async for row in found]


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with StandIn() as server:
        yield server


@pytest.fixture
async def connect(server: StandIn) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def connect(**options: Any) -> Any:
            connection = await open_connection(server.port, **options)
            stack.push_async_callback(connection.close, noreply_wait=False)
            return connection

        yield connect


@pytest.fixture
async def connection(connect: Connect) -> Any:
    return await connect()


@pytest.fixture
async def games(connection: Any) -> Any:
    """A table with a few documents and an index."""
    await r.table_create("games").run(connection)
    await r.table("games").index_create("state").run(connection)
    await (
        r.table("games")
        .insert(
            [
                {"id": "a", "state": "playing", "turn": 1},
                {"id": "b", "state": "waiting", "turn": 0},
                {"id": "c", "state": "playing", "turn": 7},
            ]
        )
        .run(connection)
    )
    return r.table("games")


PEOPLE = [
    {"id": 1, "name": "ann", "age": 30, "tags": ["x", "y"], "address": {"city": "Oslo", "zip": 1}},
    {"id": 2, "name": "bob", "age": 25, "tags": ["y"], "address": {"city": "Rome"}},
    {"id": 3, "name": "cy", "tags": [], "address": None},
]
ORDERS = [
    {"id": "o1", "person": 1, "sum": 10},
    {"id": "o2", "person": 1, "sum": 5},
    {"id": "o3", "person": 2, "sum": 7},
]
people, orders = r.table("people"), r.table("orders")


@pytest.fixture
async def data(connect: Connect) -> Any:
    """A connection to a server with people and their orders."""
    connection = await connect()
    await r.table_create("people").run(connection)
    await r.table_create("orders").run(connection)
    await people.index_create("tags", multi=True).run(connection)
    await people.index_create("age").run(connection)
    await people.index_create("city", r.row["address"]["city"]).run(connection)
    await orders.index_create("person").run(connection)
    await people.insert(PEOPLE).run(connection)
    await orders.insert(ORDERS).run(connection)
    return connection
