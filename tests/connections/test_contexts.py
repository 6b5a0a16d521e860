"""Rows 13 and 14 of the contract: copies of a context, and streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from quart import (
    Quart,
    copy_current_app_context,
    copy_current_request_context,
    g,
    request,
    stream_with_context,
)
from quart.typing import ResponseReturnValue

from service.connections import get_db
from tests.eventually import until

from .ledger import Ledger


@pytest.mark.parametrize("copy", [copy_current_app_context, copy_current_request_context])
async def test_copies_share_the_connection_until_the_last_of_them_ends(
    ledger_app: Quart, ledger: Ledger, copy: Callable[..., Any]
) -> None:
    go, started = asyncio.Event(), asyncio.Event()
    copies: list[asyncio.Task[Any]] = []
    ended = 0

    @copy_current_app_context_later
    def make() -> Callable[..., Any]:
        @copy
        async def work() -> tuple[Any, str]:
            nonlocal ended
            started.set()
            await go.wait()
            ended += 1
            return await get_db("x"), g.mark

        return work  # type: ignore[no-any-return]

    @ledger_app.get("/")
    async def index() -> str:
        g.mark = "shared"
        g.connection = await get_db("x")
        copies.extend(asyncio.create_task(make()()) for _ in range(2))
        await started.wait()
        return str(g.connection.number)

    response = await ledger_app.test_client().get("/")
    number = int(await response.get_data())
    assert ledger.out == 1
    go.set()
    for connection, mark in await asyncio.gather(*copies):
        assert connection.number == number
        assert mark == "shared"
    assert ledger.events[-1] == f"released {number}"
    assert ledger.out == 0
    assert ledger.count("acquired") == 1


def copy_current_app_context_later(make: Callable[[], Any]) -> Callable[[], Any]:
    """Decorating inside the request, where there is a context to copy."""
    return make


@pytest.mark.parametrize("copy", [copy_current_app_context, copy_current_request_context])
async def test_a_copy_that_begins_after_the_original_ended_opens_and_gives_back_its_own(
    ledger_app: Quart, ledger: Ledger, copy: Callable[..., Any]
) -> None:
    go = asyncio.Event()
    copies: list[asyncio.Task[Any]] = []

    @ledger_app.get("/")
    async def index() -> str:
        @copy
        async def work() -> Any:
            return await get_db("x")

        async def later() -> Any:
            await go.wait()
            return await work()

        await get_db("x")
        copies.append(asyncio.create_task(later()))
        return ""

    await ledger_app.test_client().get("/")
    assert ledger.out == 0
    go.set()
    await asyncio.gather(*copies)
    assert ledger.count("acquired") == 2
    assert ledger.out == 0


async def test_a_stream_opens_in_a_context_of_its_own_and_gives_back_at_its_end(
    ledger_app: Quart, ledger: Ledger
) -> None:
    streaming(ledger_app, ledger, asyncio.Event())
    response = await ledger_app.test_client().get("/?part=1")
    assert await response.get_data() == b"part 1 of 2, released 1"
    assert ledger.events[-1] == "released 2"
    assert ledger.out == 0


async def test_a_stream_whose_client_leaves_gives_back(ledger_app: Quart, ledger: Ledger) -> None:
    streaming(ledger_app, ledger, None)
    async with ledger_app.test_client().request("/?part=1") as connection:
        await connection.send_complete()
        await connection.receive()
        ledger.release_entered.clear()
        assert ledger.out == 1
        await connection.disconnect()
        await ledger.release_entered.wait()
    assert ledger.out == 0


async def test_a_stream_cut_by_the_response_timeout_gives_back(
    ledger_app: Quart, ledger: Ledger
) -> None:
    streaming(ledger_app, ledger, None)
    ledger_app.config["RESPONSE_TIMEOUT"] = 0.05
    async with ledger_app.test_client().request("/?part=1") as connection:
        await connection.send_complete()
        await connection.receive()
        assert ledger.out == 1
        await until(lambda: ledger.out == 0)


def streaming(app: Quart, ledger: Ledger, end: asyncio.Event | None) -> None:
    """A route that opens `x`, and whose stream opens `x` too; without `end` it goes on for ever."""

    @app.get("/")
    async def index() -> ResponseReturnValue:
        await get_db("x")

        @stream_with_context
        async def parts() -> AsyncIterator[str]:
            connection = await get_db("x")
            yield f"part {request.args['part']} of {connection.number}, "
            yield f"released {ledger.count('released')}"
            if end is None:
                await asyncio.Event().wait()

        return parts(), 200


async def test_a_copy_of_a_preserved_context_gives_back_at_its_end(
    ledger_app: Quart, ledger: Ledger
) -> None:
    go = asyncio.Event()
    copies: list[asyncio.Task[Any]] = []

    @ledger_app.get("/")
    async def index() -> str:
        @copy_current_app_context
        async def work() -> None:
            await go.wait()
            await get_db("x")

        await get_db("x")
        copies.append(asyncio.create_task(work()))
        return ""

    async with ledger_app.test_client() as client:
        await client.get("/")
        await client.get("/")
        go.set()
        await asyncio.gather(*copies)
    assert ledger.out == 0
