"""Row 15 of the contract: functions that outlive their context, the end of an app, of a loop."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading

import pytest
from quart import Quart

from service.connections import get_db, run
from service.connections.context import current_scope
from tests.eventually import until

from .asking import get
from .conftest import MakeApp
from .ledger import Ledger


async def test_a_function_that_outlives_its_context_gets_no_connection_of_it(
    ledger_app: Quart, ledger: Ledger
) -> None:
    ledger.gate = asyncio.Event()
    ended = threading.Event()
    outliving: list[asyncio.Future[list[str]]] = []

    def outlives() -> list[str]:
        said = []
        try:
            run(get_db("x"))
        except asyncio.CancelledError:
            said.append("cancelled")
        assert ended.wait(30)
        try:
            run(get_db("y"))
        except RuntimeError as error:
            said.append(type(error).__name__)
        return said

    @ledger_app.get("/")
    async def view() -> str:
        outliving.append(asyncio.ensure_future(ledger_app.ensure_async(outlives)()))
        assert ledger.gate is not None
        await ledger.entered.wait()
        return "done"

    assert await get(ledger_app) == "done"
    assert not outliving[0].done()
    ended.set()
    assert await outliving[0] == ["cancelled", "ContextClosed"]
    await until(lambda: ledger_app.extensions["connections"].here().threads.at_work == 0)
    assert ledger.out == 0


async def test_a_run_that_ends_as_its_context_does_hinders_nothing(
    ledger_app: Quart, ledger: Ledger
) -> None:
    async with ledger_app.app_context():
        await get_db("x")
        scope = current_scope()
        assert scope is not None
        last = asyncio.create_task(asyncio.sleep(0))
        scope.ends_after(last)
        for _ in range(2):
            await asyncio.sleep(0)
        assert last.done()  # who hears of that hears a step later
    assert ledger.out == 0


async def test_at_the_end_of_serving_the_threads_end(make_app: MakeApp, ledger: Ledger) -> None:
    app = make_app(x="ledger://x")

    @app.get("/")
    def view() -> str:
        return str(run(get_db("x")).number)

    for turn in (1, 2):
        async with app.test_app() as served:
            client = served.test_client()
            assert await (await client.get("/")).get_data() == str(turn).encode()
            assert ours() == 1
        await until(lambda: ours() == 0)


def ours() -> int:
    """How many of the layer's threads there are."""
    return sum(thread.name == "service.connections" for thread in threading.enumerate())


async def test_a_second_loop_has_threads_of_its_own(make_app: MakeApp, ledger: Ledger) -> None:
    app = make_app(x="ledger://x")

    @app.get("/")
    def view() -> str:
        return str(run(get_db("x")) is run(get_db("x")))

    @app.get("/around")
    def around() -> str:
        return asyncio.run(within())

    async def within() -> str:
        # The context is of the other loop: its thread is not for this one.
        seen = await app.ensure_async(threading.get_ident)()
        assert seen != threading.get_ident()
        with pytest.raises(RuntimeError, match="called on the event loop"):
            run(asyncio.sleep(0))
        async with app.app_context():
            connection = await get_db("x")
            assert await app.ensure_async(lambda: run(get_db("x")))() is connection
        return "round"

    bodies = await asyncio.gather(
        get(app), *(asyncio.to_thread(asyncio.run, get(app)) for _ in range(3))
    )
    assert bodies == ["True"] * 4
    assert await get(app, "/around") == "round"
    assert ledger.out == 0


LOOP_ENDS = """
import asyncio, sys, threading
import service.connections as connections
from quart import Quart

app = Quart("script")
connections.Connections(app)
said = []

def waits(forever):
    try:
        connections.run(forever)
    except BaseException as error:
        said.append(type(error).__name__)

async def context(loop_is_there):
    async with app.app_context():
        threading.Timer(0, loop_is_there.set).start()
        await app.ensure_async(waits)(asyncio.Event().wait())

async def cancelled_at_the_end():
    loop_is_there = asyncio.Event()
    asyncio.create_task(context(loop_is_there))
    while not connections_run():
        await asyncio.sleep(0.001)

def connections_run():
    return any("Event.wait" in str(task) for task in asyncio.all_tasks())

asyncio.run(cancelled_at_the_end())
loop = asyncio.new_event_loop()
waiting = loop.create_task(context(asyncio.Event()))
while not any("Event.wait" in str(task) for task in asyncio.all_tasks(loop)):
    loop.run_until_complete(asyncio.sleep(0.001))
loop.close()
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(10)
        assert not thread.is_alive()
print(said)
sys.stdout.flush()
import os
os._exit(0)  # the tasks of a loop that is closed under them are reported, as they ought to be
"""


def test_a_thread_that_waits_is_not_left_hanging_by_the_end_of_its_loop() -> None:
    result = subprocess.run(
        [sys.executable, "-c", LOOP_ENDS], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stdout == "['CancelledError', 'RuntimeError']\n", result.stderr


def test_a_loop_that_does_not_run_is_a_clear_error(ledger_app: Quart) -> None:
    entered = contextvars.Context()

    async def enter() -> None:
        await ledger_app.app_context().push()

    with asyncio.Runner() as runner:
        runner.run(enter(), context=entered)
        with pytest.raises(RuntimeError, match="does not run meanwhile"):
            entered.run(run, get_db("x"))
