"""The tables and indexes of the API, in whichever of its databases are configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg
from quart import current_app
from rethinkdb import r
from rethinkdb.asyncio_net.net_asyncio import Connection
from rethinkdb.errors import ReqlOpFailedError

from service.connections import Connections, get_db

from .fields import LARGEST_ID
from .matches import MATCHES

_PLAYERS = f"""
CREATE TABLE IF NOT EXISTS players (
    id bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE {LARGEST_ID}) PRIMARY KEY,
    name text NOT NULL,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS players_name_key ON players (lower(name));
"""

_INDEXES: Mapping[str, tuple[Any, bool]] = {
    "created_at": (r.row["created_at"], False),
    "state_created_at": ([r.row["state"], r.row["created_at"]], False),
    "player_created_at": (
        lambda match: match["players"].map(lambda player: [player, match["created_at"]]),
        True,
    ),
}
"""For each index of the matches: what is indexed, and whether there are several for a match."""


async def create() -> None:
    """Create what is missing; in an app context. Redis needs nothing."""
    connections: Connections = current_app.extensions["connections"]
    if "a" in connections.names:
        await _create_players()
    if "b" in connections.names:
        await _create_matches()


async def _create_players() -> None:
    async with get_db("a", asyncpg.Connection) as connection, connection.transaction():
        # Two that create at once: IF NOT EXISTS alone lets the second one fail.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('service schema'))")
        await connection.execute(_PLAYERS)


async def _create_matches() -> None:
    async with get_db("b", Connection) as connection:
        await _unless_there(r.db_create(connection.db), r.db_list(), connection.db, connection)
        await _unless_there(r.table_create("matches"), r.table_list(), "matches", connection)
        for name, (indexed, multi) in _INDEXES.items():
            create_index = MATCHES.index_create(name, indexed, multi=multi)
            await _unless_there(create_index, MATCHES.index_list(), name, connection)
        await MATCHES.index_wait().run(connection)


async def _unless_there(create: Any, names: Any, name: str, connection: Connection) -> None:
    if await names.contains(name).run(connection):
        return
    try:
        await create.run(connection)
    except ReqlOpFailedError:
        # Somebody else may have been quicker.
        if not await names.contains(name).run(connection):
            raise
