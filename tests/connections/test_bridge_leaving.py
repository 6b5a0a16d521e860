"""Row 15 of the contract: the task of a plain function is cancelled while its thread waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from quart import Quart, Response

from service.connections import get_db, get_db_sync, run
from tests.eventually import until

from .asking import get
from .ledger import Ledger


async def leave(app: Quart, when: asyncio.Event, path: str = "/") -> None:
    """Ask, and leave as soon as `when` is set; wait until the app has done with it."""
    async with app.test_client().request(path) as connection:
        await connection.send_complete()
        await when.wait()
        await connection.disconnect()


def at_work(app: Quart) -> int:
    found: int = app.extensions["connections"].here().threads.at_work
    return found


async def test_what_the_thread_waits_for_is_cancelled_and_given_back(
    ledger_app: Quart, ledger: Ledger
) -> None:
    """Not before the function has ended: it may use its connection until then."""
    waits = asyncio.Event()
    teardown_threads: list[int] = []

    async def for_ever() -> None:
        try:
            waits.set()
            await asyncio.Event().wait()
        finally:
            ledger.events.append("awaitable ended")

    @ledger_app.get("/")
    def view() -> str:
        run(get_db("x"))
        teardown_threads.append(threading.get_ident())
        try:
            run(for_ever())
        except asyncio.CancelledError:
            ledger.events.append("cancelled in the thread")
            raise
        finally:
            assert get_db_sync("x").query() == 1
            threading.Event().wait(0.05)
            ledger.events.append("function ended")
        raise AssertionError

    @ledger_app.teardown_request
    def teardown(error: BaseException | None) -> None:
        assert isinstance(error, asyncio.CancelledError)
        teardown_threads.append(threading.get_ident())
        run(get_db("y"))

    await leave(ledger_app, waits)
    await until(lambda: at_work(ledger_app) == 0)
    assert [event for event in ledger.events if event not in ("open", "acquire")] == [
        *["acquired 1", "awaitable ended", "cancelled in the thread", "function ended"],
        *["acquired 2", "released 2", "released 1"],
    ]
    assert len(set(teardown_threads)) == 1


async def test_an_opening_that_is_cut_short_leaves_nothing(
    ledger_app: Quart, ledger: Ledger
) -> None:
    ledger.gate = asyncio.Event()

    @ledger_app.get("/")
    def view() -> str:
        run(get_db("x"))
        raise AssertionError

    await leave(ledger_app, ledger.entered)
    await until(lambda: at_work(ledger_app) == 0)
    ledger.gate.set()
    await ledger_app.extensions["connections"].close()
    assert ledger.out == 0


async def test_however_deep_the_innermost_wait_is_cancelled_first(ledger_app: Quart) -> None:
    waits = asyncio.Event()
    ended: list[str] = []

    def leaf() -> None:
        try:
            run(waits_for_ever())
        finally:
            ended.append("leaf")

    async def waits_for_ever() -> None:
        waits.set()
        await asyncio.Event().wait()

    async def between() -> None:
        try:
            await ledger_app.ensure_async(leaf)()
        finally:
            ended.append("between")

    @ledger_app.get("/")
    def view() -> str:
        try:
            run(between())
        finally:
            ended.append("view")
        raise AssertionError

    await leave(ledger_app, waits)
    await until(lambda: at_work(ledger_app) == 0)
    assert ended == ["leaf", "between", "view"]


async def test_a_thread_that_does_not_wait_is_cancelled_at_its_next_wait(
    ledger_app: Quart, ledger: Ledger
) -> None:
    called, go = asyncio.Event(), threading.Event()
    seen: list[str] = []
    tasks: list[asyncio.Task[None] | None] = []

    @ledger_app.before_request
    async def before() -> None:
        tasks.append(asyncio.current_task())

    @ledger_app.get("/")
    def view() -> str:
        run(get_db("x"))
        run(set_it())
        assert go.wait(30)
        try:
            run(get_db("y"))
        except asyncio.CancelledError:
            seen.append("cancelled")
        run(get_db("x"))  # as in asyncio: once, so that cleaning up can wait for something
        seen.append("cleaned up")
        return "too late"

    async def set_it() -> None:
        called.set()

    leaving = asyncio.create_task(leave(ledger_app, called))
    await until(lambda: tasks and tasks[0] and tasks[0].cancelling())
    assert ledger.out == 1
    go.set()
    await leaving
    assert ledger.out == 0
    assert seen == ["cancelled", "cleaned up"]
    assert ledger.count("acquired") == 1


async def test_cancelled_twice(ledger_app: Quart, ledger: Ledger) -> None:
    """The second time while the function cleans up: that is cut short, and all goes back."""
    steps: list[str] = []

    def function() -> None:
        run(get_db("x"))
        try:
            run(waits_for_ever("first"))
        except asyncio.CancelledError:
            try:
                run(waits_for_ever("cleaning up"))
            finally:
                steps.append("ended")

    async def waits_for_ever(step: str) -> None:
        steps.append(step)
        await asyncio.Event().wait()

    async def work() -> None:
        async with ledger_app.app_context():
            await ledger_app.ensure_async(function)()

    task = asyncio.create_task(work())
    for step in ("first", "cleaning up"):
        await until(lambda step=step: step in steps)  # type: ignore[misc]
        assert ledger.out == 1
        task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert steps[-1] == "ended"
    assert ledger.out == 0
    assert at_work(ledger_app) == 0


async def test_an_error_of_the_clean_up_is_told(ledger_app: Quart, ledger: Ledger) -> None:
    def function() -> None:
        try:
            run(waits_for_ever())
        finally:
            raise LookupError

    async def waits_for_ever() -> None:
        waiting.set()
        await asyncio.Event().wait()

    async def work() -> None:
        async with ledger_app.app_context():
            await ledger_app.ensure_async(function)()

    waiting = asyncio.Event()
    task = asyncio.create_task(work())
    await waiting.wait()
    task.cancel()
    with pytest.raises(LookupError):
        await task
    assert at_work(ledger_app) == 0


async def test_a_timeout_around_a_plain_function(ledger_app: Quart, ledger: Ledger) -> None:
    def function() -> None:
        run(get_db("x"))
        run(asyncio.Event().wait())

    @ledger_app.get("/")
    async def view() -> str:
        try:
            async with asyncio.timeout(0.05):
                await ledger_app.ensure_async(function)()
        except TimeoutError:
            return await ledger_app.ensure_async(lambda: f"in time, {ledger.out} open")()
        raise AssertionError

    assert await get(ledger_app) == "in time, 1 open"
    assert ledger.out == 0


async def test_a_body_whose_client_leaves_is_closed_in_its_thread(ledger_app: Quart) -> None:
    threads: list[int] = []

    @ledger_app.get("/")
    def view() -> Response:
        def body() -> Iterator[bytes]:
            threads.append(threading.get_ident())
            try:
                while True:
                    yield b"more"
            finally:
                threads.append(threading.get_ident())

        threads.append(threading.get_ident())
        return Response(body())

    async with ledger_app.test_client().request("/") as connection:
        await connection.send_complete()
        assert await connection.receive() == b"more"
        await connection.disconnect()
    await until(lambda: at_work(ledger_app) == 0)
    assert len(threads) == 3
    assert len(set(threads)) == 1


async def test_a_body_that_its_client_did_not_wait_for_keeps_no_thread(ledger_app: Quart) -> None:
    """Although the error of the task is there still, and with it what had been made."""
    made = asyncio.Event()

    @ledger_app.get("/")
    def view() -> Response:
        return Response(str(number) for number in range(3))

    @ledger_app.after_request
    async def after(response: Response) -> Response:
        made.set()
        await asyncio.Event().wait()
        return response

    errors: list[BaseException | None] = []
    ledger_app.teardown_request(errors.append)
    await leave(ledger_app, made)
    assert isinstance(errors[0], asyncio.CancelledError)
    await until(lambda: at_work(ledger_app) == 0)


@pytest.mark.parametrize("pauses", range(12))
async def test_leaving_at_every_step_leaves_nothing(
    ledger_app: Quart, ledger: Ledger, pauses: int
) -> None:
    """Plain hooks, a plain view that opens two, a plain body; left after so many turns."""
    ledger.pauses = 1

    @ledger_app.before_request
    def before() -> None:
        run(get_db("x"))

    @ledger_app.get("/")
    def view() -> Response:
        numbers = [get_db_sync(name).query() for name in "xyz"]
        return Response(str(number) for number in numbers)

    @ledger_app.teardown_request
    def teardown(error: BaseException | None) -> None:
        run(get_db("z"))

    for turns in range(pauses, 300, 12):
        async with ledger_app.test_client().request("/") as connection:
            await connection.send_complete()
            for _ in range(turns):
                await asyncio.sleep(0)
            await connection.disconnect()
    await until(lambda: at_work(ledger_app) == 0 and ledger.out == 0)
    assert await get(ledger_app)
    assert ledger.out == 0
