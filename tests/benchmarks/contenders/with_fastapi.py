"""FastAPI: pools of the lifespan, connections as dependencies, answers as response models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel

from .pools import opened
from .questions import LEADER, MATCH, PLAIN, PLAYER, PLAYER_ID


class Answer(BaseModel):
    answer: int


class Player(BaseModel):
    id: int
    name: str
    points: int


class Match(BaseModel):
    id: int
    map: str
    winner: int


class Three(BaseModel):
    leader: str
    match: Match
    player: Player


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    async with opened() as pools:
        yield {"pools": pools}


async def postgresql(request: Request) -> AsyncIterator[Any]:
    async with request.state.pools.postgresql.acquire() as connection:
        yield connection


async def rethinkdb(request: Request) -> AsyncIterator[Any]:
    async with request.state.pools.rethinkdb.connection() as connection:
        yield connection


async def redis(request: Request) -> Any:
    return request.state.pools.redis


PostgreSQL = Annotated[Any, Depends(postgresql)]
Matches = Annotated[Any, Depends(rethinkdb)]
Client = Annotated[Any, Depends(redis)]

app = FastAPI(lifespan=lifespan)


@app.get("/plain", response_model=Answer)
async def plain() -> Any:
    return PLAIN


@app.get("/one", response_model=Player)
async def one(a: PostgreSQL) -> Any:
    return dict(await a.fetchrow(PLAYER, PLAYER_ID))


@app.get("/three", response_model=Three)
async def three(a: PostgreSQL, b: Matches, client: Client) -> Any:
    player, document, leader = await asyncio.gather(one(a), MATCH.run(b), client.get(LEADER))
    return {"leader": leader, "match": document, "player": player}
