"""Bearer tokens, on an app that has no backend at all."""

from __future__ import annotations

import pytest
from itsdangerous import TimestampSigner
from quart import Quart, g
from quart.typing import TestClientProtocol as Client

from service.auth import issue_token, requires_auth
from tests.api.apps import make_app

PLAYER = 42


def app_with(**values: object) -> Quart:
    app = make_app({}, **values)

    @app.get("/me")
    @requires_auth
    async def me() -> dict[str, int]:
        return {"player_id": g.player_id}

    return app


async def token_of(app: Quart) -> str:
    async with app.app_context():
        return issue_token(PLAYER)


@pytest.fixture
def app() -> Quart:
    return app_with()


@pytest.fixture
def client(app: Quart) -> Client:
    return app.test_client()


async def status_with(app: Quart, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return (await app.test_client().get("/me", headers=headers)).status_code


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_token_says_who_asks(app: Quart, client: Client, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {await token_of(app)}"}
    response = await client.get("/me", headers=headers)
    assert await response.get_json() == {"player_id": PLAYER}


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic YTpi", "x"])
async def test_without_a_token_the_answer_says_how(client: Client, value: str | None) -> None:
    headers = {} if value is None else {"Authorization": value}
    response = await client.get("/me", headers=headers)
    problem = await response.get_json()

    assert response.status_code == 401
    assert response.content_type == "application/problem+json"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="service"'
    assert problem["type"] == "/problems/unauthorized"


@pytest.mark.parametrize("token", ["x", "a.b.c", "NDI.abc.def", "\u00e9", "NDI" * 1000])
async def test_a_token_of_others_is_refused(client: Client, token: str) -> None:
    response = await client.get("/me", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert token not in await response.get_data(as_text=True)


async def test_a_changed_token_is_refused(app: Quart) -> None:
    payload, rest = (await token_of(app)).split(".", 1)
    assert await status_with(app, f"{payload[:-1]}A.{rest}") == 401


async def test_a_token_expires(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    lifetime = app.config["TOKEN_LIFETIME"]
    now = TimestampSigner("any key").get_timestamp()
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: now - lifetime + 5)
    good = await token_of(app)
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: now - lifetime - 5)
    expired = await token_of(app)
    monkeypatch.undo()

    assert await status_with(app, good) == 200
    assert await status_with(app, expired) == 401


async def test_a_token_outlives_the_key_that_signed_it_for_as_long_as_that_is_a_fallback() -> None:
    old, new = "the old key, which is long enough", "the new key, which is long enough"
    token = await token_of(app_with(SECRET_KEY=old))

    rotated = app_with(SECRET_KEY=new, SECRET_KEY_FALLBACKS=[old])
    assert await status_with(rotated, token) == 200
    assert await status_with(app_with(SECRET_KEY=new), token) == 401
    # New tokens are signed with the new key.
    assert await status_with(app_with(SECRET_KEY=new), await token_of(rotated)) == 200
