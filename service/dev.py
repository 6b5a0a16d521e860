"""``service dev``: local servers, tables, a few players, and the service on top of them."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.resources import as_file, files
from pathlib import Path

import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config

from service.api import schema, seed
from service.app import create_app
from service.connections.redaction import redacted
from service.embedded.directory import data_directory
from service.embedded.foreground import Stopped, stop_signals, unless
from service.embedded.ports import bound_socket
from service.embedded.secret import stored_secret
from service.embedded.servers import START, start_all, stop_all

_PREFIX = "SERVICE_CONNECTIONS"
_VARIABLES = {
    "postgresql": f"{_PREFIX}__a",
    "rethinkdb": f"{_PREFIX}__b",
    "redis": f"{_PREFIX}__client",
}
_GRACE = 2.0
_STOP_TIMEOUT = 1.5
_POLL_INTERVAL = 0.02

Say = Callable[[str], None]


def run(host: str, port: int, data: Path | None, given: Mapping[str, str], say: Say) -> None:
    """Serve on ``host`` and ``port`` until Ctrl-C or SIGTERM, with the data in ``data``.

    Without ``data`` it is kept in a temporary directory. ``given`` are the URLs, by the server's
    name, of servers to use instead of starting one. Each line of progress goes to ``say``.
    Raises `PortInUse`, before anything is started, and `StartupError`.
    """
    with (
        bound_socket(host, port) as listener,
        data_directory(data) as directory,
        # With asyncio's own loop, Hypercorn waits for every connection as it stops.
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        suppress(Stopped),
    ):
        runner.run(_run(listener, directory, given, say))


async def _run(listener: socket.socket, data: Path, given: Mapping[str, str], say: Say) -> None:
    with stop_signals() as stop:
        async with _servers(data, given, stop, say):
            os.environ.setdefault("SERVICE_CONFIG", "Development")
            os.environ.setdefault("SERVICE_STOP_TIMEOUT", str(_STOP_TIMEOUT))
            os.environ.setdefault("SERVICE_SECRET_KEY", stored_secret(data / "secret-key"))
            player = await unless(stop, _prepare(say))
            announcing = asyncio.create_task(_announce(listener.getsockname(), player, say))
            try:
                await serve(create_app(), _hypercorn(listener), shutdown_trigger=stop.wait)
            finally:
                announcing.cancel()


@asynccontextmanager
async def _servers(
    data: Path, given: Mapping[str, str], stop: asyncio.Event, say: Say
) -> AsyncIterator[None]:
    """The servers that nobody gave, running, and the environment naming all of them."""

    def progress(name: str, seconds: float) -> None:
        say(f"{name} is up ({seconds:.1f} s)")

    there = [name for name in START if name in given or _configured(_VARIABLES[name])]
    for name in there:
        url = given.get(name) or os.environ.get(_VARIABLES[name])
        say(f"{name} is there already: {redacted(url) if url else 'see ' + _PREFIX}")
    missing = [name for name in START if name not in there]
    servers = await unless(stop, start_all(data, missing, progress))
    try:
        urls = {**given, **{name: server.url for name, server in servers.items()}}
        os.environ.update({_VARIABLES[name]: url for name, url in urls.items()})
        yield
    finally:
        began = time.monotonic()
        await stop_all(servers.values())
        say(f"stopped ({time.monotonic() - began:.1f} s)")


def _configured(variable: str) -> bool:
    return any(
        name in (_PREFIX, variable) or name.startswith(f"{variable}__url") for name in os.environ
    )


async def _prepare(say: Say) -> int:
    """Create tables and players with an app of its own; return the id of a player.

    The app that serves afterwards has opened nothing yet.
    """
    began = time.monotonic()
    app = create_app()
    try:
        async with app.app_context():
            await schema.create()
        async with app.app_context():
            player = await seed.seed()
    finally:
        await app.extensions["connections"].close()
    say(f"tables and players are there ({time.monotonic() - began:.1f} s)")
    return player


async def _announce(address: tuple[str, int], player: int, say: Say) -> None:
    host, port = address[:2]
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            break
        await asyncio.sleep(_POLL_INTERVAL)
    writer.close()
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    say("serving until Ctrl-C; try:")
    say(f"  curl {url}/api/leaderboard")
    say(f"  curl -i {url}/api/players/{player}/summary")


def _hypercorn(listener: socket.socket) -> Config:
    with as_file(files("config") / "hypercorn.toml") as path:
        config = Config.from_toml(path)
    config.workers = 1  # serve() is the worker, and warns about any other number.
    config.graceful_timeout = _GRACE
    config.bind = [f"fd://{listener.detach()}"]
    return config
