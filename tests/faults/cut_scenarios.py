"""What cancellations are let loose on: acquire, use and release on a backend that counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from quart import Quart, copy_current_app_context, stream_with_context
from quart.signals import appcontext_pushed
from quart.typing import ResponseReturnValue

from service.connections import Connections, ConnectionUnavailable, get_db, loops
from service.connections.context import current_scope
from service.connections.scope import Scope
from tests.connections.ledger import LEDGERS, Entry, Ledger


class World:
    """An app on a backend that counts, made anew for each run."""

    def __init__(self, pauses: int) -> None:
        self.ledger = LEDGERS["ledger://stepped"] = Ledger(pauses=pauses)
        self.quick = LEDGERS["ledger-nowait://quick"] = Ledger()
        self.app = Quart("stepped", static_folder=None)
        self.app.config["CONNECTIONS"] = {
            "x": "ledger://stepped",
            "y": {"url": "ledger://stepped", "eager": True},
            "single": {"url": "ledger://stepped", "max_size": 1},
            "quick": {"url": "ledger-nowait://quick", "max_size": 1},
        }
        self.connections = Connections(self.app)
        self.client_left = asyncio.Event()
        self._scopes: list[Scope] = []
        appcontext_pushed.connect(self._pushed, self.app)

    async def _pushed(self, app: Quart, **_: Any) -> None:
        pushed = current_scope()
        assert pushed is not None
        self._scopes.append(pushed)

    def nothing_is_out(self) -> None:
        """Every connection went back once, and nobody holds or waits for a place."""
        for ledger in (self.ledger, self.quick):
            back = ledger.numbers("released") + ledger.numbers("dropped")
            assert sorted(back) == ledger.numbers("acquired")
        for stats in self.connections.stats().values():
            assert (stats.in_use, stats.waiting) == (0, 0)
        assert not any(book._leases or book._order or book._pins for book in self._scopes)

    async def still_gives(self) -> None:
        async with self.app.app_context():
            for name in self.connections.names:
                await (await get_db(name)).query()


Scenario = Callable[[World], Coroutine[Any, Any, None]]


async def one_name(world: World) -> None:
    async with world.app.app_context():
        await (await get_db("x")).query()


async def two_names(world: World) -> None:
    async with world.app.app_context():
        x = await get_db("x")
        y = await get_db("y")
        await x.query()
        await y.query()


async def at_once(world: World) -> None:
    async with world.app.app_context():
        x, y, again = await asyncio.gather(get_db("x"), get_db("y"), get_db("x"))
        assert x is again
        await asyncio.gather(x.query(), y.query())


async def as_a_pool_opens(world: World) -> None:
    async def come_after(steps: int) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)
        async with world.app.app_context():
            await (await get_db("x")).query()

    await asyncio.gather(*map(come_after, (0, 2, 3, 4, 5)))


async def a_block(world: World) -> None:
    async with world.app.app_context():
        async with get_db("x") as x:
            await x.query()
        await (await get_db("x")).query()


async def a_block_that_another_task_shares(world: World) -> None:
    async with world.app.app_context(), get_db("x") as x:
        other = asyncio.create_task(get_db("x"))
        await x.query()
        assert await other is x


async def a_copy(world: World) -> None:
    async with world.app.app_context():

        @copy_current_app_context
        async def work() -> None:
            await (await get_db("x")).query()
            await (await get_db("y")).query()

        copy = asyncio.create_task(work())
        await (await get_db("x")).query()
        await copy


async def a_full_pool(world: World) -> None:
    async def hold() -> None:
        async with world.app.app_context():
            await (await get_db("single")).query()

    others = [asyncio.create_task(hold()) for _ in range(2)]
    await world.ledger.pause()
    await hold()
    await asyncio.gather(*others)


async def turns_in_a_full_pool(world: World) -> None:
    async def hold() -> None:
        async with world.app.app_context():
            await asyncio.gather(get_db("quick"), get_db("quick"))
            await (await get_db("x")).query()

    others = [asyncio.create_task(hold()) for _ in range(2)]
    await hold()
    await asyncio.gather(*others)


async def turns_that_are_given_up(world: World) -> None:
    async def hold() -> None:
        async with world.app.app_context():
            await (await get_db("single")).query()

    world.ledger.pauses += 2
    async with world.app.app_context():
        await (await get_db("single")).query()
        waiting = asyncio.create_task(hold())
        await world.ledger.pause()
    await asyncio.sleep(0)  # a connection is being opened for it
    waiting.cancel()
    await asyncio.gather(hold(), world.connections.check())


async def giving_back_early(world: World) -> None:
    async with world.app.app_context():
        await (await get_db("x")).query()
        await get_db("y")
        await world.connections.give_back()
        await (await get_db("x")).query()


async def giving_back_one_early(world: World) -> None:
    async with world.app.app_context():
        scope = current_scope()
        assert scope is not None
        await (await get_db("x")).query()
        await get_db("y")
        await scope.give_back("x")
        await (await get_db("x")).query()


async def what_a_thread_waits_for_at_the_end(world: World) -> None:
    async with world.app.app_context():
        scope = current_scope()
        assert scope is not None
        connection = await get_db("x")
        scope.ends_after(asyncio.create_task(_for_ever(connection)))
        await connection.query()


async def _for_ever(connection: Entry) -> None:
    try:
        while True:
            await connection.query()
    finally:
        await connection.query()
        # The connection is nobody else's before this task has ended.
        assert connection.number not in connection.ledger.numbers("released")


async def a_teardown_function(world: World) -> None:
    @world.app.teardown_appcontext
    async def last_words(error: BaseException | None) -> None:
        await (await get_db("x")).query()
        await (await get_db("y")).query()

    async with world.app.app_context():
        await get_db("x")


async def a_backend_that_fails(world: World) -> None:
    async with world.app.app_context():
        await (await get_db("x")).query()
        world.ledger.failing = OSError("down")
        try:
            for _ in range(2):
                with pytest.raises(ConnectionUnavailable):
                    await get_db("y")
        finally:
            world.ledger.failing = None
        await get_db("y")


async def a_release_that_fails(world: World) -> None:
    world.ledger.release_failing = {1, 2}
    async with world.app.app_context():
        async with get_db("x") as x:
            await x.query()
        await get_db("x")
        await get_db("y")


async def a_ping(world: World) -> None:
    await world.connections.check()
    await one_name(world)


async def a_ping_of_a_backend_that_was_down(world: World) -> None:
    world.ledger.failing = OSError("down")
    try:
        await world.connections.check()
    finally:
        world.ledger.failing = None
    await asyncio.gather(one_name(world), one_name(world))
    await world.connections.check()


async def serving(world: World) -> None:
    await world.app.startup()
    try:
        await two_names(world)
    finally:
        await world.app.shutdown()


async def closing_while_another_opens(world: World) -> None:
    async def open_late() -> None:
        with suppress(ConnectionUnavailable):
            await one_name(world)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "CLOSE_TIMEOUT", 0.0)
        patch.setattr(world.ledger, "pauses", 10)
        other = asyncio.create_task(open_late())
        for _ in range(5):
            await asyncio.sleep(0)
        await world.connections.close()
        await other
    await one_name(world)
    await world.connections.close()


async def a_request(world: World) -> None:
    @world.app.before_request
    async def before() -> None:
        await get_db("x")

    @world.app.get("/")
    async def index() -> ResponseReturnValue:
        async with get_db("y") as y:
            await y.query()

        @stream_with_context
        async def parts() -> AsyncIterator[str]:
            for _ in range(2):
                yield str(await (await get_db("x")).query())

        return parts(), 200

    incoming: list[Any] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if incoming:
            return incoming.pop()
        await world.client_left.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        await world.ledger.pause()

    request: Any = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "extensions": {},
    }
    await world.app(request, receive, send)


SCENARIOS: dict[Scenario, int] = {
    one_name: 18,
    two_names: 30,
    at_once: 40,
    as_a_pool_opens: 30,
    a_block: 25,
    a_block_that_another_task_shares: 18,
    a_copy: 35,
    a_full_pool: 45,
    turns_in_a_full_pool: 35,
    turns_that_are_given_up: 60,
    giving_back_early: 40,
    giving_back_one_early: 40,
    what_a_thread_waits_for_at_the_end: 20,
    a_teardown_function: 30,
    a_backend_that_fails: 35,
    a_release_that_fails: 35,
    a_ping: 50,
    a_ping_of_a_backend_that_was_down: 70,
    serving: 45,
    closing_while_another_opens: 30,
    a_request: 55,
}
"""What is cut, and how many moments it has at least."""
