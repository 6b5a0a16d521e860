"""RethinkDB: the official driver, which has no pool; a small one."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from rethinkdb.ast import Changes, RqlQuery
from rethinkdb.asyncio_net.net_asyncio import AsyncioCursor, Connection
from rethinkdb.errors import ReqlAuthError, ReqlDriverError, ReqlRuntimeError, ReqlTimeoutError

from .backend import Backend, Settings
from .hosts import parse_hosts

DEFAULT_PORT: Final = 28015
SETTLE_TIMEOUT: Final = 1.0
"""Seconds to wait for the answers to cursors that were closed; after that the connection is."""
CLOSE_TIMEOUT: Final = 1.0
"""Seconds that closing connections may take before they are left to themselves."""


T = TypeVar("T")


class Pool:
    """Connections nobody holds, the last used on top, and every one that is open."""

    def __init__(self) -> None:
        self.idle: list[tuple[LeasedConnection, float]] = []
        self.open: set[LeasedConnection] = set()
        self.closed = False


class LeasedConnection(Connection):  # type: ignore[misc]
    """The driver's connection, for one lease, whose queries are bounded in time.

    Attributes:
        pooled: what owns the socket between leases.
        query_timeout: seconds to wait for each answer to a query; None for ever. A changefeed
            answers when there is a change.
        gave_up: whether an answer was not waited for any longer.
    """

    pooled: LeasedConnection
    query_timeout: float | None = None
    gave_up = False

    async def noreply_wait(self) -> None:
        await self._in_time(super().noreply_wait())

    async def server(self) -> Any:
        return await self._in_time(super().server())

    async def close(self, noreply_wait: bool = True) -> None:
        await self._in_time(super().close(noreply_wait))

    async def reconnect(self, noreply_wait: bool = True, timeout: float | None = None) -> Any:
        connection = await super().reconnect(noreply_wait, timeout)
        reader = self._instance._reader_task
        reader.add_done_callback(_heard)
        # asyncio's streams are held weakly: the collector would take both while a socket closes.
        self._instance._streamwriter.transport.get_protocol().reader_task = reader
        return connection

    async def _start(self, term: Any, **options: Any) -> Any:
        try:
            return await self._in_time(super()._start(term, **options))
        except RuntimeError as error:
            # uvloop says so of a socket that the server has just reset.
            raise ReqlDriverError(str(error)) from error

    def _continue(self, cursor: AsyncioCursor) -> Awaitable[None]:
        self.check_open()
        return self._ask_for_more(cursor)

    async def _ask_for_more(self, cursor: AsyncioCursor) -> None:
        if self.query_timeout is not None and not _is_feed(cursor.query.term):
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self.query_timeout, self._give_up, cursor)
            cursor.new_response.add_done_callback(lambda _: timer.cancel())
        with suppress(ReqlDriverError, RuntimeError):
            # The driver does not wait for this; a cursor is told by the reader of a lost socket.
            await super()._continue(cursor)

    def _give_up(self, cursor: AsyncioCursor) -> None:
        self.gave_up = True
        if cursor.error is None:
            cursor.error = ReqlTimeoutError(self.host, self.port)
            cursor.new_response.set_result(True)
            cursor.new_response = asyncio.Future()

    async def _in_time(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.query_timeout):
                return await answer
        except TimeoutError:
            self.gave_up = True
            raise ReqlTimeoutError(self.host, self.port) from None


class RethinkDB(Backend[Pool, LeasedConnection]):
    """`rethinkdb://user:password@host1:28015,host2/db?tls_ca=/path/to/ca.pem`.

    Several hosts are tried in turn; without a database in the URL it is `test`. Each context gets
    a driver connection of its own over a pooled socket; it ends with the context, and what it did
    to itself (`use(db)`) with it.

    Args:
        settings: what every connection has.
        query_timeout: seconds to wait for each answer to a query, but for those of changefeeds
            after the first; None for ever.
        max_idle_time: seconds after which an unused connection is closed; 0 for never.

    Raises:
        ValueError: the URL has a part that is not allowed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        query_timeout: float | None = 30.0,
        max_idle_time: float = 300.0,
    ) -> None:
        self.settings = settings
        self._query_timeout = query_timeout
        self._max_idle_time = max_idle_time or float("inf")
        url = urlsplit(settings.url)
        credentials, _, hosts = url.netloc.rpartition("@")
        user, _, password = credentials.partition(":")
        self._user, self._password = unquote(user) or "admin", unquote(password) or None
        self._hosts = parse_hosts(hosts, DEFAULT_PORT)
        self._db = unquote(url.path.strip("/")) or "test"
        options = dict(parse_qsl(url.query, keep_blank_values=True))
        tls_ca = options.pop("tls_ca", None)
        for option in options:
            raise ValueError(f"no option {option!r} in the URL's query; allowed: tls_ca")
        if tls_ca is not None and not Path(tls_ca).is_file():
            raise ValueError(f"tls_ca is {tls_ca!r}, which is no file; allowed: a PEM file's path")
        self._tls = {"ca_certs": tls_ca} if tls_ca else {}

    async def open(self) -> Pool:
        """The pool, empty: its first connection is opened by the first `acquire`."""
        return Pool()

    async def acquire(self, pool: Pool) -> LeasedConnection:
        idle = self.acquire_nowait(pool)
        if idle is not None:
            return idle
        pooled = await self._connect()
        if pool.closed:
            _abort(pooled)
            raise ReqlDriverError("The pool was closed.")
        pool.open.add(pooled)
        return _lend(pooled)

    def acquire_nowait(self, pool: Pool) -> LeasedConnection | None:
        """The one given back last that is still open."""
        self._prune(pool)
        while pool.idle:
            pooled, _ = pool.idle.pop()
            if pooled.is_open():
                return _lend(pooled)
            pool.open.discard(pooled)
        return None

    async def release(self, pool: Pool, connection: LeasedConnection) -> None:
        if self.release_nowait(pool, connection):
            return
        if not (await _settled(connection._instance) and self.release_nowait(pool, connection)):
            pool.open.discard(connection.pooled)
            _abort(connection)

    def release_nowait(self, pool: Pool, connection: LeasedConnection) -> bool:
        """Unless it has to wait for the answers to cursors."""
        pooled, instance = connection.pooled, connection._instance
        if instance is not pooled._instance:
            # Its user has closed it, or connected anew, or tried to.
            pool.open.discard(pooled)
            _abort(connection)
            _abort(pooled)
        elif not instance.is_open():
            pool.open.discard(pooled)
        elif connection.gave_up or pool.closed or instance._user_queries:
            # An answer still to come would reach the next request, or end the driver's reader.
            pool.open.discard(pooled)
            _abort(connection)
        elif instance._cursor_cache:
            return False
        else:
            pooled._next_token = connection._next_token
            instance._parent = pooled
            connection._instance = None
            pool.idle.append((pooled, monotonic()))
            self._prune(pool)
        return True

    async def close(self, pool: Pool) -> None:
        pool.closed = True
        pool.idle.clear()
        readers = [pooled._instance._reader_task for pooled in pool.open]
        for pooled in pool.open:
            _abort(pooled._instance._parent)
        pool.open.clear()
        if readers:
            await asyncio.wait(readers, timeout=CLOSE_TIMEOUT)

    async def ping(self, connection: LeasedConnection) -> None:
        await connection.server()

    def counts(self, pool: Pool) -> tuple[int, int]:
        return len(pool.open), len(pool.idle)

    def is_unavailable(self, error: BaseException) -> bool:
        if isinstance(error, ReqlRuntimeError):
            # How the driver ends the cursors of a connection that is lost.
            return "Connection is closed" in str(error)
        return isinstance(error, ReqlDriverError)

    async def _connect(self) -> LeasedConnection:
        seconds = self.settings.connect_timeout / len(self._hosts)
        error: Exception | None = None
        for host, port in self._hosts:
            try:
                async with asyncio.timeout(seconds):
                    return await self._connect_to(host, port, seconds)
            except ReqlAuthError:
                raise
            except Exception as failed:
                error = failed
        assert error is not None
        raise error

    async def _connect_to(self, host: str, port: int, seconds: float) -> LeasedConnection:
        connection = LeasedConnection(
            host, port, self._db, None, self._user, self._password, seconds, self._tls, 10
        )
        connection.query_timeout = self._query_timeout
        try:
            await connection.reconnect(timeout=seconds)
        except BaseException:
            _abort(connection)
            raise
        return connection

    def _prune(self, pool: Pool) -> None:
        oldest = monotonic() - self._max_idle_time
        while pool.idle and pool.idle[0][1] < oldest:
            pooled, _ = pool.idle.pop(0)
            pool.open.discard(pooled)
            _abort(pooled)


def _lend(pooled: LeasedConnection) -> LeasedConnection:
    """A handle on the pooled socket that dies with the lease: used later, it says it is closed."""
    connection = copy.copy(pooled)
    connection.pooled = pooled
    connection._instance._parent = connection
    return connection


async def _settled(instance: Any) -> bool:
    """Whether no answer is still to come; those to a cursor's STOP are waited for."""
    try:
        async with asyncio.timeout(SETTLE_TIMEOUT):
            while not instance._user_queries and instance._cursor_cache:
                cursor = next(iter(instance._cursor_cache.values()))
                if cursor.error is None:
                    return False
                await asyncio.wait([cursor.new_response])
    except TimeoutError:
        return False
    return not instance._user_queries


def _heard(reader: asyncio.Task[None]) -> None:
    """Take note of how it ended: what waits for answers has been told already."""
    if not reader.cancelled():
        reader.exception()


def _is_feed(term: RqlQuery) -> bool:
    """Whether its answers come when somebody changes something."""
    return isinstance(term, Changes) or any(map(_is_feed, (*term._args, *term.optargs.values())))


def _abort(connection: LeasedConnection) -> None:
    """Close at once, without a word to a server that may not answer."""
    instance, connection._instance = connection._instance, None
    if instance is None:
        return
    instance._closing = True
    for _, answer in instance._user_queries.values():
        if not answer.done():
            answer.set_exception(ReqlDriverError("Connection is closed."))
            answer.exception()  # read, so that nobody is told it never was
    for cursor in list(instance._cursor_cache.values()):
        cursor._error("Connection is closed.")
    if instance._streamwriter is not None:
        instance._streamwriter.transport.abort()
