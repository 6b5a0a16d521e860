"""The PostgreSQL backend: JSON, when a session is reset, several hosts."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from quart import Quart

from service.connections import get_db
from service.connections.session_state import Trace, trace_of
from tests.mute import mute_server

from .conftest import MakeApp


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


@pytest.mark.parametrize(
    ("reset", "sql", "told", "last"),
    [
        ("auto", "SELECT 1", False, "SELECT 1"),
        ("auto", "SHOW work_mem", False, "CLOSE ALL"),
        ("auto", "SELECT 1", True, "CLOSE ALL"),
        ("always", "SELECT 1", False, "CLOSE ALL"),
        ("never", "SELECT 1", False, "SELECT 1"),
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


@pytest.mark.parametrize(
    ("reset", "sql", "same"),
    [
        ("auto", "SET work_mem TO 1234", True),
        ("always", "SET work_mem TO 1234", True),
        ("never", "SET work_mem TO 1234", False),
        ("never", "BEGIN", True),
        ("auto", "LOAD 'plpgsql'", False),
        ("always", "LOAD 'plpgsql'", False),
    ],
)
async def test_a_connection_is_closed_only_where_no_reset_can_or_may_clean_it(
    make_app: MakeApp, postgresql_url: str, reset: str, sql: str, same: bool
) -> None:
    app = one_connection(make_app, postgresql_url, reset=reset)
    async with app.app_context():
        a = await get_db("a")
        pid = a.get_server_pid()
        await a.execute(sql)
    async with app.app_context():
        assert ((await get_db("a")).get_server_pid() == pid) is same


@pytest.mark.parametrize("reset", ["auto", "always", "never"])
async def test_a_statement_only_prepared_leaves_no_transaction_and_no_lock(
    make_app: MakeApp, postgresql_url: str, reset: str
) -> None:
    app = one_connection(make_app, postgresql_url, reset=reset)
    async with app.app_context():
        a = await get_db("a")
        pid = a.get_server_pid()
        await a.prepare("SELECT relname FROM pg_catalog.pg_class")
    observer = await asyncpg.connect(postgresql_url)
    state = await observer.fetchval("SELECT state FROM pg_stat_activity WHERE pid = $1", pid)
    locks = await observer.fetchval("SELECT count(*) FROM pg_locks WHERE pid = $1", pid)
    await observer.close()
    assert (state, locks) == ("idle", 0)


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
        ("SELECT load, seed FROM t", Trace.NONE),
        ("LOAD 'plpgsql'", Trace.CONNECTION),
        ("SET seed TO 0.5", Trace.CONNECTION),
        ("SELECT setseed(0.5)", Trace.CONNECTION),
        ("SELECT dblink_connect('host=h')", Trace.CONNECTION),
        ("SELECT pg_create_physical_replication_slot('s', false, true)", Trace.CONNECTION),
        ("SELECT * FROM pg_replication_slots", Trace.NONE),
        ("SELECT pg_replication_origin_session_setup('o')", Trace.CONNECTION),
        ("SELECT pg_backup_start('b')", Trace.CONNECTION),
        ('SELECT U&"set\\005fconfig"(1)', Trace.CONNECTION),
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
