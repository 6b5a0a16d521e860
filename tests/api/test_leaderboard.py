"""The leaderboard and one player's place on it."""

from __future__ import annotations

from quart.typing import TestClientProtocol as Client

from .conftest import NewMatch, World


async def test_the_best_come_first(client: Client, world: World, new_match: NewMatch) -> None:
    await new_match(winner=world.ann)
    await new_match(winner=world.bob)
    response = await client.get("/api/leaderboard?limit=100")
    entries = (await response.get_json())["leaderboard"]

    assert [entry["rank"] for entry in entries] == list(range(1, len(entries) + 1))
    points = [entry["points"] for entry in entries]
    assert points == sorted(points, reverse=True)
    assert {world.ann.id, world.bob.id} <= {entry["player_id"] for entry in entries}
    one = await (await client.get("/api/leaderboard?limit=1")).get_json()
    assert one == {"leaderboard": entries[:1]}


async def test_a_summary_is_what_the_three_databases_say(
    client: Client, world: World, new_match: NewMatch
) -> None:
    match_id = await new_match(winner=world.ann)
    summary = await (await client.get(f"/api/players/{world.ann.id}/summary")).get_json()
    board = await (await client.get("/api/leaderboard?limit=100")).get_json()
    [entry] = [its for its in board["leaderboard"] if its["player_id"] == world.ann.id]

    assert summary["player"]["name"] == world.ann.name
    assert summary["matches"][0]["id"] == match_id
    assert len(summary["matches"]) <= 10
    assert (summary["rank"], summary["points"]) == (entry["rank"], entry["points"])


async def test_who_never_won_has_no_rank(client: Client, world: World) -> None:
    summary = await (await client.get(f"/api/players/{world.cy.id}/summary")).get_json()
    assert (summary["matches"], summary["rank"], summary["points"]) == ([], None, 0)
