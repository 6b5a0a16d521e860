"""Results: the winner's points are counted exactly once, whatever is retried."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from quart.typing import TestClientProtocol as Client

from .apps import close, make_app
from .conftest import NewMatch, Somebody, World


async def standing(client: Client, somebody: Somebody) -> int:
    summary = await (await client.get(f"/api/players/{somebody.id}/summary")).get_json()
    points: int = summary["points"]
    return points


async def say(client: Client, match_id: str, winner: Somebody, by: Somebody) -> Any:
    return await client.post(
        f"/api/matches/{match_id}/result", json={"winner_id": winner.id}, headers=by.auth
    )


async def test_the_winner_gains_points(client: Client, world: World, new_match: NewMatch) -> None:
    match_id = await new_match()
    before = await standing(client, world.ann), await standing(client, world.bob)
    response = await say(client, match_id, world.ann, by=world.bob)
    match = await response.get_json()

    assert response.status_code == 200
    assert match["state"] == "finished"
    assert match["winner_id"] == world.ann.id
    assert match["finished_at"] >= match["created_at"]
    after = await standing(client, world.ann), await standing(client, world.bob)
    assert after == (before[0] + 3, before[1])


async def test_a_result_said_again_counts_once_and_answers_the_same(
    client: Client, world: World, new_match: NewMatch
) -> None:
    match_id = await new_match()
    before = await standing(client, world.ann)
    first = await say(client, match_id, world.ann, by=world.ann)
    again = await say(client, match_id, world.ann, by=world.ann)
    by_the_other = await say(client, match_id, world.ann, by=world.bob)

    assert first.status_code == again.status_code == by_the_other.status_code == 200
    assert await first.get_data() == await again.get_data() == await by_the_other.get_data()
    assert await standing(client, world.ann) == before + 3


async def test_a_result_said_many_times_at_once_counts_once(
    client: Client, world: World, new_match: NewMatch
) -> None:
    match_id = await new_match()
    before = await standing(client, world.ann)
    responses = await asyncio.gather(
        *(say(client, match_id, world.ann, by=by) for by in (world.ann, world.bob) * 5)
    )

    assert {response.status_code for response in responses} == {200}
    assert len({await response.get_data() for response in responses}) == 1
    assert await standing(client, world.ann) == before + 3


async def test_of_two_results_at_once_one_counts(
    client: Client, world: World, new_match: NewMatch
) -> None:
    match_id = await new_match()
    before = await standing(client, world.ann) + await standing(client, world.bob)
    responses = await asyncio.gather(
        *(say(client, match_id, somebody, by=somebody) for somebody in (world.ann, world.bob) * 5)
    )

    assert sorted(response.status_code for response in responses) == [200] * 5 + [409] * 5
    assert await standing(client, world.ann) + await standing(client, world.bob) == before + 3


async def test_a_result_cut_off_between_the_databases_is_completed_by_the_next_try(
    client: Client,
    world: World,
    new_match: NewMatch,
    urls: Mapping[str, str],
    unused_tcp_port: int,
) -> None:
    match_id = await new_match()
    before = await standing(client, world.ann)
    without_redis = make_app({**urls, "client": f"redis://127.0.0.1:{unused_tcp_port}/0"})
    cut_off = await say(without_redis.test_client(), match_id, world.ann, by=world.ann)
    await close(without_redis)

    assert cut_off.status_code == 503
    assert (await cut_off.get_json())["connection"] == "client"
    match = await (await client.get(f"/api/matches/{match_id}")).get_json()
    assert match["state"] == "finished"
    assert await standing(client, world.ann) == before

    assert (await say(client, match_id, world.ann, by=world.ann)).status_code == 200
    assert await standing(client, world.ann) == before + 3


async def test_a_finished_match_has_no_other_winner(
    client: Client, world: World, new_match: NewMatch
) -> None:
    match_id = await new_match(winner=world.ann)
    before = await standing(client, world.bob)
    response = await say(client, match_id, world.bob, by=world.bob)

    assert response.status_code == 409
    assert (await response.get_json())["type"] == "/problems/match-finished"
    assert await standing(client, world.bob) == before


async def test_the_winner_is_one_of_the_two(
    client: Client, world: World, new_match: NewMatch
) -> None:
    match_id = await new_match()
    response = await say(client, match_id, world.cy, by=world.ann)
    problem = await response.get_json()

    assert response.status_code == 422
    [error] = problem["errors"]
    assert error["field"] == "winner_id"
    assert error["allowed"] == f"{world.ann.id} or {world.bob.id}"
    match = await (await client.get(f"/api/matches/{match_id}")).get_json()
    assert match["state"] == "playing"


async def test_others_have_no_say(client: Client, world: World, new_match: NewMatch) -> None:
    match_id = await new_match()
    assert (await say(client, match_id, world.ann, by=world.cy)).status_code == 403
    match = await (await client.get(f"/api/matches/{match_id}")).get_json()
    assert match["state"] == "playing"
