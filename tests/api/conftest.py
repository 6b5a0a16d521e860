"""The app on real servers, and a world for it: a few players, and matches between them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client

from service.api import schema
from service.api.fields import LARGEST_ID
from service.auth import issue_token

from .apps import PASSWORD, close, make_app


@dataclass(frozen=True)
class Somebody:
    """A player of the world."""

    id: int
    name: str
    token: str

    @property
    def auth(self) -> dict[str, str]:
        """The header that says who this is."""
        return {"Authorization": f"Bearer {self.token}"}


NewMatch = Callable[..., Awaitable[str]]


@dataclass(frozen=True)
class World:
    """Three players; Ann and Bob play each other, Cy looks on."""

    ann: Somebody
    bob: Somebody
    cy: Somebody


def new_name() -> str:
    """A name that nobody has yet."""
    return f"p-{secrets.token_hex(8)}"


@pytest.fixture(scope="session")
def world(urls: Mapping[str, str]) -> World:
    """The players, made by an app that has closed all it opened."""

    async def make() -> World:
        app = make_app(urls)
        async with app.app_context():
            await schema.create()
            people = [await _somebody(app) for _ in range(3)]
        await close(app)
        return World(*people)

    return asyncio.run(make())


@pytest.fixture
async def app(urls: Mapping[str, str], world: World) -> AsyncIterator[Quart]:
    """The app, with nothing opened yet."""
    app = make_app(urls)
    yield app
    await close(app)


@pytest.fixture
def client(app: Quart) -> Client:
    """A client of the app."""
    return app.test_client()


@pytest.fixture
async def gone(app: Quart) -> Somebody:
    """Somebody with a good token, whom the database does not know."""
    async with app.app_context():
        return Somebody(LARGEST_ID, "gone", issue_token(LARGEST_ID))


@pytest.fixture
def new_match(urls: Mapping[str, str], world: World) -> NewMatch:
    """Makes a match between Ann and Bob, finished if a winner is given, and returns its id."""

    async def make(winner: Somebody | None = None) -> str:
        app = make_app(urls)
        try:
            client = app.test_client()
            opponent = {"opponent_id": world.bob.id}
            response = await client.post("/api/matches", json=opponent, headers=world.ann.auth)
            match_id: str = (await response.get_json())["id"]
            if winner is not None:
                await client.post(
                    f"/api/matches/{match_id}/result",
                    json={"winner_id": winner.id},
                    headers=world.ann.auth,
                )
            return match_id
        finally:
            await close(app)

    return make


async def _somebody(app: Quart) -> Somebody:
    name = new_name()
    body: dict[str, Any] = {"name": name, "password": PASSWORD}
    response = await app.test_client().post("/api/players", json=body)
    player_id = (await response.get_json())["id"]
    return Somebody(player_id, name, issue_token(player_id))
