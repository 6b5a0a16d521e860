"""Requests over all routes of the service, and a world for them."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import aiohttp
from quart import Quart

from service.api import schema
from service.auth import issue_token
from tests.api.apps import PASSWORD, close, make_app

from .serving import IN_A_HURRY


@dataclass(frozen=True)
class World:
    """Two players who play each other, and what a client has to know of them."""

    name: str
    player: int
    opponent: int
    token: str
    match: str


@dataclass(frozen=True)
class Route:
    """One request. Its path and body may name what `World` has.

    Attributes:
        needs: the connections without which it cannot be answered.
        stream: whether its answer goes on until the client leaves.
    """

    method: str
    path: str
    needs: frozenset[str]
    status: int = 200
    body: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """How a request went.

    Attributes:
        status: of HTTP; 0 if there was no whole answer.
        seconds: that it took.
        began: when, by `perf_counter`.
        id: the request's own, which it carries as a header.
    """

    route: Route
    status: int
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""
    began: float = 0.0
    id: str = ""

    @property
    def ended(self) -> float:
        """When, by `perf_counter`."""
        return self.began + self.seconds


REQUEST_ID = "Request-Id"
"""The header by which one request is told from another."""
A, B, CLIENT = frozenset({"a"}), frozenset({"b"}), frozenset({"client"})
NONE: frozenset[str] = frozenset()
ROUTES = (
    Route("GET", "/healthz", NONE),
    Route("GET", "/openapi.json", NONE),
    Route("GET", "/docs", NONE),
    Route("GET", "/nowhere", NONE, 404),
    Route("GET", "/api/players?limit=5", A),
    Route("GET", "/api/players/{player}", A),
    Route("POST", "/api/players", A, 201, {"name": "{new}", "password": PASSWORD}),
    Route("POST", "/api/tokens", A | CLIENT, 200, {"name": "{name}", "password": PASSWORD}),
    Route("GET", "/api/matches?limit=5", B),
    Route("GET", "/api/matches/{match}", B),
    Route("POST", "/api/matches", A | B, 201, {"opponent_id": "{opponent}"}),
    Route("GET", "/api/leaderboard", CLIENT),
    Route("GET", "/api/players/{player}/summary", A | B | CLIENT),
    Route("GET", "/api/matches/{match}/events", B, stream=True),
)
"""Every route of the service but for moves and results, which change what the others answer."""


def without(names: Collection[str], routes: Collection[Route] = ROUTES) -> list[Route]:
    """The routes that need none of these connections."""
    return [route for route in routes if not route.needs & set(names)]


def needing(names: Collection[str], routes: Collection[Route] = ROUTES) -> list[Route]:
    """The routes that need one of these connections."""
    return [route for route in routes if route.needs & set(names)]


async def world(urls: Mapping[str, str]) -> World:
    """Make the tables, two players and a match on these servers."""
    app = make_app(urls, SECRET_KEY=IN_A_HURRY["SERVICE_SECRET_KEY"])
    try:
        return await _world(app)
    finally:
        await close(app)


async def _world(app: Quart) -> World:
    client = app.test_client()
    async with app.app_context():
        await schema.create()
        players = []
        for _ in range(2):
            name = f"p-{secrets.token_hex(8)}"
            new = {"name": name, "password": PASSWORD}
            response = await client.post("/api/players", json=new)
            players.append((name, (await response.get_json())["id"]))
        (name, player), (_, opponent) = players
        token = issue_token(player)
        headers = {"Authorization": f"Bearer {token}"}
        body = {"opponent_id": opponent}
        response = await client.post("/api/matches", json=body, headers=headers)
        match = (await response.get_json())["id"]
    return World(name, player, opponent, token, match)


class Clients:
    """Clients of the service that keep their connections.

    Attributes:
        answers: how every request went, in the order of their ends.
    """

    def __init__(self, session: aiohttp.ClientSession, world: World) -> None:
        self._session = session
        self._world = world
        self.answers: list[Answer] = []

    async def ask(self, route: Route) -> Answer:
        """Make one request; of a stream, read the first event. Cancelled, the client leaves."""
        request = self.request(route)
        id = request["headers"][REQUEST_ID]
        began = perf_counter()
        try:
            async with self._session.request(**request) as response:
                body = await (response.content.readline() if route.stream else response.read())
                if route.stream:
                    response.close()
                seconds = perf_counter() - began
                headers = dict(response.headers)
                answer = Answer(route, response.status, seconds, headers, body, began=began, id=id)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            seconds = perf_counter() - began
            answer = Answer(route, 0, seconds, error=repr(error), began=began, id=id)
        self.answers.append(answer)
        return answer

    async def keep_asking(
        self,
        routes: Collection[Route],
        stop: asyncio.Event,
        chance: random.Random,
        pause: float = 0.0,
    ) -> None:
        """One request after the other until `stop`, with this pause between them on average."""
        choice = list(routes)
        while not stop.is_set():
            await self.ask(chance.choice(choice))
            if pause:
                await asyncio.sleep(chance.uniform(0, 2 * pause))

    def request(self, route: Route) -> dict[str, Any]:
        """What `aiohttp` needs to know for a request to this route."""
        places = vars(self._world) | {"new": f"p-{secrets.token_hex(8)}"}
        request = {
            "method": route.method,
            "url": route.path.format(**places),
            "headers": {
                "Authorization": f"Bearer {self._world.token}",
                REQUEST_ID: secrets.token_hex(8),
            },
        }
        if route.body:
            request["json"] = {key: _filled(value, places) for key, value in route.body.items()}
        return request


def _filled(value: Any, places: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and value[:1] == "{":
        return places[value[1:-1]]
    return value


@asynccontextmanager
async def clients(
    url: str, world: World, *, seconds: float = 30, keep_alive: bool = True
) -> AsyncIterator[Clients]:
    """Clients that wait at most `seconds` for an answer."""
    connector = aiohttp.TCPConnector(limit=0, force_close=not keep_alive)
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as session:
        yield Clients(session, world)
