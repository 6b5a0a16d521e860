"""Flask in threads: psycopg's pool, as many RethinkDB connections, and a Redis client."""

from __future__ import annotations

from queue import LifoQueue
from typing import Any

from flask import Flask
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from redis import Redis
from rethinkdb import r

from .questions import (
    LEADER,
    MATCH,
    PLAIN,
    PLAYER,
    PLAYER_ID,
    POSTGRESQL_URL,
    REDIS_URL,
    RETHINKDB_URL,
)

THREADS = 4

app = Flask(__name__)
postgresql = ConnectionPool(
    POSTGRESQL_URL,
    min_size=THREADS,
    kwargs={"row_factory": dict_row, "autocommit": True},
    open=True,
)
matches: LifoQueue[Any] = LifoQueue()
for _ in range(THREADS):
    matches.put(r.connect(url=RETHINKDB_URL))
redis = Redis.from_url(REDIS_URL, decode_responses=True)

FORMATTED_PLAYER = PLAYER.replace("$1", "%s")


@app.get("/plain")
def plain() -> dict[str, Any]:
    return PLAIN


@app.get("/one")
def one() -> dict[str, Any]:
    with postgresql.connection() as connection:
        row: dict[str, Any] = connection.execute(FORMATTED_PLAYER, (PLAYER_ID,)).fetchone()
        return row


def match() -> dict[str, Any]:
    connection = matches.get()
    try:
        document: dict[str, Any] = MATCH.run(connection)
        return document
    finally:
        matches.put(connection)


@app.get("/three")
def three() -> dict[str, Any]:
    return {"leader": redis.get(LEADER), "match": match(), "player": one()}
