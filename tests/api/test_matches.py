"""Matches: starting, finding, moving."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from rethinkdb import r
from rethinkdb.asyncio_net.net_asyncio import Connection

from service.api.matches import MATCHES, MOST_MOVES
from service.connections import get_db

from .conftest import NewMatch, Somebody, World

NO_MATCH = "00000000-0000-4000-8000-000000000000"


async def test_a_new_match_is_where_location_says(client: Client, world: World) -> None:
    created = await client.post(
        "/api/matches", json={"opponent_id": world.bob.id}, headers=world.ann.auth
    )
    match = await created.get_json()

    assert created.status_code == 201
    assert match.pop("id") in created.headers["Location"]
    assert datetime.fromisoformat(match.pop("created_at")).tzinfo is not None
    assert match == {
        "players": [world.ann.id, world.bob.id],
        "state": "playing",
        "moves": [],
        "winner_id": None,
        "finished_at": None,
    }
    assert (await client.get(created.headers["Location"])).status_code == 200


@pytest.mark.parametrize("opponent_id", [0, 2**53, 2**63, "1", 1.5, 1e300, True, None])
async def test_what_is_no_id_is_no_opponent(
    client: Client, world: World, opponent_id: object
) -> None:
    body = {"opponent_id": opponent_id}
    response = await client.post("/api/matches", json=body, headers=world.ann.auth)
    assert response.status_code == 400
    [error] = (await response.get_json())["errors"]
    assert error["field"] == "opponent_id"


async def test_nobody_plays_themselves(client: Client, world: World) -> None:
    body = {"opponent_id": world.ann.id}
    response = await client.post("/api/matches", json=body, headers=world.ann.auth)
    assert response.status_code == 422
    [error] = (await response.get_json())["errors"]
    assert error["field"] == "opponent_id"


async def test_the_token_of_a_player_who_is_gone_starts_no_match(
    client: Client, world: World, gone: Somebody
) -> None:
    body = {"opponent_id": world.bob.id}
    response = await client.post("/api/matches", json=body, headers=gone.auth)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


async def test_moves_are_kept_in_the_order_they_are_made(
    client: Client, world: World, new_match: NewMatch
) -> None:
    path = f"/api/matches/{await new_match()}"
    for somebody, move in ((world.ann, "e2-e4"), (world.bob, "e7-e5"), (world.ann, "f2-f4")):
        made = await client.post(f"{path}/moves", json={"move": move}, headers=somebody.auth)
        assert made.status_code == 200

    match = await made.get_json()
    assert [(move["player_id"], move["move"]) for move in match["moves"]] == [
        (world.ann.id, "e2-e4"),
        (world.bob.id, "e7-e5"),
        (world.ann.id, "f2-f4"),
    ]
    assert await (await client.get(path)).get_json() == match


async def test_moves_made_at_once_are_all_kept(
    client: Client, world: World, new_match: NewMatch
) -> None:
    path = f"/api/matches/{await new_match()}"
    moves = [(somebody, f"move {n}") for n in range(10) for somebody in (world.ann, world.bob)]
    responses = await asyncio.gather(
        *(
            client.post(f"{path}/moves", json={"move": move}, headers=somebody.auth)
            for somebody, move in moves
        )
    )

    assert {response.status_code for response in responses} == {200}
    match = await (await client.get(path)).get_json()
    kept = sorted((move["player_id"], move["move"]) for move in match["moves"])
    assert kept == sorted((somebody.id, move) for somebody, move in moves)


async def test_no_move_is_kept_after_the_end(
    client: Client, world: World, new_match: NewMatch
) -> None:
    path = f"/api/matches/{await new_match()}"

    async def move(number: int) -> int:
        body = {"move": f"move {number}"}
        response = await client.post(f"{path}/moves", json=body, headers=world.ann.auth)
        return response.status_code

    moves = [asyncio.create_task(move(number)) for number in range(10)]
    body = {"winner_id": world.bob.id}
    finished = await client.post(f"{path}/result", json=body, headers=world.bob.auth)
    statuses = await asyncio.gather(*moves, move(10))

    at_the_end = (await finished.get_json())["moves"]
    match = await (await client.get(path)).get_json()
    assert match["moves"] == at_the_end
    assert statuses.count(200) == len(at_the_end)
    assert statuses.count(409) == 11 - len(at_the_end)
    assert statuses[-1] == 409


async def test_a_match_has_only_so_many_moves(
    app: Quart, world: World, new_match: NewMatch
) -> None:
    match_id = await new_match()
    moves = [{"player_id": world.ann.id, "move": "x", "at": r.now()}] * (MOST_MOVES - 1)
    async with app.app_context():
        connection = await get_db("b", Connection)
        await MATCHES.get(match_id).update({"moves": moves}).run(connection)

    async def move(client: Client) -> Any:
        path = f"/api/matches/{match_id}/moves"
        return await client.post(path, json={"move": "y"}, headers=world.bob.auth)

    responses = await asyncio.gather(*(move(app.test_client()) for _ in range(5)))
    refused = [response for response in responses if response.status_code != 200]

    assert len(refused) == 4
    for response in refused:
        problem = await response.get_json()
        assert response.status_code == 409
        assert problem["type"] == "/problems/too-many-moves"
        assert str(MOST_MOVES) in problem["detail"]


@pytest.mark.parametrize("move", ["", "a" * 65, "tab\t", "nul\0", "newline\n", "\x85", "\ud800", 7])
async def test_a_wrong_move_is_named(client: Client, world: World, move: object) -> None:
    response = await client.post(
        f"/api/matches/{NO_MATCH}/moves", json={"move": move}, headers=world.ann.auth
    )
    assert response.status_code == 400
    [error] = (await response.get_json())["errors"]
    assert error["field"] == "move"


@pytest.mark.parametrize("match_id", ["1", NO_MATCH[:-1], f"{NO_MATCH}0", "%00"])
async def test_what_is_no_id_is_no_match(client: Client, match_id: str) -> None:
    assert (await client.get(f"/api/matches/{match_id}")).status_code == 404


async def test_an_id_is_the_same_in_capitals(client: Client, new_match: NewMatch) -> None:
    match_id = await new_match()
    response = await client.get(f"/api/matches/{match_id.upper()}")
    assert (await response.get_json())["id"] == match_id


async def test_matches_are_found_newest_first(
    client: Client, world: World, new_match: NewMatch
) -> None:
    first, finished, last = await new_match(), await new_match(winner=world.bob), await new_match()

    async def found(query: str) -> list[str]:
        matches = (await (await client.get(f"/api/matches?{query}")).get_json())["matches"]
        times = [match["created_at"] for match in matches]
        assert times == sorted(times, reverse=True)
        return [match["id"] for match in matches]

    assert await found("limit=3") == [last, finished, first]
    assert await found("limit=2&state=playing") == [last, first]
    assert await found("limit=1&state=finished") == [finished]
    assert await found(f"limit=3&player_id={world.bob.id}") == [last, finished, first]
    assert await found(f"limit=2&player_id={world.ann.id}&state=playing") == [last, first]
    assert await found(f"limit=1&player_id={world.ann.id}&state=finished") == [finished]
    assert await found(f"player_id={world.cy.id}") == []
    assert await found(f"player_id={2**53 - 1}") == []
