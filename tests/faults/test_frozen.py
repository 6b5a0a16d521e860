"""Servers are frozen and thawed while fifty clients ask for everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection

import httpx
import pytest

from service.connections.postgresql import CANCEL_TIMEOUT

from .backends import KINDS
from .inventory import holds
from .outage import SLOWER, TIMEOUT, Place, lines_of_a_stream, suffered, unawaited
from .traffic import NONE, ROUTES, Route, clients

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAIRS = (("b", "client"), ("a", "b"), ("a", "client"))
READY = Route("GET", "/readyz", NONE)


async def freeze(here: Place, names: Collection[str], full: bool) -> None:
    """Freeze and thaw these servers, and see what everybody gets."""

    # Those who are under way wait for their answers; then the next few ask in vain for a sign.
    unknown = 2 * TIMEOUT + CANCEL_TIMEOUT
    outage = await suffered(
        here,
        names,
        here.servers.freeze,
        here.servers.thaw,
        seconds=10 if full else 1.5,
        unknown=unknown,
    )
    print("frozen", *names, outage.figures())
    assert not outage.wrong()
    assert outage.slowdown() <= SLOWER
    # One wait for a place, one for a connection, one for an answer, one to give back.
    bound = 3 * TIMEOUT + CANCEL_TIMEOUT
    assert max(answer.seconds for answer in outage.refusals()) <= bound
    assert unawaited(outage.refusals(outage.known)) >= 0.9


@pytest.mark.parametrize("name", KINDS)
async def test_one_is_frozen(here: Place, name: str, full: bool) -> None:
    await freeze(here, [name], full)


async def test_two_are_frozen_at_once(here: Place, full: bool) -> None:
    for names in PAIRS if full else PAIRS[:1]:
        await freeze(here, names, full)


async def test_what_was_frozen_and_thawed_in_quiet_serves_as_before(here: Place) -> None:
    async with clients(here.service.url, here.worlds[0]) as one:
        for _ in range(3):
            await asyncio.gather(*map(one.ask, ROUTES))
        for name in KINDS:
            await here.servers.freeze(name)
        unanswered = await one.ask(READY)
        for name in KINDS:
            await here.servers.thaw(name)
        answers = await asyncio.gather(*map(one.ask, ROUTES * 3))
    assert unanswered.status == 503
    assert [answer.status for answer in answers] == [route.status for route in ROUTES * 3]
    await holds(here.service, here.servers.urls, here.inventory)


async def test_an_open_stream_says_that_it_is_still_there_and_goes_on(here: Place) -> None:
    own = here.worlds[0]
    async with (
        lines_of_a_stream(here, own) as lines,
        httpx.AsyncClient(base_url=here.service.url, timeout=10) as client,
        asyncio.timeout(10),
    ):
        moves = int((await _line_with("id: ", lines)).removeprefix("id: "))
        await here.servers.freeze("b")
        await _line_with(": still here", lines)
        await _line_with(": still here", lines)
        await here.servers.thaw("b")
        headers = {"Authorization": f"Bearer {own.token}"}
        path = f"/api/matches/{own.match}/moves"
        response = await client.post(path, json={"move": "e2e4"}, headers=headers)
        assert response.status_code == 200
        assert await _line_with("id: ", lines) == f"id: {moves + 1}"
    await holds(here.service, here.servers.urls, here.inventory)


async def _line_with(text: str, lines: AsyncIterator[str]) -> str:
    return await anext(line async for line in lines if text in line)
