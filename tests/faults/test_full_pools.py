"""More requests than connections: each has its answer or a 503 in its turn, and nobody is stuck."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
import asyncpg
import pytest
from redis.asyncio import Redis
from rethinkdb import r
from rethinkdb.net import DefaultConnection, make_connection

from .holding import SECONDS, STARTED
from .inventory import MAX_SIZE
from .proxy import Harm, proxied
from .serving import Service, serving

REQUESTS = 500
PATIENCE = aiohttp.ClientTimeout(total=30)
ORDERS = [
    ",".join(order)
    for many in (2, 3)
    for order in itertools.permutations(("a", "b", "client"), many)
]


@dataclass(frozen=True)
class Answer:
    status: int
    seconds: float
    body: Mapping[str, Any]


@asynccontextmanager
async def holding(urls: Mapping[str, str], log: Path, seconds: float) -> AsyncIterator[Service]:
    """The service whose requests wait `seconds` for a connection, on slow servers."""
    connection = await asyncpg.connect(urls["a"])
    await connection.execute(f"DROP SEQUENCE IF EXISTS {STARTED}; CREATE SEQUENCE {STARTED}")
    await connection.close()
    await asyncio.to_thread(_make_document, urls["b"])
    async with Redis.from_url(urls["client"]) as redis:
        await redis.delete(STARTED)
    async with AsyncExitStack() as stack:
        slow = dict(urls)
        for name in ("b", "client"):
            proxy = await stack.enter_async_context(proxied(urls[name]))
            proxy.delay = SECONDS
            await proxy.does(Harm.DELAY)
            slow[name] = proxy.url
        slow |= {"one": urls["a"], "other": urls["a"]}
        environment: dict[str, Any] = {
            f"SERVICE_CONNECTIONS__{name}__acquire_timeout": str(seconds) for name in slow
        }
        environment |= {f"SERVICE_CONNECTIONS__{name}__max_size": "1" for name in ("one", "other")}
        application = "tests.faults.holding:create_app()"
        service = await stack.enter_async_context(
            serving(slow, log, application=application, **environment)
        )
        yield service


def _make_document(url: str) -> None:
    with make_connection(DefaultConnection, url=url) as connection:
        r.branch(r.table_list().contains(STARTED), None, r.table_create(STARTED)).run(connection)
        r.table(STARTED).insert({"id": 0, "n": 0}, conflict="replace").run(connection)


async def asked(service: Service, paths: Sequence[str]) -> list[Answer]:
    """The answers to requests for these paths, all at once."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(service.url, connector=connector, timeout=PATIENCE) as session:

        async def ask(path: str) -> Answer:
            began = perf_counter()
            async with session.get(path) as response:
                body = await response.json(content_type=None)
                return Answer(response.status, perf_counter() - began, body)

        return await asyncio.gather(*map(ask, paths))


async def slack_for_many(service: Service) -> float:
    """Seconds that so many answers may take here and now, beyond what they wait for."""
    answers = await asked(service, ["/healthz"] * REQUESTS)
    return 1.0 + 3 * max(answer.seconds for answer in answers)


def assert_in_the_order_asked(served: Sequence[Answer]) -> None:
    """Started at the server as they had asked, but for those on their way to it at once."""
    asked = sorted(answer.body["asked"] for answer in served)
    started = sorted(served, key=lambda answer: int(answer.body["started"]))
    early = [abs(asked.index(one.body["asked"]) - place) for place, one in enumerate(started)]
    assert max(early) < 3 * MAX_SIZE, early
    assert sum(early) / len(early) < MAX_SIZE, early


async def nobody_holds_or_waits(service: Service) -> None:
    stats = (await service.inventory())["stats"]
    assert {(one["in_use"], one["waiting"]) for one in stats.values()} == {(0, 0)}, stats
    names = ("a", "b", "client", "one", "other")
    answers = await asked(service, [f"/hold/{name}" for name in names])
    assert [answer.status for answer in answers] == [200] * len(names)


@pytest.mark.parametrize("name", ["a", "b", "client"])
async def test_first_come_first_served(urls: Mapping[str, str], log: Path, name: str) -> None:
    async with holding(urls, log, 60) as service:
        await asked(service, [f"/asked/{name}"])
        answers = await asked(service, [f"/asked/{name}"] * REQUESTS)
        assert Counter(answer.status for answer in answers) == {200: REQUESTS}
        assert_in_the_order_asked(answers)
        await nobody_holds_or_waits(service)


@pytest.mark.parametrize("name", ["a", "b", "client"])
async def test_a_place_or_a_503_after_the_acquire_timeout(
    urls: Mapping[str, str], log: Path, name: str
) -> None:
    seconds = 1.0
    async with holding(urls, log, seconds) as service:
        slack = await slack_for_many(service)
        await asked(service, [f"/asked/{name}"])
        answers = await asked(service, [f"/asked/{name}"] * REQUESTS)
        served = [answer for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if answer.status == 503]
        assert len(served) + len(refused) == REQUESTS
        assert len(served) >= MAX_SIZE * seconds / SECONDS / 4
        assert refused
        for answer in refused:
            assert answer.body["connection"] == name
            assert "acquire_timeout" in answer.body["detail"]
            assert seconds <= answer.seconds < seconds + slack
        assert_in_the_order_asked(served)
        await nobody_holds_or_waits(service)


async def test_connections_held_in_all_orders(urls: Mapping[str, str], log: Path) -> None:
    seconds = 1.0
    async with holding(urls, log, seconds) as service:
        slack = await slack_for_many(service)
        paths = [f"/hold/{order}" for order in ORDERS] * (REQUESTS // len(ORDERS) + 1)
        answers = await asked(service, paths[:REQUESTS])
        assert set(Counter(answer.status for answer in answers)) <= {200, 503}
        assert max(answer.seconds for answer in answers) < 3 * (seconds + SECONDS) + slack
        await nobody_holds_or_waits(service)


async def test_two_who_hold_what_the_other_waits_for(urls: Mapping[str, str], log: Path) -> None:
    seconds = 0.5
    async with holding(urls, log, seconds) as service:
        slack = await slack_for_many(service)
        answers = await asked(service, ["/hold/one,other", "/hold/other,one"])
        assert 503 in {answer.status for answer in answers}
        for answer in answers:
            assert answer.status == 200 or "acquire_timeout" in answer.body["detail"]
            assert answer.seconds < 2 * (seconds + SECONDS) + slack
        await nobody_holds_or_waits(service)
