"""PostgreSQL: asyncpg's own pool, JSON as Python objects, a reset only where one is due."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import suppress
from traceback import walk_tb
from typing import Any, Final, Literal, cast, get_args
from urllib.parse import urlsplit

import asyncpg
from asyncpg import connect_utils
from asyncpg.pool import PoolConnectionProxy

from . import postgresql_pool
from .backend import Backend, Settings
from .psycopg_arguments import PsycopgArguments
from .psycopg_values import Values, take_values
from .session_state import Trace, trace_of

Reset = Literal["auto", "always", "never"]

RELEASE_TIMEOUT: Final = 2.0
"""Seconds to clean a connection in; after that it is closed."""
CANCEL_TIMEOUT: Final = 0.5
"""Seconds for the same if a query was given up, which a server that hangs never hears of."""

# DISCARD ALL without DEALLOCATE and DISCARD PLANS, which would empty asyncpg's statement cache.
# The status of the last counts the statements that SQL has prepared: those of asyncpg do not.
_RESET: Final = (
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; "
    "SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES; "
    "SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql"
)


class _TLSUpgrade(connect_utils.TLSUpgradeProto):
    """asyncpg's, but for what it makes of a connect that is cancelled: an error nobody reads."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.on_data.cancelled():
            self.on_data.exception()  # read, so that nobody is told it never was


connect_utils.TLSUpgradeProto = _TLSUpgrade  # type: ignore[misc]


class SessionConnection(asyncpg.Connection):
    """An asyncpg connection that knows whether its session may have been changed.

    asyncpg's pool calls `reset` when the connection is given back.
    """

    reset_policy: Reset = "auto"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trace = Trace.NONE
        self._parsed_at: int | None = None

    def reset_on_release(self) -> None:
        """Say that this request changes the session in a way that its SQL does not show.

        Such as a function on the server that calls `set_config`. With `reset="never"` the
        connection is closed when it is given back.
        """
        self._trace = max(self._trace, Trace.SESSION)

    def needs_reset(self) -> bool:
        """Whether this session is not as good as new, or not trusted to be."""
        return (
            bool(self._trace)
            or self.reset_policy == "always"
            or self.is_in_transaction()
            or self._only_parsed()
        )

    async def reset(self, *, timeout: float | None = None) -> None:
        """Make the session as good as new, or end it; called when the pool gets it back."""
        if not self.needs_reset():
            return
        trace, self._trace = self._trace, Trace.NONE
        if trace is Trace.CONNECTION or (trace and self.reset_policy == "never"):
            self.terminate()
            return
        async with asyncio.timeout(timeout):
            if self.is_in_transaction():
                self._top_xact: Any = None
                await super().execute("ROLLBACK")
            left = "SELECT 0"
            due = trace or (Trace.SESSION if self.reset_policy == "always" else Trace.NONE)
            if due is Trace.SESSION:
                left = await super().execute(_RESET)
            if trace is Trace.STATEMENTS or left != "SELECT 0":
                await super().execute("DISCARD ALL")
                self._mark_stmts_as_closed()  # type: ignore[attr-defined]
            if self._only_parsed():
                # Until the next query the server is in a transaction, and its locks are held.
                await super().execute("SELECT")

    def _on_release(self, stacklevel: int = 1) -> None:
        # Called by the pool before it warns of listeners that are left: they end here.
        for callbacks in (
            self._listeners,  # type: ignore[attr-defined]
            self._log_listeners,  # type: ignore[attr-defined]
            self._query_loggers,  # type: ignore[attr-defined]
            self._termination_listeners,  # type: ignore[attr-defined]
        ):
            callbacks.clear()
        super()._on_release(stacklevel)  # type: ignore[misc]

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        if not args:
            self._note(query)
        return await super().execute(query, *args, timeout=timeout)

    async def copy_records_to_table(
        self, table_name: str, *, where: str | None = None, **kwargs: Any
    ) -> str:
        if where:
            self._note(f"COPY FROM STDIN WHERE {where}")
        return await super().copy_records_to_table(table_name, where=where, **kwargs)

    # Everything else, also what is executed with arguments, reaches the server through these.

    async def _get_statement(self, query: str, *args: Any, **kwargs: Any) -> Any:
        self._note(query)
        if isinstance(kwargs.get("named"), str):
            # asyncpg would close what has this name then as soon as this one is collected.
            self._trace = Trace.CONNECTION
        try:
            return await super()._get_statement(query, *args, **kwargs)  # type: ignore[misc]
        finally:
            self._parsed_at = self._queries()  # asyncpg has sent a Parse without a Sync

    async def _introspect_types(self, *args: Any) -> Any:
        trace = self._trace
        found = await super()._introspect_types(*args)  # type: ignore[misc]
        self._trace = trace  # asyncpg has put back the one setting that it changes for this
        return found

    async def _copy_in(self, copy_stmt: str, *args: Any) -> Any:
        self._note(copy_stmt)
        return await super()._copy_in(copy_stmt, *args)  # type: ignore[misc]

    async def _copy_out(self, copy_stmt: str, *args: Any) -> Any:
        self._note(copy_stmt)
        return await super()._copy_out(copy_stmt, *args)  # type: ignore[misc]

    async def set_type_codec(self, *args: Any, **kwargs: Any) -> None:
        self._trace = Trace.CONNECTION  # codecs cannot be put back as they were
        await super().set_type_codec(*args, **kwargs)

    async def set_builtin_type_codec(self, *args: Any, **kwargs: Any) -> None:
        self._trace = Trace.CONNECTION  # codecs cannot be put back as they were
        await super().set_builtin_type_codec(*args, **kwargs)

    async def reset_type_codec(self, *args: Any, **kwargs: Any) -> None:
        self._trace = Trace.CONNECTION  # codecs cannot be put back as they were
        await super().reset_type_codec(*args, **kwargs)

    def _only_parsed(self) -> bool:
        """Whether the last that the server heard is a statement to prepare, without a Sync."""
        return self._parsed_at == self._queries()

    def _queries(self) -> int:
        """How many queries were begun; only parsing one does not count."""
        return self._protocol.queries_count  # type: ignore[attr-defined, no-any-return]

    def _note(self, query: str) -> None:
        if self._trace < Trace.CONNECTION:
            self._trace = max(self._trace, trace_of(query))


class PostgreSQL(Backend[asyncpg.Pool, PoolConnectionProxy]):
    """`postgresql://user:password@host1,host2:5433/db?target_session_attrs=primary`.

    The URL is asyncpg's DSN, several hosts and query options included.

    Args:
        settings: what every connection has.
        reset: what is done to a connection given back, beside ending an open transaction:
            `auto` cleans its session if the SQL it ran may have changed it, `always` in any case;
            `never` does no more than that and closes the connection where `auto` would clean it.
        max_idle_time: seconds after which an unused connection is closed; 0 for never.
        command_timeout: seconds a query may take before asyncpg cancels it; None for ever.
        statement_cache_size: prepared statements kept for each connection; 0 for a PgBouncer in
            transaction mode that does not know prepared statements (with `reset="never"`).
        values: the driver whose values arguments may be, and results are: `asyncpg`, `psycopg` or
            `psycopg2`; see `service.connections.psycopg_values`.

    Raises:
        ValueError: a value that is not allowed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        reset: str = "auto",
        max_idle_time: float = 300.0,
        command_timeout: float | None = 30.0,
        statement_cache_size: int = 100,
        values: str = "asyncpg",
    ) -> None:
        for name, value, allowed in ("reset", reset, Reset), ("values", values, Values):
            if value not in get_args(allowed):
                raise ValueError(f"{name} is {value!r}; allowed: {', '.join(get_args(allowed))}")
        self.settings = settings
        _check_url(settings.url)
        self._urls = _urls_from_each_host(settings.url)
        self._values = cast(Values, values)
        classes = (
            (SessionConnection,) if values == "asyncpg" else (PsycopgArguments, SessionConnection)
        )
        options = {"reset_policy": reset, "values": values}
        self._connection_class = type("SessionConnection", classes, options)
        self._max_idle_time = max_idle_time
        self._command_timeout = command_timeout
        self._statement_cache_size = statement_cache_size

    async def open(self) -> asyncpg.Pool:
        """The pool, empty: its first connection is opened by the first `acquire`."""
        return await asyncpg.create_pool(  # type: ignore[call-overload, no-any-return]
            self.settings.url,
            min_size=0,
            max_size=self.settings.max_size,
            max_inactive_connection_lifetime=self._max_idle_time,
            connect=self._connect,
            command_timeout=self._command_timeout,
            statement_cache_size=self._statement_cache_size,
            connection_class=self._connection_class,
            init=self._take_values,
        )

    async def _take_values(self, connection: asyncpg.Connection) -> None:
        assert isinstance(connection, SessionConnection)
        await take_values(connection, self._values)
        connection._trace = Trace.NONE

    async def _connect(self, _: str, **options: Any) -> asyncpg.Connection:
        # asyncpg goes on to the next host after a refusal, but not after a silence.
        share = self.settings.connect_timeout / len(self._urls)
        for url in self._urls[:-1]:
            with suppress(TimeoutError):
                return await asyncpg.connect(url, timeout=share, **options)
        return await asyncpg.connect(self._urls[-1], timeout=share, **options)

    async def acquire(self, pool: asyncpg.Pool) -> PoolConnectionProxy:
        return await pool.acquire()

    async def release(self, pool: asyncpg.Pool, connection: PoolConnectionProxy) -> None:
        await pool.release(connection, timeout=_release_timeout(connection))

    def acquire_nowait(self, pool: asyncpg.Pool) -> PoolConnectionProxy | None:
        return postgresql_pool.acquire_nowait(pool)

    def release_nowait(self, pool: asyncpg.Pool, connection: PoolConnectionProxy) -> bool:
        return postgresql_pool.release_nowait(pool, connection)

    async def close(self, pool: asyncpg.Pool) -> None:
        """Close what is idle politely, and what is still held at once."""
        try:
            async with asyncio.timeout(1.0):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    async def ping(self, connection: PoolConnectionProxy) -> None:
        await connection.fetchval("SELECT 1")

    def counts(self, pool: asyncpg.Pool) -> tuple[int, int]:
        return pool.get_size(), pool.get_idle_size()

    def is_unavailable(self, error: BaseException) -> bool:
        if isinstance(error, asyncpg.InterfaceError):
            # A connection that is lost leaves the pool, which asyncpg tells as a release.
            return "closed" in str(error) or "released back to the pool" in str(error)
        if isinstance(error, OSError):
            return _raised_by_asyncpg(error)
        return isinstance(
            error,
            asyncpg.InternalClientError
            | asyncpg.PostgresConnectionError
            | asyncpg.AdminShutdownError
            | asyncpg.CrashShutdownError
            | asyncpg.CannotConnectNowError
            | asyncpg.TooManyConnectionsError,
        )


def _release_timeout(connection: Any) -> float:
    session = connection._con
    return CANCEL_TIMEOUT if session and postgresql_pool.cancels_query(session) else RELEASE_TIMEOUT


def _check_url(url: str) -> None:
    """Raise `ValueError` for a URL that asyncpg would not take."""
    parse = connect_utils._parse_connect_dsn_and_args  # type: ignore[attr-defined]
    nothing = dict.fromkeys(inspect.signature(parse).parameters)
    try:
        parse(**{**nothing, "dsn": url})
    except OSError as error:
        raise ValueError(f"{error.filename}: {error.strerror}") from error


def _urls_from_each_host(url: str) -> list[str]:
    """The URL, then the URL without the first of its hosts, and so on."""
    parts = urlsplit(url)
    credentials, at, netloc = parts.netloc.rpartition("@")
    hosts = netloc.split(",")
    if len(hosts) == 1:
        return [url]
    return [
        parts._replace(netloc=f"{credentials}{at}{','.join(hosts[first:])}").geturl()
        for first in range(len(hosts))
    ]


def _raised_by_asyncpg(error: BaseException) -> bool:
    """Whether a timeout or a lost socket is asyncpg's, and not one of the route's own."""
    module = ""
    for frame, _ in walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "")
    return module.startswith("asyncpg.")
