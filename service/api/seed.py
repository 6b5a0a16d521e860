"""A few players and matches to look at on a machine of one's own."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

import asyncpg
from rethinkdb import r
from rethinkdb.asyncio_net.net_asyncio import Connection

from service.connections import get_db

from .leaderboard import award
from .matches import MATCHES
from .passwords import hash_password

PASSWORD = "only-for-looking-around"
"""Every seeded player's."""

_PLAYERS = ("ada", "grace", "alan")
_MATCHES = (
    ("ada", "grace", "ada", ("e2-e4", "e7-e5", "d1-h5")),
    ("grace", "alan", "grace", ("d2-d4", "d7-d5")),
    ("alan", "ada", "ada", ("c2-c4",)),
    ("ada", "alan", None, ("e2-e4", "c7-c5")),
)
"""Both players, the winner if the match is finished, and the moves, made in turn."""


async def seed() -> int:
    """Add what is missing, in an app context of its own, and return the id of one player."""
    ids = await _seed_players()
    await _seed_matches(ids)
    return ids[_PLAYERS[0]]


async def _seed_players() -> dict[str, int]:
    connection = await get_db("a", asyncpg.Connection)
    select = "SELECT lower(name) AS name, id FROM players WHERE lower(name) = ANY($1::text[])"
    if len(await connection.fetch(select, _PLAYERS)) < len(_PLAYERS):
        password_hash = await hash_password(PASSWORD)
        await connection.execute(
            "INSERT INTO players (name, password_hash) SELECT unnest($1::text[]), $2"
            " ON CONFLICT DO NOTHING",
            _PLAYERS,
            password_hash,
        )
    return {row["name"]: row["id"] for row in await connection.fetch(select, _PLAYERS)}


async def _seed_matches(ids: dict[str, int]) -> None:
    connection = await get_db("b", Connection)
    for number, (first, second, winner, moves) in enumerate(_MATCHES):
        match_id = str(uuid5(NAMESPACE_URL, f"seeded match {number} of {ids[first]}"))
        players = [ids[first], ids[second]]
        document = {
            "id": match_id,
            "players": players,
            "state": "finished" if winner else "playing",
            "moves": [
                {"player_id": players[turn % 2], "move": move, "at": r.now()}
                for turn, move in enumerate(moves)
            ],
            "winner_id": ids[winner] if winner else None,
            "created_at": r.now(),
            "finished_at": r.now() if winner else None,
        }
        # An insert that finds the match there already leaves it as it is.
        await MATCHES.insert(document).run(connection)
        if winner:
            await award(match_id, ids[winner])
