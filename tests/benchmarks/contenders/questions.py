"""What every contender asks of the three databases, in the same words."""

from __future__ import annotations

import os

from rethinkdb import RethinkDB

POSTGRESQL_URL = os.environ.get("BENCHMARK_POSTGRESQL", "")
RETHINKDB_URL = os.environ.get("BENCHMARK_RETHINKDB", "")
REDIS_URL = os.environ.get("BENCHMARK_REDIS", "")

r = RethinkDB()
r.set_loop_type("asyncio")

PLAYER = "SELECT id, name, points FROM players WHERE id = $1"
PLAYER_ID = 1
MATCH = r.table("matches").get(1)
LEADER = "leader"

PLAIN = {"answer": 42}
