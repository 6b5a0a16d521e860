"""What a type checker knows: these assertions are checked by mypy, and hold at run time too."""

from __future__ import annotations

from typing import Any, assert_type

import asyncpg
from quart import Quart
from redis.asyncio import Redis

from service.connections import get_db


async def test_a_type_checker_knows_what_comes_back(app: Quart) -> None:
    async with app.app_context():
        assert_type(await get_db("a"), Any)
        assert_type(await get_db("a", asyncpg.Connection), "asyncpg.Connection[Any]")
        assert await assert_type(await get_db("client", Redis), Redis).ping()
        async with get_db("a", asyncpg.Connection) as connection:
            assert_type(connection, "asyncpg.Connection[Any]")
            assert await connection.fetchval("SELECT 1") == 1
