"""Row 15 of the contract under a real Hypercorn, with clients that leave."""

from __future__ import annotations

import asyncio
import random
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.eventually import until
from tests.faults.leaving import Departure, take_all
from tests.faults.raw_http import request
from tests.faults.serving import Service, serving

ASLEEP = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE wait_event = 'PgSleep' AND datname = current_database()"
)
IDLE = {"in_use": 0, "at_work": 0, "wrong": []}


def bridged(postgresql: str, directory: Path) -> AbstractAsyncContextManager[Service]:
    """The app of plain functions, serving."""
    application = "tests.connections.bridged:create_app()"
    return serving({}, directory / "log", application=application, TEST_POSTGRESQL=postgresql)


async def state(service: Service) -> dict[str, Any]:
    async with httpx.AsyncClient() as client:
        return dict((await client.get(f"{service.url}/state", timeout=30)).json())


async def is_idle(service: Service) -> bool:
    found = await state(service)
    assert not found["wrong"]
    return found.items() >= IDLE.items()


async def few_threads(service: Service) -> bool:
    """Whether there are no more than configured; on a busy machine there were, perhaps."""
    return int((await state(service))["threads"]) <= 8


async def test_a_client_leaves_while_a_thread_waits_for_a_query(
    postgresql_url: str, tmp_path: Path
) -> None:
    observer = await asyncpg.connect(postgresql_url)
    try:
        async with bridged(postgresql_url, tmp_path) as service:
            sent = request("/sleep/300.0")
            leaving = asyncio.create_task(Departure(sent, 300, reset=False).take(service.url))
            await until(lambda: observer.fetchval(ASLEEP), 30)
            leaving.cancel()
            await asyncio.wait([leaving])
            await until(lambda: is_idle(service), 30)
            assert await observer.fetchval(ASLEEP) == 0
            assert await service.stopped() == 0
            assert "Traceback" not in service.said()
    finally:
        await observer.close()


async def test_many_clients_some_of_which_leave(postgresql_url: str, tmp_path: Path) -> None:
    """Many more than there are threads, and than there are connections."""
    chance = random.Random(15)
    paths = ["/sleep/0.0", "/sleep/0.05", "/stream", "/whole"]
    departures = [
        Departure(request(chance.choice(paths)), chance.uniform(0, 0.4), chance.random() < 0.5)
        for _ in range(300)
    ]
    async with bridged(postgresql_url, tmp_path) as service:

        async def stays(client: httpx.AsyncClient) -> None:
            for path in paths * 5:
                response = await client.get(f"{service.url}{path}", timeout=60)
                assert response.status_code == 200
                assert path != "/stream" or len(response.content) == 10_000_000

        async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
            group.create_task(take_all(departures, service.url, 40))
            group.create_task(stays(client))
        await until(lambda: is_idle(service), 30)
        await until(lambda: few_threads(service), 30)
        assert await service.stopped() == 0
        assert "Traceback" not in service.said()
