"""What can go wrong between `get_db` and a connection. No message ever holds a password."""

from __future__ import annotations

from collections.abc import Iterable


class ConnectionsError(Exception):
    """The root of this package's errors."""


class ConfigurationError(ConnectionsError, ValueError):
    """A configuration that cannot work: says which key, which value and what is allowed."""


class UnknownConnection(ConnectionsError, LookupError):
    """A name that is not configured.

    Attributes:
        name: the name that was asked for.
        configured: the names that exist, sorted.
    """

    def __init__(self, name: str, configured: Iterable[str]) -> None:
        self.name = name
        self.configured = sorted(configured)
        known = ", ".join(repr(known) for known in self.configured) or "none"
        super().__init__(f"no connection is named {name!r}; configured: {known}")


class ContextClosed(ConnectionsError, RuntimeError):
    """The app context has ended: a connection opened now would never be given back.

    Attributes:
        name: the connection that was asked for.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"the app context in which connection {name!r} was asked for has ended; a task that "
            "outlives it needs copy_current_app_context, app.add_background_task or "
            "'async with app.app_context()'"
        )


class ConnectionUnavailable(ConnectionsError):
    """The backend cannot be reached, or was lost; `__cause__` is the driver's own error.

    Attributes:
        name: the connection.
        retry_after: seconds after which another attempt makes sense.
    """

    def __init__(self, name: str, reason: str, *, retry_after: float) -> None:
        self.name = name
        self.retry_after = retry_after
        super().__init__(f"connection {name!r} is unavailable: {reason}")


class PoolTimeout(ConnectionsError, TimeoutError):
    """Every connection of the pool stayed in use for `acquire_timeout` seconds.

    Attributes:
        name: the connection.
        retry_after: seconds after which another attempt makes sense.
    """

    def __init__(self, name: str, *, max_size: int, waited: float) -> None:
        self.name = name
        self.retry_after = waited
        super().__init__(
            f"connection {name!r}: all {max_size} connections of the pool stayed in use "
            f"for {waited:g} s (acquire_timeout)"
        )
