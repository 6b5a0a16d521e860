"""Rows 4, 5 and 11 of the contract: when and how a connection goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from quart import Quart, abort, websocket

from service.connections import Connections, get_db, source
from tests.eventually import until

from .conftest import MakeApp
from .ledger import Ledger


@pytest.mark.parametrize(
    "ending", ["return", "abort", "exception", "error in before_request", "timeout"]
)
async def test_every_ending_gives_back_last_opened_first(
    ledger_app: Quart, ledger: Ledger, ending: str
) -> None:
    async def use() -> None:
        for name in "xyz":
            await get_db(name)

    @ledger_app.before_request
    async def before() -> None:
        if ending == "error in before_request":
            await use()
            raise ValueError

    @ledger_app.get("/")
    async def index() -> str:
        await use()
        if ending == "abort":
            abort(403)
        if ending == "exception":
            raise ValueError
        if ending == "timeout":
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        return ""

    await ledger_app.test_client().get("/")
    assert ledger.events[-3:] == ["released 3", "released 2", "released 1"]
    assert ledger.out == 0


async def test_a_client_that_went_away_gives_back(ledger_app: Quart, ledger: Ledger) -> None:
    @ledger_app.get("/")
    async def index() -> str:
        await get_db("x")
        ledger.entered.set()
        await asyncio.Event().wait()
        return ""

    async with ledger_app.test_client().request("/") as connection:
        await connection.send_complete()
        await ledger.entered.wait()
        await connection.disconnect()
        await ledger.release_entered.wait()
    assert ledger.out == 0


async def test_a_websocket_gives_back_when_it_closes(ledger_app: Quart, ledger: Ledger) -> None:
    @ledger_app.websocket("/")
    async def index() -> None:
        await get_db("x")
        while True:
            await websocket.send(await websocket.receive())

    async with ledger_app.test_client().websocket("/") as socket:
        await socket.send("hello")
        assert await socket.receive() == "hello"
        assert ledger.out == 1
    await ledger.release_entered.wait()
    assert ledger.out == 0


async def test_a_release_that_hangs_holds_nobody_for_ever(
    ledger_app: Quart, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "RELEASE_TIMEOUT", 0.01)
    ledger.release_gate = asyncio.Event()
    async with ledger_app.app_context():
        await get_db("x")
    assert ledger_app.extensions["connections"].stats()["x"].in_use == 0


async def test_a_second_cancellation_while_closing_gives_everything_back(
    ledger_app: Quart, ledger: Ledger
) -> None:
    ledger.release_gate = asyncio.Event()

    async def work() -> None:
        async with ledger_app.app_context():
            await get_db("x")
            await get_db("y")
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await until(lambda: ledger.count("acquired") == 2)
    task.cancel()
    await ledger.release_entered.wait()
    task.cancel()
    await asyncio.wait([task])
    assert ledger.out == 2
    ledger.release_gate.set()
    await ledger_app.extensions["connections"].close()
    assert ledger.events == [
        *["open", "acquire", "acquired 1", "open", "acquire", "acquired 2"],
        *["released 2", "released 1", "close", "close"],
    ]


async def test_one_release_that_fails_does_not_stop_the_next(
    ledger_app: Quart, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.release_failing = {3, 2}
    async with ledger_app.app_context():
        for name in "xyz":
            await get_db(name)
    assert ledger.out == 0
    assert "connection 'y': giving back failed: OSError" in caplog.text


async def test_an_open_transaction_is_rolled_back(app: Quart) -> None:
    async with app.app_context():
        connection = await get_db("a")
        await connection.execute("CREATE TABLE IF NOT EXISTS rolled_back (n int)")
        await connection.execute("BEGIN; INSERT INTO rolled_back VALUES (1)")
        pid = connection.get_server_pid()
    async with app.app_context():
        connection = await get_db("a")
        assert connection.get_server_pid() == pid
        assert await connection.fetchval("SELECT count(*) FROM rolled_back") == 0


async def test_a_query_cut_short_leaves_the_connection_fit_for_the_next(
    app: Quart, connections: Connections
) -> None:
    pid = asyncio.get_running_loop().create_future()

    async def slow() -> None:
        async with app.app_context():
            connection = await get_db("a")
            pid.set_result(connection.get_server_pid())
            await connection.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(slow())
    await pid
    async with app.app_context():
        watching = await get_db("a")
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = $1"
        async with asyncio.timeout(10):
            while not await watching.fetchval(asleep, pid.result()):
                pass
        task.cancel()
        await asyncio.wait([task])
        assert await watching.fetchval(asleep, pid.result()) == 0
    assert connections.stats()["a"].in_use == 0
    async with app.app_context():
        assert await (await get_db("a")).fetchval("SELECT 1") == 1


async def test_a_teardown_function_may_use_it_also_for_the_first_time(
    ledger_app: Quart, ledger: Ledger
) -> None:
    seen: list[Any] = []

    @ledger_app.teardown_appcontext
    async def last_words(error: BaseException | None) -> None:
        seen.extend([await get_db("x"), await get_db("y"), ledger.count("released")])

    async with ledger_app.app_context():
        first = await get_db("x")
    assert seen == [first, seen[1], 0]
    assert ledger.events[-2:] == ["released 2", "released 1"]


async def test_a_teardown_function_that_raises_does_not_keep_the_connections(
    ledger_app: Quart, ledger: Ledger
) -> None:
    @ledger_app.teardown_appcontext
    async def broken(error: BaseException | None) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        async with ledger_app.app_context():
            await get_db("x")
    assert ledger.out == 0


async def test_a_session_that_cannot_be_opened_does_not_keep_the_connections(
    ledger_app: Quart, ledger: Ledger
) -> None:
    class Broken(type(ledger_app.session_interface)):  # type: ignore[misc]
        async def open_session(self, *args: Any) -> None:
            await get_db("x")
            raise ValueError("no session")

    ledger_app.session_interface = Broken()
    with pytest.raises(ValueError, match="no session"):
        await ledger_app.test_client().get("/")
    assert ledger.count("acquired") == 1
    assert ledger.out == 0


async def test_a_request_that_cannot_begin_does_not_keep_the_context_it_began_in(
    ledger_app: Quart, ledger: Ledger
) -> None:
    class Broken(type(ledger_app.session_interface)):  # type: ignore[misc]
        async def open_session(self, *args: Any) -> None:
            raise ValueError("no session")

    ledger_app.session_interface = Broken()
    async with ledger_app.app_context():
        await get_db("x")
        with pytest.raises(ValueError, match="no session"):
            async with ledger_app.test_request_context("/"):
                pass
        assert ledger.out == 1
    assert ledger.out == 0


async def test_a_test_client_that_preserves_its_context_gives_back(
    ledger_app: Quart, ledger: Ledger
) -> None:
    @ledger_app.get("/")
    async def index() -> str:
        await get_db("x")
        return ""

    async with ledger_app.test_client() as client:
        await client.get("/")
        assert ledger.out == 0


async def test_a_block_gives_back_what_it_opened_at_its_end(
    ledger_app: Quart, ledger: Ledger
) -> None:
    async with ledger_app.app_context():
        async with get_db("x") as outer:
            async with get_db("x") as inner:
                assert inner is outer is await get_db("x")
            assert ledger.out == 1
        assert ledger.out == 0
        assert await get_db("x") is not outer


async def test_a_block_keeps_what_the_context_had(ledger_app: Quart, ledger: Ledger) -> None:
    async with ledger_app.app_context():
        before = await get_db("x")
        async with get_db("x") as inside:
            assert inside is before
        assert ledger.out == 1
        assert await get_db("x") is before
    assert ledger.out == 0


async def test_a_block_does_not_take_away_what_another_task_shares(
    ledger_app: Quart, ledger: Ledger
) -> None:
    async with ledger_app.app_context():
        async with get_db("x") as mine:
            theirs = await asyncio.create_task(get_db("x"))
            assert theirs is mine
        assert ledger.out == 1
        assert await get_db("x") is mine
    assert ledger.out == 0


async def test_a_cancelled_block_gives_back(ledger_app: Quart, ledger: Ledger) -> None:
    ledger.release_gate = asyncio.Event()

    async def work() -> None:
        async with get_db("x"):
            pass

    async with ledger_app.app_context():
        task = asyncio.create_task(work())
        await ledger.release_entered.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        ledger.release_gate.set()
    await ledger_app.extensions["connections"].close()
    assert ledger.out == 0


async def test_a_block_cancelled_when_it_was_open_already_gives_back(
    ledger_app: Quart, ledger: Ledger
) -> None:
    async def work() -> None:
        async with get_db("x"):
            raise AssertionError("it was cancelled before")

    ledger.gate = asyncio.Event()
    async with ledger_app.app_context():
        task = asyncio.create_task(work())
        await ledger.entered.wait()
        ledger.gate.set()
        while not ledger.count("acquired"):  # noqa: ASYNC110
            await asyncio.sleep(0)  # the very next step of the loop is the one
        task.cancel()
        await asyncio.wait([task])
        assert ledger.out == 0


@pytest.mark.parametrize("ends_first", [True, False])
async def test_giving_back_before_the_end(
    ledger_app: Quart, ledger: Ledger, ends_first: bool
) -> None:
    async with ledger_app.app_context():
        before = await get_db("x")
        await ledger_app.extensions["connections"].give_back()
        assert ledger.out == 0
        if not ends_first:
            assert await get_db("x") is not before
    assert ledger.out == 0


@pytest.mark.parametrize("run_loop", [asyncio.run, uvloop.run])
async def test_a_context_ended_by_the_end_of_its_loop_gives_back(
    make_app: MakeApp, ledger: Ledger, run_loop: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    app = make_app(x="ledger://x")

    def run() -> None:
        async def main() -> None:
            async def left_behind() -> None:
                async with app.app_context():
                    await get_db("x")
                    ledger.entered.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(left_behind())
            await until(lambda: ledger.count("acquired"))
            assert not task.done()

        run_loop(main())

    await asyncio.to_thread(run)
    assert ledger.events == ["open", "acquire", "acquired 1", "released 1", "close"]
