"""One lazy accessor for every database of a Quart app.

app.config["CONNECTIONS"] = {"a": "postgresql://...", "client": "redis://..."}
Connections(app)

@app.get("/")
async def index():
    db = await get_db("a")   # opened now, given back when the app context ends
    return {"answer": await db.fetchval("SELECT 42")}
"""

from .accessor import get_db
from .backend import Backend, Settings, register_backend
from .errors import (
    ConfigurationError,
    ConnectionsError,
    ConnectionUnavailable,
    ContextClosed,
    PoolTimeout,
    UnknownConnection,
)
from .extension import Check, Connections
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
    "register_backend",
]
