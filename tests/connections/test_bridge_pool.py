"""The threads for plain functions: bounded, and never all waiting for one another."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from quart import Quart, request

from service.connections import ConfigurationError, Connections, get_db, run
from service.connections import threads as pool
from service.connections.threads import MOST, Threads
from tests.eventually import until

from .asking import get
from .conftest import MakeApp
from .ledger import Ledger


def app_with(threads: int, **connections: Any) -> Quart:
    app = Quart("tests")
    app.config["CONNECTIONS"] = connections
    app.config["SYNC_THREADS"] = threads
    Connections(app)
    return app


def threads_of(app: Quart) -> Threads:
    connections: Connections = app.extensions["connections"]
    return connections.here().threads


async def test_no_more_threads_than_configured_while_they_come_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "STANDSTILL", 60.0)  # a busy machine is none
    app = app_with(4, x={"url": "ledger://x", "max_size": 3})
    seen: set[int] = set()

    @app.get("/")
    def view() -> str:
        seen.add(threading.get_ident())
        return str(run(get_db("x")).number)

    answers = await asyncio.gather(*(get(app) for _ in range(200)))
    assert len(answers) == 200
    assert len(seen) <= threads_of(app).count <= 4
    assert ledger.out == 0


@pytest.mark.parametrize("waits_in", ["plain view", "async view", "teardown"])
async def test_requests_that_wait_for_one_that_has_no_thread_yet(waits_in: str) -> None:
    """Twice as many as there are threads, each with a thread of its own, until the last comes."""
    app = app_with(8)
    came = asyncio.Event()

    @app.before_request
    def before() -> None:
        pass

    @app.get("/plain view")
    def plain() -> str:
        run(came.wait())
        return "waited"

    @app.get("/async view")
    async def asynchronous() -> str:
        await came.wait()
        return "waited"

    @app.get("/teardown")
    def early() -> str:
        return "waited"

    @app.teardown_request
    async def teardown(error: BaseException | None) -> None:
        if request.path == "/teardown":
            await came.wait()

    @app.get("/last")
    def last() -> str:
        run(set_it())
        return "came"

    async def set_it() -> None:
        came.set()

    waiting = [asyncio.create_task(get(app, f"/{waits_in}")) for _ in range(16)]
    threads = threads_of(app)
    await until(lambda: threads.at_work >= 8)
    assert await get(app, "/last") == "came"
    assert await asyncio.gather(*waiting) == ["waited"] * 16
    await until(lambda: threads.at_work == 0)
    assert threads.count <= 8


async def test_those_who_hold_the_connections_and_those_who_hold_the_threads(
    ledger: Ledger,
) -> None:
    """Half of the requests open first and then need a thread; half the other way round."""
    app = app_with(2, x={"url": "ledger://x", "max_size": 2, "acquire_timeout": 60})
    everybody = asyncio.Barrier(4)

    @app.get("/connection")
    async def connection_first() -> str:
        await get_db("x")
        await everybody.wait()
        return await app.ensure_async(lambda: "both")()

    @app.get("/thread")
    def thread_first() -> str:
        run(everybody.wait())
        run(get_db("x"))
        return "both"

    paths = ["/connection", "/thread"] * 2
    async with asyncio.timeout(30):
        assert await asyncio.gather(*(get(app, path) for path in paths)) == ["both"] * 4
    assert ledger.out == 0


async def test_functions_of_one_context_wait_for_one_thread() -> None:
    app = app_with(1)
    threads = threads_of(app)
    mine = await threads.acquire()

    @app.get("/")
    async def view() -> str:
        ident = app.ensure_async(threading.get_ident)
        return str(len(set(await asyncio.gather(ident(), ident(), ident()))))

    assert await get(app) == "1"
    threads.give_back(mine)
    assert threads.at_work == 0


async def test_the_default_pool_is_full() -> None:
    """Of Quart's threads none is free: ours are others."""
    app = app_with(4)
    end = threading.Event()
    loop = asyncio.get_running_loop()
    blocked = [loop.run_in_executor(None, end.wait, 30) for _ in range(64)]

    @app.get("/")
    def view() -> str:
        return run(asyncio.sleep(0, "there"))

    try:
        assert await asyncio.gather(*(get(app) for _ in range(32))) == ["there"] * 32
    finally:
        end.set()
        await asyncio.gather(*blocked)


async def test_growth_ends() -> None:
    threads = Threads(2)
    mine = [await threads.acquire() for _ in range(2 * MOST)]
    assert threads.count == 2 * MOST
    another = asyncio.create_task(threads.acquire())
    cancelled = asyncio.create_task(threads.acquire())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(cancelled, 0.3)
    assert threads.count == 2 * MOST
    threads.give_back(mine.pop())
    mine.append(await another)
    for thread in mine:
        threads.give_back(thread)
    assert (threads.count, threads.at_work) == (2, 0)
    threads.close()
    assert threads.count == 0


async def test_a_thread_handed_to_who_was_cancelled_meanwhile_goes_to_the_next() -> None:
    threads = Threads(1)
    mine = await threads.acquire()
    first = asyncio.create_task(threads.acquire())
    second = asyncio.create_task(threads.acquire())
    await asyncio.sleep(0)
    threads.give_back(mine)
    first.cancel()
    assert await second is mine
    assert first.cancelled()
    threads.give_back(mine)
    assert (threads.count, threads.at_work) == (1, 0)
    threads.close()


@pytest.mark.parametrize("number", [0, -1, "8", 1.5, True, None])
def test_a_number_of_threads_that_cannot_be_is_refused(number: object) -> None:
    app = Quart("tests")
    app.config["SYNC_THREADS"] = number
    with pytest.raises(ConfigurationError, match=r"SYNC_THREADS is .*whole number from 1"):
        Connections(app)


async def test_a_request_that_leaves_the_queue_leaves_nothing(make_app: MakeApp) -> None:
    app = app_with(1)
    held = asyncio.Event()

    @app.get("/hold")
    def hold() -> str:
        run(held.wait())
        return "held"

    @app.get("/")
    def view() -> str:
        return "called"

    threads = threads_of(app)
    holding = asyncio.create_task(get(app, "/hold"))
    await until(lambda: threads.at_work == 1)
    for _ in range(20):
        async with app.test_client().request("/") as connection:
            await connection.send_complete()
            await asyncio.sleep(0)
            await connection.disconnect()
    held.set()
    assert await holding == "held"
    await until(lambda: threads.at_work == 0)
    assert await get(app) == "called"
