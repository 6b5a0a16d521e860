"""What fifty clients see before, during and after an outage of some of the servers."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import httpx
from redis.asyncio import Redis

from tests.eventually import until

from .backends import Backends, backends
from .inventory import holds
from .serving import Service, patience, serving
from .traffic import ROUTES, Answer, Clients, Route, World, clients, needing, without, world

CLIENTS = 50
WORLDS = 25
PAUSE = 0.2
"""Seconds that a client thinks, on average: latencies are those of a server that is not full."""
TIMEOUT = 1.0
"""Seconds: every timeout of every connection."""
RETURN = 2.0
"""Seconds after which a server that is back is used again."""
SLOWER = 1.5
"""Times that others may be slower in an outage than before it."""
FOREVER = float("inf")
AT_ONCE = 0.1
"""Seconds that a 503 takes, most of the time, if the server's port refuses."""

ENVIRONMENT = patience(TIMEOUT) | {
    "SERVICE_EVENT_STREAMS": "9",
    "SERVICE_EVENT_HEARTBEAT": "0.5",
}


@dataclass(frozen=True)
class Place:
    """Servers, the service on them, and worlds in which clients can tell their own answers."""

    servers: Backends
    service: Service
    worlds: Sequence[World]
    inventory: Mapping[str, Any]
    """What the service held before anybody came."""


@asynccontextmanager
async def place(directory: Path) -> AsyncIterator[Place]:
    """Servers with their data in `directory`, and the service on them."""
    async with backends(directory / "data") as servers:
        worlds = [await world(servers.urls) for _ in range(WORLDS)]
        async with Redis.from_url(servers.urls["client"]) as redis:
            points: dict[Any, Any] = {str(one.player): _points(one) for one in worlds}
            await redis.zadd("{leaderboard}:points", points)
        log = directory / "service.log"
        async with serving(servers.urls, log, workers=0, **ENVIRONMENT) as service:
            yield Place(servers, service, worlds, await service.inventory())


class Load:
    """Clients that ask for something of their own, over all routes."""

    def __init__(self, everybody: Sequence[tuple[World, Clients]]) -> None:
        self._everybody = everybody

    def answers(self) -> list[Answer]:
        """What they have got so far."""
        return [answer for _, one in self._everybody for answer in one.answers]

    def of_others(self) -> list[Answer]:
        """What they have got that somebody else asked for."""
        return [
            answer
            for world, one in self._everybody
            for answer in one.answers
            if answer.status == 200 and not _own(world, answer)
        ]


@asynccontextmanager
async def load(place: Place) -> AsyncIterator[Load]:
    """Fifty clients at work until the end of the block."""
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        everybody = []
        for number in range(CLIENTS):
            own = place.worlds[number % WORLDS]
            one = await stack.enter_async_context(clients(place.service.url, own))
            everybody.append((own, one))
        async with asyncio.TaskGroup() as group:
            for number, (_, one) in enumerate(everybody):
                chance = random.Random(number)
                group.create_task(one.keep_asking(ROUTES, stop, chance, PAUSE))
            try:
                yield Load(everybody)
            finally:
                stop.set()


@asynccontextmanager
async def lines_of_a_stream(place: Place, one: World) -> AsyncIterator[AsyncIterator[str]]:
    """The events of a match of this world, line by line, as they come."""
    path = f"/api/matches/{one.match}/events"
    async with (
        httpx.AsyncClient(base_url=place.service.url, timeout=None) as client,
        client.stream("GET", path) as response,
    ):
        yield response.aiter_lines()


@dataclass
class Outage:
    """What clients got in an outage of the connections `names`, and at which times.

    Attributes:
        began, known, ending, returned: when the servers went, when that could be known, when
            they began to come back, and when they were back, by `perf_counter`.
    """

    names: Collection[str]
    load: Load
    began: float
    known: float = FOREVER
    ending: float = FOREVER
    returned: float = FOREVER

    def wrong(self) -> dict[str, list[str]]:
        """What should not have been, by kind."""
        answers = self.load.answers()
        unconcerned = _names(without(self.names))
        first = self._first_good()
        found: dict[str, list[Answer]] = {
            "neither an answer nor a clear refusal": [
                one for one in answers if not (_good(one) or refused(one))
            ],
            "of routes that need nothing of it": [
                one for one in answers if str(one.route) in unconcerned and not _good(one)
            ],
            "before it": [one for one in answers if one.ended < self.began and not _good(one)],
            "after the first good answer": [
                one
                for one in answers
                if one.began > first.get(str(one.route), self.returned) and not _good(one)
            ],
            "somebody else's": self.load.of_others(),
        }
        wrong = {kind: [_told(one) for one in some[:5]] for kind, some in found.items() if some}
        late = [route for route, seconds in self.recoveries().items() if seconds > RETURN]
        return wrong | ({"not back in time": late} if late else {})

    def refusals(self, since: float | None = None) -> list[Answer]:
        """Refusals of requests made while it lasted, or from `since`."""
        return [answer for answer in self._during(since) if refused(answer)]

    def slowdown(self) -> float:
        """How many times slower the routes without need of it are in it than before."""
        before, during = _medians(self._before()), _medians(self._during(self.known))
        return median(during[route] / before[route] for route in _names(without(self.names)))

    def pace(self) -> float:
        """Seconds that an answer takes in it that needs nothing of it."""
        return median(_medians(self._during())[route] for route in _names(without(self.names)))

    def recoveries(self) -> dict[str, float]:
        """For each route that needs it: seconds from the return to the first good answer."""
        return {route: end - self.returned for route, end in self._first_good().items()}

    def figures(self) -> dict[str, Any]:
        """What there is to report, times in milliseconds."""
        routes = _names(without(self.names))
        seconds = sorted(answer.seconds for answer in self.refusals())
        phases = {
            "before": self._before(),
            "during": self._during(),
            "after": [one for one in self.load.answers() if one.began >= self.ending],
        }
        return {
            "statuses": {
                phase: dict(Counter(answer.status for answer in answers))
                for phase, answers in phases.items()
            },
            "others, median before and during": [
                _milliseconds(median(one.seconds for one in some if str(one.route) in routes))
                for some in (self._before(), self._during(self.known))
            ],
            "others, times slower": round(self.slowdown(), 2),
            "503, median and slowest": list(map(_milliseconds, (median(seconds), seconds[-1]))),
            "503 without waiting, when known": f"{unawaited(self.refusals(self.known)):.0%}",
            "first good answer of the last route": _milliseconds(max(self.recoveries().values())),
        }

    def _before(self) -> list[Answer]:
        return [answer for answer in self.load.answers() if answer.ended < self.began]

    def _during(self, since: float | None = None) -> list[Answer]:
        since = self.began if since is None else since
        return [one for one in self.load.answers() if since <= one.began < self.ending]

    def _first_good(self) -> dict[str, float]:
        """When the first good answer came to a request made since it was known, by route."""
        first = dict.fromkeys(_names(needing(self.names)), FOREVER)
        for answer in self.load.answers():
            route = str(answer.route)
            if route in first and answer.began >= self.known and _good(answer):
                first[route] = min(first[route], answer.ended)
        return first


async def suffered(
    place: Place,
    names: Collection[str],
    begin: Callable[[str], Awaitable[None]],
    end: Callable[[str], Awaitable[None]],
    *,
    seconds: float,
    unknown: float = 0.0,
) -> Outage:
    """An outage under the load of fifty clients; a noisy one again, five times at most.

    Args:
        place: where.
        names: the connections whose servers go.
        begin: makes one go.
        end: makes one answer again.
        seconds: how long to look at what was before, and at what is when it is known.
        unknown: how long it cannot be known yet.

    Raises:
        AssertionError: something is left when all is over.
    """
    for _ in range(5):
        outage = await _suffered(place, names, begin, end, seconds, unknown)
        if outage.wrong() or outage.slowdown() <= SLOWER:
            break
    return outage


async def _suffered(
    place: Place,
    names: Collection[str],
    begin: Callable[[str], Awaitable[None]],
    end: Callable[[str], Awaitable[None]],
    seconds: float,
    unknown: float,
) -> Outage:
    async with load(place) as clients:
        await asyncio.sleep(seconds)
        outage = Outage(names, clients, began=perf_counter())
        await asyncio.gather(*map(begin, names))
        await asyncio.sleep(unknown)
        outage.known = perf_counter()
        await asyncio.sleep(seconds)
        outage.ending = perf_counter()
        await asyncio.gather(*map(end, names))
        outage.returned = perf_counter()
        with suppress(TimeoutError):
            await until(lambda: max(outage.recoveries().values()) < FOREVER, RETURN)
        await asyncio.sleep(seconds / 2)
    await holds(place.service, place.servers.urls, place.inventory)
    return outage


def unawaited(answers: Collection[Answer]) -> float:
    """The share of answers for which no timeout had to pass."""
    return sum(answer.seconds <= TIMEOUT / 2 for answer in answers) / len(answers)


def _good(answer: Answer) -> bool:
    return answer.status == answer.route.status and not _ends_early(answer)


def _ends_early(answer: Answer) -> bool:
    # A stream whose headers were sent: it can only say when to come back, or end.
    return answer.route.stream and (not answer.body or answer.body.startswith(b"retry:"))


def refused(answer: Answer) -> bool:
    """Whether an answer says clearly that a connection cannot be had."""
    if _ends_early(answer) and answer.status == answer.route.status:
        return True
    return (
        answer.status == 503
        and int(answer.headers["Retry-After"]) >= 1
        and answer.headers["Content-Type"] == "application/problem+json"
        and json.loads(answer.body)["type"] == "/problems/connection-unavailable"
    )


def _own(world: World, answer: Answer) -> bool:
    """Whether an answer is what this world's client has asked for, as far as it can tell."""
    path = answer.route.path
    if path == "/api/players/{player}":
        player = json.loads(answer.body)
        return (player["id"], player["name"]) == (world.player, world.name)
    if path == "/api/matches/{match}":
        return bool(json.loads(answer.body)["id"] == world.match)
    if path.endswith("/summary"):
        summary = json.loads(answer.body)
        players = [match["players"] for match in summary["matches"]]
        return (
            summary["player"]["id"] == world.player
            and summary["points"] == _points(world)
            and all(sorted(both) == [world.player, world.opponent] for both in players)
        )
    return True


def _points(world: World) -> int:
    """Points that no player of another world has."""
    return 3 * world.player


def _names(routes: Collection[Route]) -> list[str]:
    return list(map(str, routes))


def _told(answer: Answer) -> str:
    said = answer.error or answer.body[:200].decode(errors="replace")
    return f"{answer.route}: {answer.status} after {answer.seconds:.3f} s: {said}"


def _medians(answers: Collection[Answer]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {}
    for answer in answers:
        seconds.setdefault(str(answer.route), []).append(answer.seconds)
    return {route: median(some) for route, some in seconds.items()}


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 1)
