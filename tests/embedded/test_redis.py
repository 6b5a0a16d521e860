"""The local Redis."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from service.embedded import redis
from service.embedded.errors import StartupError

from .running import running


async def test_starts_answers_and_stops(data: Path) -> None:
    async with running(redis.start, data) as server, Redis.from_url(server.url) as client:
        assert await client.ping()
    assert server.process.returncode == 0
    assert not psutil.pid_exists(server.pid)


async def test_wants_the_password(data: Path) -> None:
    async with running(redis.start, data) as server:
        password = urlsplit(server.url).password
        assert password is not None
        assert password not in repr(server)
        assert password not in " ".join(psutil.Process(server.pid).cmdline())
        async with Redis.from_url(server.url.replace(f":{password}@", "")) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.ping()


async def test_keeps_what_was_answered_when_killed(data: Path) -> None:
    async with running(redis.start, data) as server, Redis.from_url(server.url) as client:
        await client.set("kept", "yes")
        server.kill()
    async with running(redis.start, data) as server, Redis.from_url(server.url) as client:
        assert await client.get("kept") == b"yes"


async def test_a_server_that_ends_early_shows_the_end_of_its_log(data: Path) -> None:
    (data / "appendonlydir").write_text("a file where the server wants a directory")
    with pytest.raises(StartupError, match="appendonlydir") as raised:
        await redis.start(data)
    assert "\n" not in str(raised.value)
