"""Tokens that are not good: a 401 each, on every guarded route, that says how to come back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from itsdangerous import TimestampSigner

from service.api.fields import LARGEST_ID
from service.auth import issue_token
from tests.api.apps import make_app
from tests.api.conftest import World, world

from .raw_http import request, send
from .serving import Service
from .shipped import shipped

__all__ = ["world"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORMER, NOW, OTHER = (f"{which} key, 0123456789abcdef 0123456789" for which in ("a", "b", "c"))
NOBODY = "00000000-0000-4000-8000-000000000000"
GUARDED = {
    "/api/matches": b'{"opponent_id": 1}',
    f"/api/matches/{NOBODY}/moves": b'{"move": "e2-e4"}',
    f"/api/matches/{NOBODY}/result": b'{"winner_id": 1}',
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    urls: Mapping[str, str], world: World, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """A service whose key was changed."""
    log = tmp_path_factory.mktemp("tokens") / "log"
    keys = {"SERVICE_SECRET_KEY": NOW, "SERVICE_SECRET_KEY_FALLBACKS": f'["{FORMER}"]'}
    async with shipped(urls, log, **keys) as service:
        yield service
        assert await service.stopped() == 0
    assert "Traceback" not in service.said()


async def token(player_id: int, key: str = NOW) -> str:
    async with make_app({}, SECRET_KEY=key).app_context():
        return issue_token(player_id)


async def expired_token(player_id: int, monkeypatch: pytest.MonkeyPatch) -> str:
    now = TimestampSigner("any key").get_timestamp()
    with monkeypatch.context() as patched:
        patched.setattr(TimestampSigner, "get_timestamp", lambda _: now - 3601)
        return await token(player_id)


async def future_token(player_id: int, monkeypatch: pytest.MonkeyPatch) -> str:
    now = TimestampSigner("any key").get_timestamp()
    with monkeypatch.context() as patched:
        patched.setattr(TimestampSigner, "get_timestamp", lambda _: now + 60)
        return await token(player_id)


HEADERS: Mapping[str, Callable[[str], list[str]]] = {
    "none": lambda good: [],
    "empty": lambda good: [""],
    "the scheme alone": lambda good: ["Bearer"],
    "no scheme": lambda good: [good],
    "another scheme": lambda good: [f"Basic {good}"],
    "two schemes": lambda good: [f"Bearer Bearer {good}"],
    "cut at the end": lambda good: [f"Bearer {good[:-1]}"],
    "cut at the start": lambda good: [f"Bearer {good[1:]}"],
    "without its signature": lambda good: [f"Bearer {good.rpartition('.')[0]}"],
    "without its time": lambda good: [f"Bearer {good.partition('.')[0]}.{good.split('.')[2]}"],
    "with another payload": lambda good: [f"Bearer MTIzNDU2.{good.partition('.')[2]}"],
    "with more behind it": lambda good: [f"Bearer {good} x"],
    "in quotes": lambda good: [f'Bearer "{good}"'],
    "twice in one header": lambda good: [f"Bearer {good}, Bearer {good}"],
    "twice in two headers": lambda good: [f"Bearer {good}"] * 2,
    "a good one after a bad": lambda good: ["Bearer x", f"Bearer {good}"],
    "a bad one after a good": lambda good: [f"Bearer {good}", "Bearer x"],
    "compressed rubbish": lambda good: [f"Bearer .{good}"],
    "no ASCII": lambda good: ["Bearer \xe9\xff"],
    "ten kilobytes": lambda good: ["Bearer " + "x" * 10_000],
}


async def refused(service: Service, authorizations: list[str]) -> None:
    headers = [f"Authorization: {value}".encode("latin1") for value in authorizations]
    for path, body in GUARDED.items():
        answer = await send(service.url, request(path, *headers, body=body))
        assert answer.status == 401, answer.raw
        assert 'www-authenticate: Bearer realm="service"' in answer.head
        assert answer.problem["type"] == "/problems/unauthorized"
        for value in authorizations:
            secret = value.rpartition(" ")[2]
            assert len(secret) < 8 or secret not in answer.raw.decode("latin1")


@pytest.mark.parametrize("case", HEADERS)
async def test_what_is_not_one_good_token_is_refused(
    service: Service, world: World, case: str
) -> None:
    await refused(service, HEADERS[case](await token(world.ann.id)))


async def test_a_token_of_another_time_or_key_is_refused(
    service: Service, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bad in (
        await expired_token(world.ann.id, monkeypatch),
        await future_token(world.ann.id, monkeypatch),
        await token(world.ann.id, OTHER),
    ):
        await refused(service, [f"Bearer {bad}"])


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
async def test_the_case_of_the_scheme_does_not_matter(
    service: Service, world: World, scheme: str
) -> None:
    header = f"Authorization: {scheme} {await token(world.ann.id)}".encode()
    body = b'{"opponent_id": %d}' % world.bob.id
    assert (await send(service.url, request("/api/matches", header, body=body))).status == 201


async def test_the_token_of_a_player_who_is_gone_does_nothing(
    service: Service, world: World
) -> None:
    gone = {"Authorization": f"Bearer {await token(LARGEST_ID)}"}
    ann = {"Authorization": f"Bearer {await token(world.ann.id)}"}
    opponent = {"opponent_id": world.bob.id}
    async with httpx.AsyncClient(base_url=service.url) as client:
        challenge = await client.post("/api/matches", json=opponent, headers=gone)
        match = (await client.post("/api/matches", json=opponent, headers=ann)).json()["id"]
        move = await client.post(f"/api/matches/{match}/moves", json={"move": "x"}, headers=gone)
    assert challenge.status_code == 401
    assert 'error="invalid_token"' in challenge.headers["WWW-Authenticate"]
    assert challenge.headers["Content-Type"] == "application/problem+json"
    assert move.status_code == 403


async def test_a_changed_key_leaves_the_tokens_of_the_former_good(
    service: Service, urls: Mapping[str, str], world: World, tmp_path: Path
) -> None:
    opponent = {"opponent_id": world.bob.id}
    credentials = {"name": world.ann.name, "password": "correct horse battery staple"}
    async with httpx.AsyncClient(base_url=service.url) as client:
        former = {"Authorization": f"Bearer {await token(world.ann.id, FORMER)}"}
        accepted = await client.post("/api/matches", json=opponent, headers=former)
        issued = (await client.post("/api/tokens", json=credentials)).json()["token"]
    assert accepted.status_code == 201

    # Whoever knows only the new key takes what is issued now, and nothing of before.
    async with (
        shipped(urls, tmp_path / "log", SERVICE_SECRET_KEY=NOW) as later,
        httpx.AsyncClient(base_url=later.url) as client,
    ):
        statuses = [
            (await client.post("/api/matches", json=opponent, headers=headers)).status_code
            for headers in ({"Authorization": f"Bearer {issued}"}, former)
        ]
    assert statuses == [201, 401]
