"""Servers are killed and started again while fifty clients ask for everything."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from statistics import median
from time import perf_counter

import pytest

from tests.eventually import until

from .backends import KINDS
from .inventory import holds
from .outage import AT_ONCE, SLOWER, TIMEOUT, Place, lines_of_a_stream, refused, suffered
from .traffic import ROUTES, clients

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAIRS = (("a", "b"), ("b", "client"), ("a", "client"))


async def kill(here: Place, names: Collection[str], full: bool) -> None:
    """Kill and restart these servers, and see what everybody gets."""
    outage = await suffered(
        here, names, here.servers.kill, here.servers.restart, seconds=10 if full else 1.0
    )
    print("killed", *names, outage.figures())
    assert not outage.wrong()
    assert outage.slowdown() <= SLOWER
    seconds = [answer.seconds for answer in outage.refusals()]
    assert median(seconds) <= AT_ONCE + outage.pace()
    assert max(seconds) <= TIMEOUT


@pytest.mark.parametrize("name", KINDS)
async def test_one_is_killed(here: Place, name: str, full: bool) -> None:
    await kill(here, [name], full)


async def test_two_are_killed_at_once(here: Place, full: bool) -> None:
    for names in PAIRS if full else PAIRS[:1]:
        await kill(here, names, full)


async def test_queries_under_way_are_refused_too(here: Place) -> None:
    routes = [route for route in ROUTES if len(route.needs) == 1] * 2
    under_way = Counter(name for route in routes for name in route.needs)

    async def all_under_way() -> bool:
        stats = (await here.service.inventory())["stats"]
        return all(stats[name]["in_use"] == count for name, count in under_way.items())

    async with clients(here.service.url, here.worlds[0]) as one:
        await asyncio.gather(*map(one.ask, routes))
        # Those that are frozen answer none before they are killed.
        for name in KINDS:
            await here.servers.freeze(name)
        asking = [asyncio.create_task(one.ask(route)) for route in routes]
        await until(all_under_way, TIMEOUT)
        killed = perf_counter()
        await asyncio.gather(*map(here.servers.kill, KINDS))
        answers = await asyncio.gather(*asking)
    await asyncio.gather(*map(here.servers.restart, KINDS))
    assert all(map(refused, answers)), [answer.body for answer in answers]
    assert max(answer.ended for answer in answers) - killed < TIMEOUT / 2
    await holds(here.service, here.servers.urls, here.inventory)


async def test_no_connection_of_before_is_handed_out_after_a_restart_in_quiet(
    here: Place,
) -> None:
    async with clients(here.service.url, here.worlds[0]) as one:
        for _ in range(3):
            await asyncio.gather(*map(one.ask, ROUTES))
        await asyncio.gather(*map(here.servers.kill, KINDS))
        await asyncio.gather(*map(here.servers.restart, KINDS))
        answers = await asyncio.gather(*map(one.ask, ROUTES * 3))
    assert [answer.status for answer in answers] == [route.status for route in ROUTES * 3]
    await holds(here.service, here.servers.urls, here.inventory)


async def test_an_open_stream_ends_and_says_when_to_come_back(here: Place) -> None:
    async with lines_of_a_stream(here, here.worlds[0]) as lines:
        assert (await anext(lines)).startswith("id: ")
        await here.servers.kill("b")
        async with asyncio.timeout(TIMEOUT):
            rest = [line async for line in lines]
        assert rest[-2:] == ["retry: 5000", ""]
    await here.servers.restart("b")
    await holds(here.service, here.servers.urls, here.inventory)
