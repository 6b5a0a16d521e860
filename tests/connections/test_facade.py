"""`get_db_sync`: the drivers' own objects in plain functions, against the real servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from quart import Quart, jsonify, render_template_string
from rethinkdb import r

from service.connections import UnknownConnection, get_db, get_db_sync, run

from .asking import get
from .ledger import Ledger


async def in_a_plain_view(app: Quart, view: Callable[[], Any]) -> Any:
    """What the function returns, called as a route of the app."""
    found: list[Any] = []

    @app.get("/")
    def route() -> str:
        found.append(view())
        return ""

    await get(app)
    return found[0]


async def test_postgresql(app: Quart) -> None:
    def view() -> dict[str, Any]:
        db = get_db_sync("a")
        db.execute("CREATE TEMP TABLE kept (n int)")
        with db.transaction():
            db.executemany("INSERT INTO kept VALUES ($1)", [(n,) for n in range(5)])
        with pytest.raises(asyncpg.DivisionByZeroError), db.transaction():
            db.execute("DELETE FROM kept; SELECT 1 / 0")
        with db.transaction():
            cursor = db.cursor("SELECT n FROM kept ORDER BY n")
            iterated = [record["n"] for record in db.cursor("SELECT n FROM kept ORDER BY n")]
            fetched = [record["n"] for record in cursor.fetch(2)]
        with pytest.raises(asyncpg.UndefinedTableError):
            db.fetch("SELECT * FROM nothing")
        return {
            "value": db.fetchval("SELECT $1::jsonb", {"as": ["python"]}),
            "records": [dict(record) for record in db.fetch("SELECT max(n) FROM kept")],
            "prepared": db.prepare("SELECT $1::int + 1").fetchval(41),
            "cursor": (iterated, fetched),
            "plain": db.is_in_transaction(),
            "same": run(get_db("a")).get_server_pid() == db.get_server_pid(),
        }

    assert await in_a_plain_view(app, view) == {
        "value": {"as": ["python"]},
        "records": [{"max": 4}],
        "prepared": 42,
        "cursor": ([0, 1, 2, 3, 4], [0, 1]),
        "plain": False,
        "same": True,
    }


async def test_rethinkdb(app: Quart) -> None:
    def view() -> list[Any]:
        db = get_db_sync("b")
        r.table_create("facades").run(db)
        r.table("facades").insert([{"id": n} for n in range(300)]).run(db)
        cursor = r.table("facades").order_by(index="id").run(db, max_batch_rows=100)
        first = cursor.next()["id"]
        return [first, sum(row["id"] for row in cursor), r.expr(2).add(3).run(db)]

    assert await in_a_plain_view(app, view) == [0, sum(range(300)), 5]


async def test_redis(app: Quart) -> None:
    def view() -> list[Any]:
        client = get_db_sync("client")
        with client.pipeline() as pipeline:
            pipeline.set("facade:1", "one").set("facade:2", "two")
            done = pipeline.execute()
        with client.lock(name="facade:lock", timeout=10):
            names = sorted(client.scan_iter("facade:*"))
        return [done, names, client.get("facade:1"), client.exists("facade:lock")]

    assert await in_a_plain_view(app, view) == [
        [True, True],
        [b"facade:1", b"facade:2", b"facade:lock"],
        b"one",
        0,
    ]


async def test_close_gives_back_and_the_next_use_opens_again(
    ledger_app: Quart, ledger: Ledger
) -> None:
    def view() -> list[int]:
        db = get_db_sync("x")
        numbers = [db.query()]
        db.close()
        db.close()
        numbers += [ledger.out, db.query(), get_db_sync("x").query(), ledger.out]
        return numbers

    assert await in_a_plain_view(ledger_app, view) == [1, 0, 2, 2, 1]
    assert ledger.out == 0


async def test_with_is_refused_and_says_what_to_do(ledger_app: Quart) -> None:
    def view() -> None:
        with pytest.raises(TypeError, match=r"get_db_sync\('x'\) without 'with'"), get_db_sync("x"):
            pass

    await in_a_plain_view(ledger_app, view)


async def test_mistakes_are_those_of_the_driver(ledger_app: Quart, ledger: Ledger) -> None:
    def view() -> str:
        with pytest.raises(UnknownConnection, match="configured: 'x', 'y', 'z'"):
            get_db_sync("nothing")
        db = get_db_sync("x")
        with pytest.raises(AttributeError, match="'Entry' object has no attribute 'qery'"):
            db.qery()
        with pytest.raises(TypeError, match="positional argument"):
            db.query(1)
        db.number = 7
        assert db.number == run(get_db("x")).number == 7
        return repr(db)

    assert (await in_a_plain_view(ledger_app, view)).startswith("<SyncConnection Entry(number=")


async def test_on_the_loop_it_is_a_clear_error(ledger_app: Quart) -> None:
    async with ledger_app.app_context():
        with pytest.raises(RuntimeError, match="on the event loop"):
            get_db_sync("x")


async def test_in_a_context_processor(ledger_app: Quart) -> None:
    @ledger_app.context_processor
    def number() -> dict[str, int]:
        return {"number": get_db_sync("x").query()}

    @ledger_app.get("/template")
    async def template() -> Any:
        return jsonify(await render_template_string("number {{ number }}"))

    assert await get(ledger_app, "/template") == '"number 1"\n'
