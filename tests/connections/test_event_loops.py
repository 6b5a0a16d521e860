"""Row 16 of the contract: several event loops in one process, and the end of each."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from quart import Quart, g

from service.connections import get_db

from .conftest import MakeApp
from .ledger import Ledger

SCRIPT = """
import asyncio, gc, sys, warnings
warnings.simplefilter("error")
from quart import Quart
from rethinkdb import r
from service.connections import Connections, get_db

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
app = Quart("script")
app.config["CONNECTIONS"] = {"a": sys.argv[1], "b": sys.argv[2], "client": sys.argv[3]}
connections = Connections(app)

async def main():
    for _ in range(2):
        async with app.app_context():
            a, b, client = [await get_db(name) for name in ("a", "b", "client")]
            print(await a.fetchval(SESSIONS), await r.expr(2).run(b), await client.ping())
    assert connections.stats()["a"].size == 1

asyncio.run(main(), debug=True)
asyncio.run(main(), debug=True)
for _ in range(2):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
import uvloop
uvloop.run(main())
asyncio.run(main())
"""


def test_each_loop_gets_its_own_pools_and_nothing_is_reported_at_exit(
    postgresql_url: str, rethinkdb_url: str, redis_url: str
) -> None:
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-c", SCRIPT, postgresql_url, rethinkdb_url, redis_url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stderr == ""
    assert result.stdout == "1 2 True\n" * 12
    assert result.returncode == 0


@pytest.mark.parametrize("turn", [1, 2, 3])
async def test_an_app_is_served_again_on_the_loop_of_another_test(
    make_app: MakeApp, postgresql_url: str, turn: int
) -> None:
    app = make_app(a=postgresql_url)
    connections = app.extensions["connections"]
    for _ in range(2):
        async with app.test_app(), app.app_context():
            assert await (await get_db("a")).fetchval("SELECT $1::int", turn) == turn
        assert not connections.stats()["a"].pool


async def test_two_loops_at_once_do_not_meet(make_app: MakeApp, postgresql_url: str) -> None:
    app = make_app(a=postgresql_url)

    async def work() -> int:
        total = 0
        for _ in range(20):
            async with app.app_context():
                total += await (await get_db("a")).fetchval("SELECT 1")
        return total

    totals = await asyncio.gather(
        work(), *(asyncio.to_thread(asyncio.run, work()) for _ in range(3))
    )
    assert totals == [20, 20, 20, 20]


async def test_many_threads_make_loops_at_once(make_app: MakeApp, ledger: Ledger) -> None:
    app = make_app(x="ledger://x")

    async def work() -> None:
        async with app.app_context():
            await get_db("x")

    def repeat() -> None:
        for _ in range(100):
            asyncio.run(work())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        await asyncio.gather(*(asyncio.to_thread(repeat) for _ in range(6)))
    finally:
        sys.setswitchinterval(interval)
    assert ledger.out == 0


@pytest.mark.parametrize("times", [1, 3])
async def test_a_context_is_of_one_loop_and_says_so_on_another(
    ledger_app: Quart, ledger: Ledger, times: int
) -> None:
    async def elsewhere() -> object:
        with pytest.raises(RuntimeError, match="belongs to another event loop"):
            await get_db("x")
        async with ledger_app.app_context():
            return await get_db("x")

    @ledger_app.get("/")
    def route() -> str:
        return str(asyncio.run(elsewhere()) is g.mine)

    @ledger_app.before_request
    async def before() -> None:
        for _ in range(times):
            g.mine = await get_db("x")

    response = await ledger_app.test_client().get("/")
    assert await response.get_data() == b"False"
    assert ledger.out == 0
