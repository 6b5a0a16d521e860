"""``service serve``: what it says, what it replaces and what it leaves behind."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping

import httpx
import psutil
import pytest

from service.embedded.ports import bound_socket, free_port

from .command import Command, running
from .eventually import until


async def ready(command: Command, workers: int = 1) -> None:
    """Wait until so many processes serve."""
    for _ in range(workers):
        await command.error_with("Running on ")


async def answers(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
        except httpx.TransportError:
            return False


async def test_one_worker_is_the_process_itself(production: Mapping[str, str]) -> None:
    port = free_port()
    async with running("serve", PORT=str(port), **production) as command:
        await ready(command)
        assert await answers(port)
        assert command.descendants() == []
        assert (await command.stopped_by(signal.SIGTERM))[0] == 0


async def test_serves_on_each_address(production: Mapping[str, str]) -> None:
    first, second = free_port(), free_port()
    binds = (f"--bind=127.0.0.1:{first}", f"--bind=localhost:{second}")
    async with running("serve", *binds, WEB_CONCURRENCY="2", **production) as command:
        await ready(command, 4)
        assert await answers(first)
        assert await answers(second)
        assert len(command.descendants()) == 2
        status, errors = await command.stopped_by(signal.SIGINT)
        assert (status, "Traceback" in errors) == (0, False)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such signal")
async def test_workers_end_with_it(production: Mapping[str, str]) -> None:
    arguments = ("serve", f"--bind=127.0.0.1:{free_port()}", "--workers=2")
    async with running(*arguments, **production) as command:
        await ready(command, 2)
        workers = command.descendants()
        command.process.kill()
        await until(lambda: not any(ended(worker) is False for worker in workers), 10)


def ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_a_worker_that_cannot_start_is_one_clear_line_at_the_end() -> None:
    arguments = ("serve", f"--bind=127.0.0.1:{free_port()}", "--workers=2")
    async with running(*arguments, SERVICE_CONFIG="Production") as command:
        status, errors = await command.ended()
        assert status == 1
        assert "Production does not start without" in errors
        *_, last = errors.splitlines()
        assert last == "Error: a worker ended with exit status 1 each time it was started"


@pytest.mark.parametrize("bind", ["8000", "localhost:http", "localhost:65536", ":1"])
async def test_what_is_no_address_is_one_clear_line(bind: str) -> None:
    async with running("serve", "--bind", bind) as command:
        assert await command.ended() == (1, f"Error: {bind!r} is not HOST:PORT\n")


async def test_a_port_in_use_is_one_clear_line() -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        async with running("serve", f"--bind=127.0.0.1:{port}", "--workers=2") as command:
            status, errors = await command.ended()
    assert status == 1
    assert errors == f"Error: cannot listen on 127.0.0.1 port {port}: address already in use\n"
