"""Each request opens the connections it needs and no others, as seen from both ends."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from quart import Quart
from redis.asyncio import Redis

from tests.serverside import rethinkdb_connections

from .apps import PASSWORD, close, make_app
from .conftest import NewMatch, World, new_name

Opened = set[str]


@dataclass(frozen=True)
class Row:
    """One request, and what is to come of it.

    `{match}` in the path is a match that is being played, `{finished}` one that Ann has won.
    What a request opened stays connected for the next, but for the connection of a stream.
    """

    request: str
    status: int
    opens: Opened
    body: Callable[[World], Any] | None = None
    by: str | None = None
    stream: bool = False

    def __str__(self) -> str:
        return f"{self.request} -> {self.status}"


def name_and_password(world: World) -> dict[str, str]:
    return {"name": world.ann.name, "password": PASSWORD}


def wrong_password(world: World) -> dict[str, str]:
    return {"name": world.ann.name, "password": "wrong"}


def new_player(world: World) -> dict[str, str]:
    return {"name": new_name(), "password": PASSWORD}


def opponent(world: World) -> dict[str, int]:
    return {"opponent_id": world.bob.id}


def nobody(world: World) -> dict[str, int]:
    return {"opponent_id": 2**53 - 1}


def oneself(world: World) -> dict[str, int]:
    return {"opponent_id": world.ann.id}


def a_move(world: World) -> dict[str, str]:
    return {"move": "e2-e4"}


def ann_won(world: World) -> dict[str, int]:
    return {"winner_id": world.ann.id}


def bob_won(world: World) -> dict[str, int]:
    return {"winner_id": world.bob.id}


def nonsense(world: World) -> dict[str, str]:
    return {"nonsense": "yes"}


NONE: Opened = set()
NOBODY = 2**53 - 1
NO_MATCH = "00000000-0000-4000-8000-000000000000"
ROWS = [
    Row("POST /api/players", 201, {"a"}, new_player),
    Row("POST /api/players", 409, {"a"}, name_and_password),
    Row("POST /api/players", 400, NONE, nonsense),
    Row("POST /api/tokens", 200, {"a", "client"}, name_and_password),
    Row("POST /api/tokens", 401, {"a", "client"}, wrong_password),
    Row("POST /api/tokens", 400, NONE, nonsense),
    Row("GET /api/players?limit=2", 200, {"a"}),
    Row("GET /api/players?limit=many", 400, NONE),
    Row("GET /api/players/{ann.id}", 200, {"a"}),
    Row(f"GET /api/players/{NOBODY}", 404, {"a"}),
    Row("GET /api/players/{ann.name}", 404, NONE),
    Row("POST /api/matches", 201, {"a", "b"}, opponent, by="ann"),
    Row("POST /api/matches", 404, {"a"}, nobody, by="ann"),
    Row("POST /api/matches", 422, NONE, oneself, by="ann"),
    Row("POST /api/matches", 400, NONE, nonsense, by="ann"),
    Row("POST /api/matches", 401, NONE, opponent),
    Row("GET /api/matches?state=playing&player_id={ann.id}&limit=2", 200, {"b"}),
    Row("GET /api/matches?state=lost", 400, NONE),
    Row("GET /api/matches/{match}", 200, {"b"}),
    Row(f"GET /api/matches/{NO_MATCH}", 404, {"b"}),
    Row("POST /api/matches/{match}/moves", 200, {"b"}, a_move, by="ann"),
    Row("POST /api/matches/{match}/moves", 403, {"b"}, a_move, by="cy"),
    Row("POST /api/matches/{match}/moves", 401, NONE, a_move),
    Row("POST /api/matches/{finished}/moves", 409, {"b"}, a_move, by="ann"),
    Row("POST /api/matches/{match}/result", 200, {"b", "client"}, ann_won, by="bob"),
    Row("POST /api/matches/{finished}/result", 200, {"b", "client"}, ann_won, by="bob"),
    Row("POST /api/matches/{finished}/result", 409, {"b"}, bob_won, by="bob"),
    Row("POST /api/matches/{match}/result", 403, {"b"}, ann_won, by="cy"),
    Row("GET /api/matches/{finished}/events", 200, {"b"}, stream=True),
    Row(f"GET /api/matches/{NO_MATCH}/events", 404, {"b"}),
    Row("GET /api/leaderboard?limit=3", 200, {"client"}),
    Row("GET /api/leaderboard?limit=0", 400, NONE),
    Row("GET /api/players/{ann.id}/summary", 200, {"a", "b", "client"}),
    Row(f"GET /api/players/{NOBODY}/summary", 404, {"a", "b", "client"}),
    Row("GET /healthz", 200, NONE),
    Row("GET /readyz", 200, {"a", "b", "client"}),
    Row("GET /openapi.json", 200, NONE),
    Row("GET /docs", 200, NONE),
    Row("GET /nowhere", 404, NONE),
    Row("DELETE /api/players", 405, NONE),
]


async def connected(urls: Mapping[str, str], mark: str) -> Opened:
    """The connections of an app with this mark, as PostgreSQL and Redis tell them.

    RethinkDB's server only counts the clients of everybody, other workers' included: for `b` the
    operating system tells which sockets this process has open.
    """
    postgresql = await asyncpg.connect(urls["a"])
    sessions = await postgresql.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", mark
    )
    await postgresql.close()
    async with Redis.from_url(urls["client"]) as redis:
        clients = [client for client in await redis.client_list() if client["name"] == mark]
    counts = {"a": sessions, "b": rethinkdb_connections(urls["b"]), "client": len(clients)}
    return {name for name, count in counts.items() if count}


@pytest.fixture
def mark() -> str:
    """What PostgreSQL and Redis call the app under test."""
    return f"opens-{secrets.token_hex(8)}"


@pytest.fixture
async def marked_app(urls: Mapping[str, str], mark: str) -> AsyncIterator[Quart]:
    """An app that has opened nothing yet, and whose connections carry the mark."""
    app = make_app(
        {
            "a": with_query(urls["a"], f"application_name={mark}"),
            "b": urls["b"],
            "client": with_query(urls["client"], f"client_name={mark}"),
        }
    )
    yield app
    await close(app)


def with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_opens_what_the_table_says(
    row: Row,
    marked_app: Quart,
    mark: str,
    urls: Mapping[str, str],
    world: World,
    new_match: NewMatch,
) -> None:
    places = vars(world) | {
        "match": await new_match() if "{match}" in row.request else None,
        "finished": await new_match(winner=world.ann) if "{finished}" in row.request else None,
    }
    method, _, path = row.request.format(**places).partition(" ")
    somebody = vars(world)[row.by] if row.by else None
    assert await connected(urls, mark) == NONE

    response = await marked_app.test_client().open(
        path,
        method=method,
        headers=somebody.auth if somebody else {},
        **({"json": row.body(world)} if row.body else {}),
    )

    assert response.status_code == row.status, await response.get_data()
    timing = response.headers.get("Server-Timing", "")
    assert re.fullmatch(r"((^|, )\w+;dur=\d+\.\d+)*", timing), timing
    assert sorted(re.findall(r"(\w+);", timing)) == sorted(row.opens)
    assert await connected(urls, mark) in ([NONE, row.opens] if row.stream else [row.opens])
