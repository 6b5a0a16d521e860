"""Tokens: who gets one, how often one may try, and what nobody learns from trying."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import asyncpg
import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from quart.typing import TestClientProtocol as Client
from redis.asyncio import Redis

from .apps import PASSWORD, close, make_app
from .conftest import World, new_name


def credentials(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"name": name, "password": password}


async def test_the_right_password_gets_a_token_that_works(client: Client, world: World) -> None:
    response = await client.post("/api/tokens", json=credentials(world.ann.name))
    token = await response.get_json()

    assert response.status_code == 200
    assert token["token_type"] == "Bearer"
    assert token["expires_in"] == 3600
    headers = {"Authorization": f"Bearer {token['token']}"}
    opponent = {"opponent_id": world.bob.id}
    match = await client.post("/api/matches", json=opponent, headers=headers)
    assert (await match.get_json())["players"] == [world.ann.id, world.bob.id]


async def test_the_case_of_a_name_does_not_matter(client: Client, world: World) -> None:
    response = await client.post("/api/tokens", json=credentials(world.ann.name.upper()))
    assert response.status_code == 200


async def test_an_unknown_name_and_a_wrong_password_get_the_same_answer(
    client: Client, world: World
) -> None:
    unknown = await client.post("/api/tokens", json=credentials(new_name()))
    wrong = await client.post("/api/tokens", json=credentials(world.bob.name, "wrong"))

    assert unknown.status_code == wrong.status_code == 401
    assert await unknown.get_data() == await wrong.get_data()
    for response in (unknown, wrong):
        del response.headers["Server-Timing"]
    assert unknown.headers == wrong.headers


async def test_an_unknown_name_costs_as_much_work_as_a_wrong_password(
    urls: Mapping[str, str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(urls)
    verified: list[Parameters] = []
    verify = PasswordHasher.verify

    def noting(self: PasswordHasher, stored: str, password: str) -> bool:
        verified.append(extract_parameters(stored))
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", noting)
    for name in (world.cy.name, new_name()):
        await app.test_client().post("/api/tokens", json=credentials(name, "wrong"))
    await close(app)

    assert len(verified) == 2
    assert verified[0] == verified[1]


async def test_nobody_may_try_too_often(urls: Mapping[str, str], world: World) -> None:
    app = make_app(urls, TOKEN_ATTEMPTS=3, TOKEN_ATTEMPTS_WINDOW=300)
    client = app.test_client()
    name = new_name()
    for _ in range(3):
        assert (await client.post("/api/tokens", json=credentials(name))).status_code == 401

    limited = await client.post("/api/tokens", json=credentials(name.upper()))
    problem = await limited.get_json()
    other = await client.post("/api/tokens", json=credentials(new_name()))
    await close(app)

    assert limited.status_code == 429
    assert problem["type"] == "/problems/too-many-attempts"
    assert 0 < int(limited.headers["Retry-After"]) <= 300
    assert limited.headers["Server-Timing"].startswith("client;dur=")
    assert "," not in limited.headers["Server-Timing"]
    assert other.status_code == 401


async def test_attempts_at_once_all_count(urls: Mapping[str, str]) -> None:
    app = make_app(urls, TOKEN_ATTEMPTS=3)
    client = app.test_client()
    body = credentials(new_name())
    responses = await asyncio.gather(*(client.post("/api/tokens", json=body) for _ in range(10)))
    await close(app)

    statuses = sorted(response.status_code for response in responses)
    assert statuses == [401] * 3 + [429] * 7


async def test_the_limit_ends_with_its_window(urls: Mapping[str, str]) -> None:
    app = make_app(urls, TOKEN_ATTEMPTS=1, TOKEN_ATTEMPTS_WINDOW=300)
    client = app.test_client()
    body = credentials(new_name())
    await client.post("/api/tokens", json=body)
    limited = await client.post("/api/tokens", json=body)

    async with Redis.from_url(urls["client"], decode_responses=True) as redis:
        [counter] = await redis.keys(f"attempts:tokens:{body['name']}:*")
        assert 0 < await redis.pttl(counter) <= 300_000
        await redis.pexpire(counter, 0)
    again = await client.post("/api/tokens", json=body)
    await close(app)

    assert limited.status_code == 429
    assert again.status_code == 401


async def test_a_hash_is_renewed_when_its_parameters_have_changed(urls: Mapping[str, str]) -> None:
    name = new_name()
    old = make_app(urls, ARGON2={"time_cost": 1, "memory_cost": 8, "parallelism": 1})
    await old.test_client().post("/api/players", json=credentials(name))
    await close(old)
    new = make_app(urls, ARGON2={"time_cost": 2, "memory_cost": 16, "parallelism": 1})
    statuses = [
        (await new.test_client().post("/api/tokens", json=credentials(name, password))).status_code
        for password in ("wrong", PASSWORD, PASSWORD)
    ]
    await close(new)

    assert statuses == [401, 200, 200]
    connection = await asyncpg.connect(urls["a"])
    stored = await connection.fetchval("SELECT password_hash FROM players WHERE name = $1", name)
    await connection.close()
    parameters = extract_parameters(stored)
    assert (parameters.time_cost, parameters.memory_cost) == (2, 16)
    assert PASSWORD not in stored


async def test_no_connection_is_held_while_a_password_is_hashed(
    urls: Mapping[str, str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(urls)
    held: list[int] = []

    async def verify(stored: str | None, password: str) -> bool:
        held.append(app.extensions["connections"].stats()["a"].in_use)
        return False

    monkeypatch.setattr("service.api.tokens.verify_password", verify)
    await app.test_client().post("/api/tokens", json=credentials(world.cy.name))
    await close(app)

    assert held == [0]


async def test_without_redis_nobody_gets_a_token(
    urls: Mapping[str, str], world: World, unused_tcp_port: int
) -> None:
    app = make_app({**urls, "client": f"redis://127.0.0.1:{unused_tcp_port}/0"})
    response = await app.test_client().post("/api/tokens", json=credentials(world.ann.name))
    problem = await response.get_json()
    players = await app.test_client().get("/api/players")
    await close(app)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert problem["connection"] == "client"
    assert players.status_code == 200
