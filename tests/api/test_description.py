"""The description of the API says what the API does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client

from tests.api.apps import make_app


@pytest.fixture
def app() -> Quart:
    """The app without any backend: the description needs none."""
    return make_app({})


@pytest.fixture
def client(app: Quart) -> Client:
    return app.test_client()


@pytest.fixture
async def description(client: Client) -> Any:
    return await (await client.get("/openapi.json")).get_json()


async def test_every_request_of_the_api_is_described(description: Any) -> None:
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    answers = {
        request: " ".join(sorted(operation["responses"]))
        for request, operation in operations.items()
    }
    assert answers == {
        "POST /api/players": "201 400 408 409 413 415 500 503",
        "GET /api/players": "200 400 500 503",
        "GET /api/players/{player_id}": "200 404 500 503",
        "GET /api/players/{player_id}/summary": "200 404 500 503",
        "POST /api/tokens": "200 400 401 408 413 415 429 500 503",
        "POST /api/matches": "201 400 401 404 408 413 415 422 500 503",
        "GET /api/matches": "200 400 500 503",
        "GET /api/matches/{match_id}": "200 404 500 503",
        "POST /api/matches/{match_id}/moves": "200 400 401 403 404 408 409 413 415 500 503",
        "POST /api/matches/{match_id}/result": "200 400 401 403 404 408 409 413 415 422 500 503",
        "GET /api/matches/{match_id}/events": "200 204 404 500 503",
        "GET /api/leaderboard": "200 400 500 503",
        "GET /healthz": "200 500",
        "GET /readyz": "200 500 503",
    }
    guarded = {request for request, operation in operations.items() if "security" in operation}
    assert guarded == {
        "POST /api/matches",
        "POST /api/matches/{match_id}/moves",
        "POST /api/matches/{match_id}/result",
    }
    identifiers = [operation["operationId"] for operation in operations.values()]
    assert len(set(identifiers)) == len(identifiers)


async def test_errors_are_described_as_problems(description: Any) -> None:
    for methods in description["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]


async def test_every_reference_leads_somewhere(description: Any) -> None:
    schemas = description["components"]["schemas"]
    for reference in re.findall(r"'\$ref': '([^']*)'", str(description)):
        assert reference.removeprefix("#/components/schemas/") in schemas


async def test_every_number_and_text_that_comes_in_has_bounds(description: Any) -> None:
    for methods in description["paths"].values():
        for operation in methods.values():
            schemas = [parameter["schema"] for parameter in operation["parameters"]]
            if "requestBody" in operation:
                body = operation["requestBody"]["content"]["application/json"]["schema"]
                assert operation["requestBody"]["required"]
                assert body["additionalProperties"] is False
                schemas += body["properties"].values()
            for schema in schemas:
                if schema["type"] == "integer":
                    assert {"minimum", "maximum"} <= set(schema)
                else:
                    assert {"pattern", "maxLength", "format", "enum"} & set(schema)


async def test_the_page_asks_nobody_but_this_service(client: Client) -> None:
    page = await client.get("/docs")
    html = await page.get_data(as_text=True)

    assert "//" not in html.lower().replace("<!doctype", "")
    references = re.findall(r'(?:href|src)="([^"]*)"', html) + re.findall(r'"url": "([^"]*)"', html)
    assert len(references) == 4
    for reference in references:
        assert (await client.get(reference)).status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "http" not in policy


@pytest.mark.parametrize(
    "path", ["/docs/nothing", "/docs/../__init__.py", "/docs/%2e%2e/x", "/docs/"]
)
async def test_nothing_else_is_served_with_the_page(client: Client, path: str) -> None:
    assert (await client.get(path)).status_code == 404
