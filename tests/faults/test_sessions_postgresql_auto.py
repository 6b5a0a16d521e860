"""PostgreSQL: `reset = "auto"` sees a change of the session however SQL reaches the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from typing import Any

import asyncpg
import pytest
from quart import Quart

from service.connections import get_db
from tests.connections import conftest
from tests.connections.conftest import MakeApp

make_app = conftest.make_app

Run = Callable[[Any, str], Awaitable[object]]

CHANGE = "SELECT set_config('work_mem', '1234', false)"


async def nothing(data: bytes) -> None:
    """Take what a COPY gives."""


async def fetch(a: Any, sql: str) -> None:
    await a.fetch(sql)


async def fetchrow(a: Any, sql: str) -> None:
    await a.fetchrow(sql)


async def fetchval(a: Any, sql: str) -> None:
    await a.fetchval(sql)


async def fetch_with_arguments(a: Any, sql: str) -> None:
    await a.fetch(sql.replace("'1234'", "$1"), "1234")


async def fetchmany(a: Any, sql: str) -> None:
    await a.fetchmany(sql.replace("'1234'", "$1"), [("1234",)])


async def execute(a: Any, sql: str) -> None:
    await a.execute(sql)


async def execute_with_arguments(a: Any, sql: str) -> None:
    await a.execute(sql.replace("'1234'", "$1"), "1234")


async def executemany(a: Any, sql: str) -> None:
    await a.executemany(sql.replace("'1234'", "$1"), [("1233",), ("1234",)])


async def prepare(a: Any, sql: str) -> None:
    await (await a.prepare(sql)).fetch()


async def prepare_for_many(a: Any, sql: str) -> None:
    await (await a.prepare(sql.replace("'1234'", "$1"))).executemany([("1234",)])


async def prepare_for_a_cursor(a: Any, sql: str) -> None:
    statement = await a.prepare(sql)
    async with a.transaction():
        await (await statement.cursor()).fetch(1)


async def iterated_cursor(a: Any, sql: str) -> None:
    async with a.transaction():
        async for _ in a.cursor(sql):
            pass


async def copy_from_query(a: Any, sql: str) -> None:
    await a.copy_from_query(sql, output=nothing)


async def within_a_transaction(a: Any, sql: str) -> None:
    async with a.transaction(), a.transaction():
        await a.fetch(sql)


async def by_a_logged_query(a: Any, sql: str) -> None:
    with a.query_logger(lambda _: None):  # it is given the password
        await a.fetch(sql)


WAYS: list[Run] = [
    fetch,
    fetchrow,
    fetchval,
    fetch_with_arguments,
    fetchmany,
    execute,
    execute_with_arguments,
    executemany,
    prepare,
    prepare_for_many,
    prepare_for_a_cursor,
    iterated_cursor,
    copy_from_query,
    within_a_transaction,
    by_a_logged_query,
]
WRITTEN = {
    "plainly": CHANGE,
    "in upper case": CHANGE.upper(),
    "in mixed case": CHANGE.swapcase(),
    "with a schema": CHANGE.replace("set_config", 'pg_catalog . "set_config"'),
    "after white space": f"\n\t\f {CHANGE}",
    "after a comment": f"-- SELECT\n{CHANGE}",
    "after comments": f"/* a /* nested */ one */ -- and\r /**/{CHANGE}",
    "around a comment": CHANGE.replace(" ", "/* begin */", 1),
    "in parentheses": f"(( {CHANGE} ))",
    "in a CTE": f"WITH x AS MATERIALIZED ({CHANGE}) SELECT * FROM x",
    "in a subquery": f"SELECT 1 FROM ({CHANGE}) AS x",
    "in VALUES": CHANGE.replace("SELECT ", "VALUES (") + ")",
    "in a condition": "SELECT 1 WHERE " + CHANGE.removeprefix("SELECT ") + " <> ''",
}

NOT_A_QUERY = [
    "SET work_mem TO 1234",
    "set session Work_Mem = 1234",
    "/* SELECT */ SET\nwork_mem TO 1234",
    "-- SELECT 1\rSET work_mem TO 1234",
    "DO $$ BEGIN PERFORM set_config('work_mem', '1234', false); END $$",
    "DO $$ BEGIN EXECUTE 'SE' || 'T work_mem TO 1234'; END $$",
    "DO LANGUAGE plpgsql E'BEGIN PERFORM set\\x5fconfig(''work_mem'', ''1234'', false); END'",
    "CALL sets_work_mem()",
    "UPDATE pg_settings SET setting = '1234' WHERE name = 'work_mem'",
    "WITH x AS (SELECT 1) UPDATE pg_settings SET setting = '1234' WHERE name = 'work_mem'",
    "EXPLAIN (ANALYZE, COSTS off) SELECT set_config('work_mem', '1234', false)",
    "COPY (SELECT set_config('work_mem', '1234', false)) TO '/dev/null'",
    "CREATE TEMP TABLE t AS SELECT set_config('work_mem', '1234', false)",
    "ALTER FUNCTION abs(int) RESET ALL; SET work_mem TO 1234",
    "SELECT 1; SET work_mem TO 1234",
    "; SET work_mem TO 1234",
    "SELECT ';'; /* ; */ SET work_mem TO 1234 ;",
    "BEGIN; SET work_mem TO 1234; COMMIT",
    "BEGIN; SET LOCAL work_mem TO 64; COMMIT AND CHAIN; SET work_mem TO 1234; COMMIT",
    "PREPARE x AS SELECT set_config('work_mem', '1234', false); EXECUTE x",
    "SELECT U&\"set\\005fconfig\"('work_mem', '1234', false)",
    'SELECT "set_config"(\'work_mem\', "value", false) FROM (VALUES (\'1234\')) AS x ("value")',
]


def name_of(way: Run) -> str:
    return way.__name__


@pytest.fixture
async def observer(postgresql_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection beside the app's."""
    connection = await asyncpg.connect(postgresql_url)
    yield connection
    await connection.close()


@pytest.fixture
async def app(make_app: MakeApp, observer: asyncpg.Connection, postgresql_url: str) -> Quart:
    """An app with one connection, to a database with the procedure `sets_work_mem`."""
    await observer.execute("""
        CREATE TABLE IF NOT EXISTS copied (n int);
        CREATE TABLE IF NOT EXISTS once (n int PRIMARY KEY);
        CREATE OR REPLACE PROCEDURE sets_work_mem() LANGUAGE sql
        AS $$ SELECT set_config('work_mem', '1234', false) $$
    """)
    return make_app(a={"url": postgresql_url, "max_size": 1})


async def changed(a: Any) -> bool:
    value: str = await a.fetchval("SELECT current_setting('work_mem')")
    return value == "1234kB"


async def leaves_nothing(app: Quart, run: Run, sql: str) -> None:
    async with app.app_context():
        a = await get_db("a")
        await run(a, sql)
        assert await changed(a)
    async with app.app_context():
        assert not await changed(await get_db("a"))


@pytest.mark.parametrize("way", WAYS, ids=name_of)
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
async def test_a_query_that_changes_the_session(app: Quart, way: Run, written: str) -> None:
    await leaves_nothing(app, way, written)


@pytest.mark.parametrize("sql", NOT_A_QUERY)
async def test_what_only_execute_can_run(app: Quart, sql: str) -> None:
    await leaves_nothing(app, execute, sql)


@pytest.mark.parametrize("way", [fetch, execute, executemany, prepare], ids=name_of)
async def test_a_statement_that_is_no_query(app: Quart, way: Run) -> None:
    async def run(a: Any, sql: str) -> None:
        if way is executemany:
            await a.executemany(sql, [()])
        else:
            await way(a, sql)

    await leaves_nothing(app, run, "/* SELECT */ Set work_mem TO 1234")


async def copy_out(a: Any, condition: str) -> None:
    await a.copy_from_query(f"SELECT 1 WHERE {condition}", output=nothing)


async def copy_in(a: Any, condition: str) -> None:
    await a.copy_to_table("copied", source=BytesIO(b"1\n"), where=condition)


async def copy_in_records(a: Any, condition: str) -> None:
    await a.copy_records_to_table("copied", records=[(1,)], where=condition)


@pytest.mark.parametrize("way", [copy_out, copy_in, copy_in_records], ids=name_of)
async def test_a_condition_of_a_copy(app: Quart, way: Run) -> None:
    await leaves_nothing(app, way, "set_config('work_mem', '1234', false) IS NULL")


async def ordinary_transaction(a: Any, sql: str) -> None:
    async with a.transaction(isolation="serializable"), a.transaction():
        await a.fetch(sql)


async def ordinary_copies(a: Any, sql: str) -> None:
    await a.copy_records_to_table("copied", records=[(1,)], columns=["n"], where="n > 0")
    await a.copy_to_table("copied", source=BytesIO(b"1\n"))
    await a.copy_from_table("copied", output=nothing)
    await a.copy_from_query(sql, output=nothing)


async def looked_up_type(a: Any, sql: str) -> None:
    # One that asyncpg has to ask the server about.
    await a.fetch("SELECT $1::information_schema.cardinal_number", 1)


ORDINARY = {
    "query": "SELECT n FROM copied WHERE n = 1",
    "commented": "-- players\n SELECT * FROM copied ORDER BY n; ",
    "CTE": "WITH x AS (INSERT INTO copied VALUES (1) RETURNING n) SELECT * FROM x",
    "insert": "INSERT INTO copied (n) SELECT 1 WHERE false RETURNING n",
    "update": "UPDATE copied SET n = n + 1 RETURNING n",
    "merge": "MERGE INTO copied USING (VALUES (1)) AS x (m) ON m = n WHEN MATCHED THEN DO NOTHING",
    "delete": "DELETE FROM copied",
    "upsert": "INSERT INTO once VALUES (1) ON CONFLICT (n) DO UPDATE SET n = 1",
}


@pytest.mark.parametrize(
    ("way", "sql"),
    [(way, sql) for way in (fetch, execute, prepare, executemany) for sql in ORDINARY.values()]
    + [(way, ORDINARY["query"]) for way in (fetchrow, fetchval, iterated_cursor)]
    + [(way, ORDINARY["query"]) for way in (ordinary_transaction, ordinary_copies)]
    + [(looked_up_type, "")],
)
async def test_an_ordinary_request_pays_for_no_reset(
    app: Quart, observer: asyncpg.Connection, way: Run, sql: str
) -> None:
    """The last that the server had from its connection is the request's own."""
    async with app.app_context():
        a = await get_db("a")
        pid = a.get_server_pid()
        if way is executemany:
            await a.executemany(sql, [()])
        else:
            await way(a, sql)
        await a.fetchval("SELECT 'the last'")
    last = await observer.fetchval("SELECT query FROM pg_stat_activity WHERE pid = $1", pid)
    assert last == "SELECT 'the last'"
