"""Matches between two players: RethinkDB, connection ``b``.

A match is one document, and each change of it one query that checks and changes at once: of two
that come together the second sees what the first did.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field
from quart import Blueprint, g, url_for
from quart_schema import validate_querystring, validate_request, validate_response
from rethinkdb import r
from rethinkdb.asyncio_net.net_asyncio import Connection

from service.auth import requires_auth, unauthorized
from service.connections import get_db
from service.errors import Problem, answers, invalid

from . import leaderboard
from .fields import Body, Decimal, Limit, PlayerId, State, Whole
from .players import no_such_player

blueprint = Blueprint("matches", __name__, url_prefix="/api/matches")

MATCHES = r.table("matches")

MOST_MOVES = 1000
"""Moves of one match: it is one document, read and written as a whole at every move."""


class Challenge(Body):
    """Whom to play."""

    opponent_id: Annotated[PlayerId, Whole, Field(description="The id of another player.")]


class NewMove(Body):
    """What to do in a match."""

    move: Annotated[
        str,
        Field(
            pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,64}$",
            description="1 to 64 characters, none of them a control character.",
        ),
    ]


class Result(Body):
    """How a match ended."""

    winner_id: Annotated[
        PlayerId, Whole, Field(description="The id of one of the match's two players.")
    ]


class Move(BaseModel):
    """What somebody did in a match."""

    player_id: PlayerId
    move: str
    at: datetime


class Match(BaseModel):
    """A game of two players."""

    id: UUID
    players: Annotated[list[PlayerId], Field(min_length=2, max_length=2)]
    state: State
    moves: Annotated[
        list[Move], Field(description=f"In the order they were made, {MOST_MOVES} at most.")
    ]
    winner_id: PlayerId | None
    created_at: datetime
    finished_at: datetime | None


class Matches(BaseModel):
    """Matches, newest first."""

    matches: list[Match]


class MatchesQuery(BaseModel):
    """Which matches."""

    state: Annotated[State | None, Field(description="`playing` or `finished`.")] = None
    player_id: Annotated[
        Annotated[PlayerId, Decimal] | None, Field(description="The id of one of the two players.")
    ] = None
    limit: Limit = 20


@blueprint.post("")
@requires_auth
@answers(404, 422)
@validate_request(Challenge)
@validate_response(Match, 201)
async def create(data: Challenge) -> tuple[Match, int, dict[str, str]]:
    """Start a match against another player."""
    if data.opponent_id == g.player_id:
        raise _not_among("opponent_id", "is your own id", "the id of another player")
    async with get_db("a", asyncpg.Connection) as connection:
        known = await connection.fetch(
            "SELECT id FROM players WHERE id = ANY($1::bigint[])", [g.player_id, data.opponent_id]
        )
    ids = {row["id"] for row in known}
    if g.player_id not in ids:
        raise unauthorized("The token is of a player who is gone.", "invalid_token")
    if data.opponent_id not in ids:
        raise no_such_player(data.opponent_id)
    match = await start_match(g.player_id, data.opponent_id)
    return match, 201, {"Location": url_for("matches.read", match_id=match.id)}


@blueprint.get("")
@validate_querystring(MatchesQuery)
@validate_response(Matches)
async def browse(query_args: MatchesQuery) -> Matches:
    """List the newest matches."""
    found = await newest_matches(query_args.limit, query_args.state, query_args.player_id)
    return Matches(matches=found)


@blueprint.get("/<uuid:match_id>")
@validate_response(Match)
async def read(match_id: UUID) -> Match:
    """Tell how a match stands."""
    return await find_match(match_id)


@blueprint.post("/<uuid:match_id>/moves")
@requires_auth
@answers(403, 409)
@validate_request(NewMove)
@validate_response(Match)
async def move(match_id: UUID, data: NewMove) -> Match:
    """Make a move in a match of yours.

    A 409 says that the match is finished (`match-finished`), or that it has all the moves a match
    may have (`too-many-moves`).
    """
    made = {"player_id": g.player_id, "move": data.move, "at": r.now()}

    def change(match: Any) -> Any:
        more = {"moves": match["moves"].append(made)}
        return r.branch(match["moves"].count() < MOST_MOVES, more, {})

    match, changed = await _change(match_id, change)
    if not changed:
        raise _finished(match) if match.state == "finished" else _too_many_moves()
    return match


@blueprint.post("/<uuid:match_id>/result")
@requires_auth
@answers(403, 409, 422)
@validate_request(Result)
@validate_response(Match)
async def result(match_id: UUID, data: Result) -> Match:
    """Say who won a match of yours.

    The winner gains points on the leaderboard: once, however often the same result is said.
    """
    winner_id = data.winner_id
    ending = {"state": "finished", "winner_id": winner_id, "finished_at": r.now()}
    match, _ = await _change(
        match_id, lambda match: r.branch(match["players"].contains(winner_id), ending, {})
    )
    if winner_id not in match.players:
        allowed = " or ".join(map(str, match.players))
        raise _not_among("winner_id", "is not a player of this match", allowed)
    if match.winner_id != winner_id:
        raise _finished(match)
    # Every time: an earlier request may have ended between the two databases.
    await leaderboard.award(str(match.id), winner_id)
    return match


async def start_match(player_id: int, opponent_id: int) -> Match:
    """A new match between these two."""
    connection = await get_db("b", Connection)
    document = {
        "players": [player_id, opponent_id],
        "state": "playing",
        "moves": [],
        "winner_id": None,
        "created_at": r.now(),
        "finished_at": None,
    }
    answer = await MATCHES.insert(document, return_changes=True).run(connection)
    return Match(**answer["changes"][0]["new_val"])


async def find_match(match_id: UUID) -> Match:
    """The match with this id; a 404 if there is none."""
    connection = await get_db("b", Connection)
    document = await MATCHES.get(str(match_id)).run(connection)
    return _existing(match_id, document)


async def newest_matches(
    limit: int, state: str | None = None, player_id: int | None = None
) -> list[Match]:
    """The newest matches, of this state and of this player where given."""
    query = MATCHES
    if player_id is not None:
        query = _newest(query, "player_created_at", player_id)
        if state is not None:
            query = query.filter({"state": state})
    elif state is not None:
        query = _newest(query, "state_created_at", state)
    else:
        query = query.order_by(index=r.desc("created_at"))
    connection = await get_db("b", Connection)
    documents = await query.limit(limit).coerce_to("array").run(connection)
    return [Match(**document) for document in documents]


def _newest(query: Any, index: str, value: int | str) -> Any:
    """Those with ``value`` in a compound index of something and ``created_at``, newest first."""
    return query.between([value, r.minval], [value, r.maxval], index=index).order_by(
        index=r.desc(index)
    )


async def _change(match_id: UUID, change: Any) -> tuple[Match, bool]:
    """Change a match that is being played by the current player, and say if that was done."""
    connection = await get_db("b", Connection)
    player_id = g.player_id
    answer = (
        await MATCHES.get(str(match_id))
        .update(
            lambda match: r.branch(
                match["players"].contains(player_id) & (match["state"] == "playing"),
                change(match),
                {},
            ),
            return_changes="always",
        )
        .run(connection)
    )
    match = _existing(match_id, answer["changes"][0]["new_val"])
    if player_id not in match.players:
        raise Problem(403, "not-a-player", "Not a player", "You do not play in this match.")
    return match, answer["replaced"] == 1


def _existing(match_id: UUID, document: Mapping[str, Any] | None) -> Match:
    if document is None:
        raise Problem(404, "no-such-match", "No such match", f"No match has the id {match_id}.")
    return Match(**document)


def _finished(match: Match) -> Problem:
    detail = f"The match is finished; the winner is {match.winner_id}."
    return Problem(409, "match-finished", "Match finished", detail)


def _too_many_moves() -> Problem:
    detail = f"The match has {MOST_MOVES} moves, and may have no more."
    return Problem(409, "too-many-moves", "Too many moves", detail)


def _not_among(field: str, problem: str, allowed: str) -> Problem:
    error = {"in": "body", "field": field, "problem": problem, "allowed": allowed}
    return invalid([error], code=422)
