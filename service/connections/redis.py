"""Redis: one `redis.asyncio` client for every context; its own pool does the work."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import redis.asyncio as driver
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, TimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from .backend import Backend, Settings

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")

AnyClient = driver.Redis | driver.RedisCluster


class Redis(Backend[AnyClient, AnyClient]):
    """`redis://user:password@host:6379/0?decode_responses=true`, `rediss://`, `unix:///path`.

    The URL is the driver's own, its query options included. `max_size` bounds the sockets of the
    client's pool, and a command waits `acquire_timeout` seconds for one of them.

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
        self.settings = settings
        self._url, self._query = _split(settings.url)
        decode = self._query.pop("decode_responses", None)
        self._client_options: dict[str, Any] = {
            "decode_responses": decode_responses if decode is None else _flag(decode),
            "socket_timeout": socket_timeout,
            "socket_connect_timeout": settings.connect_timeout,
            # A command may have been carried out before its connection was lost: never sent twice.
            "retry": Retry(NoBackoff(), 0),
            # With them on, the driver hands out sockets that the server has closed.
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        }
        self._check_url()

    async def open(self) -> AnyClient:
        """The client; it connects with the first command."""
        pool = driver.BlockingConnectionPool.from_url(
            self._with_query(),
            **{"timeout": self.settings.acquire_timeout, "max_connections": self.settings.max_size}
            | self._client_options,
        )
        return driver.Redis.from_pool(pool)

    async def acquire(self, pool: AnyClient) -> AnyClient:
        """The client, after a ping if none of its sockets is known to be alive."""
        if not _alive(pool):
            await pool.ping()
        return pool

    async def release(self, pool: AnyClient, connection: AnyClient) -> None:
        """Nothing: the client is everybody's."""

    async def close(self, pool: AnyClient) -> None:
        await pool.aclose()

    async def ping(self, connection: AnyClient) -> None:
        await connection.ping()

    def size(self, pool: AnyClient) -> int:
        sockets = getattr(pool, "connection_pool", None)
        if sockets is None:
            return 0
        return len(sockets._available_connections) + len(sockets._in_use_connections)

    def is_unavailable(self, error: BaseException) -> bool:
        return isinstance(error, ConnectionError | TimeoutError | BusyLoadingError)

    def _check_url(self) -> None:
        parse_url(self._with_query())

    def _with_query(self) -> str:
        return f"{self._url}?{urlencode(self._query)}" if self._query else self._url


class RedisSentinel(Redis):
    """`redis+sentinel://user:password@host1:26379,host2:26379/master-name/0`.

    The credentials are the master's; `sentinel_username` and `sentinel_password` in the query
    are those of the sentinels.
    """

    async def open(self) -> AnyClient:
        """A client of the master, wherever the sentinels say it is."""
        options = self._options()
        secrets = {
            key: options.pop(f"sentinel_{key}")
            for key in ("username", "password")
            if f"sentinel_{key}" in options
        }
        sockets = {key: value for key, value in options.items() if key.startswith("socket_")}
        master, database = self._master()
        sentinel = Sentinel(  # type: ignore[no-untyped-call]
            _hosts(self._url, 26379), sentinel_kwargs=sockets | secrets, db=database, **options
        )
        client: driver.Redis = sentinel.master_for(master)
        return client

    async def close(self, pool: AnyClient) -> None:
        await super().close(pool)
        for sentinel in pool.connection_pool.sentinel_manager.sentinels:  # type: ignore[union-attr]
            await sentinel.aclose()

    def _options(self) -> dict[str, Any]:
        url = urlsplit(self._url)
        options: dict[str, Any] = {**self._query, **self._client_options}
        options["max_connections"] = self.settings.max_size
        options["ssl"] = url.scheme.startswith("rediss")
        if url.username:
            options["username"] = unquote(url.username)
        if url.password:
            options["password"] = unquote(url.password)
        return options

    def _master(self) -> tuple[str, int]:
        name, _, database = urlsplit(self._url).path.strip("/").partition("/")
        if not name or (database and not database.isdigit()):
            raise ValueError("the URL's path must be /master-name or /master-name/database-number")
        return unquote(name), int(database or 0)

    def _check_url(self) -> None:
        _hosts(self._url, 26379)
        self._master()


class RedisCluster(RedisSentinel):
    """`redis+cluster://user:password@host1:7000,host2:7000`."""

    async def open(self) -> AnyClient:
        """A client of the whole cluster."""
        options = self._options()
        nodes = [driver.cluster.ClusterNode(host, port) for host, port in _hosts(self._url, 6379)]
        return driver.RedisCluster(startup_nodes=nodes, **options)

    async def close(self, pool: AnyClient) -> None:
        await pool.aclose()

    def _check_url(self) -> None:
        _hosts(self._url, 6379)
        if urlsplit(self._url).path.strip("/0"):
            raise ValueError("a cluster has no database but 0: the URL's path must be empty")


def _alive(client: AnyClient) -> bool:
    """Whether a socket of the client's pool is open, as far as this end knows."""
    sockets = getattr(client, "connection_pool", None)
    if sockets is None:
        return False
    idle = sockets._available_connections
    if not idle:
        return bool(sockets._in_use_connections)
    reader = idle[-1]._reader
    return reader is not None and not reader.at_eof()


def _split(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return urlunsplit(parts._replace(query="", fragment="")), query


def _flag(text: str) -> bool:
    if text.lower() not in _YES + _NO:
        raise ValueError(f"decode_responses is {text!r}; allowed: {', '.join(_YES + _NO[:-1])}")
    return text.lower() in _YES


def _hosts(url: str, default_port: int) -> list[tuple[str, int]]:
    hosts = []
    for text in urlsplit(url).netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{text}")
        hosts.append((one.hostname or "localhost", one.port or default_port))
    return hosts
