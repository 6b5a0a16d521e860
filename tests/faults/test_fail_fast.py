"""While a backend is known to be dead, one attempt at a time finds out whether it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
import pytest

from tests.eventually import until

from .inventory import MAX_SIZE
from .proxy import Harm, proxied
from .serving import patience, serving
from .traffic import world

REQUESTS = 140
SECONDS = 2.0
"""Over which the requests come."""
TIMEOUT = 0.4
"""Seconds: to connect, and for an answer."""
FAIL_AFTER, FAIL_FOR = 3, 0.5
PATHS = {"a": "/api/players", "b": "/api/matches", "client": "/api/leaderboard"}


@pytest.mark.parametrize("warm", [False, True], ids=["never used", "used before"])
@pytest.mark.parametrize("name", PATHS)
async def test_one_attempt_at_a_time(
    urls: Mapping[str, str], log: Path, name: str, warm: bool
) -> None:
    environment: dict[str, Any] = patience(TIMEOUT) | {
        f"SERVICE_CONNECTIONS__{name}__fail_after": str(FAIL_AFTER),
        f"SERVICE_CONNECTIONS__{name}__fail_for": str(FAIL_FOR),
    }
    async with (
        proxied(urls[name]) as proxy,
        serving({**urls, name: proxy.url}, log, **environment) as service,
        aiohttp.ClientSession(service.url) as session,
    ):

        async def ask() -> tuple[int, float]:
            began = perf_counter()
            async with session.get(PATHS[name]) as response:
                await response.read()
                return response.status, perf_counter() - began

        async def many(count: int, seconds: float) -> list[tuple[int, float]]:
            began = perf_counter()
            asking = []
            for number in range(count):
                await asyncio.sleep(began + number * seconds / count - perf_counter())
                asking.append(asyncio.create_task(ask()))
            return await asyncio.gather(*asking)

        if warm:
            assert (await ask())[0] == 200
        await proxy.does(Harm.SWALLOW)
        before, began = proxy.accepted, perf_counter()
        answers = await many(REQUESTS // 2, SECONDS / 2)
        assert {status for status, _ in answers} == {503}
        windows = (perf_counter() - began) / FAIL_FOR
        assert proxy.accepted - before <= FAIL_AFTER + MAX_SIZE + windows

        await until(lambda: not proxy.open)
        proxy.most_open, before, began = 0, proxy.accepted, perf_counter()
        answers = await many(REQUESTS // 2, SECONDS / 2)
        probes = proxy.accepted - before
        assert {status for status, _ in answers} == {503}
        assert 1 <= probes <= (perf_counter() - began) / FAIL_FOR + 1
        assert proxy.most_open == 1
        assert sum(seconds > TIMEOUT / 2 for _, seconds in answers) <= probes

        await proxy.does(Harm.NONE)

        async def answers_again() -> bool:
            return (await ask())[0] == 200

        await until(answers_again, TIMEOUT + FAIL_FOR + 1)
        assert {status for status, _ in await many(50, 0.1)} == {200}


@pytest.fixture(autouse=True)
async def tables(urls: Mapping[str, str]) -> None:
    """What the routes read."""
    await world(urls)
