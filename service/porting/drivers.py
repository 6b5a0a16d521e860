"""What is known of database drivers: which calls connect, what comes of them, what becomes of it.

The objects of one connect call have its number in their class, as in `redis.Redis@3`, so that the
uses of one connection can be told from those of another.
"""

from __future__ import annotations

from .values import DATA, Instance, Values, many, one

CONNECTING = {
    "psycopg.Connection.connect": "psycopg.Connection",
    "psycopg.connect": "psycopg.Connection",
    "psycopg2.connect": "psycopg2.Connection",
    "redis.Redis": "redis.Redis",
    "redis.Redis.from_url": "redis.Redis",
    "redis.StrictRedis": "redis.Redis",
    "redis.StrictRedis.from_url": "redis.Redis",
    "redis.client.Redis": "redis.Redis",
    "redis.from_url": "redis.Redis",
    "rethinkdb.RethinkDB.connect": "rethinkdb.Connection",
    "rethinkdb.connect": "rethinkdb.Connection",
    "rethinkdb.r.connect": "rethinkdb.Connection",
    "sqlite3.connect": "sqlite3.Connection",
}
"""Calls that connect, and the class of what they return."""

SPEAKING_SQL = ("psycopg", "psycopg2", "sqlite3")
_SQL = {
    "Connection.cursor": "Cursor",
    "Connection.execute": "Cursor",
    "Connection.executemany": "Cursor",
    "Connection.executescript": "Cursor",
    "Cursor.execute": "Cursor",
    "Cursor.executemany": "Cursor",
}
_REDIS = {
    "Redis.lock": "Lock",
    "Redis.pipeline": "Pipeline",
    "Redis.pubsub": "PubSub",
    "Redis.register_script": "Script",
    "Redis.scan_iter": "Iterator",
    "Redis.hscan_iter": "Iterator",
    "Redis.sscan_iter": "Iterator",
    "Redis.zscan_iter": "Iterator",
    "PubSub.listen": "Listener",
}
_PIPELINE_WAITS = {"execute", "watch", "unwatch", "reset", "immediate_execute_command"}
_PIPELINE_AT_ONCE = {"watch", "unwatch", "immediate_execute_command"}
"""After these, a pipeline does not collect commands, but waits for each."""
CLOSED_BY_ACLOSE = {"PubSub.close", "Pipeline.close"}
"""What is closed before its connection; `close` is deprecated in redis.asyncio."""
_REDIS_SYNC = {"close", "multi", "get_encoder", "get_connection_kwargs", "set_response_callback"}
_REDIS_REFUSED = {"transaction", "monitor", "client", "from_pool", "execute_command_async"}

_STREAMS = {
    "filter", "get_all", "between", "map", "concat_map", "has_fields", "with_fields", "pluck",
    "without", "merge", "limit", "skip", "slice", "eq_join", "inner_join", "outer_join", "zip",
    "union", "order_by", "is_not_empty", "get_intersecting",
}  # fmt: skip
_OF_R = {"connect": "Connection", "db": "Database", "range": "Stream", "table": "Stream"}
_QUERIES = ("rethinkdb.Stream", "rethinkdb.Array", "rethinkdb.Changes", "rethinkdb.Datum")
_ENDLESS = {"redis.Listener", "rethinkdb.Feed"}
_ITERATED = {"redis.Iterator", "rethinkdb.Cursor", *_ENDLESS}


def numbered(kind: str, path: str) -> str:
    """The class `kind` with the number that `path` has, if it has one."""
    number = number_of(path)
    return f"{kind}@{number}" if number is not None else kind


def number_of(path: str) -> int | None:
    """The number of the connect call that an object, or a method, comes from."""
    _, found, rest = path.partition("@")
    digits = rest.partition(".")[0]
    return int(digits) if found and digits.isdigit() else None


def plain(path: str) -> str:
    """A path without the number."""
    before, found, rest = path.partition("@")
    return before + rest.lstrip("0123456789") if found else path


def returned(path: str, indexed: bool = False) -> Values | None:
    """What calling a driver's function returns; None if it is not a driver's.

    Args:
        path: with the number of its connection.
        indexed: whether the call has an argument `index`.
    """
    library, _, rest = plain(path).partition(".")
    if library in SPEAKING_SQL:
        kind = _SQL.get(rest)
        if kind:
            return one(Instance(numbered(f"{library}.{kind}", path)))
        if rest in {"Cursor.fetchall", "Cursor.fetchmany"}:
            return many(DATA)
        return DATA if rest.startswith(("Connection.", "Cursor.")) else None
    if library == "redis":
        return _of_redis(path, rest)
    if library == "rethinkdb":
        return _of_rethinkdb(path, rest, indexed)
    return None


def _of_redis(path: str, rest: str) -> Values | None:
    kind, _, method = rest.partition(".")
    if kind == "Pipeline" and method not in _PIPELINE_WAITS:
        return one(Instance(numbered("redis.Pipeline", path)))
    if rest in _REDIS:
        return one(Instance(numbered(f"redis.{_REDIS[rest]}", path)))
    if kind in {"Redis", "Pipeline", "PubSub", "Lock", "Script"} and method:
        return DATA
    return None


def _of_rethinkdb(path: str, rest: str, indexed: bool) -> Values | None:
    kind, _, method = rest.rpartition(".")
    if rest == "RethinkDB":
        return one(Instance("rethinkdb.RethinkDB"))
    if kind in {"r", "", "RethinkDB"} and method:
        return one(Instance(f"rethinkdb.{_OF_R.get(method, 'Datum')}"))
    if kind == "Database":
        return one(Instance("rethinkdb.Stream" if method == "table" else "rethinkdb.Datum"))
    if f"rethinkdb.{kind}" in _QUERIES:
        if method == "run":
            return None
        if method == "changes":
            return one(Instance("rethinkdb.Changes"))
        if kind != "Datum" and method in _STREAMS:
            sorted_here = method == "order_by" and not indexed
            return one(Instance("rethinkdb.Array" if sorted_here else f"rethinkdb.{kind}"))
        arrays = method in {"distinct", "sample"} and kind != "Datum"
        return one(Instance("rethinkdb.Array" if arrays else "rethinkdb.Datum"))
    if kind in {"Cursor", "Connection", "Feed"}:
        return DATA
    return None


def run_result(path: str, number: int | None) -> Values:
    """What running a query gives: a cursor for a stream, else plain data."""
    suffix = "" if number is None else f"@{number}"
    if path.startswith("rethinkdb.Stream"):
        return one(Instance(f"rethinkdb.Cursor{suffix}"))
    if path.startswith("rethinkdb.Changes"):
        return one(Instance(f"rethinkdb.Feed{suffix}"))
    return many(DATA) if path.startswith("rethinkdb.Array") else DATA


def awaits(path: str) -> bool | None:
    """Whether the asynchronous driver's method is awaited; None if there is no such method.

    Args:
        path: of redis or rethinkdb, with or without a number.
    """
    library, _, rest = plain(path).partition(".")
    kind, _, method = rest.partition(".")
    if library == "rethinkdb":
        return method in {"run", "close", "next", "noreply_wait", "reconnect"} or (
            None if kind in {"Connection", "Cursor", "Feed"} and method != "use" else False
        )
    operator = method.startswith("__") and method not in {"__iter__", "__call__"}
    if library != "redis" or method in _REDIS_REFUSED or operator:
        return None
    if rest in CLOSED_BY_ACLOSE:
        return True
    if method in _REDIS_SYNC or rest in _REDIS or method == "__iter__":
        return False
    if kind == "Pipeline" and method in _PIPELINE_AT_ONCE:
        return None
    if kind == "Pipeline":
        return method in _PIPELINE_WAITS
    return True


def entered(kind: str) -> bool:
    """Whether an object of this class is entered with `async with` in the asynchronous driver."""
    return plain(kind) in {"redis.Pipeline", "redis.PubSub", "redis.Lock", "redis.Redis"}


def iterated(path: str) -> bool:
    """Whether an object is gone through with `async for` in the asynchronous driver."""
    return plain(path).removesuffix(".__iter__") in _ITERATED


def endless(kind: str) -> bool:
    """Whether going through an object of this class does not end by itself."""
    return plain(kind) in _ENDLESS
