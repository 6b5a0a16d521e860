"""The PostgreSQL backend: JSON, and one request that never sees another's session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from quart import Quart

from service.connections import get_db
from service.connections.session_state import Trace, trace_of
from tests.mute import mute_server

from .conftest import MakeApp

Leave = Callable[[Any], Awaitable[Any]]


def one_connection(make_app: MakeApp, url: str, **options: Any) -> Quart:
    return make_app(a={"url": url, "max_size": 1, **options})


async def test_json_comes_and_goes_as_python_objects(
    make_app: MakeApp, postgresql_url: str
) -> None:
    app = one_connection(make_app, postgresql_url)
    value = {"a": [1, None, "é"], "b": {"c": 1.5}}
    async with app.app_context():
        a = await get_db("a")
        assert await a.fetchval("SELECT $1::jsonb", value) == value
        assert await a.fetchval("SELECT $1::json", value) == value
        assert await a.fetchval("SELECT $1::jsonb -> 'a'", value) == value["a"]


async def fetch_set_config(a: Any) -> None:
    await a.fetchval("SELECT set_config('work_mem', '1234kB', false)")


async def updated_setting(a: Any) -> None:
    await a.execute("UPDATE pg_settings SET setting = '1234' WHERE name = 'work_mem'")


async def cte_set_config(a: Any) -> None:
    await a.fetch("WITH x AS (SELECT set_config('work_mem', '1234kB', false)) SELECT * FROM x")


async def prepared_set(a: Any) -> None:
    await (await a.prepare("/* hidden */ sEt work_mem TO '1234kB'")).fetch()


async def several_statements(a: Any) -> None:
    await a.execute("SELECT 1; SET work_mem TO '1234kB'")


async def executemany(a: Any) -> None:
    await a.executemany("SELECT set_config('work_mem', $1, false)", [("1234kB",)])


async def cursor(a: Any) -> None:
    async with a.transaction():
        async for _ in a.cursor("SELECT set_config('work_mem', '1234kB', false)"):
            pass


async def copied(a: Any) -> None:
    await a.copy_from_query(
        "SELECT set_config('work_mem', '1234kB', false)", output=lambda data: asyncio.sleep(0)
    )


async def role(a: Any) -> None:
    with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        await a.execute("CREATE ROLE somebody")
    await a.execute("SET ROLE somebody")


async def session_authorization(a: Any) -> None:
    await role(a)
    await a.execute("RESET ROLE; SET SESSION AUTHORIZATION somebody")


async def temporary_table(a: Any) -> None:
    await a.execute("CREATE TEMP TABLE left_behind (n int)")


async def selected_into_temporary_table(a: Any) -> None:
    await a.execute("SELECT 1 AS n INTO TEMPORARY left_behind")


async def advisory_lock(a: Any) -> None:
    await a.fetchval("SELECT pg_advisory_lock(42)")


async def listening(a: Any) -> None:
    await a.execute("LISTEN channel")


async def prepared_by_name(a: Any) -> None:
    await a.execute("PREPARE left_behind AS SELECT 1")


async def open_transaction(a: Any) -> None:
    await a.transaction(isolation="serializable").start()
    await a.execute("SET LOCAL work_mem TO '1234kB'; DECLARE left_behind CURSOR FOR SELECT 1")


async def codec(a: Any) -> None:
    await a.set_type_codec("int4", schema="pg_catalog", encoder=str, decoder=lambda text: "codec")


LEFT = """
    SELECT current_user <> $1 OR session_user <> $1 AS role,
           to_regclass('left_behind') IS NOT NULL AS temporary_table,
           EXISTS (SELECT FROM pg_locks WHERE locktype LIKE 'adv%' AND pid = pg_backend_pid())
               AS lock,
           EXISTS (SELECT FROM pg_listening_channels()) AS listening,
           EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'left_behind') AS prepared,
           EXISTS (SELECT FROM pg_cursors WHERE name = 'left_behind') AS cursor,
           current_setting('transaction_isolation') <> 'read committed' AS isolation,
           current_setting('work_mem') = '1234kB' AS setting
"""


async def left(a: Any) -> set[str]:
    """What of an earlier request the session still shows."""
    assert trace_of(LEFT) is Trace.NONE  # or looking would cause the reset
    row = await a.fetchrow(LEFT, "postgres")
    found = {name for name, value in row.items() if value}
    if await a.fetchval("SELECT 5") != 5:
        found.add("codec")
    return found


@pytest.mark.parametrize("reset", ["auto", "always"])
@pytest.mark.parametrize(
    "leave",
    [
        fetch_set_config,
        updated_setting,
        cte_set_config,
        prepared_set,
        several_statements,
        executemany,
        cursor,
        copied,
        role,
        session_authorization,
        temporary_table,
        selected_into_temporary_table,
        advisory_lock,
        listening,
        prepared_by_name,
        open_transaction,
        codec,
    ],
)
async def test_what_a_request_did_to_its_session_does_not_reach_the_next(
    make_app: MakeApp, postgresql_url: str, leave: Leave, reset: str
) -> None:
    app = one_connection(make_app, postgresql_url, reset=reset)
    async with app.app_context():
        a = await get_db("a")
        pid = a.get_server_pid()
        await leave(a)
        assert a.is_in_transaction() or await left(a)
    async with app.app_context():
        a = await get_db("a")
        assert await left(a) == set()
        assert (a.get_server_pid() == pid) is (leave is not codec)
        assert await a.fetchval("SELECT '[1]'::jsonb") == [1]


@pytest.mark.parametrize(
    ("reset", "sql", "told", "last"),
    [
        ("auto", "SELECT 1", False, "SELECT 1"),
        ("auto", "SHOW work_mem", False, "CLOSE ALL"),
        ("auto", "SELECT 1", True, "CLOSE ALL"),
        ("always", "SELECT 1", False, "CLOSE ALL"),
        ("never", "SHOW work_mem", False, "SHOW work_mem"),
    ],
)
async def test_a_reset_costs_a_round_trip_only_where_one_is_due(
    make_app: MakeApp, postgresql_url: str, reset: str, sql: str, told: bool, last: str
) -> None:
    app = one_connection(make_app, postgresql_url, reset=reset)
    async with app.app_context():
        a = await get_db("a")
        pid = a.get_server_pid()
        await a.fetchval(sql)
        if told:
            a.reset_on_release()
    observer = await asyncpg.connect(postgresql_url)
    seen = await observer.fetchval("SELECT query FROM pg_stat_activity WHERE pid = $1", pid)
    await observer.close()
    assert seen.startswith(last)


async def test_callbacks_of_one_request_do_not_hear_of_the_next(
    make_app: MakeApp, postgresql_url: str
) -> None:
    app = one_connection(make_app, postgresql_url)
    heard: list[Any] = []
    async with app.app_context():
        a = await get_db("a")
        a.add_query_logger(heard.append)
        a.add_termination_listener(heard.append)
        await a.fetchval("SELECT 'mine'")
    async with app.app_context():
        await (await get_db("a")).fetchval("SELECT 'a secret'")
    await app.extensions["connections"].close()
    assert [record.query for record in heard] == ["SELECT 'mine'"]


@pytest.mark.parametrize(
    ("sql", "trace"),
    [
        ("SELECT 1", Trace.NONE),
        (" -- a comment\n /* another */ (select 1);\n", Trace.NONE),
        ("WITH x AS (INSERT INTO t VALUES (1) RETURNING n) SELECT * FROM x", Trace.NONE),
        ("INSERT  INTO t SELECT * FROM temperatures", Trace.NONE),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE;", Trace.NONE),
        ("SET x TO 1", Trace.SESSION),
        ("/* /* */ select */ SET x TO 1", Trace.SESSION),
        ("-- a comment\rSET x TO\nbegin", Trace.SESSION),
        ("SELECT nextval('s')", Trace.SESSION),
        ("select SET_CONFIG('a', 'b', false)", Trace.SESSION),
        ("SELECT 1/**/INTO t", Trace.SESSION),
        ("SELECT pg_try_advisory_lock(1)", Trace.SESSION),
        ("SELECT 1; LISTEN x", Trace.SESSION),
        ("", Trace.SESSION),
        ("PREPARE x AS SELECT 1", Trace.STATEMENTS),
        ("SELECT 1; PREPARE x AS SELECT 1", Trace.STATEMENTS),
        ("DO $$ BEGIN END $$", Trace.STATEMENTS),
        ("CALL procedure()", Trace.STATEMENTS),
        ('SELECT U&"set\\005fconfig"(1)', Trace.STATEMENTS),
    ],
)
def test_what_sql_may_leave_behind(sql: str, trace: Trace) -> None:
    assert trace_of(sql) is trace


@pytest.mark.parametrize("first", ["refuses", "says nothing"])
async def test_several_hosts_are_tried_in_turn(
    make_app: MakeApp, postgresql_url: str, first: str
) -> None:
    here = urlsplit(postgresql_url)
    credentials, _, server_at = here.netloc.rpartition("@")
    async with mute_server() as mute:
        port = 1 if first == "refuses" else mute
        url = here._replace(netloc=f"{credentials}@127.0.0.1:{port},{server_at}").geturl()
        app = make_app(a={"url": url, "connect_timeout": 1.0})
        async with app.app_context():
            assert await (await get_db("a")).fetchval("SELECT 1") == 1
