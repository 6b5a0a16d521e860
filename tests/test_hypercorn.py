"""The shipped ways to run the service: ``config/hypercorn.toml``, ``serve``, the ``Procfile``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from service.embedded.ports import free_port

from . import serverside
from .command import ROOT, Command, running_program
from .eventually import until

BIN = Path(sys.executable).parent

WAITING_FOR_A_LOCK = """
import os
from quart import Quart
from service.connections import Connections, get_db

def create_app():
    app = Quart(__name__)
    app.config["CONNECTIONS"] = {"a": os.environ["TEST_POSTGRESQL"]}
    Connections(app)

    @app.get("/wait")
    async def wait():
        async with (await get_db("a")).transaction():
            await (await get_db("a")).execute("SELECT pg_advisory_xact_lock(1)")
        return "done"

    return app
"""


HYPERCORN = ("hypercorn", "--config", "config/hypercorn.toml")
TWO_WORKERS = ("service", "serve", "--workers", "2")


@asynccontextmanager
async def hypercorn(
    application: str, module: Sequence[str] = HYPERCORN, **environment: str
) -> AsyncIterator[tuple[Command, str]]:
    """Hypercorn with the shipped configuration, serving; and its URL."""
    arguments = ("--bind", f"127.0.0.1:{free_port()}", application)
    program = (sys.executable, "-m", *module, *arguments)
    async with running_program(*program, **environment) as command:
        url = await command.error_with("Running on ")
        yield command, url.partition("Running on ")[2].split()[0]


async def refuses(url: str) -> bool:
    """Whether nobody listens: no connection waits there for somebody to take it."""
    where = httpx.URL(url)
    try:
        _, writer = await asyncio.open_connection(where.host, where.port)
    except ConnectionError as error:
        return isinstance(error, ConnectionRefusedError)
    writer.close()
    return False


def to_process(command: Command) -> None:
    command.process.send_signal(signal.SIGTERM)


def to_process_group(command: Command) -> None:
    os.killpg(command.process.pid, signal.SIGTERM)


@pytest.mark.parametrize("terminate", [to_process, to_process_group])
@pytest.mark.parametrize("module", [HYPERCORN, TWO_WORKERS])
async def test_on_sigterm_requests_in_flight_finish_and_then_the_pools_close(
    module: Sequence[str],
    terminate: Callable[[Command], None],
    postgresql_url: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "waiting.py").write_text(WAITING_FOR_A_LOCK)
    application = f"{tmp_path}/waiting.py:create_app()"
    observer = await asyncpg.connect(postgresql_url)
    try:
        abandoned = await sessions_abandoned(observer)
        await observer.execute("SELECT pg_advisory_lock(1)")
        async with (
            hypercorn(application, module, TEST_POSTGRESQL=postgresql_url) as (command, url),
            httpx.AsyncClient() as client,
        ):
            request = asyncio.create_task(client.get(f"{url}/wait?token=hush", timeout=30))
            await until(lambda: waiting(observer), 30)
            terminate(command)
            await until(lambda: refuses(f"{url}/nothing"), 30)
            assert not request.done()
            await observer.execute("SELECT pg_advisory_unlock(1)")
            assert (await request).text == "done"
            status, errors = await command.ended()
        assert status == 0
        assert "Traceback" not in errors
        assert await serverside.postgresql_sessions(postgresql_url) == 1
        assert await sessions_abandoned(observer) == abandoned
        (line,) = [line for line in command.lines if "/wait" in line]
        assert '"GET /wait HTTP/1.1" 200' in line
        assert "hush" not in line
    finally:
        await observer.close()


async def waiting(observer: asyncpg.Connection[asyncpg.Record]) -> bool:
    found: bool = await observer.fetchval(
        "SELECT count(*) > 0 FROM pg_locks JOIN pg_database ON database = pg_database.oid"
        " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
    )
    return found


async def sessions_abandoned(observer: asyncpg.Connection[asyncpg.Record]) -> int:
    """How many clients went away without saying so."""
    count: int = await observer.fetchval(
        "SELECT sessions_abandoned FROM pg_stat_database WHERE datname = current_database()"
    )
    return count


async def test_serves_the_shipped_application(production: Mapping[str, str]) -> None:
    async with hypercorn("service.app:create_app()", **production) as (command, url):
        async with httpx.AsyncClient() as client:
            ready = await client.get(f"{url}/readyz")
        assert ready.status_code == 200
        assert "server" not in ready.headers
        status, errors = await command.stopped_by(signal.SIGTERM)
        assert status == 0
        assert "Traceback" not in errors


async def test_the_procfile_runs_as_it_stands(production: Mapping[str, str]) -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()
    processes = dict(line.split(": ", 1) for line in lines)
    assert list(processes) == ["release", "web"]
    port = str(free_port())
    shell = {**production, "PORT": port, "PATH": f"{BIN}:{os.environ['PATH']}"}
    async with running_program("sh", "-c", processes["release"], **shell) as release:
        assert await release.ended() == (0, "")
    async with running_program("sh", "-c", processes["web"], **shell) as web:
        await web.error_with("Running on ")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
        to_process_group(web)
        _, errors = await web.ended()
        assert "Traceback" not in errors
        assert await refuses(f"http://127.0.0.1:{port}/healthz")
