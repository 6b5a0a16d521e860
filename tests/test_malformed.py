"""What is refused before Quart sees it, also behind a proxy."""

from __future__ import annotations

import httpx
import pytest
from quart import Quart

from service.malformed import MOST_HEADERS
from tests.api.apps import make_app, served


@pytest.fixture
def app() -> Quart:
    return make_app({}, TRUSTED_PROXIES=1)


@pytest.mark.parametrize("host", ["a" * 64, "x, " + "a" * 64, "a..b", ".."])
async def test_a_proxy_may_pass_on_a_host_that_is_none(app: Quart, host: str) -> None:
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        response = await client.get("/healthz", headers={"X-Forwarded-Host": host})
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["detail"] == "The Host is no host."


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:8000", "b\u00fccher.example"])
async def test_a_host_may_be_a_name_or_an_address(app: Quart, host: str) -> None:
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        headers = [(b"X-Forwarded-Host", host.encode("latin1"))]
        assert (await client.get("/healthz", headers=headers)).status_code == 200


async def test_as_many_headers_as_are_allowed_are_taken(app: Quart) -> None:
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        own = len(client.build_request("GET", "/healthz").headers)
        for more, status in ((MOST_HEADERS - own, 200), (MOST_HEADERS - own + 1, 431)):
            headers = {f"X-{number}": "y" for number in range(more)}
            assert (await client.get("/healthz", headers=headers)).status_code == status


async def test_a_websocket_to_a_wrong_host_is_refused_as_well(app: Quart) -> None:
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/healthz",
        "query_string": b"",
        "headers": [(b"host", b"a" * 64)],
        "http_version": "1.1",
    }
    await app.asgi_app(scope, receive, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert sent[0]["status"] == 400
