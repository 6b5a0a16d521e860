"""Local servers as child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from service.embedded import process, redis, servers
from service.embedded.errors import StartupError
from service.embedded.ports import bound_socket, free_port
from service.embedded.process import Server
from service.embedded.servers import start_all, stop_all

START_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from service.embedded.servers import start_all

async def main():
    servers = await start_all(Path(sys.argv[1]), ["postgresql", "redis"])
    print(*(server.pid for server in servers.values()), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_starts_side_by_side_and_reports_each(data: Path) -> None:
    seconds: dict[str, float] = {}
    started = await start_all(data, ["postgresql", "redis"], seconds.__setitem__)
    try:
        assert set(started) == set(seconds) == {"postgresql", "redis"}
        assert all(server.running for server in started.values())
        assert all(0 < passed < 60 for passed in seconds.values())
    finally:
        await stop_all(started.values())
    assert not any(server.running for server in started.values())


async def test_nothing_is_left_running_if_one_cannot_start(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_is_up = asyncio.Event()
    started: list[Server] = []

    async def start_redis(path: Path, port: int | None = None) -> Server:
        started.append(await redis.start(path, port))
        redis_is_up.set()
        return started[0]

    async def start_in_vain(path: Path, port: int | None = None) -> Server:
        await redis_is_up.wait()
        raise StartupError("no luck")

    start: Mapping[str, servers.Start] = {"redis": start_redis, "postgresql": start_in_vain}
    monkeypatch.setattr(servers, "START", start)
    with pytest.raises(StartupError, match="no luck"):
        await start_all(data, list(start))
    assert not started[0].running


async def test_cancelled_while_starting_leaves_nothing_running(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def never_answers(url: str) -> bool:
        asked.set_result(url)
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(redis, "_answers", never_answers)
    before = set(psutil.Process().children())
    starting = asyncio.create_task(start_all(data, ["redis"]))
    await asked
    (child,) = set(psutil.Process().children()) - before
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not child.is_running()


async def test_is_out_of_reach_of_a_terminal(data: Path) -> None:
    started = await start_all(data, ["postgresql", "redis"])
    try:
        for server in started.values():
            assert os.getsid(server.pid) == server.pid
    finally:
        await stop_all(started.values())


@pytest.mark.parametrize("name", ["postgresql", "redis"])
async def test_a_port_that_was_snatched_away_is_not_used(
    name: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        taken.listen()
        ports = [taken.getsockname()[1], free_port()]
        monkeypatch.setattr(process, "free_port", lambda: ports.pop(0))
        started = await start_all(data, [name])
        try:
            assert ports == []
        finally:
            await stop_all(started.values())


if sys.platform == "linux":

    async def test_does_not_survive_a_killed_parent(data: Path) -> None:
        parent = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", START_AND_WAIT, str(data)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert parent.stdout is not None
        children = [psutil.Process(int(pid)) for pid in (await parent.stdout.readline()).split()]
        assert len(children) == 2
        parent.send_signal(signal.SIGKILL)
        await parent.wait()
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=10)
        assert alive == []
