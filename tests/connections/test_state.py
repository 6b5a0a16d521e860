"""What the layer tells about itself, without opening anything."""

from __future__ import annotations

import asyncio

import pytest
from quart import Quart

from service.connections import Connections, ConnectionUnavailable, Stats, get_db
from tests.eventually import until

from .conftest import MakeApp
from .ledger import Ledger


async def test_stats_and_repr_open_nothing_and_tell_what_is(
    app: Quart, connections: Connections
) -> None:
    assert connections.stats() == {"a": Stats(), "b": Stats(), "client": Stats()}
    assert "'a': Stats(pool=False, size=0" in repr(connections)
    async with app.app_context():
        await asyncio.gather(get_db("a"), get_db("b"))
        assert connections.stats()["a"] == Stats(pool=True, size=1, in_use=1, opened=1)
        assert connections.stats()["b"] == Stats(pool=True, size=1, in_use=1, opened=1)
        assert connections.stats()["client"] == Stats()
        assert set(connections.opened()) == {"a", "b"}
    assert connections.stats()["a"] == Stats(pool=True, size=1, idle=1, opened=1)
    assert connections.opened() == {}


async def test_stats_count_who_waits_and_what_failed(make_app: MakeApp, ledger: Ledger) -> None:
    app = make_app(x={"url": "ledger://x", "max_size": 1})
    connections = app.extensions["connections"]
    async with app.app_context():
        await get_db("x")
        async with app.app_context():
            waiting = asyncio.create_task(get_db("x"))
            await until(lambda: connections.stats()["x"].waiting == 1)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert connections.stats()["x"].waiting == 0
    ledger.failing = OSError()
    async with app.app_context():
        with pytest.raises(ConnectionUnavailable):
            await get_db("x")
    assert connections.stats()["x"].failed == 1


def test_stats_without_a_loop(make_app: MakeApp) -> None:
    app = Quart("tests")
    app.config["CONNECTIONS"] = {"x": "ledger://x"}
    assert Connections(app).stats() == {"x": Stats()}


async def test_check_pings_all_at_once_and_is_bounded(make_app: MakeApp, ledger: Ledger) -> None:
    ledger.gate = asyncio.Event()
    app = make_app(x="ledger://x", y="ledger://x", dead="redis://127.0.0.1:1")
    connections = app.extensions["connections"]
    checks = await connections.check(timeout=0.5)
    assert [(check.name, check.ok) for check in checks.values()] == [
        *[("x", False), ("y", False), ("dead", False)]
    ]
    assert checks["x"].error == "no answer within 0.5 s"
    assert "Connect" in (checks["dead"].error or "")
    ledger.gate.set()
    checks = await connections.check()
    assert checks["x"].ok
    assert checks["y"].ok
    assert checks["x"].error is None
    assert ledger.out == 0


async def test_a_check_does_not_wait_for_a_release_that_takes_longer(
    make_app: MakeApp, ledger: Ledger
) -> None:
    ledger.release_gate = asyncio.Event()
    connections = make_app(x="ledger://x").extensions["connections"]
    assert (await connections.check())["x"].ok
    assert connections.stats()["x"].in_use == 1
    ledger.release_gate.set()
    await connections.close()
    assert ledger.out == 0
