"""The stand-in as a whole: its data, its socket, its life."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .compiler import compile_function
from .connection import Connection
from .errors import ReqlError
from .journal import DataDirectoryError, Journal
from .scram import Credentials
from .storage import Catalog
from .system import System

HOST: Final = "127.0.0.1"
FIRST_DATABASE: Final = "test"


class StandIn:
    """A server on loopback that speaks RethinkDB's protocol.

    `port` 0 is any free one. With `data`, a directory, the data survive; without, they end with
    the server. `password` is the one of the user `admin`.
    """

    def __init__(
        self, port: int = 0, data: Path | str | None = None, *, password: str = ""
    ) -> None:
        self.users = {"admin": Credentials(password)}
        self.system = System(Catalog(compile_function))
        self.connections: set[Connection] = set()
        self._port = port
        self._data = None if data is None else Path(data)
        self._journal: Journal | None = None
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.system.port

    @property
    def url(self) -> str:
        """Where it is, without the password."""
        return f"rethinkdb://{HOST}:{self.port}"

    async def start(self) -> None:
        """Load the data and listen.

        Raises `OSError` if the port is taken, `DataDirectoryError` if the data cannot be used.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self), HOST, self._port, start_serving=False
        )
        self.system.port = self._server.sockets[0].getsockname()[1]
        try:
            self._load()
            await self._server.start_serving()
        except BaseException:
            await self.close()
            raise

    def _load(self) -> None:
        catalog = self.system.catalog
        if self._data is not None:
            self._journal = Journal(self._data)
            try:
                catalog.replay(self._journal.read())
            except (LookupError, TypeError, ValueError, ReqlError) as error:
                message = f"the journal in {self._data} tells what cannot be: {error!r}"
                raise DataDirectoryError(message) from None
        if not catalog.databases:
            catalog.create_database(FIRST_DATABASE)
        if self._journal is not None:
            self._journal.compact(catalog.events())
            catalog.record = self._journal.append
            self.system.sync = self._journal.sync

    def commit(self) -> None:
        """Make what the last query wrote survive the process. Raises `OSError`."""
        if self._journal is not None:
            self._journal.flush()

    async def close(self) -> None:
        """Hang up on everybody and put the data away."""
        if self._server is not None:
            self._server.close()
            for connection in tuple(self.connections):
                connection.close()
            await self._server.wait_closed()
            self._server = None
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
