"""Players: joining, finding, paging."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client

from .apps import PASSWORD
from .conftest import World, new_name


async def test_a_new_player_is_where_location_says(client: Client) -> None:
    name = new_name()
    created = await client.post("/api/players", json={"name": name, "password": PASSWORD})
    player = await created.get_json()

    assert created.status_code == 201
    assert player["name"] == name
    assert set(player) == {"id", "name", "created_at"}
    assert datetime.fromisoformat(player["created_at"]).tzinfo is not None
    found = await client.get(created.headers["Location"])
    assert await found.get_json() == player


@pytest.mark.parametrize("change", [str, str.upper])
async def test_a_name_is_given_once(client: Client, world: World, change: type) -> None:
    name = change(world.ann.name)
    response = await client.post("/api/players", json={"name": name, "password": PASSWORD})
    problem = await response.get_json()

    assert response.status_code == 409
    assert problem["type"] == "/problems/name-taken"
    assert name in problem["detail"]


async def test_of_many_who_want_a_name_at_once_one_gets_it(app: Quart) -> None:
    wish = {"name": new_name(), "password": PASSWORD}
    client = app.test_client()
    responses = await asyncio.gather(*(client.post("/api/players", json=wish) for _ in range(8)))

    statuses = sorted(response.status_code for response in responses)
    assert statuses == [201] + [409] * 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "ab"),
        ("name", "a" * 33),
        ("name", "with space"),
        ("name", "nul\0nul"),
        ("name", "newline\n"),
        ("name", "\ud800surrogate"),
        ("name", 12345),
        ("name", None),
        ("password", "short"),
        ("password", "long" * 33),
        ("password", "\udfffsurrogate"),
        ("password", ["a", "list"]),
        ("extra", "member"),
    ],
)
async def test_a_wrong_value_is_named_but_not_repeated(
    client: Client, field: str, value: object
) -> None:
    body = {"name": new_name(), "password": PASSWORD, field: value}
    response = await client.post("/api/players", json=body)
    problem = await response.get_json()

    assert response.status_code == 400
    [error] = problem["errors"]
    assert (error["in"], error["field"]) == ("body", field)
    assert error["problem"]
    assert error["allowed"]
    assert PASSWORD not in await response.get_data(as_text=True)
    if isinstance(value, str):
        assert value not in await response.get_data(as_text=True)


async def test_pages_follow_each_other_to_the_end(app: Quart) -> None:
    client = app.test_client()
    for _ in range(3):
        await client.post("/api/players", json={"name": new_name(), "password": PASSWORD})

    everybody: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await (await client.get(f"/api/players?limit=2&after={after}")).get_json()
        assert len(page["players"]) <= 2
        everybody += [player["id"] for player in page["players"]]
        after = page["next"]

    assert everybody == sorted(set(everybody))
    assert len(everybody) >= 6
    whole = await (await client.get("/api/players?limit=100")).get_json()
    assert [player["id"] for player in whole["players"]] == everybody[:100]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=1&limit=2", "limit=", "limit=1.0", "limit=1_0", "limit=%D9%A3",
     "after=-1", "after=9007199254740992", "after=99999999999999999999999", "after=%00"],
)  # fmt: skip
async def test_a_wrong_parameter_is_named(client: Client, query: str) -> None:
    response = await client.get(f"/api/players?{query}")
    problem = await response.get_json()

    assert response.status_code == 400
    [error] = problem["errors"]
    assert (error["in"], error["field"]) == ("query", query.partition("=")[0])


@pytest.mark.parametrize(
    "player_id", ["0", "-1", "x", "1.5", "9007199254740992", "9" * 5000, "%00", "%ff"]
)
async def test_what_is_no_id_is_nobody(client: Client, player_id: str) -> None:
    assert (await client.get(f"/api/players/{player_id}")).status_code == 404
