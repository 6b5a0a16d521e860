"""The leaderboard: Redis, connection ``client``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field
from quart import Blueprint
from quart_schema import validate_querystring, validate_response
from redis.asyncio import Redis

from service.connections import get_db

from .fields import Limit, PlayerId

blueprint = Blueprint("leaderboard", __name__, url_prefix="/api/leaderboard")

POINTS_FOR_A_WIN = 3

# The braces make a cluster keep both keys on one node, where one script can use them.
_POINTS = "{leaderboard}:points"
_AWARDED = "{leaderboard}:awarded"

_AWARD = """
if redis.call('SADD', KEYS[2], ARGV[1]) == 1 then
    redis.call('ZINCRBY', KEYS[1], ARGV[3], ARGV[2])
end
"""


class Entry(BaseModel):
    """A place on the leaderboard."""

    rank: Annotated[int, Field(ge=1)]
    player_id: PlayerId
    points: int


class Leaderboard(BaseModel):
    """The best players, best first."""

    leaderboard: list[Entry]


class LeaderboardQuery(BaseModel):
    """How much of the leaderboard."""

    limit: Limit = 10


@blueprint.get("")
@validate_querystring(LeaderboardQuery)
@validate_response(Leaderboard)
async def read(query_args: LeaderboardQuery) -> Leaderboard:
    """List the best players."""
    client = await get_db("client", Redis)
    best: Any = await client.zrange(_POINTS, 0, query_args.limit - 1, desc=True, withscores=True)
    entries = [
        Entry(rank=rank, player_id=int(player_id), points=int(points))
        for rank, (player_id, points) in enumerate(best, start=1)
    ]
    return Leaderboard(leaderboard=entries)


async def award(match_id: str, player_id: int) -> None:
    """Give the winner of a match their points: once, however often this is called for the match."""
    client = await get_db("client", Redis)
    script = client.register_script(_AWARD)
    await script([_POINTS, _AWARDED], [match_id, player_id, POINTS_FOR_A_WIN])


async def standing(player_id: int) -> tuple[int | None, int]:
    """A player's rank, None for who never won, and points."""
    client = await get_db("client", Redis)
    async with client.pipeline() as pipeline:
        pipeline.zrevrank(_POINTS, player_id)
        pipeline.zscore(_POINTS, player_id)
        rank, points = await pipeline.execute()
    return None if rank is None else rank + 1, int(points or 0)
