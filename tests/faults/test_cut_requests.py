"""Clients leave at any moment of their requests: nothing is left of these, and nobody else hurt."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import httpx

from . import inventory, leaving, phases
from .backends import backends
from .inventory import MAX_SIZE
from .phases import Phase
from .proxy import Harm, proxied
from .serving import Service, serving
from .traffic import ROUTES, Clients, Route, clients, world

AT_ONCE = 50
STAYING = 3
"""Clients that wait for their answers meanwhile."""
SLOWER = 0.02
"""Seconds by which a backend's answers come later, so that there is time to leave before."""
SECONDS = 240

log_of_tests = logging.getLogger(__name__)


async def test_clients_that_leave_at_any_moment_leave_nothing_behind(
    data: Path, log: Path, full: bool, record_property: Callable[[str, object], None]
) -> None:
    async with backends(data) as servers, slower(servers.urls) as urls:
        someone = await world(servers.urls)
        await rows(servers.urls["a"], phases.PAIRS)
        async with (
            serving(urls, log, application=phases.APPLICATION) as service,
            clients(service.url, someone) as staying,
            asyncio.timeout(SECONDS),
        ):
            before = await service.inventory()
            left = await leave(service, staying, 3000 if full else 120)
            record_property("left", left)

            await inventory.holds(service, servers.urls, before)
            assert all(left[phase] for phase in Phase), left
            wrong = [found for found in staying.answers if found.status != found.route.status]
            assert not wrong, wrong
            assert "Traceback" not in service.said(), service.said()
            assert await rows(servers.urls["a"], phases.HALVES) == []
            for name in servers.urls:
                route = Route("GET", f"/_all_at_once/{name}", frozenset({name}))
                answers = await asyncio.gather(*(staying.ask(route) for _ in range(MAX_SIZE)))
                assert [answer.status for answer in answers] == [200] * MAX_SIZE, answers


async def leave(service: Service, staying: Clients, wanted: int) -> dict[str, int]:
    """Ask until so many clients have left, some in each phase, while others stay.

    Returns:
        How many have left in each phase.
    """
    stop, chance, sent = asyncio.Event(), random.Random(0), 0
    left = await left_in(service)
    answered = [route for route in ROUTES if not route.stream]
    async with asyncio.TaskGroup() as group:
        for _ in range(STAYING):
            group.create_task(staying.keep_asking(answered, stop, chance))
        while (missing := wanted - sum(left.values())) > 0 or not all(left.values()):
            requests = [
                staying.request(chance.choice([*ROUTES, *phases.OF_ITS_OWN]))
                for _ in range(max(missing, AT_ONCE))
            ]
            departures = [leaving.at_random(request, chance) for request in requests]
            await leaving.take_all(departures, service.url, AT_ONCE)
            sent, left = sent + len(departures), await left_in(service)
            log_of_tests.info("of %s clients left: %s", sent, left)
        stop.set()
    return left


async def left_in(service: Service) -> dict[str, int]:
    """How many clients the service knows to have left, in each phase of their requests."""
    async with httpx.AsyncClient() as client:
        return dict((await client.get(f"{service.url}{phases.PATH}", timeout=30)).json())


@asynccontextmanager
async def slower(urls: Mapping[str, str]) -> AsyncIterator[dict[str, str]]:
    """The same servers by way of proxies that take their time."""
    async with AsyncExitStack() as stack:
        proxies = {name: await stack.enter_async_context(proxied(urls[name])) for name in urls}
        for proxy in proxies.values():
            proxy.delay = SLOWER
            await proxy.does(Harm.DELAY)
        yield {name: proxy.url for name, proxy in proxies.items()}


async def rows(url: str, query: str) -> list[asyncpg.Record]:
    """What the server of `url` answers."""
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()
