"""One lazy accessor for every database of a Quart app.

app.config["CONNECTIONS"] = {"a": "postgresql://...", "client": "redis://..."}
Connections(app)

@app.get("/")
async def index():
    db = await get_db("a")   # opened now, given back when the app context ends
    return {"answer": await db.fetchval("SELECT 42")}

A plain function, which Quart runs in a thread, says `run(get_db("a"))` or `get_db_sync("a")`.
"""

from .accessor import get_db
from .backend import Backend, Settings, register_backend
from .bridge import run
from .errors import (
    ConfigurationError,
    ConnectionsError,
    ConnectionUnavailable,
    ContextClosed,
    PoolTimeout,
    UnknownConnection,
)
from .extension import Check, Connections
from .facade import get_db_sync
from .source import Stats

__all__ = [
    "Backend",
    "Check",
    "ConfigurationError",
    "ConnectionUnavailable",
    "Connections",
    "ConnectionsError",
    "ContextClosed",
    "PoolTimeout",
    "Settings",
    "Stats",
    "UnknownConnection",
    "get_db",
    "get_db_sync",
    "register_backend",
    "run",
]
