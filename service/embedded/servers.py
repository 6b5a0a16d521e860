"""The three local servers by name, one of them or all side by side."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rethinkdb.errors import ReqlError
from rethinkdb.net import DefaultConnection, make_connection

from . import postgresql, redis
from .directory import claimed
from .ports import HOST
from .process import Program, Server, run
from .secret import stored_secret

Start = Callable[[Path, int | None], Coroutine[Any, Any, Server]]
Progress = Callable[[str, float], None]

_IMPORTS = str(Path(__file__).resolve().parents[2])


async def start_rethinkdb(data: Path, port: int | None = None) -> Server:
    """Start a ``rethinkdb`` from PATH on the directory ``data``, or the stand-in for want of one.

    Raises `StartupError`.
    """
    binary = shutil.which("rethinkdb")
    async with claimed(data) as directory:
        program = _rethinkdb(binary, directory.path) if binary else _stand_in(directory.path)
        return await run(program, directory, port)


def _rethinkdb(binary: str, data: Path) -> Program:
    def command(port: int) -> list[str]:
        ports = ["--bind", HOST, "--driver-port", str(port), "--cluster-port", "0"]
        quiet = ["--no-http-admin", "--no-update-check"]
        return [binary, "--directory", str(data / "rethinkdb_data"), *ports, *quiet]

    return Program(
        name="rethinkdb",
        command=command,
        url=lambda port: f"rethinkdb://{HOST}:{port}/test",
        answers=_rethinkdb_answers,
    )


def _stand_in(data: Path) -> Program:
    module = [sys.executable, "-m", "service.embedded.rethinkdb"]
    password = stored_secret(data / "password")
    files = ["--data", str(data / "stand_in"), "--password-file", str(data / "password")]
    return Program(
        name="rethinkdb",
        command=lambda port: [*module, *files, "--port", str(port)],
        url=lambda port: f"rethinkdb://admin:{password}@{HOST}:{port}/test",
        answers=_rethinkdb_answers,
        environment={"PYTHONPATH": _IMPORTS},
    )


START: Mapping[str, Start] = {
    "postgresql": postgresql.start,
    "rethinkdb": start_rethinkdb,
    "redis": redis.start,
}


async def start_all(
    data: Path, names: Collection[str] = tuple(START), progress: Progress | None = None
) -> dict[str, Server]:
    """Start the servers called ``names`` side by side, each in its own directory under ``data``.

    ``progress`` is called with the name and the seconds it took as each one answers. If one cannot
    be started the others are stopped, and its `StartupError` is raised.
    """

    async def start(name: str) -> Server:
        began = time.monotonic()
        server = await START[name](data / name, None)
        if progress is not None:
            progress(name, time.monotonic() - began)
        return server

    tasks = {name: asyncio.create_task(start(name)) for name in names}
    try:
        await asyncio.gather(*tasks.values())
    except BaseException:
        for task in tasks.values():
            task.cancel()
        outcomes = await asyncio.gather(*tasks.values(), return_exceptions=True)
        await stop_all([outcome for outcome in outcomes if isinstance(outcome, Server)])
        raise
    return {name: task.result() for name, task in tasks.items()}


async def stop_all(servers: Collection[Server]) -> None:
    """Stop ``servers`` side by side."""
    await asyncio.gather(*(server.stop() for server in servers))


async def _rethinkdb_answers(url: str) -> bool:
    def connect() -> None:
        make_connection(DefaultConnection, url=url).close()

    with suppress(OSError, ReqlError):
        await asyncio.to_thread(connect)
        return True
    return False
