"""The local PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest

from service.embedded import postgresql
from service.embedded.errors import StartupError

from .running import running


async def execute(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_starts_answers_and_stops(data: Path) -> None:
    async with running(postgresql.start, data) as server:
        assert "PostgreSQL" in str(await execute(server.url, "SELECT version()"))
    assert server.process.returncode == 0
    assert not psutil.pid_exists(server.pid)


async def test_wants_the_password(data: Path) -> None:
    async with running(postgresql.start, data) as server:
        parts = urlsplit(server.url)
        assert parts.password is not None
        assert parts.password not in repr(server)
        assert parts.password not in " ".join(psutil.Process(server.pid).cmdline())
        wrong = server.url.replace(parts.password, "wrong")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong)


async def test_keeps_what_was_committed_when_killed_and_starts_again(data: Path) -> None:
    async with running(postgresql.start, data) as server:
        await execute(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        server.kill()
        assert (data / "cluster" / "postmaster.pid").exists()
    async with running(postgresql.start, data) as server:
        assert await execute(server.url, "SELECT answer FROM kept") == 42


async def test_a_pid_file_that_names_a_living_process_is_no_obstacle(data: Path) -> None:
    async with running(postgresql.start, data) as server:
        server.kill()
    stale = data / "cluster" / "postmaster.pid"
    lines = stale.read_text().splitlines()
    stale.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    async with running(postgresql.start, data) as server:
        assert server.running


async def test_stops_at_once_with_clients_connected(data: Path) -> None:
    async with running(postgresql.start, data) as server:
        connection = await asyncpg.connect(server.url)
        await server.stop(grace=5)
        assert server.process.returncode == 0
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.fetchval("SELECT 1")


async def test_a_server_that_ends_early_shows_the_end_of_its_log(data: Path) -> None:
    async with running(postgresql.start, data):
        pass
    (data / "cluster" / "PG_VERSION").write_text("1\n")
    with pytest.raises(StartupError, match="incompatible with server") as raised:
        await postgresql.start(data)
    assert "\n" not in str(raised.value)


async def test_an_initdb_that_was_interrupted_is_done_again(data: Path) -> None:
    unfinished = data / "unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    async with running(postgresql.start, data) as server:
        assert await execute(server.url, "SELECT 1") == 1


async def test_works_below_a_directory_that_is_closed_to_others(data: Path) -> None:
    closed = data / "closed"
    closed.mkdir(mode=0o700)
    async with running(postgresql.start, closed / "postgresql") as server:
        assert await execute(server.url, "SELECT 1") == 1
    assert closed.stat().st_mode & 0o077 in (0o000, 0o001)
