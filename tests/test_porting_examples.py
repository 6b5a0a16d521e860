"""The three ways, in Flask's form and in ours: the same requests get the same answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import psycopg
import pytest
import redis
from flask import Flask
from quart import Quart
from rethinkdb import r
from rethinkdb.net import DefaultConnection, make_connection

from service.connections import Connections

from . import databases
from .porting_examples import (
    eager_flask,
    eager_ours,
    named_bridged,
    named_flask,
    named_ours,
    rethinkdb_flask,
    rethinkdb_ours,
)

LET_IN = {"Authorization": "Bearer let-me-in"}


@pytest.fixture(scope="module")
def filled(server_url: Callable[[str], str]) -> Iterator[dict[str, str]]:
    """Databases of these tests alone, with something in them."""
    with (
        databases.postgresql(server_url("postgresql")) as postgresql_url,
        databases.rethinkdb(server_url("rethinkdb")) as rethinkdb_url,
        databases.redis(server_url("redis")) as redis_url,
    ):
        urls = {"a": postgresql_url, "b": rethinkdb_url, "client": redis_url}
        _fill(urls)
        yield urls


def _fill(urls: Mapping[str, str]) -> None:
    with (
        psycopg.connect(urls["a"], autocommit=True) as a,
        make_connection(DefaultConnection, url=urls["b"]) as b,
        redis.Redis.from_url(urls["client"]) as client,
    ):
        a.execute("CREATE TABLE players (id int, name text)")
        a.execute("INSERT INTO players VALUES (1, 'ada'), (2, 'alan')")
        for table in ("matches", "songs"):
            r.table_create(table).run(b)
        r.table("matches").insert([{"id": 1, "won": "ada"}, {"id": 2, "won": "alan"}]).run(b)
        client.zadd("points", {"ada": 6, "alan": 3})


async def ask(
    app: Flask | Quart, path: str, method: str = "GET", **request: Any
) -> tuple[int, Any]:
    """The status and the JSON of the answer, if there is any."""
    if isinstance(app, Flask):
        answer = app.test_client().open(path, method=method, **request)
        return answer.status_code, answer.get_json(silent=True)
    response = await app.test_client().open(path, method=method, **request)
    return response.status_code, await response.get_json(silent=True)


def opened(app: Quart) -> dict[str, int]:
    """How often each connection was opened; none of them is in use."""
    connections: Connections = app.extensions["connections"]
    stats = connections.stats()
    assert not any(each.in_use for each in stats.values())
    return {name: each.opened for name, each in stats.items()}


@pytest.mark.parametrize("form", [named_ours, named_bridged])
async def test_several_named_connections(form: Any, filled: dict[str, str]) -> None:
    flask, ours = named_flask.create_app(filled), form.create_app(filled)

    async def both(path: str, **headers: str) -> tuple[int, Any]:
        answer = await ask(ours, path, headers=headers)
        assert answer == await ask(flask, path, headers=headers)
        return answer

    async with ours.test_app():
        for path in ("/get_some_data", "/get_some_other_data"):
            assert await both(path) == (401, None)
        assert opened(ours) == {"a": 0, "b": 0, "client": 0}
        assert await both("/get_some_other_data", **LET_IN) == (200, {"matches": 2})
        assert opened(ours) == {"a": 0, "b": 1, "client": 0}
        assert (await both("/get_what_is_not_there", **LET_IN))[0] == 500
        assert await both("/get_some_data", **LET_IN) == (
            200,
            {
                "players": [{"id": 1, "name": "ada"}, {"id": 2, "name": "alan"}],
                "matches": [{"id": 1, "won": "ada"}, {"id": 2, "won": "alan"}],
                "points": ["ada", "alan"],
            },
        )
        assert opened(ours) == {"a": 1, "b": 2, "client": 1}


async def test_rethinkdb_in_the_app_context(
    filled: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    flask, ours = rethinkdb_flask.create_app(filled["b"]), rethinkdb_ours.create_app(filled["b"])

    def disconnects() -> int:
        found = caplog.messages.count("Disconnecting from database.")
        caplog.clear()
        return found

    async with ours.test_app():
        for expected in range(2):
            for app in (flask, ours):
                assert await ask(app, "/about") == (200, "a jukebox")
                assert disconnects() == 0
                song = {"title": "one song"}
                assert await ask(app, "/songs", "POST", json=song) == (201, {"inserted": 1})
                assert disconnects() == 1
            added = 2 * (expected + 1)
            for app in (flask, ours):
                assert await ask(app, "/songs") == (200, ["one song"] * added)
                assert await ask(app, "/songs/count") == (200, added)
                assert disconnects() == 2
        assert opened(ours) == {"conn": 6}


@pytest.mark.parametrize("path", ["/answer", "/error", "/nothing"])
@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("closed_in", ["after_request", "teardown_request", "nothing"])
async def test_connections_opened_before_the_request(
    postgresql_url: str, closed_in: str, debug: bool, path: str
) -> None:
    """In debug mode `after_request` does not run after an error: ours goes back all the same."""
    left: list[psycopg.Connection[Any]] = []
    flask = eager_flask.create_app(postgresql_url, closed_in, left)
    ours = eager_ours.create_app(postgresql_url, closed_in)
    flask.debug = ours.debug = debug
    expected: tuple[int, Any] = (500, None)  # where Flask shows its debugger
    with suppress(ValueError):
        expected = await ask(flask, path)
    assert await ask(ours, path) == expected
    assert opened(ours) == {"db": 1}
    stays_open = closed_in == "after_request" and debug and path == "/error"
    assert [not connection.closed for connection in left] == [stays_open]
    for connection in left:
        connection.close()
    await ours.extensions["connections"].close()
