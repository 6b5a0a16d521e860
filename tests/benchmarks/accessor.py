"""What getting a connection costs when nothing is asked of any database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import svcs
import uvloop
from dishka import Provider, Scope, make_async_container
from quart import Quart, g

from service.connections import Backend, Connections, get_db, register_backend

from .table import Table

CONTEXTS = 2000
REPEATS = 20_000

Timed = Callable[[int], Awaitable[float]]
"""Does it so many times; the seconds that took."""


class Connection:
    """What is handed out: nothing at all."""


@register_backend("nothing")
class Nothing(Backend[None, Connection]):
    """A backend without I/O."""

    async def open(self) -> None:
        return None

    async def acquire(self, pool: None) -> Connection:
        return Connection()

    async def release(self, pool: None, connection: Connection) -> None:
        return None

    async def close(self, pool: None) -> None:
        return None

    def acquire_nowait(self, pool: None) -> Connection:
        return Connection()

    def release_nowait(self, pool: None, connection: Connection) -> bool:
        return True

    async def ping(self, connection: Connection) -> None:
        return None


@dataclass(frozen=True)
class Costs:
    """Microseconds, medians.

    Attributes:
        first: a context, the first get in it, and the release at its end.
        repeated: every further get; None where nothing is got.
    """

    first: float
    repeated: float | None


async def _connection() -> AsyncIterator[Connection]:
    yield Connection()


def _in_app_context(app: Quart, get: Callable[[], Awaitable[object]]) -> tuple[Timed, Timed]:
    async def first(times: int) -> float:
        started = perf_counter()
        for _ in range(times):
            async with app.app_context():
                await get()
        return perf_counter() - started

    async def repeated(times: int) -> float:
        async with app.app_context():
            await get()
            started = perf_counter()
            for _ in range(times):
                await get()
            return perf_counter() - started

    return first, repeated


def _ours() -> tuple[Timed, Timed]:
    app = Quart("ours")
    app.config["CONNECTIONS"] = {"a": "nothing://"}
    Connections(app)
    return _in_app_context(app, partial(get_db, "a"))


def _pattern() -> tuple[Timed, Timed]:
    app = Quart("pattern")

    async def get() -> Connection:
        if "a" not in g:
            g.a = Connection()
        connection: Connection = g.a
        return connection

    @app.teardown_appcontext
    async def close(_: BaseException | None) -> None:
        g.pop("a", None)

    return _in_app_context(app, get)


def _svcs() -> tuple[Timed, Timed]:
    """As `svcs.flask` does it, in Quart, which svcs knows nothing of."""
    app = Quart("svcs")
    registry = svcs.Registry()
    registry.register_factory(Connection, _connection)

    async def get() -> Connection:
        container = g.get("svcs_container")
        if container is None:
            container = g.svcs_container = svcs.Container(registry)
        connection: Connection = await container.aget(Connection)
        return connection

    @app.teardown_appcontext
    async def close(_: BaseException | None) -> None:
        container = g.pop("svcs_container", None)
        if container is not None:
            await container.aclose()

    return _in_app_context(app, get)


def _svcs_alone() -> tuple[Timed, Timed]:
    registry = svcs.Registry()
    registry.register_factory(Connection, _connection)

    async def first(times: int) -> float:
        started = perf_counter()
        for _ in range(times):
            async with svcs.Container(registry) as container:
                await container.aget(Connection)
        return perf_counter() - started

    async def repeated(times: int) -> float:
        async with svcs.Container(registry) as container:
            await container.aget(Connection)
            started = perf_counter()
            for _ in range(times):
                await container.aget(Connection)
            return perf_counter() - started

    return first, repeated


def _dishka_alone() -> tuple[Timed, Timed]:
    provider = Provider(scope=Scope.REQUEST)
    provider.provide(_connection)
    container = make_async_container(provider)

    async def first(times: int) -> float:
        started = perf_counter()
        for _ in range(times):
            async with container() as request:
                await request.get(Connection)
        return perf_counter() - started

    async def repeated(times: int) -> float:
        async with container() as request:
            await request.get(Connection)
            started = perf_counter()
            for _ in range(times):
                await request.get(Connection)
            return perf_counter() - started

    return first, repeated


def _context_alone() -> tuple[Timed, None]:
    async def nothing() -> None:
        return None

    return _in_app_context(Quart("alone"), nothing)[0], None


def contenders() -> dict[str, tuple[Timed, Timed | None]]:
    """What is compared: a context with a first get, and a repeated get, for each."""
    return {
        "Quart's app context, nothing got": _context_alone(),
        "ours": _ours(),
        "`if name not in g`": _pattern(),
        "svcs, on `g`": _svcs(),
        "svcs, its container alone": _svcs_alone(),
        "dishka, its container alone": _dishka_alone(),
    }


async def _measured(rounds: int) -> dict[str, Costs]:
    taking_part = contenders()
    first: dict[str, list[float]] = {name: [] for name in taking_part}
    repeated: dict[str, list[float]] = {name: [] for name in taking_part}
    for _ in range(rounds):
        for name, (get_first, get_again) in taking_part.items():
            first[name].append(await get_first(CONTEXTS) / CONTEXTS * 1e6)
            if get_again is not None:
                repeated[name].append(await get_again(REPEATS) / REPEATS * 1e6)
    return {
        name: Costs(median(first[name]), median(repeated[name]) if repeated[name] else None)
        for name in taking_part
    }


def measure(rounds: int) -> dict[str, Costs]:
    """Measure all of them in turn, so many times."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measured(rounds))


def table(costs: Mapping[str, Costs]) -> Table:
    """The costs, side by side."""

    def number(value: Any) -> str:
        return "" if value is None else f"{value:.2f}"

    return Table(
        "The accessor without I/O, microseconds",
        ["", "context + first get + release", "a repeated get"],
        [[name, number(cost.first), number(cost.repeated)] for name, cost in costs.items()],
    )
