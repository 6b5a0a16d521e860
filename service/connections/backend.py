"""What the layer needs of a database, and which class serves which URL scheme."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Protocol, TypeVar

P = TypeVar("P")
"""What `open` makes: the backend's pool, whatever that is."""
C = TypeVar("C")
"""What `acquire` hands out: the driver's own connection."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What can be configured for every connection, whatever its backend.

    Attributes:
        name: the connection's name.
        url: where it leads, credentials included; kept out of `repr`.
        eager: open a first connection when the app starts serving, not at the first use.
        max_size: contexts that may hold a connection at once; for Redis, whose client all share,
            the sockets of its pool.
        acquire_timeout: seconds to wait for a place when all are taken.
        connect_timeout: seconds that opening a connection may take.
        fail_after: failures in a row after which attempts fail at once.
        fail_for: seconds they do so, until one attempt finds out if the backend is back.
    """

    name: str
    url: str = field(repr=False)
    eager: bool = False
    max_size: int = 10
    acquire_timeout: float = 5.0
    connect_timeout: float = 5.0
    fail_after: int = 3
    fail_for: float = 1.0


class Backend(Protocol[P, C]):
    """One kind of database: four coroutines and a ping. Subclass it, register it for a scheme.

    The layer makes one instance per configured name, at start-up, without I/O:
    `YourBackend(settings, **options)`, where `options` are what the configuration says beyond
    `Settings`, as keyword-only parameters of `__init__` (raise `ValueError` for a wrong value).

    The layer sees to everything else: lazy opening, one opening under concurrency, at most
    `max_size` connections acquired at once and in the order asked, timeouts, failing fast,
    giving back. A method that is cancelled leaves nothing behind; it may raise any `Exception`.

    Attributes:
        settings: what every connection has.
        shared: True if all that `acquire` gives works on the driver's own pool, so that `max_size`
            bounds what happens in there and not the contexts that hold it.
    """

    settings: Settings
    shared: ClassVar[bool] = False

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    async def open(self) -> P:
        """Make the pool, for the running event loop; at most once per loop until closed."""
        ...

    @abstractmethod
    async def acquire(self, pool: P) -> C:
        """A live connection that nobody else has."""
        ...

    @abstractmethod
    async def release(self, pool: P, connection: C) -> None:
        """Take one back, clean for the next; or close it. Called once for each acquired.

        It must end soon whatever the server does: the end of a request waits for it.
        """
        ...

    @abstractmethod
    async def close(self, pool: P) -> None:
        """Close the pool and all that is in it, at once: nobody waits for who still holds one."""
        ...

    @abstractmethod
    async def ping(self, connection: C) -> None:
        """One round trip that proves the server answers."""
        ...

    def acquire_nowait(self, pool: P) -> C | None:
        """The same as `acquire` where that waits for nothing; None where it may. Never raises.

        The layer asks this first: what needs no waiting needs no task and no timeout either.
        """
        return None

    def release_nowait(self, pool: P, connection: C) -> bool:
        """The same as `release` where that waits for nothing; False, and `release` must follow."""
        return False

    def counts(self, pool: P) -> tuple[int, int]:
        """Connections open to the server now, and how many of them are idle. Without I/O."""
        return 0, 0

    def is_unavailable(self, error: BaseException) -> bool:
        """Whether this error of a query means that the server was lost, not that it objects."""
        return isinstance(error, ConnectionError)


BackendFactory = Callable[..., Backend[Any, Any]]
F = TypeVar("F", bound=BackendFactory)

_registry: dict[str, BackendFactory | str] = {
    "postgresql": f"{__package__}.postgresql:PostgreSQL",
    "postgres": f"{__package__}.postgresql:PostgreSQL",
    "rethinkdb": f"{__package__}.rethinkdb:RethinkDB",
    "redis": f"{__package__}.redis:Redis",
    "rediss": f"{__package__}.redis:Redis",
    "unix": f"{__package__}.redis:Redis",
    "redis+sentinel": f"{__package__}.redis:RedisSentinel",
    "rediss+sentinel": f"{__package__}.redis:RedisSentinel",
    "redis+cluster": f"{__package__}.redis:RedisCluster",
    "rediss+cluster": f"{__package__}.redis:RedisCluster",
}


def register_backend(*schemes: str) -> Callable[[F], F]:
    """Let a class serve the URLs of these schemes: `@register_backend("memory")`.

    A scheme registered again is served by the later class, the shipped ones included.
    """

    def decorate(factory: F) -> F:
        for scheme in schemes:
            _registry[scheme.lower()] = factory
        return factory

    return decorate


def schemes() -> list[str]:
    """The URL schemes that can be configured, sorted."""
    return sorted(_registry)


def backend_for(scheme: str) -> BackendFactory:
    """The class registered for a scheme; its driver is imported only now.

    Raises:
        KeyError: nothing is registered for it.
        ImportError: the driver is not installed.
    """
    factory = _registry[scheme]
    if isinstance(factory, str):
        module, _, attribute = factory.partition(":")
        factory = _registry[scheme] = getattr(import_module(module), attribute)
    return factory
