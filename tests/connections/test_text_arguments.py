"""Text for arguments of other types: what `text_arguments` lets PostgreSQL read."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from quart import Quart

from service.connections import get_db

from .conftest import MakeApp


@pytest.fixture
def app(make_app: MakeApp, postgresql_url: str) -> Quart:
    return make_app(a={"url": postgresql_url, "max_size": 1, "text_arguments": True})


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        ("bigint", "5", 5),
        ("int", " -5 ", -5),
        ("smallint", None, None),
        ("bigint", 5.0, 5),
        ("int", Decimal("6"), 6),
        ("bigint", "0x10", 16),
        ("numeric", "1.50", Decimal("1.50")),
        ("numeric", Decimal("Infinity"), Decimal("Infinity")),
        ("double precision", "1.5", 1.5),
        ("boolean", "yes", True),
        ("boolean", 0, False),
        ("date", "Jan 8, 1999", date(1999, 1, 8)),
        ("date", date(1999, 1, 8), date(1999, 1, 8)),
        ("time", "04:05", time(4, 5)),
        ("timestamptz", "1999-01-08 04:05+00", datetime(1999, 1, 8, 4, 5, tzinfo=UTC)),
        ("interval", "1 day", timedelta(days=1)),
        (
            "uuid",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            UUID(int=0xA0EEBC999C0B4EF8BB6D6BB9BD380A11),
        ),
        ("text", 5, "5"),
        ("text", True, "true"),
        ("varchar(10)", date(1999, 1, 8), "1999-01-08"),
        ("int[]", ["1", "2"], [1, 2]),
        ("int[]", ("1", None), [1, None]),
        ("date[]", ["1999-01-08"], [date(1999, 1, 8)]),
        ("text[]", [1, 2], ["1", "2"]),
        ("int[]", "{1,2}", [1, 2]),
        ("text[]", "{a,b}", ["a", "b"]),
        ("int[]", ["1", 2.0], [1, 2]),
        ("jsonb", "text", "text"),
    ],
)
async def test_an_argument_is_read_as_the_type_that_it_is_for(
    app: Quart, kind: str, given: Any, meant: Any
) -> None:
    async with app.app_context():
        a = await get_db("a")
        assert await a.fetchval(f"SELECT $1::{kind}", given) == meant
        assert await a.fetch(f"SELECT $1::{kind} WHERE $2 <> $3", given, "7", 8) == [(meant,)]


async def test_a_time_with_a_zone_is_that_of_the_session_where_none_is_kept(app: Quart) -> None:
    there = datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=5)))
    async with app.app_context():
        a = await get_db("a")
        await a.execute("SET TIME ZONE 'UTC'")
        assert await a.fetchval("SELECT $1::timestamp", there) == datetime(2019, 12, 31, 21)
        assert await a.fetchval("SELECT $1::timestamp[]", [there]) == [datetime(2019, 12, 31, 21)]


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
        with pytest.raises(asyncpg.DataError, match="argument \\$1: b'5'"):
            await a.fetchval("SELECT $1::bigint", b"5")
        with pytest.raises(asyncpg.InterfaceError, match="expects 1 argument"):
            await a.fetchval("SELECT $1::bigint", "5", "6")
        for kind, given in [
            ("interval", "1 month"),
            ("interval[]", ["1 month"]),
            ("time", "24:00"),
            ("date", "0044-03-15 BC"),
            ("int", 2.5),
            ("bigint", Decimal("-0.5")),
            ("int", float("nan")),
            ("int", [1]),
            ("int", []),
            ("text", timedelta(1)),
            ("int[]", [b"1"]),
        ]:
            with pytest.raises(asyncpg.DataError, match="invalid input for query argument"):
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


async def test_what_asyncpg_takes_costs_nothing_more(app: Quart) -> None:
    async with app.app_context():
        a = await get_db("a")
        queries: list[str] = []
        a.add_query_logger(lambda record: queries.append(record.query))
        await a.fetchval("SELECT $1::int", 5)
        await a.fetchval("SELECT $1::date", date(1999, 1, 8))
        await asyncio.sleep(0)  # asyncpg calls a logger soon
        assert queries == ["SELECT $1::int", "SELECT $1::date"]


async def test_without_the_option_asyncpg_refuses(make_app: MakeApp, postgresql_url: str) -> None:
    app = make_app(a=postgresql_url)
    async with app.app_context():
        with pytest.raises(asyncpg.DataError, match="invalid input"):
            await (await get_db("a")).fetchval("SELECT $1::bigint", "5")
