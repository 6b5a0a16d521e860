"""More at once than can be done: a 503 that says when to come back, and then it goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping

import pytest
from argon2 import PasswordHasher
from quart import Quart
from quart.typing import TestClientProtocol as Client

from service.api import passwords
from service.connections import get_db
from tests.eventually import until

from .apps import PASSWORD, close, make_app
from .conftest import World, new_name

MOST = passwords._AT_ONCE + 1
"""Passwords at once, with one that waits."""


@pytest.mark.parametrize(
    ("name", "path"),
    [("a", "/api/players"), ("b", "/api/matches"), ("b", "/api/matches/{}/events")],
)
async def test_a_pool_that_is_used_up_is_named(
    urls: Mapping[str, str], world: World, name: str, path: str
) -> None:
    small = {"url": urls[name], "max_size": 1, "acquire_timeout": 0.05}
    app = make_app({**urls, name: small}, EVENT_STREAMS=0)
    path = path.format("00000000-0000-4000-8000-000000000000")
    held, done = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with app.app_context():
            await get_db(name)
            held.set()
            await done.wait()

    # A task, so that the request has an app context of its own.
    holding = asyncio.create_task(hold())
    await held.wait()
    response = await app.test_client().get(path)
    problem = await response.get_json()
    done.set()
    await holding
    again = await app.test_client().get(path)
    await close(app)

    assert response.status_code == 503
    assert response.content_type == "application/problem+json"
    assert int(response.headers["Retry-After"]) >= 1
    assert problem["type"] == "/problems/connection-unavailable"
    assert problem["connection"] == name
    assert "acquire_timeout" in problem["detail"]
    assert again.status_code in (200, 404)


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What every hash waits for."""
    go_on = threading.Event()
    hash_password = PasswordHasher.hash

    def slowly(self: PasswordHasher, password: str) -> str:
        go_on.wait(30)
        return hash_password(self, password)

    monkeypatch.setattr(PasswordHasher, "hash", slowly)
    yield go_on
    go_on.set()


async def test_only_so_many_passwords_wait(
    urls: Mapping[str, str], world: World, go_on: threading.Event
) -> None:
    app = make_app(urls, PASSWORDS_WAITING=1)
    client = app.test_client()
    accepted = [asyncio.create_task(become_a_player(client)) for _ in range(MOST)]
    await until(lambda: len(passwords._unfinished) == MOST)
    refused = [
        await client.post(path, json={"name": world.ann.name, "password": PASSWORD})
        for path in ("/api/players", "/api/tokens")
    ]
    go_on.set()
    statuses = [*await asyncio.gather(*accepted), await become_a_player(client)]
    await close(app)

    for response in refused:
        problem = await response.get_json()
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) >= 1
        assert problem["type"] == "/problems/too-many-passwords"
    assert set(statuses) == {201}


async def test_who_leaves_makes_room_for_another_password(go_on: threading.Event) -> None:
    async with make_app({}, PASSWORDS_WAITING=1).app_context():
        asked = [asyncio.create_task(passwords.hash_password(PASSWORD)) for _ in range(MOST)]
        await until(lambda: len(passwords._unfinished) == MOST)
        with pytest.raises(passwords.TooManyPasswords):
            await passwords.hash_password(PASSWORD)
        asked.pop().cancel()
        await until(lambda: len(passwords._unfinished) < MOST)
        go_on.set()
        await asyncio.gather(*asked, passwords.hash_password(PASSWORD))


async def test_a_hash_is_not_renewed_while_too_many_wait(
    urls: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"name": new_name(), "password": PASSWORD}
    old = make_app(urls)
    await old.test_client().post("/api/players", json=body)
    await close(old)

    async def refuse(password: str) -> str:
        raise passwords.TooManyPasswords

    monkeypatch.setattr("service.api.tokens.hash_password", refuse)
    app: Quart = make_app(urls, ARGON2={"time_cost": 2, "memory_cost": 8, "parallelism": 1})
    response = await app.test_client().post("/api/tokens", json=body)
    await close(app)

    assert response.status_code == 200


async def become_a_player(client: Client) -> int:
    body = {"name": new_name(), "password": PASSWORD}
    return (await client.post("/api/players", json=body)).status_code
