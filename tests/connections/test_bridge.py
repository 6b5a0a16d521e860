"""Row 15 of the contract: `run` in plain functions."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from quart import Quart, g, request
from quart.utils import run_sync

from service.connections import Connections, UnknownConnection, get_db, run

from .asking import get
from .ledger import Ledger


async def test_run_gives_the_connection_that_every_other_await_gives(
    ledger_app: Quart, ledger: Ledger
) -> None:
    seen: list[Any] = []

    @ledger_app.before_request
    async def before() -> None:
        seen.append(await get_db("x"))

    @ledger_app.get("/<name>")
    def view(name: str) -> str:
        seen.extend([run(get_db("x")), run(g.x)])
        return f"{request.path} {run(asyncio.sleep(0, name))}"

    @ledger_app.teardown_appcontext
    def teardown(error: BaseException | None) -> None:
        seen.extend([run(get_db("x")), ledger.count("released")])

    assert await get(ledger_app, "/hello") == "/hello hello"
    assert seen == [seen[0]] * 4 + [0]
    assert ledger.events == ["open", "acquire", "acquired 1", "released 1"]


async def test_run_raises_what_the_awaitable_raises(ledger_app: Quart, ledger: Ledger) -> None:
    error = ValueError("from the loop")

    async def fail() -> None:
        raise error

    @ledger_app.get("/")
    def view() -> str:
        with pytest.raises(ValueError, match="from the loop") as caught:
            run(fail())
        assert caught.value is error
        with pytest.raises(UnknownConnection):
            run(get_db("nothing"))
        with pytest.raises(TypeError, match=r"needs an awaitable.*not int"):
            run(7)  # type: ignore[arg-type]
        return ""

    await get(ledger_app)


async def test_on_the_loop_run_is_a_clear_error(ledger_app: Quart) -> None:
    async with ledger_app.app_context():
        with pytest.raises(RuntimeError, match=r"(?s)on the event loop.*await instead") as caught:
            run(asyncio.sleep(0))
    assert "ensure_async" in str(caught.value)
    with pytest.raises(RuntimeError, match="on the event loop"):
        run(asyncio.sleep(0))


async def test_without_an_app_context_run_is_a_clear_error() -> None:
    with pytest.raises(RuntimeError, match="outside of an app context"):
        await asyncio.to_thread(lambda: run(asyncio.sleep(0)))


async def test_run_waits_in_threads_of_others_too(ledger_app: Quart) -> None:
    """Of `run_sync` and `asyncio.to_thread`, which copy the context as Quart does."""

    @ledger_app.get("/")
    async def view() -> str:
        mine = await get_db("x")
        return str([await way(lambda: run(get_db("x")) is mine) for way in (in_run_sync, thread)])

    async def in_run_sync(function: Callable[[], Any]) -> Any:
        return await run_sync(function)()

    thread: Callable[[Callable[[], Any]], Awaitable[Any]] = asyncio.to_thread
    assert await get(ledger_app) == "[True, True]"


async def test_an_error_handler_may_ask_for_the_error_being_handled(
    ledger_app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    @ledger_app.get("/")
    def view() -> str:
        raise KeyError("lost")

    @ledger_app.errorhandler(KeyError)
    def handler(error: KeyError) -> str:
        logging.exception("handled")
        assert sys.exc_info()[1] is error
        return "handled"

    assert await get(ledger_app) == "handled"
    (record,) = [record for record in caplog.records if record.message == "handled"]
    assert record.exc_info is not None
    assert "def view" not in caplog.text
    assert 'raise KeyError("lost")' in caplog.text


async def test_a_plain_decorator_may_return_what_an_async_function_gives(ledger_app: Quart) -> None:
    def requires_auth(view: Callable[[], Any]) -> Callable[[], Any]:
        def checked() -> Any:
            assert request.headers["Authorization"] == "yes"
            return view()

        return checked

    @ledger_app.get("/")
    @requires_auth
    async def view() -> str:
        return str((await get_db("x")).number)

    response = await ledger_app.test_client().get("/", headers={"Authorization": "yes"})
    assert await response.get_data() == b"1"


async def test_the_connections_of_a_plain_function_are_the_extensions_too(
    ledger_app: Quart, ledger: Ledger
) -> None:
    extension = ledger_app.extensions["connections"]
    assert isinstance(extension, Connections)

    @ledger_app.get("/")
    def view() -> str:
        run(get_db("y"))
        before = [*extension.opened()], ledger.out
        run(extension.give_back())
        return f"{before} {ledger.out}"

    assert await get(ledger_app) == "(['y'], 1) 0"
