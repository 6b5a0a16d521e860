"""`await get_db("a")`, `async with get_db("a") as conn:` and `await g.a`."""

from __future__ import annotations

from collections.abc import Coroutine, Generator, Iterable
from contextlib import suppress
from threading import get_ident
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

from quart.globals import _cv_app

from .scope import Scope

T = TypeVar("T")
G = TypeVar("G")

_new = object.__new__

_NO_CONTEXT = """Working outside of an application context.

get_db({name!r}) gives back what it opens when the app context ends, so it needs one. Requests,
websockets, background tasks and CLI commands have it; elsewhere use:

    async with app.app_context():
        connection = await get_db({name!r})"""

_NOT_SCOPED = """The app {app!r} has no connections: call Connections(app) when it is made."""


class Getting(Coroutine[Any, Any, T], Generic[T]):
    """What `get_db` returns: await it once, or enter it once with `async with`.

    It is a coroutine, so that `asyncio.create_task`, `gather` and `wait_for` take it as it is.
    """

    __slots__ = ("_name", "_scope", "_steps")

    _name: str
    _scope: Scope
    _steps: Coroutine[Any, Any, T]

    def __await__(self) -> Generator[Any, Any, T]:
        # `scope.is_here()`, as short as can be: this is what every further await costs.
        try:
            scope: Scope = _cv_app.get().scope  # type: ignore[attr-defined]
            if scope.thread == get_ident() and scope.loop.is_running():  # type: ignore[union-attr]
                return scope.ready[self._name]()
        except (LookupError, AttributeError):
            pass
        return self._scope_here().get(self._name).__await__()

    async def __aenter__(self) -> T:
        scope = self._scope = self._scope_here()
        try:
            return await scope.get(self._name, self)  # type: ignore[no-any-return]
        except BaseException:
            # Cancelled when it was open already: there will be no end of the block.
            await scope.end_block(self._name, self)
            raise

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._scope.end_block(self._name, self)

    def send(self, value: Any) -> Any:
        """Advance, as a coroutine does; for the event loop."""
        return self._coroutine().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise inside, as a coroutine does; for the event loop."""
        return self._coroutine().throw(*error)

    def close(self) -> None:
        """Give up, as a coroutine does; for the event loop."""
        with suppress(AttributeError):  # never begun
            self._steps.close()

    def __repr__(self) -> str:
        return f"<get_db({self._name!r}), not awaited>"

    def __getattr__(self, attribute: str) -> Any:
        raise AttributeError(
            f"get_db({self._name!r}) has no attribute {attribute!r}: it must be awaited first, "
            f"as in 'connection = await get_db({self._name!r})'"
        )

    def _coroutine(self) -> Coroutine[Any, Any, T]:
        try:
            return self._steps
        except AttributeError:
            self._steps = self._scope_here().get(self._name)
            return self._steps

    def _scope_here(self) -> Scope:
        context = _cv_app.get(None)
        if context is None:
            raise RuntimeError(_NO_CONTEXT.format(name=self._name))
        try:
            return context.scope  # type: ignore[attr-defined, no-any-return]
        except AttributeError:
            raise RuntimeError(_NOT_SCOPED.format(app=context.app.name)) from None


@overload
def get_db(name: str) -> Getting[Any]: ...
@overload
def get_db(name: str, kind: type[T]) -> Getting[T]: ...
def get_db(name: str, kind: type[Any] | None = None) -> Getting[Any]:
    """The connection of this name, opened for the current app context if nothing did yet.

    `await` it for a connection that goes back when the context ends, or use it in `async with`
    to give back at the end of the block what the block opened.

    Args:
        name: a key of `CONNECTIONS`.
        kind: for the type checker: what the connection is, such as `asyncpg.Connection`.

    Raises:
        RuntimeError: there is no app context.
        UnknownConnection: the name is not configured.
        ContextClosed: the app context has ended.
        ConnectionUnavailable: the backend cannot be reached.
        PoolTimeout: all its connections stayed in use for `acquire_timeout` seconds.
    """
    getting: Getting[Any] = _new(Getting)  # half of what it costs to call the class
    getting._name = name
    return getting


class _Attribute:
    """`g.a`: not a data descriptor, so that a value the user assigns to `g.a` comes first."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        return self if instance is None else get_db(self._name)


def g_class_with(names: Iterable[str], g_class: type[G]) -> type[G]:
    """A class for `g` on which `await g.NAME` is `await get_db(NAME)`, for each name."""
    return type(g_class.__name__, (g_class,), {name: _Attribute(name) for name in names})
