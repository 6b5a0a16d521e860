"""Redis: `redis.asyncio`, whose own pool does the work; a light client of it for each context."""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from itertools import chain
from typing import Any, TypeVar, cast

import redis.asyncio as driver
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from .backend import Backend, Settings
from .redis_lease import LeasedCluster, LeasedRedis
from .redis_pool import Cluster, SentinelSockets, Sockets, is_open
from .redis_session import TCP, TLS, Managed, ManagedTLS, Session, Unix
from .redis_url import RedisURL, accepted_by, parse
from .tasks import result_now

_ALSO_TO_SENTINELS = ("retry", "maint_notifications_config", "protocol", "socket_keepalive")

Client = TypeVar("Client", bound=driver.Redis | Cluster)


class _OneClient(Backend[Client, Client]):
    """What the three ways to run Redis have in common.

    Args:
        settings: what every connection has.
        decode_responses: answers are `str`, not `bytes`.
        socket_timeout: seconds to wait for an answer; None for ever.

    Raises:
        ValueError: a value or a part of the URL that is not allowed.
    """

    shared = True

    def __init__(
        self,
        settings: Settings,
        *,
        decode_responses: bool = False,
        socket_timeout: float | None = 10.0,
    ) -> None:
        if socket_timeout == 0:
            raise ValueError("socket_timeout is 0; allowed: seconds, more than 0, or null")
        self.settings = settings
        self._scheme = settings.url.partition(":")[0].lower()
        self._tls = self._scheme.startswith("rediss")
        self._url = self._parse(settings.url)
        self._options: dict[str, Any] = {
            "decode_responses": decode_responses,
            "socket_timeout": socket_timeout,
            "socket_connect_timeout": settings.connect_timeout,
            # A command may have been carried out before its connection was lost: never sent twice.
            "retry": Retry(NoBackoff(), 0),
            # With them on, the driver hands out sockets that the server has closed.
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        } | self._url.options

    async def open(self) -> Client:
        """The client, with a first connection: whoever comes meanwhile waits for the same."""
        client = self._client()
        try:
            await self.ping(client)
        except BaseException:
            await self.close(client)
            raise
        return client

    async def acquire(self, pool: Client) -> Client:
        """A client of its own, after a ping if no socket is known to be alive."""
        lease = self.acquire_nowait(pool)
        if lease is None:
            await self.ping(pool)
            lease = self._lease(pool)
        return lease

    def acquire_nowait(self, pool: Client) -> Client | None:
        """A client of its own, if a socket is known to be alive."""
        if any(map(is_open, chain(*_pool_of(pool).connections()))):
            return self._lease(pool)
        return None

    async def release(self, pool: Client, connection: Client) -> None:
        """Close what the context still holds of sockets: the others are everybody's."""
        await connection.end()  # type: ignore[union-attr]

    def release_nowait(self, pool: Client, connection: Client) -> bool:
        """In any case: closing what is held does not wait."""
        result_now(connection.end())  # type: ignore[union-attr]
        return True

    async def close(self, pool: Client) -> None:
        await _pool_of(pool).close()

    async def ping(self, connection: Client) -> None:
        await connection.ping()

    def counts(self, pool: Client) -> tuple[int, int]:
        idle, in_use = (sum(map(is_open, some)) for some in _pool_of(pool).connections())
        return idle + in_use, idle

    def is_unavailable(self, error: BaseException) -> bool:
        return isinstance(
            error,
            exceptions.ConnectionError | exceptions.TimeoutError | exceptions.ClusterDownError,
        )

    @abstractmethod
    def _client(self) -> Client:
        """The client itself, which has no connection yet."""

    @abstractmethod
    def _lease(self, client: Client) -> Client:
        """The client as one context has it."""

    @abstractmethod
    def _parse(self, url: str) -> RedisURL:
        """Take the URL apart; raise `ValueError` for what is wrong in it."""


class Redis(_OneClient[driver.Redis]):
    """`redis://user:password@host:6379/0?decode_responses=true`, `rediss://`, `unix:///path?db=0`.

    The URL is the driver's own. `max_size` bounds the sockets of the client's pool: a command
    waits `acquire_timeout` seconds for one of them, then raises `PoolTimeout`.
    """

    def _client(self) -> driver.Redis:
        """The client of one server."""
        if self._url.hosts:
            host, port = self._url.hosts[0]
            where = {"host": host, "port": port, "db": _database(self._url.path)}
        else:
            where = {"path": f"/{self._url.path}"}
        return driver.Redis.from_pool(self._sockets(where | self._options))

    def _sockets(self, options: dict[str, Any]) -> Sockets:
        return Sockets(settings=self.settings, connection_class=self._kind(), **options)

    def _kind(self) -> type[Session]:
        if self._scheme == "unix":
            return Unix
        return TLS if self._tls else TCP

    def _lease(self, client: driver.Redis) -> driver.Redis:
        return LeasedRedis.of(client)

    def _parse(self, url: str) -> RedisURL:
        parsed = parse(url, accepted_by(self._kind()))
        if self._scheme == "unix":
            if parsed.hosts or not parsed.path:
                raise ValueError("a Unix socket has a path and no host; allowed: unix:///path")
        elif len(parsed.hosts) > 1:
            raise ValueError("several hosts; allowed: one, or redis+sentinel://, redis+cluster://")
        else:
            _database(parsed.path)
        return parsed


class RedisSentinel(Redis):
    """`redis+sentinel://user:password@host1:26379,host2:26379/master-name/0`.

    The hosts are the sentinels, asked in turn. The credentials are the master's;
    `sentinel_username` and `sentinel_password` in the query are those of the sentinels.
    `rediss+sentinel://` means TLS to both.
    """

    def _client(self) -> driver.Redis:
        """A client of the master, wherever the sentinels say it is."""
        master, database = _master(self._url.path)
        options: dict[str, Any] = {
            "settings": self.settings,
            "connection_class": ManagedTLS if self._tls else Managed,
            "db": database,
        }
        for option, value in self._options.items():
            if not option.startswith("sentinel_"):
                options[option] = value
        sentinel = Sentinel([])  # type: ignore[no-untyped-call]
        sentinel.sentinels = [
            driver.Redis.from_pool(self._sockets_to_sentinel(host, port))
            for host, port in self._url.hosts
        ]
        client: driver.Redis = sentinel.master_for(
            master, connection_pool_class=SentinelSockets, **options
        )
        return client

    async def close(self, pool: driver.Redis) -> None:
        sentinels = cast(SentinelSockets, pool.connection_pool).sentinel_manager.sentinels
        await asyncio.gather(*(_pool_of(client).close() for client in (pool, *sentinels)))

    def _sockets_to_sentinel(self, host: str, port: int) -> Sockets:
        # One that is silent leaves time for the others and for the master.
        seconds = self.settings.connect_timeout / (len(self._url.hosts) + 1)
        options: dict[str, Any] = {"host": host, "port": port}
        options |= {"socket_timeout": seconds, "socket_connect_timeout": seconds}
        for option, value in self._options.items():
            if option in _ALSO_TO_SENTINELS or option.startswith(("ssl_", "sentinel_")):
                options[option.removeprefix("sentinel_")] = value
        return self._sockets(options)

    def _parse(self, url: str) -> RedisURL:
        accepted = accepted_by(self._kind()) | {"sentinel_username", "sentinel_password"}
        parsed = parse(url, accepted, default_port=26379)
        _master(parsed.path)
        return parsed


class RedisCluster(_OneClient[Cluster]):
    """`redis+cluster://user:password@host1:7000,host2:7000`, `rediss+cluster://`.

    `max_size` bounds the commands at once, and with them the sockets to each node: a command
    waits `acquire_timeout` seconds for its turn, then raises `PoolTimeout`. Pipelines and
    subscriptions are not bounded.
    """

    def _client(self) -> Cluster:
        """A client of the whole cluster."""
        nodes = [driver.cluster.ClusterNode(host, port) for host, port in self._url.hosts]
        return Cluster(settings=self.settings, startup_nodes=nodes, ssl=self._tls, **self._options)

    def acquire_nowait(self, pool: Cluster) -> Cluster | None:
        """A client of its own, if a socket is alive when the lost ones are dropped."""
        result_now(pool.drop_lost())
        return super().acquire_nowait(pool)

    def _lease(self, client: Cluster) -> Cluster:
        return LeasedCluster(client)

    async def ping(self, connection: Cluster) -> None:
        """Ask one node: that another is lost is no reason to do without the rest."""
        await connection.ping(target_nodes=Cluster.DEFAULT_NODE)

    def is_unavailable(self, error: BaseException) -> bool:
        if isinstance(error, exceptions.RedisClusterException):
            # The same class tells of commands that a cluster cannot run.
            return "cannot be connected" in str(error) or "not covered" in str(error)
        return super().is_unavailable(error)

    def _parse(self, url: str) -> RedisURL:
        parsed = parse(url, accepted_by(driver.RedisCluster) - {"db"})
        if parsed.path not in ("", "0"):
            raise ValueError("a cluster has no database but 0; allowed: a URL without a path")
        return parsed


def _pool_of(client: driver.Redis | Cluster) -> Sockets | Cluster:
    """What holds a client's sockets: a cluster client does so itself."""
    return client if isinstance(client, Cluster) else cast(Sockets, client.connection_pool)


def _master(path: str) -> tuple[str, int]:
    name, _, database = path.partition("/")
    if not name:
        raise ValueError("the URL's path must be /master-name or /master-name/0")
    return name, _database(database)


def _database(path: str) -> int:
    if not re.fullmatch("[0-9]*", path):
        raise ValueError("the URL's path is no database number; allowed: none, or such as /0")
    return int(path or 0)
