"""A fourth backend, written here in a few lines, behaves as the contract says."""

from __future__ import annotations

import sqlite3

import pytest
from quart import Quart

from service.connections import (
    Backend,
    Connections,
    ConnectionUnavailable,
    get_db,
    register_backend,
)


@register_backend("sqlite")
class SQLite(Backend[str, sqlite3.Connection]):
    async def open(self) -> str:
        return self.settings.url.removeprefix("sqlite://")

    async def acquire(self, pool: str) -> sqlite3.Connection:
        return sqlite3.connect(pool)

    async def release(self, pool: str, connection: sqlite3.Connection) -> None:
        connection.close()

    async def close(self, pool: str) -> None:
        pass

    async def ping(self, connection: sqlite3.Connection) -> None:
        connection.execute("SELECT 1")


async def test_it_works_in_an_app_of_three_lines() -> None:
    app = Quart("three lines")
    app.config["CONNECTIONS"] = {"lite": "sqlite://:memory:"}
    connections = Connections(app)

    @app.get("/")
    async def index() -> list[int]:
        row = (await get_db("lite", sqlite3.Connection)).execute("SELECT 42").fetchone()
        return [row[0], connections.stats()["lite"].in_use]

    assert await (await app.test_client().get("/")).get_json() == [42, 1]
    assert connections.stats()["lite"].in_use == 0
    async with app.app_context():
        lite = await get_db("lite")
        assert await get_db("lite") is lite
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        lite.execute("SELECT 1")
    assert (await connections.check())["lite"].ok


async def test_its_failures_are_told_as_those_of_any_other() -> None:
    app = Quart("down")
    app.config["CONNECTIONS"] = {"lite": "sqlite:///no/such/folder/file"}
    connections = Connections(app)
    async with app.app_context():
        with pytest.raises(ConnectionUnavailable) as raised:
            await get_db("lite")
    assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
    check = (await connections.check())["lite"]
    assert check.error == "OperationalError: unable to open database file"


@register_backend("poolless")
class Poolless(Backend[None, object]):
    """One that needs no pool: None is as good as any."""

    opened = 0

    async def open(self) -> None:
        Poolless.opened += 1

    async def acquire(self, pool: None) -> object:
        return object()

    async def release(self, pool: None, connection: object) -> None:
        pass

    async def close(self, pool: None) -> None:
        pass

    async def ping(self, connection: object) -> None:
        pass


async def test_a_pool_that_is_none_is_opened_once() -> None:
    app = Quart("poolless")
    app.config["CONNECTIONS"] = {"none": "poolless://"}
    connections = Connections(app)
    for _ in range(3):
        async with app.app_context():
            await get_db("none")
    assert Poolless.opened == 1
    assert connections.stats()["none"].pool
    await connections.close()
    assert not connections.stats()["none"].pool
