"""``service embedded``, ``init`` and ``check``, each as a process of its own."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from service.embedded.ports import bound_socket, free_port

from .command import running

NOTHING_THERE = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_embedded_prints_a_url_that_works_and_stops(number: signal.Signals) -> None:
    async with running("embedded", "redis") as command:
        url = await command.line_with("redis://")
        async with Redis.from_url(url) as client:
            assert await client.ping()
        (child,) = command.descendants()
        assert await command.stopped_by(number) == (0, "")
        assert command.lines == [url]
        assert not child.is_running()


async def test_embedded_keeps_its_data_and_takes_the_port_it_is_told(tmp_path: Path) -> None:
    port = str(free_port())
    arguments = ("embedded", "redis", "--data", str(tmp_path), "--port", port)
    for expected in (None, b"there"):
        async with running(*arguments) as command:
            url = await command.line_with(f":{port}/")
            async with Redis.from_url(url) as client:
                assert await client.get("still") == expected
                await client.set("still", b"there")
            assert await command.stopped_by(signal.SIGTERM) == (0, "")


async def test_embedded_says_that_its_server_ended() -> None:
    async with running("embedded", "redis") as command:
        await command.line_with("redis://")
        (child,) = command.descendants()
        child.kill()
        status, errors = await command.ended()
        assert (status, errors) == (1, "Error: redis ended by itself with exit status -9\n")


async def test_embedded_on_a_port_in_use_is_one_clear_line() -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        async with running("embedded", "redis", "--port", str(port)) as command:
            status, errors = await command.ended()
    assert status == 1
    assert errors == f"Error: cannot listen on 127.0.0.1 port {port}: address already in use\n"


async def test_init_creates_what_the_api_needs_and_can_be_repeated(
    production: Mapping[str, str], postgresql_url: str
) -> None:
    for _ in range(2):
        async with running("init", **production) as command:
            assert await command.ended() == (0, "")
    connection = await asyncpg.connect(postgresql_url)
    try:
        assert await connection.fetchval("SELECT to_regclass('players') IS NOT NULL")
    finally:
        await connection.close()


async def test_init_without_a_server_is_one_clear_line(production: Mapping[str, str]) -> None:
    dead = {**production, "SERVICE_CONNECTIONS__a": "postgresql://someone:hush@127.0.0.1:1/x"}
    async with running("init", **dead) as command:
        status, errors = await command.ended()
    assert status == 1
    assert errors.startswith("Error: connection 'a' is unavailable: ")
    assert "127.0.0.1" in errors
    assert errors.count("\n") == 1
    assert "hush" not in errors


async def test_check_prints_a_row_for_each_connection(production: Mapping[str, str]) -> None:
    async with running("check", **production) as command:
        assert await command.ended() == (0, "")
    heading, *rows = [line.split() for line in command.lines]
    assert heading == ["connection", "state", "ms"]
    assert [row[:2] for row in rows] == [["a", "ok"], ["b", "ok"], ["client", "ok"]]
    assert all(float(row[2]) > 0 for row in rows)


async def test_check_has_exit_status_1_if_one_connection_fails(
    production: Mapping[str, str],
) -> None:
    dead = {**production, "SERVICE_CONNECTIONS__client": NOTHING_THERE}
    async with running("check", **dead) as command:
        status, errors = await command.ended()
    assert (status, errors) == (1, "")
    states = {line.split()[0]: line.split()[1] for line in command.lines[1:]}
    assert states == {"a": "ok", "b": "ok", "client": "failed"}


async def test_a_configuration_that_lacks_something_says_what() -> None:
    async with running("check", SERVICE_CONFIG="Production") as command:
        status, errors = await command.ended()
    assert status == 1
    assert "SERVICE_SECRET_KEY" in errors
    assert "Traceback" not in errors
