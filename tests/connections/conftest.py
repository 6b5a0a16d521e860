"""Apps of a few lines with connections of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from quart import Quart

from service.connections import Connections

from .ledger import LEDGERS, Ledger

MakeApp = Callable[..., Quart]


@pytest.fixture
async def make_app() -> AsyncIterator[MakeApp]:
    """Make apps with the given CONNECTIONS; what they still have open is closed at the end."""
    made: list[Connections] = []

    def make(**connections: Any) -> Quart:
        app = Quart("tests")
        app.config["CONNECTIONS"] = connections
        made.append(Connections(app))
        return app

    yield make
    for connections in made:
        await connections.close()


@pytest.fixture
def app(make_app: MakeApp, postgresql_url: str, rethinkdb_url: str, redis_url: str) -> Quart:
    """An app with the three shipped backends under their shipped names."""
    return make_app(a=postgresql_url, b=rethinkdb_url, client=redis_url)


@pytest.fixture
def connections(app: Quart) -> Connections:
    """The connections of `app`."""
    found = app.extensions["connections"]
    assert isinstance(found, Connections)
    return found


@pytest.fixture
def ledger() -> Ledger:
    """The ledger behind `ledger://x` and `ledger-nowait://x` in this test."""
    ledger = Ledger()
    LEDGERS.update({"ledger://x": ledger, "ledger-nowait://x": ledger})
    return ledger


@pytest.fixture(params=["ledger", "ledger-nowait"])
def ledger_app(request: pytest.FixtureRequest, make_app: MakeApp, ledger: Ledger) -> Quart:
    """An app whose connections `x`, `y` and `z` are all entries of one ledger."""
    url = f"{request.param}://x"
    return make_app(x=url, y=url, z=url)
