"""Many requests, some cut and some failing, leave the process as it was before them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.eventually import until

from . import inventory
from .backends import backends
from .begun import BEGUN, FAILS, FILE
from .serving import Service, serving
from .traffic import ROUTES, Clients, clients, world

EVERY = 50
"""One request in so many is cut, and one fails."""
AT_ONCE = 20


async def test_memory_tasks_and_descriptors_do_not_grow(data: Path, log: Path, full: bool) -> None:
    first, all_of_them = (20_000, 200_000) if full else (1_000, 2_000)
    # A short run shows what each request leaves behind; caches are still filling in it.
    most = 1.05 if full else 1.10
    async with backends(data) as servers:
        players = await world(servers.urls)
        options: dict[str, Any] = {FILE: "/dev/null", "SERVICE_EVENT_STREAMS": "9"}
        async with serving(servers.urls, log, application=BEGUN, **options) as service:
            async with clients(service.url, players) as asking:
                await ask(asking, first)
            await inventory.holds(service, servers.urls)
            early = await without_clients(service)
            async with clients(service.url, players) as asking:
                await ask(asking, all_of_them - first)
            await inventory.holds(service, servers.urls, early)
            late = await without_clients(service)
            print({key: (early[key], late[key]) for key in ("resident", "descriptors")})
            assert late["resident"] <= early["resident"] * most
            assert open_for_itself(late) <= open_for_itself(early)
            assert late["leases"] == 0
            assert await service.stopped() == 0


async def without_clients(service: Service) -> dict[str, Any]:
    """What the service holds when the server has forgotten all clients but the one that asks."""
    held: dict[str, Any] = {}

    async def alone() -> bool:
        held.update(await service.inventory())
        return bool(held["tasks"]["worker_serve.<locals>._server_callback"] == 1)

    await until(alone)
    return held


def open_for_itself(held: Mapping[str, Any]) -> int:
    """The descriptors of a process that are no connections of pools."""
    return int(held["descriptors"] - sum(stats["size"] for stats in held["stats"].values()))


async def ask(asking: Clients, count: int) -> None:
    """Make so many requests over all routes, a few of them at once."""
    chance = random.Random(count)
    kinds = iter([number % EVERY for number in range(count)])

    async def one_after_the_other() -> None:
        for kind in kinds:
            asking.answers.clear()
            if kind == 0:
                await leave(asking, chance)
            elif kind == 1:
                assert (await asking.ask(FAILS)).status == FAILS.status
            else:
                route = chance.choice(ROUTES)
                # Streams beyond those that are served at once are turned away.
                assert (await asking.ask(route)).status in {route.status, 503 * route.stream}

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())


async def leave(asking: Clients, chance: random.Random) -> None:
    """Begin a request and leave before or in the answer."""
    request = asyncio.create_task(asking.ask(chance.choice(ROUTES)))
    await asyncio.wait([request], timeout=chance.random() / 100)
    request.cancel()
    await asyncio.wait([request])
