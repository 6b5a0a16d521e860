"""SIGKILL of a worker: its requests are lost and no others, and another takes its place."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import aiohttp
import psutil

from tests import serverside
from tests.eventually import until

from . import inventory
from .backends import backends
from .begun import BEGUN, FILE, begun
from .serving import Service, serving
from .traffic import ROUTES, clients, world


async def test_the_other_serves_on_and_another_comes(data: Path, log: Path, full: bool) -> None:
    file = data / "begun"
    options = {FILE: str(file), "SERVICE_EVENT_STREAMS": "9"}
    chance = random.Random(3)
    async with backends(data) as servers:
        players = await world(servers.urls)
        async with (
            serving(servers.urls, log, application=BEGUN, workers=2, **options) as service,
            clients(service.url, players) as kept,
            clients(service.url, players, keep_alive=False) as new,
        ):
            stop = asyncio.Event()
            killed = set()
            async with asyncio.TaskGroup() as group:
                for several in [kept] * 10 + [new] * 10:
                    group.create_task(several.keep_asking(ROUTES, stop, chance))
                for number in range(5 if full else 1):
                    await until(lambda: {pid for _, pid in begun(file)} >= workers(service), 30)
                    victim = chance.choice(sorted(workers(service)))
                    (other,) = workers(service) - {victim}
                    psutil.Process(victim).kill()
                    killed.add(victim)
                    await serves_on(file, other)
                    await until(partial(service.serving, 3 + number), 30)
                    assert other in workers(service)
                    assert len(workers(service) - killed) == 2
                stop.set()
            begun_by = dict(begun(file))
            for answer in kept.answers + new.answers:
                if answer.status != answer.route.status:
                    assert answer.status == 0, answer
                    assert begun_by.get(answer.id, victim) in killed, answer
                    assert aiohttp.ClientConnectorError.__name__ not in answer.error
            await until(lambda: reclaimed(service, servers.urls), 20)
            assert f"worker {victim} ended with exit status -9" in service.said()
            assert await service.stopped() == 0


def workers(service: Service) -> set[int]:
    """The processes that serve."""
    return {worker.pid for worker in psutil.Process(service.process.pid).children()}


async def serves_on(file: Path, worker: int) -> None:
    """Wait until this worker has begun many more requests."""

    def served() -> int:
        return sum(pid == worker for _, pid in begun(file))

    before = served()
    await until(lambda: served() > before + 50, 30)


async def reclaimed(service: Service, urls: Mapping[str, str]) -> bool:
    """Whether the servers know of the connections of the workers that there are, and no others."""
    _, connections = await asyncio.to_thread(inventory.rethinkdb, urls["b"])
    at_the_servers = {
        "a": len(await inventory.postgresql(urls["a"])),
        "b": connections,
        "client": await serverside.redis_clients(urls["client"]),
    }
    ours = {
        name: sum(serverside.rethinkdb_connections(url, pid) for pid in workers(service))
        for name, url in urls.items()
    }
    return at_the_servers == ours
