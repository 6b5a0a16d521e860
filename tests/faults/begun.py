"""The service of `observed`, which notes every request that it begins."""

from __future__ import annotations

import os
from pathlib import Path

import asyncpg
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from quart import Quart

from service.connections import get_db

from .observed import create_app as create_observed
from .traffic import REQUEST_ID, A, Route

BEGUN = "tests.faults.begun:create_app()"
FILE = "BEGUN_FILE"
"""The variable that names the file to write to."""

FAILS = Route("GET", "/_fails", A, 500)
HOLDS = Route("GET", "/_holds", A)
"""Holds a transaction for a minute."""


def create_app() -> Quart:
    """The service, with `FAILS` and `HOLDS`."""
    app = create_observed()
    app.add_url_rule(FAILS.path, view_func=fails)
    app.add_url_rule(HOLDS.path, view_func=holds)
    inner, name = app.asgi_app, REQUEST_ID.lower().encode()
    file = os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def noting(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            ids = [value for header, value in scope["headers"] if header == name]
            os.write(file, b"".join(b"%s %d\n" % (id, os.getpid()) for id in ids))
        await inner(scope, receive, send)

    app.asgi_app = noting  # type: ignore[method-assign]
    return app


async def fails() -> str:
    """Fail in a transaction."""
    connection = await get_db("a", asyncpg.Connection)
    async with connection.transaction():
        await connection.execute("SELECT 1")
        raise ValueError("as it shall")


async def holds() -> str:
    """Answer when nobody waits for it any more."""
    connection = await get_db("a", asyncpg.Connection)
    async with connection.transaction():
        await connection.execute("SELECT pg_sleep(60)")
    return "done"


def begun(file: Path) -> list[tuple[str, int]]:
    """The id of each request that was begun, and of the process that did."""
    lines = [line.split() for line in file.read_text().splitlines()]
    return [(id, int(pid)) for id, pid in lines]
