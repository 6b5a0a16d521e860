"""`get_db_sync("a")`: a connection for plain functions, whose methods run through the bridge."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction
from types import TracebackType
from typing import Any

from .accessor import get_db
from .bridge import run
from .context import current_scope

_END: Any = object()
_PROTOCOLS = ("__aenter__", "__aiter__")


class Facade:
    """An object of an async driver, for plain functions.

    Its methods are called on the event loop and awaited if need be; `with` is its `async with`,
    `for` its `async for`. What comes back is plain data, or, if it has something to await, again
    behind a facade. A plain attribute is the object's own.
    """

    __slots__ = ("_target",)

    def __init__(self, target: Any) -> None:
        object.__setattr__(self, "_target", target)

    def __getattr__(self, name: str) -> Any:
        target = self._target
        if not hasattr(target, name) and isawaitable(target):
            # Such as asyncpg's cursors: iterated as they are, but awaited for their methods.
            target = run(_awaited(target))
            object.__setattr__(self, "_target", target)
        attribute = getattr(target, name)
        return partial(self._call, name) if callable(attribute) else _facade(attribute)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._target, name, value)

    def __iter__(self) -> Iterator[Any]:
        iterator = run(_iterator(self._target))
        while (item := run(_next(iterator))) is not _END:
            yield _facade(item)

    def __enter__(self) -> Any:
        entered = run(self._target.__aenter__())
        return self if entered is self._target else _facade(entered)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return run(self._target.__aexit__(exc_type, exc, traceback))  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._target!r}>"

    async def _now(self) -> Any:
        return self._target

    def _call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        return _facade(run(self._called(name, args, kwargs)))

    async def _called(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = getattr(await self._now(), name)(*args, **kwargs)
        if isawaitable(result) and not any(hasattr(result, name) for name in _PROTOCOLS):
            return await result
        return result


class SyncConnection(Facade):
    """What `get_db_sync` returns. It is used as long as its app context lives, no longer."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        super().__init__(run(get_db(name)))
        object.__setattr__(self, "_name", name)

    def close(self) -> None:
        """Give the connection back now. If it is used again, one is opened again."""
        scope = current_scope()
        assert scope is not None
        run(scope.give_back(self._name))

    def __enter__(self) -> Any:
        raise TypeError(
            f"a connection is given back when its app context ends, or by close(): use "
            f"get_db_sync({self._name!r}) without 'with'"
        )

    async def _now(self) -> Any:
        # Asked again: after the end of the context the connection is somebody else's.
        return await get_db(self._name)


def get_db_sync(name: str) -> Any:
    """The connection of this name, for plain functions: `get_db` through `run`.

    The connection is the same as `await get_db(name)` gives, behind a facade: its methods wait
    and return what they would be awaited for, as in `get_db_sync("a").fetch("SELECT 1")`. With
    RethinkDB, `r.table("matches").run(get_db_sync("b"))`.

    Raises:
        RuntimeError: this is the event loop itself, or there is no app context.
        UnknownConnection: the name is not configured.
        ContextClosed: the app context has ended.
        ConnectionUnavailable: the backend cannot be reached.
        PoolTimeout: all its connections stayed in use for `acquire_timeout` seconds.
    """
    return SyncConnection(name)


def _facade(value: Any) -> Any:
    return Facade(value) if _has_something_to_await(type(value)) else value  # type: ignore[arg-type]


@cache
def _has_something_to_await(kind: type) -> bool:
    if any(hasattr(kind, name) for name in _PROTOCOLS):
        return True
    members = [getattr(kind, name, None) for name in dir(kind)]
    return any(iscoroutinefunction(each) or isasyncgenfunction(each) for each in members)


async def _awaited(target: Any) -> Any:
    return await target


async def _iterator(target: Any) -> Any:
    return aiter(target)


async def _next(iterator: Any) -> Any:
    return await anext(iterator, _END)
