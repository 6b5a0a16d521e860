"""Redis connections that know whether the next request may have them."""

from __future__ import annotations

from typing import Any, Final

from redis import exceptions
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

# What the server's RESET undoes, and what only a new connection does. ASKING is not here: the
# driver's cluster client relies on it for the command that follows.
_CHANGES: Final = frozenset(
    (
        b"SELECT AUTH HELLO RESET QUIT MONITOR READONLY READWRITE HIMPORT SYNC PSYNC REPLCONF "
        b"SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE"
    ).split()
)
_TRANSACTION: Final = frozenset(b"MULTI EXEC DISCARD WATCH UNWATCH".split())
# Those of their subcommands that change nothing (CLIENT) and that do (SCRIPT).
_CLIENT_ASKS: Final = frozenset(
    b"ID INFO LIST GETNAME GETREDIR TRACKINGINFO KILL PAUSE UNPAUSE UNBLOCK HELP".split()
)
_SCRIPT_CHANGES: Final = frozenset([b"DEBUG"])
_NOTED: Final = _CHANGES | _TRANSACTION | {b"CLIENT", b"SCRIPT", b""}


class Session(AbstractConnection):
    """One of the driver's connections, that sees what is done to its session at the server.

    `AUTH`, `SELECT` and so on that the driver itself sends as it connects do not count.
    """

    _connecting = False
    _unanswered = 0
    _queueing = False
    _watching = False
    _changed = False
    _ended = False

    @property
    def is_clean(self) -> bool:
        """Whether it is as a new one: nothing set, nothing watched, no answer still to come."""
        return not (self._unanswered or self._changed or self._queueing or self._watching)

    async def end(self) -> None:
        """Disconnect for good: whoever still has it cannot connect it again. Does not wait."""
        self._ended = True
        await self.disconnect(nowait=True)

    def pack_command(self, *args: Any) -> list[bytes]:
        packed = super().pack_command(*args)
        self._unanswered += 1
        # Such as *2\r\n$6\r\nSELECT\r\n$1\r\n5\r\n, cut before what is no bytes but a view of them.
        parts = packed[0][:64].split(b"\r\n", 3)
        word = parts[2].upper() if len(parts) == 4 else b""
        if word in _NOTED and not self._connecting:
            self._note(word, parts[-1])
        return packed

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        try:
            await super().send_packed_command(*args, **options)
        except RuntimeError as error:
            # uvloop says so of a socket that the server has just reset.
            raise exceptions.ConnectionError(str(error)) from error

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        finally:
            if self.is_connected:
                self._unanswered -= 1

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        # What is sent next may be packed already: nothing is forgotten here.
        self._connecting = True
        try:
            await super().on_connect_check_health(check_health)
        finally:
            self._connecting = False
        self._refuse_if_ended()

    async def disconnect(self, *args: Any, **options: Any) -> None:
        self._unanswered = 0
        self._queueing = self._watching = False
        await super().disconnect(*args, **options)

    async def _connect(self) -> None:
        self._refuse_if_ended()
        await super()._connect()  # type: ignore[no-untyped-call, safe-super]

    def _refuse_if_ended(self) -> None:
        if self._ended:
            raise exceptions.ConnectionError("Connection closed: it was given back.")

    def _note(self, word: bytes, rest: bytes) -> None:
        if word == b"MULTI":
            self._queueing = True
        elif word == b"WATCH":
            self._watching = True
        elif word == b"UNWATCH":
            self._watching = self._watching and self._queueing
        elif word in _TRANSACTION:
            self._queueing = self._watching = False
        elif word == b"CLIENT":
            self._changed = self._changed or _second(rest) not in _CLIENT_ASKS
        elif word == b"SCRIPT":
            self._changed = self._changed or _second(rest) in _SCRIPT_CHANGES
        else:
            self._changed = True


def _second(rest: bytes) -> bytes:
    r"""The second word of a command, of what follows the first: $2\r\nID\r\n."""
    parts = rest.split(b"\r\n", 2)
    return parts[1].upper() if len(parts) == 3 else b""


class TCP(Session, Connection):
    """By host and port."""


class TLS(Session, SSLConnection):
    """By host and port, encrypted."""


class Unix(Session, UnixDomainSocketConnection):
    """By the path of a socket."""


class Managed(Session, SentinelManagedConnection):
    """To the master that sentinels name."""


class ManagedTLS(Session, SentinelManagedSSLConnection):
    """To the master that sentinels name, encrypted."""


class _OfNode(Session):
    """Of a cluster's node, which disconnects it before it is handed on if this asks for it."""

    async def disconnect(self, *args: Any, **options: Any) -> None:
        self._changed = False
        await super().disconnect(*args, **options)

    def should_reconnect(self) -> bool:
        wanted: bool = super().should_reconnect()  # type: ignore[no-untyped-call]
        return wanted or (self.is_connected and not self.is_clean)


class NodeTCP(_OfNode, Connection):
    """To a node of a cluster."""


class NodeTLS(_OfNode, SSLConnection):
    """To a node of a cluster, encrypted."""
