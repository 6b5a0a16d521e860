"""Players: PostgreSQL, connection ``a``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import asyncpg
from pydantic import BaseModel, Field
from quart import Blueprint, url_for
from quart_schema import validate_querystring, validate_request, validate_response

from service.connections import get_db
from service.errors import Problem, answers

from .fields import LARGEST_ID, Body, Decimal, Limit, PlayerId
from .passwords import hash_password

blueprint = Blueprint("players", __name__, url_prefix="/api/players")

Name = Annotated[
    str, Field(pattern="^[A-Za-z0-9_-]{3,32}$", description="3 to 32 letters, digits, _ or -.")
]


class NewPlayer(Body):
    """Somebody who wants to play."""

    name: Name
    password: Annotated[
        str, Field(min_length=8, max_length=128, description="8 to 128 characters.")
    ]


class Player(BaseModel):
    """Somebody who plays."""

    id: PlayerId
    name: Name
    created_at: datetime


class Page(BaseModel):
    """Players in the order they came."""

    players: list[Player]
    next: Annotated[int | None, Field(description="The `after` of the next page, if any.")]


class PageQuery(BaseModel):
    """Which players."""

    limit: Limit = 20
    after: Annotated[
        int, Field(ge=0, le=LARGEST_ID, description="The last id of the page before."), Decimal
    ] = 0


@blueprint.post("")
@answers(409)
@validate_request(NewPlayer)
@validate_response(Player, 201)
async def create(data: NewPlayer) -> tuple[Player, int, dict[str, str]]:
    """Become a player.

    Names differ by more than the case of their letters. When too many passwords wait to be
    hashed, a 503 (`too-many-passwords`) says when to come back.
    """
    password_hash = await hash_password(data.password)
    connection = await get_db("a", asyncpg.Connection)
    try:
        [row] = await connection.fetch(
            "INSERT INTO players (name, password_hash) VALUES ($1, $2)"
            " RETURNING id, name, created_at",
            data.name,
            password_hash,
        )
    except asyncpg.UniqueViolationError as error:
        raise Problem(
            409, "name-taken", "Name taken", f"Somebody is called {data.name} already."
        ) from error
    player = Player(**row)
    return player, 201, {"Location": url_for("players.read", player_id=player.id)}


@blueprint.get("")
@validate_querystring(PageQuery)
@validate_response(Page)
async def browse(query_args: PageQuery) -> Page:
    """List the players, a page at a time."""
    connection = await get_db("a", asyncpg.Connection)
    rows = await connection.fetch(
        "SELECT id, name, created_at FROM players WHERE id > $1 ORDER BY id LIMIT $2",
        query_args.after,
        query_args.limit + 1,
    )
    players = [Player(**row) for row in rows[: query_args.limit]]
    return Page(players=players, next=players[-1].id if len(rows) > len(players) else None)


@blueprint.get(f"/<int(min=1, max={LARGEST_ID}):player_id>")
@validate_response(Player)
async def read(player_id: int) -> Player:
    """Tell who a player is."""
    player = await find_player(player_id)
    if player is None:
        raise no_such_player(player_id)
    return player


async def find_player(player_id: int) -> Player | None:
    """The player with this id, if there is one."""
    connection = await get_db("a", asyncpg.Connection)
    row = await connection.fetchrow(
        "SELECT id, name, created_at FROM players WHERE id = $1", player_id
    )
    return None if row is None else Player(**row)


def no_such_player(player_id: int) -> Problem:
    """The problem of an id that no player has."""
    return Problem(404, "no-such-player", "No such player", f"No player has the id {player_id}.")
