"""Texts that mean something to somebody: kept and returned unchanged, or refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping

import asyncpg
import httpx
import pytest
import pytest_asyncio

from service.auth import issue_token
from tests.api.apps import PASSWORD, make_app
from tests.api.conftest import World, new_name, world

from .serving import Service
from .shipped import shipped

__all__ = ["world"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "what nobody can guess 0123456789abcdef"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    urls: Mapping[str, str], world: World, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """One service for the whole file: what one request did to it, the next would notice."""
    log = tmp_path_factory.mktemp("texts") / "log"
    async with shipped(urls, log, SERVICE_SECRET_KEY=KEY) as service:
        yield service
        assert await service.stopped() == 0
    assert "Traceback" not in service.said()
    assert '" 500' not in service.said()


METACHARACTERS = [
    "'; DROP TABLE players;--",
    '" OR 1=1 --',
    "$1 ${x} {0} {} %s %(x)s %n",
    "\\ \\\\ \\' \\u0041",
    "$reql_type$",
    '{"$reql_type$": "TIME", "epoch_time": 0}',
    "r.db('x').table_drop('matches')",
    "*3\\r\\n$3\\r\\nSET",
    "<script>alert(1)</script>",
    "  spaces around  ",
    "\u265e e4 \U0001f600\U0001f468\u200d\U0001f469",
    "\u0645\u0631\u062d\u0628\u0627 \u202e txt \u202c",
    "e\u0301 is not \u00e9",
    "\u2028\ufeff\ufffd\uffff",
]


@pytest.mark.parametrize("text", METACHARACTERS)
async def test_a_text_is_kept_as_it_was_sent(service: Service, world: World, text: str) -> None:
    auth = {"Authorization": f"Bearer {await token_of(world)}"}
    async with httpx.AsyncClient(base_url=service.url, headers=auth) as client:
        body = {"opponent_id": world.bob.id}
        path = f"/api/matches/{(await client.post('/api/matches', json=body)).json()['id']}"
        made = await client.post(f"{path}/moves", json={"move": text})
        read = await client.get(path)
        async with client.stream("GET", f"{path}/events") as events:
            event = await first_event(events)
    assert made.status_code == 200
    # Split as SSE says: Python ends lines at U+2028, too.
    (data,) = [line for line in event.split("\n") if line.startswith("data: ")]
    for match in (made.json(), read.json(), json.loads(data.removeprefix("data: "))):
        assert [move["move"].encode() for move in match["moves"]] == [text.encode()]


@pytest.mark.parametrize("text", METACHARACTERS)
async def test_a_text_is_a_password_like_any_other(service: Service, text: str) -> None:
    password = text.ljust(8, "x") + "\0"
    credentials = {"name": new_name(), "password": password}
    async with httpx.AsyncClient(base_url=service.url) as client:
        made = await client.post("/api/players", json=credentials)
        right = await client.post("/api/tokens", json=credentials)
        wrong = await client.post("/api/tokens", json={**credentials, "password": password[:-1]})
    assert [made.status_code, right.status_code, wrong.status_code] == [201, 200, 401]


@pytest.mark.parametrize("text", METACHARACTERS)
async def test_a_text_in_a_name_is_refused_and_harms_nothing(
    service: Service, urls: Mapping[str, str], text: str
) -> None:
    async with httpx.AsyncClient(base_url=service.url) as client:
        for path in ("/api/players", "/api/tokens"):
            refused = await client.post(path, json={"name": text, "password": PASSWORD})
            assert refused.status_code == 400
            assert [error["field"] for error in refused.json()["errors"]] == ["name"]
    connection = await asyncpg.connect(urls["a"])
    assert await connection.fetchval("SELECT count(*) FROM players") > 0
    await connection.close()


async def token_of(world: World) -> str:
    """A token that the running service takes: signed with its key."""
    async with make_app({}, SECRET_KEY=KEY).app_context():
        return issue_token(world.ann.id)


async def first_event(events: httpx.Response) -> str:
    seen = b""
    async for part in events.aiter_bytes():
        seen += part
        if b"\n\n" in seen:
            break
    return seen.decode()
