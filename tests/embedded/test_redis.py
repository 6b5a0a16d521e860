"""The local Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from service.embedded import redis
from service.embedded.errors import DirectoryInUse, PortInUse, StartupError
from service.embedded.ports import bound_socket
from service.embedded.process import Server


@asynccontextmanager
async def running(data: Path, port: int | None = None) -> AsyncIterator[Server]:
    server = await redis.start(data, port)
    try:
        yield server
    finally:
        await server.stop()


async def test_starts_answers_and_stops(data: Path) -> None:
    async with running(data) as server, Redis.from_url(server.url) as client:
        assert await client.ping()
    assert server.process.returncode == 0
    assert not psutil.pid_exists(server.pid)


async def test_listens_on_loopback_only(data: Path) -> None:
    async with running(data) as server:
        process = psutil.Process(server.pid)
        listening = {
            connection.laddr.ip
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}


async def test_wants_the_password(data: Path) -> None:
    async with running(data) as server:
        password = urlsplit(server.url).password
        assert password is not None
        assert password not in repr(server)
        assert password not in " ".join(psutil.Process(server.pid).cmdline())
        async with Redis.from_url(server.url.replace(f":{password}@", "")) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.ping()


async def test_keeps_what_was_answered_when_killed(data: Path) -> None:
    async with running(data) as server, Redis.from_url(server.url) as client:
        await client.set("kept", "yes")
        server.kill()
    async with running(data) as server, Redis.from_url(server.url) as client:
        assert await client.get("kept") == b"yes"


async def test_a_second_start_on_the_same_directory_is_one_clear_line(data: Path) -> None:
    async with running(data) as server:
        with pytest.raises(DirectoryInUse, match=f"^{data} is in use: .* already$"):
            await redis.start(data)
        assert server.running


async def test_a_port_in_use_is_one_clear_line(data: Path) -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"^cannot listen on 127.0.0.1 port {port}: .*in use$"):
            await redis.start(data, port)


async def test_a_server_that_ends_early_shows_the_end_of_its_log(data: Path) -> None:
    (data / "appendonlydir").write_text("a file where the server wants a directory")
    with pytest.raises(StartupError, match="appendonlydir") as raised:
        await redis.start(data)
    assert "\n" not in str(raised.value)
