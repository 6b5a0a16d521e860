"""One player seen by all three databases at once."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel, Field
from quart import Blueprint
from quart_schema import validate_response

from .fields import LARGEST_ID
from .leaderboard import standing
from .matches import Match, newest_matches
from .players import Player, find_player, no_such_player

blueprint = Blueprint("summary", __name__, url_prefix="/api/players")

MOST_MATCHES = 10


class Summary(BaseModel):
    """What there is to know about a player."""

    player: Player
    matches: Annotated[list[Match], Field(description="The newest first, ten at most.")]
    rank: Annotated[int | None, Field(description="On the leaderboard; null without a win.")]
    points: int


@blueprint.get(f"/<int(min=1, max={LARGEST_ID}):player_id>/summary")
@validate_response(Summary)
async def read(player_id: int) -> Summary:
    """Tell all about a player, asking the three databases side by side."""
    async with asyncio.TaskGroup() as group:
        finding = group.create_task(find_player(player_id))
        listing = group.create_task(newest_matches(MOST_MATCHES, player_id=player_id))
        ranking = group.create_task(standing(player_id))
    player = finding.result()
    if player is None:
        raise no_such_player(player_id)
    rank, points = ranking.result()
    return Summary(player=player, matches=listing.result(), rank=rank, points=points)
