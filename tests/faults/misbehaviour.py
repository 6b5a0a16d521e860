"""Servers that are there and no good, each behind a proxy of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from redis.asyncio import Redis

from service.embedded.rethinkdb.server import StandIn

from .backends import KINDS, backends
from .proxy import Harm, Proxy, proxied
from .serving import Service, patience, serving
from .traffic import World, world

TIMEOUT = 0.5
"""Seconds: every timeout of every connection."""
FAIL_FOR = 0.5
"""Seconds that attempts fail at once when a backend is known to be no good."""
SLOTS = 20
"""Connections that this PostgreSQL takes: somebody else can have them all."""

ENVIRONMENT: dict[str, Any] = patience(TIMEOUT) | {
    f"SERVICE_CONNECTIONS__{name}__fail_for": str(FAIL_FOR) for name in KINDS
}


@dataclass(frozen=True)
class Place:
    """The service, and the proxies between it and its servers.

    Attributes:
        urls: of the servers themselves.
        inventory: what the service held before anybody came.
    """

    urls: Mapping[str, str] = field(repr=False)
    proxies: Mapping[str, Proxy]
    service: Service
    world: World
    inventory: Mapping[str, Any]

    def tells_too_much(self, text: str) -> list[str]:
        """What is in a text and nobody's business: hosts, ports and passwords."""
        urls = [*self.urls.values(), *(proxy.url for proxy in self.proxies.values())]
        secrets = {
            secret
            for url in map(urlsplit, urls)
            for secret in (url.hostname, str(url.port), url.password)
            if secret
        }
        return [secret for secret in secrets if secret in text]


@asynccontextmanager
async def place(directory: Path, log: Path) -> AsyncIterator[Place]:
    """Servers with their data in `directory`, proxies, and the service behind them."""
    async with backends(directory) as servers, AsyncExitStack() as stack:
        connection = await asyncpg.connect(servers.urls["a"])
        await connection.execute(f"ALTER SYSTEM SET max_connections = {SLOTS}")
        await connection.close()
        await servers.kill("a")
        await servers.restart("a")
        own = await world(servers.urls)
        proxies = {
            name: await stack.enter_async_context(proxied(url))
            for name, url in servers.urls.items()
        }
        urls = {name: proxy.url for name, proxy in proxies.items()}
        service = await stack.enter_async_context(serving(urls, log, **ENVIRONMENT))
        yield Place(servers.urls, proxies, service, own, await service.inventory())


Change = Callable[[Place], AbstractAsyncContextManager[None]]
Misbehaving = Callable[[Place, str], AbstractAsyncContextManager[None]]


def _harming(harm: Harm) -> Misbehaving:
    @asynccontextmanager
    async def misbehaving(place: Place, name: str) -> AsyncIterator[None]:
        await place.proxies[name].does(harm)
        try:
            yield
        finally:
            await place.proxies[name].does(Harm.NONE)

    return misbehaving


def _reconnecting(changes: Mapping[str, Change]) -> Misbehaving:
    """What the service has open is reset; what it opens then finds the server changed."""

    @asynccontextmanager
    async def misbehaving(place: Place, name: str) -> AsyncIterator[None]:
        await place.proxies[name].does(Harm.REFUSE)
        async with changes[name](place):
            await place.proxies[name].does(Harm.NONE)
            yield

    return misbehaving


@asynccontextmanager
async def _postgresql_password(place: Place) -> AsyncIterator[None]:
    password = urlsplit(place.urls["a"]).password
    connection = await asyncpg.connect(place.urls["a"])
    try:
        await connection.execute("ALTER ROLE CURRENT_USER PASSWORD 'another'")
        yield
        await connection.execute(f"ALTER ROLE CURRENT_USER PASSWORD '{password}'")
    finally:
        await connection.close()


@asynccontextmanager
async def _rethinkdb_password(place: Place) -> AsyncIterator[None]:
    async with StandIn(password="another") as other, _leading(place.proxies["b"], other.url):
        yield


@asynccontextmanager
async def _turning_away(place: Place) -> AsyncIterator[None]:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, _leading(place.proxies["b"], f"rethinkdb://127.0.0.1:{port}"):
        yield


@asynccontextmanager
async def _leading(proxy: Proxy, url: str) -> AsyncIterator[None]:
    before = proxy.server
    proxy.server = url
    yield
    proxy.server = before


@asynccontextmanager
async def _redis_setting(place: Place, setting: str, value: Any) -> AsyncIterator[None]:
    async with Redis.from_url(place.urls["client"], single_connection_client=True) as redis:
        before = str((await redis.config_get(setting))[setting])
        await redis.config_set(setting, value)
        yield
        await redis.config_set(setting, before)


@asynccontextmanager
async def _every_postgresql_slot(place: Place) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        try:
            while True:
                connection = await asyncpg.connect(place.urls["a"])
                stack.push_async_callback(connection.close)
        except asyncpg.TooManyConnectionsError:
            yield


OTHER_PASSWORD: Mapping[str, Change] = {
    "a": _postgresql_password,
    "b": _rethinkdb_password,
    "client": lambda place: _redis_setting(place, "requirepass", "another"),
}
NO_SLOT: Mapping[str, Change] = {
    "a": _every_postgresql_slot,
    "b": _turning_away,
    "client": lambda place: _redis_setting(place, "maxclients", 1),
}

MISBEHAVIOURS: Mapping[str, Misbehaving] = {
    "silent": _harming(Harm.SWALLOW),
    "one byte a second": _harming(Harm.DRIP),
    "reset in an answer": _harming(Harm.CUT),
    "half closed": _harming(Harm.HALF_CLOSE),
    "refusing authentication": _reconnecting(OTHER_PASSWORD),
    "out of slots": _reconnecting(NO_SLOT),
}
