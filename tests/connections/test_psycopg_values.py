"""Arguments and results as psycopg and psycopg2 have them: compared with what these do."""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from itertools import count
from typing import Any

import asyncpg
import pytest
from quart import Quart

from service.connections import ConfigurationError, get_db

from .conftest import MakeApp

_ZONE = "SET TIME ZONE 'Europe/Berlin'"
_NOON = datetime(2020, 7, 1, 12)
_ELSEWHERE = timezone(timedelta(hours=5))
"""In summer, so that it is neither what is Berlin's in winter nor UTC."""


class Colour(Enum):
    RED = 1


def _shown(value: Any) -> str:
    """All that can be seen of a value, but for the class of a time zone."""
    if isinstance(value, list):
        return str([_shown(each) for each in value])
    if isinstance(value, memoryview):
        return str(bytes(value))
    return value.isoformat() if isinstance(value, datetime) else str(value)


@pytest.fixture(params=["psycopg", "psycopg2"])
def driver(request: pytest.FixtureRequest) -> str:
    """Whose values they are."""
    return str(request.param)


@pytest.fixture
def app(make_app: MakeApp, postgresql_url: str, driver: str) -> Quart:
    """An app whose connection `a` has the driver's values."""
    return make_app(a={"url": postgresql_url, "max_size": 1, "values": driver})


@pytest.fixture
def ask(driver: str, postgresql_url: str) -> Iterator[Callable[..., Any]]:
    """Ask the driver itself for the first value of a row."""
    with closing(importlib.import_module(driver).connect(postgresql_url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(_ZONE)

        def ask(sql: str, *args: Any) -> Any:
            cursor.execute(sql, args or None)
            return cursor.fetchone()[0] if cursor.description else None

        yield ask


@pytest.mark.parametrize(
    "written",
    [
        "5",
        "5::smallint",
        "1.50",
        "'NaN'::numeric",
        "0.1::real",
        "ARRAY[0.1::real]",
        "10000::numeric",
        "sum(x) FROM (VALUES (10000::bigint), (20000)) v (x)",
        "ARRAY[10000, 0.10]",
        "-0.000012300",
        "1e-20::numeric",
        "123456789012345678901234567890.12345",
        "0.00",
        "'-Infinity'::numeric",
        "true",
        "'text'",
        "'text'::varchar",
        "'name'::name",
        r"'\x00ff'::bytea",
        "date '2020-02-29'",
        "time '04:05:06.7'",
        "timestamp '2020-07-01 12:00'",
        "timestamptz '2020-07-01 12:00:00.5+02'",
        "timestamptz '2020-01-01 12:00+00'",
        "interval '1 year 2 months 3 days 04:05:06'",
        "interval '-14 months -5 minutes'",
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
        "'10.0.0.1'::inet",
        "'10.0.0.0/8'::inet",
        "'10.0.0.0/8'::cidr",
        "'08:00:2b:01:02:03'::macaddr",
        "b'101'",
        "b'101'::varbit",
        "point '(1,2)'",
        "box '((1,2),(3,4))'",
        "circle '<(1,2),3>'",
        "'[1,2.5,null]'::json",
        """'{"a": "b"}'::jsonb""",
        "'\"text\"'::jsonb",
        "ARRAY[1,2,NULL]",
        "ARRAY['a','b']",
        "ARRAY[1.5,2]",
        "ARRAY[[1,2],[3,4]]",
        "ARRAY[timestamptz '2020-07-01 12:00+02']",
        "ARRAY[interval '1 month']",
        "'100'::xid",
        "5::oid",
        "'pg_class'::regclass::text",
        "'a b'::tsvector",
        "null",
    ],
)
async def test_a_result_is_what_the_driver_gives(
    app: Quart, ask: Callable[..., Any], written: str
) -> None:
    expected = ask(f"SELECT {written}")
    async with app.app_context():
        a = await get_db("a")
        await a.execute(_ZONE)
        found = await a.fetchval(f"SELECT {written}")
    assert isinstance(found, type(expected))
    assert _shown(found) == _shown(expected)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("bigint", "5"),
        ("int", " -5 "),
        ("smallint", None),
        ("bigint", 5.0),
        ("int", Decimal("6")),
        ("numeric", "1.50"),
        ("numeric", 1.1),
        ("numeric", 1e22),
        ("numeric", 2.0**70),
        ("numeric", 5),
        ("numeric(6,2)", 2.675),
        ("numeric[]", [1.1, 2.5]),
        ("numeric", 0.1 + 0.2),
        ("numeric", -1234567.00089),
        ("numeric", 0),
        ("numeric", Decimal("1E+5")),
        ("numeric", Decimal("-1E-20")),
        ("numeric", Decimal("12345678901234567890.123456789")),
        ("numeric", Decimal("NaN")),
        ("numeric", float("-inf")),
        ("numeric(6,2)[]", [Decimal("1.005"), None]),
        ("numrange", "[1.5,2.25)"),
        ("tstzrange", "[2020-07-01 12:00,)"),
        ("int", 2.5),
        ("int", -0.1),
        ("bigint", Decimal("3.5")),
        ("int[]", [1.5, None]),
        ("positive", 2.5),
        ("positive[]", [1.5]),
        ("colour", Colour.RED),
        ("colour", "red"),
        ("colour[]", ["red", None]),
        ("real", 1.1),
        ("double precision", 1.1),
        ("double precision", "1.5"),
        ("double precision", Decimal("1.1")),
        ("boolean", "yes"),
        ("date", "Jan 8, 1999"),
        ("date", date(1999, 1, 8)),
        ("date", _NOON),
        ("time", "04:05"),
        ("timestamptz", "1999-07-08 04:05+00"),
        ("timestamptz", "1999-07-08 04:05"),
        ("timestamptz", _NOON),
        ("timestamptz", _NOON.replace(tzinfo=_ELSEWHERE)),
        ("timestamptz", datetime(2020, 10, 25, 2, 30)),
        ("timestamptz", datetime(2020, 3, 29, 2, 30)),
        ("timestamptz", date(2020, 7, 1)),
        ("timestamptz[]", [_NOON, datetime(2020, 10, 25, 2, 30)]),
        ("timestamp", _NOON),
        ("timestamp", _NOON.replace(tzinfo=_ELSEWHERE)),
        ("timestamp[]", [_NOON.replace(tzinfo=_ELSEWHERE)]),
        ("interval", "1 day"),
        ("interval", "1 month"),
        ("interval", timedelta(-1, 5, 6)),
        ("interval[]", ["1 month", None, "-1 day"]),
        ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("inet", "10.0.0.1"),
        ("cidr", "10.0.0.0/8"),
        ("bytea", b"\0x"),
        ("bytea", "text"),
        ("varbit", "101"),
        ("point", "(1,2)"),
        ("text", 5),
        ("text", True),
        ("text", 1.0),
        ("text", 1e300),
        ("text", float("nan")),
        ("text", Decimal("1E+5")),
        ("text", b"x"),
        ("text", timedelta(1, 5)),
        ("text", _NOON.replace(tzinfo=_ELSEWHERE)),
        ("text", [1, 2]),
        ("text", []),
        ("date", _NOON.replace(hour=1, tzinfo=_ELSEWHERE)),
        ("date[]", [_NOON.replace(hour=1, tzinfo=_ELSEWHERE)]),
        ("time", _NOON.replace(tzinfo=_ELSEWHERE)),
        ("varchar(10)", date(1999, 1, 8)),
        ("int[]", ["1", "2"]),
        ("int[]", "{1,2}"),
        ("date[]", ["1999-01-08"]),
        ("text[]", "{a,b}"),
        ("text[]", [["1", "2"], ["3", "4"]]),
        ("int[]", [["1", "2"], ["3", "4"]]),
        ("jsonb", '{"a": [1, "b"]}'),
        ("json", "null"),
        ("jsonb[]", ['{"a": 1}', "2"]),
    ],
)
async def test_an_argument_is_kept_as_the_driver_keeps_it(
    app: Quart, ask: Callable[..., Any], driver: str, kind: str, given: Any
) -> None:
    if isinstance(given, Colour) and driver == "psycopg2":
        given = "red"  # which psycopg2 does not take
    types = (
        "CREATE DOMAIN pg_temp.positive AS int; CREATE TYPE pg_temp.colour AS ENUM ('red', 'RED')"
    )
    kind = kind.replace("positive", "pg_temp.positive").replace("colour", "pg_temp.colour")
    table = f"{types}; CREATE TEMP TABLE kept (value {kind})"
    ask(table)
    cast = f"::{kind}" if isinstance(given, list) else ""
    ask(f"INSERT INTO kept VALUES (%s{cast})", given)
    async with app.app_context():
        a = await get_db("a")
        await a.execute(_ZONE)
        await a.execute(table)
        await a.execute(f"INSERT INTO kept VALUES ($1{cast})", given)
        assert await a.fetchval("SELECT value::text FROM kept") == ask(
            "SELECT value::text FROM kept"
        )


_STATEMENTS: list[tuple[str, tuple[Any, ...]]] = [
    ("SELECT n FROM q WHERE n = %s", (99999999999,)),
    ("SELECT n FROM q WHERE n < %s", (10**25,)),
    ("SELECT n FROM q WHERE n = ANY(%s)", ([1, 99999999999],)),
    ("SELECT n FROM q WHERE n = ANY(%s)", ([1.0, 2.5],)),
    ("SELECT n FROM q WHERE n > %s", (1.5,)),
    ("SELECT n FROM q WHERE n > %s", (Decimal("1.5"),)),
    ("SELECT n / %s FROM q", (2.0,)),
    ("SELECT n + %s FROM q", (2147483648,)),
    ("SELECT price * %s FROM q", (1.5,)),
    ("SELECT coalesce(n, %s) FROM q", (0.5,)),
    ("SELECT n FROM q WHERE day < %s", (_NOON,)),
    ("SELECT n FROM q WHERE day + %s > '2020-07-05'", (5,)),
    ("SELECT n FROM q WHERE at - %s > '2020-06-30'", (timedelta(1),)),
    ("SELECT data -> %s, data ->> %s FROM q", (0, 1)),
    ("SELECT substring(word from %s) FROM q", (2,)),
    ("SELECT %s, %s, %s, %s, %s", (5, 5.5, True, _NOON, Decimal("1.50"))),
    ("SELECT %s, %s", ([1, 2], ["a", "b"])),
    ("SELECT CASE WHEN n = %s THEN %s ELSE %s END FROM q", (1, 1.5, 2)),
    ("SELECT least(%s, %s)", (10, 2)),
    ("SELECT n FROM q JOIN (VALUES (%s), (%s)) v (k) ON v.k = q.n", (1, 2)),
    ("SELECT date_trunc('day', %s)", (_NOON,)),
    ("SELECT word FROM q WHERE word = %s AND n = %s", ("it's $1", "1")),
    ("SELECT word, '$1', $$ $1 $$, \"a $1\" FROM q WHERE n = %s -- $1", (1,)),
    ("SELECT /* $1 */ E'\\'$1' FROM q WHERE n = %s", (1,)),
]


@pytest.mark.parametrize(("sql", "args"), _STATEMENTS, ids=[sql for sql, _ in _STATEMENTS])
async def test_a_statement_means_what_it_means_to_the_driver(
    app: Quart, postgresql_url: str, driver: str, sql: str, args: tuple[Any, ...]
) -> None:
    setting_up = (
        "CREATE TEMP TABLE q (n int, price numeric, day date, at timestamptz, word text, "
        'data jsonb, "a $1" int); INSERT INTO q VALUES '
        "(1, 1.50, '2020-07-01', '2020-07-01 12:00+00', 'it''s $1', '[1, \"a\"]', 1), "
        "(2, 10000, '2020-07-02', '2020-07-02 12:00+00', 'b', '[2]', 2)"
    )
    with closing(importlib.import_module(driver).connect(postgresql_url)) as connection:
        cursor = connection.cursor()
        cursor.execute(setting_up)
        cursor.execute(_ZONE)
        cursor.execute(sql, args)
        expected = cursor.fetchall()
    numbers = count(1)
    ours = re.sub("%s", lambda _: f"${next(numbers)}", sql)
    async with app.app_context():
        a = await get_db("a")
        await a.execute(setting_up)
        await a.execute(_ZONE)
        found = [tuple(row) for row in await a.fetch(ours, *args)]
    assert repr(found) == repr([tuple(row) for row in expected])


async def test_whatever_asks_takes_text(app: Quart) -> None:
    async with app.app_context():
        a = await get_db("a")
        await a.execute("CREATE TEMP TABLE days (number int, day date, word text)")
        await a.execute("INSERT INTO days VALUES ($1, $2, $3)", "1", "1999-01-08", 1)
        await a.fetch("INSERT INTO days VALUES ($1, $2, $3)", "2", date(1999, 1, 9), "b")
        await a.execute("INSERT INTO days VALUES ($1, $2, $3)", None, "1999-01-10", None)
        assert [tuple(row) for row in await a.fetch("SELECT * FROM days")] == [
            (1, date(1999, 1, 8), "1"),
            (2, date(1999, 1, 9), "b"),
            (None, date(1999, 1, 10), None),
        ]
        row = await a.fetchrow(
            "SELECT word FROM days WHERE number = $1 AND day < $2", "2", "2020-1-1"
        )
        assert row["word"] == "b"


async def test_text_that_is_none_of_the_type_is_refused_as_by_the_server(app: Quart) -> None:
    async with app.app_context():
        a = await get_db("a")
        with pytest.raises(asyncpg.InvalidTextRepresentationError, match='bigint: "five"'):
            await a.fetchval("SELECT $1::bigint", "five")
        with pytest.raises(asyncpg.DataError, match="out of int64 range"):
            await a.fetchval("SELECT $1::bigint", "9" * 30)
        with pytest.raises(asyncpg.InterfaceError, match="expects 1 argument"):
            await a.fetchval("SELECT $1::bigint", "5", "6")
        for kind, given in [
            ("time", "24:00"),
            ("date", "0044-03-15 BC"),
            ("int", object()),
            ("int[]", [object()]),
        ]:
            with pytest.raises(asyncpg.DataError, match="invalid input for query argument"):
                await a.fetchval(f"SELECT $1::{kind}", given)
        with pytest.raises(asyncpg.NumericValueOutOfRangeError, match="overflows numeric"):
            await a.fetchval("SELECT $1", Decimal("1E+999999999"))
        for kind, given in [("int", [1]), ("int", float("nan")), ("date", 5), ("int", "2.5")]:
            with pytest.raises(asyncpg.PostgresError):
                await a.fetchval(f"SELECT $1::{kind}", given)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await a.fetchval("SELECT 1 / $1::int", "0")
        assert await a.fetchval("SELECT $1::bigint", "5") == 5


async def test_a_transaction_goes_on_after_text_that_was_read(app: Quart) -> None:
    async with app.app_context():
        a = await get_db("a")
        await a.execute("CREATE TEMP TABLE numbers (number int)")
        async with a.transaction():
            await a.execute("INSERT INTO numbers VALUES ($1)", 1)
            await a.execute("INSERT INTO numbers VALUES ($1)", "2")
        assert await a.fetchval("SELECT array_agg(number) FROM numbers") == [1, 2]


async def test_a_column_may_be_of_another_type_since(app: Quart) -> None:
    async with app.app_context():
        a = await get_db("a")
        await a.execute("CREATE TEMP TABLE things (of text, at date)")
        insert = "INSERT INTO things VALUES ($1, $2)"
        await a.execute(insert, "5", "1999-01-08")
        await a.execute("ALTER TABLE things ALTER at TYPE text, ALTER of TYPE int USING of::int")
        await a.execute(insert, "6", "yesterday")
        assert await a.fetch("SELECT * FROM things") == [(5, "1999-01-08"), (6, "yesterday")]
        query = "SELECT at FROM things WHERE of = $1"
        assert await a.fetch(query, "6") == [("yesterday",)]
        await a.execute("ALTER TABLE things ALTER of TYPE text")
        assert await a.fetch(query, "6") == [("yesterday",)]
        await a.execute("ALTER TABLE things ALTER of TYPE int USING of::int")
        with pytest.raises(asyncpg.PostgresError):
            async with a.transaction():
                await a.fetch(query, "6")
        async with a.transaction():
            assert await a.fetch(query, "6") == [("yesterday",)]


async def test_numbers_of_several_types_are_not_cut_off(app: Quart) -> None:
    async with app.app_context():
        a = await get_db("a")
        found = await a.fetch("SELECT n FROM generate_series(1, 3) n WHERE n = ANY($1)", [1, 2.5])
        assert found == [(1,)]


async def test_what_no_driver_is_asked_about(app: Quart, make_app: MakeApp) -> None:
    async with app.app_context():
        a = await get_db("a")
        assert await a.fetchval("SELECT ARRAY[NULL, $1]::date[]", "1999-01-08") == [
            None,
            date(1999, 1, 8),
        ]
        assert await a.fetchval("SELECT $1::jsonb", {"a": "b"}) == {"a": "b"}
        ends = await a.fetchrow("SELECT 'infinity'::timestamptz, '-infinity'::timestamptz")
        assert tuple(ends) == (
            datetime.max.replace(tzinfo=UTC),
            datetime.min.replace(tzinfo=UTC),
        )
        # Python may know no such zone.
        await a.execute("SET TIME ZONE '<+03>-03'")
        assert await a.fetchval("SELECT $1::timestamptz", _NOON.replace(tzinfo=UTC)) == (
            _NOON.replace(tzinfo=UTC)
        )
    with pytest.raises(ConfigurationError, match="values is 'psycopg4'; allowed: asyncpg, psycopg"):
        make_app(a={"url": "postgresql://localhost", "values": "psycopg4"})


async def test_what_asyncpg_takes_costs_nothing_more(app: Quart) -> None:
    async with app.app_context():
        a = await get_db("a")
        queries: list[str] = []
        a.add_query_logger(lambda record: queries.append(record.query))
        await a.fetchval("SELECT $1::int", 5)
        await a.fetchval("SELECT $1::date", date(1999, 1, 8))
        await asyncio.sleep(0)  # asyncpg calls a logger soon
        assert len(queries) == 2


async def test_without_the_option_asyncpg_refuses(make_app: MakeApp, postgresql_url: str) -> None:
    app = make_app(a=postgresql_url)
    async with app.app_context():
        with pytest.raises(asyncpg.DataError, match="invalid input"):
            await (await get_db("a")).fetchval("SELECT $1::bigint", "5")
