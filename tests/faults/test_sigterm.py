"""SIGTERM: what was begun is answered, nothing new is, and no connection stays behind."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import pytest

from tests.eventually import until
from tests.serverside import redis_clients

from . import inventory
from .backends import backends
from .begun import BEGUN, FILE, HOLDS, begun
from .serving import Service, serving
from .traffic import ROUTES, Answer, World, clients, world

GRACEFUL = 8.0
"""The `graceful_timeout` of config/hypercorn.toml."""
NO_STREAMS = [route for route in ROUTES if not route.stream]


def to_process(service: Service) -> None:
    service.process.send_signal(signal.SIGTERM)


def to_process_group(service: Service) -> None:
    os.killpg(service.process.pid, signal.SIGTERM)


@pytest.mark.parametrize(("workers", "terminate"), [(1, to_process), (2, to_process_group)])
async def test_under_load_no_request_that_was_begun_fails(
    workers: int, terminate: Callable[[Service], None], data: Path, log: Path, full: bool
) -> None:
    async with backends(data) as servers:
        players = await world(servers.urls)
        for number in range(20 if full else 1):
            file = data / f"begun-{number}"
            options = {FILE: str(file), "SERVICE_EVENT_STREAMS": "9"}
            async with serving(
                servers.urls, log, application=BEGUN, workers=workers, **options
            ) as service:
                answers = await under_load(service, players, terminate, random.Random(number))
            assert failed(answers, begun(file)) == []
            said = service.said()
            assert "Traceback" not in said, said
            assert "ERROR" not in said, said
            await nobody_is_connected(servers.urls)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_request_that_runs_on_is_cut_and_gives_its_connection_back(
    workers: int, data: Path, log: Path, full: bool
) -> None:
    options = {FILE: "/dev/null"} | ({} if full else {"SERVICE_STOP_TIMEOUT": "1"})
    async with backends(data) as servers:
        players = await world(servers.urls)
        async with (
            serving(servers.urls, log, application=BEGUN, workers=workers, **options) as service,
            clients(service.url, players) as asking,
            asyncio.TaskGroup() as group,
        ):
            held = [group.create_task(asking.ask(HOLDS)) for _ in range(3)]
            await until(lambda: asleep(servers.urls["a"], len(held)), 30)
            async with asyncio.timeout(GRACEFUL):
                assert await service.stopped() == 0
        for answer in [request.result() for request in held]:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "1"
            assert answer.headers["Connection"] == "close"
            assert json.loads(answer.body)["type"] == "/problems/stopping"
        said = service.said()
        assert "Traceback" not in said, said
        await nobody_is_connected(servers.urls)


async def asleep(url: str, count: int) -> bool:
    """Whether so many sessions are at work."""
    return (await inventory.postgresql(url)).count("active") == count


async def under_load(
    service: Service, players: World, terminate: Callable[[Service], None], chance: random.Random
) -> list[Answer]:
    """What clients got that asked on while the service was told to stop."""
    async with (
        clients(service.url, players) as kept,
        clients(service.url, players, keep_alive=False) as new,
        aiohttp.ClientSession(service.url) as followers,
    ):
        stop = asyncio.Event()
        path = f"/api/matches/{players.match}/events"
        streams = [await Stream.opened(followers, path) for _ in range(4)]
        async with asyncio.TaskGroup() as group:
            for several in [kept] * 30 + [new] * 10:
                group.create_task(several.keep_asking(NO_STREAMS, stop, chance))
            ends = [group.create_task(stream.rest()) for stream in streams]
            await until(lambda: len(kept.answers) > 100, 30)
            await asyncio.sleep(chance.random() / 2)
            terminate(service)
            # In less than the timeouts: nothing had to be cut.
            async with asyncio.timeout(GRACEFUL - 1):
                assert await service.process.wait() == 0, service.said()
            stop.set()
        for end in ends:
            assert end.result().endswith(b"retry: 5000\n\n")
    return kept.answers + new.answers


class Stream:
    """A follower of a match who stays to the end."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @classmethod
    async def opened(cls, session: aiohttp.ClientSession, path: str) -> Stream:
        """One that has its first event."""
        response = await session.get(path)
        assert response.status == 200
        assert await response.content.readline()
        return cls(response)

    async def rest(self) -> bytes:
        """What came until the end, which must be one: not a connection that breaks."""
        async with self._response:
            return await self._response.read()


def failed(answers: list[Answer], begun: list[tuple[str, int]]) -> list[Answer]:
    """The answers that are not whole, though the requests were begun.

    A client may ask again by itself, so a request that was begun twice has failed once.
    """
    times = Counter(id for id, _ in begun)
    return [
        answer for answer in answers if times[answer.id] != (answer.status == answer.route.status)
    ]


async def nobody_is_connected(urls: Mapping[str, str]) -> None:
    """Wait until the servers have no client; some see the end of one a moment later."""

    async def nobody() -> bool:
        sessions = await inventory.postgresql(urls["a"])
        cursors, connections = await asyncio.to_thread(inventory.rethinkdb, urls["b"])
        return not (sessions or cursors or connections or await redis_clients(urls["client"]))

    await until(nobody, 5)
