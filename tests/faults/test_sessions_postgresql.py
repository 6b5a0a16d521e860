"""PostgreSQL: what one request leaves in its session is gone in the next, whatever `reset` is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from quart import Quart

from service.connections import get_db
from service.connections.session_state import Trace, trace_of
from tests.connections import conftest
from tests.connections.conftest import MakeApp
from tests.eventually import until

make_app = conftest.make_app

Leave = Callable[[Any], Awaitable[object]]

LOOK = """
    SELECT current_user <> $1 OR session_user <> $1 AS role,
           current_setting('work_mem') = '1234kB' AS setting,
           current_setting('app.player', true) <> '' AS "setting of its own",
           current_setting('search_path') LIKE '%elsewhere%' AS search_path,
           'serializable' IN (current_setting('transaction_isolation'),
                              current_setting('default_transaction_isolation')) AS isolation,
           EXISTS (SELECT FROM pg_class
                   WHERE relnamespace = pg_my_temp_schema()) AS "own table",
           EXISTS (SELECT FROM pg_proc
                   WHERE pronamespace = pg_my_temp_schema()) AS "own function",
           EXISTS (SELECT FROM pg_locks WHERE locktype LIKE 'adv%' AND pid = pg_backend_pid())
               AS lock,
           EXISTS (SELECT FROM pg_locks
                   WHERE relation = 'kept'::regclass AND pid = pg_backend_pid()) AS "table lock",
           EXISTS (SELECT FROM pg_listening_channels()) AS listening,
           EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'left_behind')
               AS "prepared statement",
           EXISTS (SELECT FROM pg_cursors WHERE name <> '') AS cursor,
           current_setting('plpgsql.variable_conflict', true) IS NOT NULL AS library
"""


async def look(a: Any, user: str) -> set[str]:
    """What the session shows that a new one does not."""
    row = await a.fetchrow(LOOK, user)
    return {name for name, value in row.items() if value}


def test_looking_causes_no_reset() -> None:
    assert trace_of(LOOK) is Trace.NONE


def sql(statements: str, *, within_transaction: bool = False) -> Leave:
    """Run these statements, and leave a transaction open if told to."""

    async def leave(a: Any) -> None:
        if within_transaction:
            await a.transaction().start()
        await a.execute(statements)

    return leave


async def transaction(a: Any) -> None:
    await a.transaction(isolation="serializable").start()
    await a.execute("INSERT INTO kept VALUES (DEFAULT)")


async def savepoint(a: Any) -> None:
    await transaction(a)
    await a.transaction().start()


async def failed_transaction(a: Any) -> None:
    await transaction(a)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await a.execute("SELECT 1 / 0")


async def prepared_transaction(a: Any) -> None:
    await transaction(a)
    # Switched off at most servers; where it is on, it is no longer the session's.
    with suppress(asyncpg.ObjectNotInPrerequisiteStateError):
        await a.execute("PREPARE TRANSACTION 'left_behind'")
        await a.execute("ROLLBACK PREPARED 'left_behind'")


async def listener(a: Any) -> None:
    await a.add_listener("channel", print)
    await a.add_listener("channel", len)
    a.add_log_listener(print)


async def drivers_cursor(a: Any) -> None:
    await a.transaction().start()
    await (await a.cursor("SELECT generate_series(1, 100)")).fetch(1)


async def prepared_by_name(a: Any) -> object:
    statement: object = await a.prepare("SELECT 1", name="left_behind")
    return statement


LEFT: dict[str, tuple[Leave, set[str]]] = {
    "role": (sql("SET ROLE pg_read_all_data"), {"role"}),
    "session authorization": (sql("SET SESSION AUTHORIZATION pg_read_all_data"), {"role"}),
    "setting": (sql("SET work_mem TO 1234"), {"setting"}),
    "set_config": (sql("SELECT set_config('work_mem', '1234', false)"), {"setting"}),
    "set local": (sql("SET LOCAL work_mem TO 1234", within_transaction=True), {"setting"}),
    "set local for nothing": (sql("SET LOCAL work_mem TO 1234"), set()),
    "a setting of its own": (sql("SET app.player TO 'ada'"), {"setting of its own"}),
    "search_path": (sql("SET search_path TO elsewhere, public"), {"search_path"}),
    "characteristics": (
        sql("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
        {"isolation"},
    ),
    "default isolation": (
        sql("SET default_transaction_isolation TO serializable"),
        {"isolation"},
    ),
    "transaction": (transaction, {"isolation", "table lock"}),
    "savepoint": (savepoint, {"isolation", "table lock"}),
    "failed transaction": (failed_transaction, set()),
    "prepared transaction": (prepared_transaction, set()),
    "advisory lock": (sql("SELECT pg_advisory_lock(42)"), {"lock"}),
    "shared advisory lock": (sql("SELECT pg_try_advisory_lock_shared(4, 2)"), {"lock"}),
    "table lock": (sql("LOCK TABLE kept", within_transaction=True), {"table lock"}),
    "listen": (sql("LISTEN channel"), {"listening"}),
    "listener": (listener, {"listening"}),
    "temp table": (sql("CREATE TEMP TABLE t (n int)"), {"own table"}),
    "selected into": (sql("SELECT 1 AS n INTO TEMPORARY t"), {"own table"}),
    "in pg_temp": (sql("CREATE TABLE pg_temp.t AS SELECT 1"), {"own table"}),
    "temp function": (
        sql("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
        {"own function"},
    ),
    "held cursor": (sql("DECLARE c CURSOR WITH HOLD FOR SELECT 1"), {"cursor"}),
    "cursor": (sql("DECLARE c CURSOR FOR SELECT 1", within_transaction=True), {"cursor"}),
    "driver's cursor": (drivers_cursor, {"cursor"}),
    "prepared statement": (sql("PREPARE left_behind AS SELECT 1"), {"prepared statement"}),
    "prepared by name": (prepared_by_name, {"prepared statement"}),
    "library": (sql("LOAD 'plpgsql'"), {"library"}),
    "discarded": (sql("DISCARD ALL"), set()),
}
every_reset = pytest.mark.parametrize("reset", ["auto", "always", "never"])


@pytest.fixture
async def postgresql(postgresql_url: str) -> str:
    """The URL of a database with the table `kept` and the function `changes_the_session`."""
    connection = await asyncpg.connect(postgresql_url)
    await connection.execute("""
        CREATE TABLE IF NOT EXISTS kept (id serial);
        TRUNCATE kept;
        CREATE OR REPLACE FUNCTION changes_the_session() RETURNS text LANGUAGE plpgsql AS $$
        BEGIN
            EXECUTE 'PREPARE left_behind AS SELECT 1';
            EXECUTE 'CREATE TEMP TABLE left_behind (n int)';
            PERFORM pg_advisory_lock(42);
            RETURN set_config('work_mem', '1234', false);
        END $$
    """)
    await connection.close()
    return postgresql_url


def one_connection(make_app: MakeApp, url: str, reset: str) -> Quart:
    return make_app(a={"url": url, "max_size": 1, "reset": reset})


@every_reset
@pytest.mark.parametrize("name", LEFT)
async def test_what_a_request_left_is_gone_in_the_next(
    make_app: MakeApp, postgresql: str, name: str, reset: str
) -> None:
    app = one_connection(make_app, postgresql, reset)
    leave, shown = LEFT[name]
    async with app.app_context():
        a = await get_db("a")
        user = await a.fetchval("SELECT current_user")
        kept = await leave(a)
        if not a.is_in_transaction() or shown:
            assert await look(a, user) >= shown
    async with app.app_context():
        a = await get_db("a")
        assert not a.is_in_transaction()
        assert await look(a, user) == set()
        assert await a.fetchval("SELECT count(*) FROM kept") == 0
        assert await a.fetchval("SELECT '[1]'::jsonb") == [1]
        if kept is not None:
            again = await a.prepare("SELECT 2", name="left_behind")
            del kept
            assert await again.fetchval() == 2


@every_reset
async def test_a_codec_is_the_requests_own(make_app: MakeApp, postgresql: str, reset: str) -> None:
    app = one_connection(make_app, postgresql, reset)
    async with app.app_context():
        a = await get_db("a")
        await a.set_type_codec("int4", schema="pg_catalog", encoder=str, decoder=str)
        assert await a.fetchval("SELECT 5") == "5"
    async with app.app_context():
        a = await get_db("a")
        assert await a.fetchval("SELECT 5") == 5
        await a.set_builtin_type_codec("text", schema="pg_catalog", codec_name="int")
    async with app.app_context():
        a = await get_db("a")
        assert await a.fetchval("SELECT 'five'::text") == "five"
        await a.reset_type_codec("json", schema="pg_catalog")
    async with app.app_context():
        assert await (await get_db("a")).fetchval("SELECT '[1]'::json") == [1]


@every_reset
async def test_a_listener_hears_nothing_after_its_request(
    make_app: MakeApp, postgresql: str, reset: str
) -> None:
    app = one_connection(make_app, postgresql, reset)
    heard: list[str] = []
    notifier = await asyncpg.connect(postgresql)
    async with app.app_context():
        a = await get_db("a")
        await a.add_listener("channel", lambda *notification: heard.append(notification[-1]))
        await notifier.execute("NOTIFY channel, 'mine'")
        await until(lambda: heard)
    async with app.app_context():
        a = await get_db("a")
        await a.fetchval("SELECT 1")
        await notifier.execute("NOTIFY channel, 'of the next'")
        # A notification comes before the answer to what was asked after it.
        await a.execute("SELECT 1")
        await asyncio.sleep(0)
    await notifier.close()
    assert heard == ["mine"]


@every_reset
async def test_a_seed_foretells_nothing_to_the_next(
    make_app: MakeApp, postgresql: str, reset: str
) -> None:
    app = one_connection(make_app, postgresql, reset)
    drawn = []
    for seed in (True, True, False):
        async with app.app_context():
            a = await get_db("a")
            if seed:
                await a.fetchval("SELECT setseed(0.5)")
            drawn.append(await a.fetchval("SELECT random()"))
    other = await asyncpg.connect(postgresql)
    await other.execute("SELECT setseed(0.5); SELECT random()")
    foretold = await other.fetchval("SELECT random()")
    await other.close()
    assert drawn[0] == drawn[1]
    assert drawn[2] != foretold


@every_reset
async def test_a_sequence_tells_the_next_nothing(
    make_app: MakeApp, postgresql: str, reset: str
) -> None:
    app = one_connection(make_app, postgresql, reset)
    async with app.app_context():
        await (await get_db("a")).fetchval("SELECT nextval('kept_id_seq')")
    async with app.app_context():
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="lastval"):
            await (await get_db("a")).fetchval("SELECT lastval()")


UNSEEN = {
    "function": "SELECT changes_the_session()",
    "sequence of an insert": "INSERT INTO kept VALUES (DEFAULT)",
}


@pytest.mark.parametrize("statement", UNSEEN.values(), ids=UNSEEN)
@pytest.mark.parametrize(
    ("reset", "told", "gone"),
    [
        ("auto", False, False),
        ("auto", True, True),
        ("always", False, True),
        ("always", True, True),
        ("never", False, False),
        ("never", True, True),
    ],
)
async def test_what_sql_does_not_show_is_gone_if_told_or_always(
    make_app: MakeApp, postgresql: str, statement: str, reset: str, told: bool, gone: bool
) -> None:
    app = one_connection(make_app, postgresql, reset)
    async with app.app_context():
        a = await get_db("a")
        user = await a.fetchval("SELECT current_user")
        await a.execute(statement)
        if told:
            a.reset_on_release()
    async with app.app_context():
        a = await get_db("a")
        left = await look(a, user) - {"library"}
        with suppress(asyncpg.ObjectNotInPrerequisiteStateError):
            left.add(str(await a.fetchval("SELECT lastval()")))
    assert (left == set()) is gone


@every_reset
async def test_a_request_that_fails_or_is_cancelled_leaves_as_little(
    make_app: MakeApp, postgresql: str, reset: str
) -> None:
    app = one_connection(make_app, postgresql, reset)
    other = await asyncpg.connect(postgresql)

    async def request(last: str) -> None:
        async with app.app_context():
            a = await get_db("a")
            await a.transaction().start()
            await a.execute("SET work_mem TO 1234; SELECT pg_advisory_lock(42)")
            await a.execute(last)

    async def is_asleep() -> object:
        # A server that has not begun with a query lets its cancellation pass.
        return await other.fetchval(
            "SELECT true FROM pg_stat_activity"
            " WHERE wait_event = 'PgSleep' AND datname = current_database()"
        )

    with pytest.raises(asyncpg.DivisionByZeroError):
        await request("SELECT 1 / 0")
    cut = asyncio.create_task(request("SELECT pg_sleep(60)"))
    await until(is_asleep)
    cut.cancel()
    await asyncio.wait([cut])
    await other.close()
    async with app.app_context():
        a = await get_db("a")
        assert await look(a, await a.fetchval("SELECT current_user")) == set()
