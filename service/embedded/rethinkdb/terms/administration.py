"""Databases and tables: made, dropped, listed, described."""

from __future__ import annotations

from typing import Final

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import OpFailedError, QueryLogicError
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import DatabaseValue, Row, Value, to_datum, to_table
from service.embedded.rethinkdb.storage import SYSTEM_DATABASE, Database
from service.embedded.rethinkdb.system import SYSTEM_TABLES, database_config
from service.embedded.rethinkdb.values import Datum, expect, expect_integer, sort_key

from .selection import (
    checked_name,
    current_database,
    database_and_name,
    to_database,
)
from .writing import check_durability

_READINESS: Final = (
    "ready_for_outdated_reads",
    "ready_for_reads",
    "ready_for_writes",
    "all_replicas_ready",
)


@term("DB_CREATE")
def db_create(query: Query, name: Value) -> Datum:
    database = query.catalog.create_database(checked_name("Database", name))
    change = {"old_val": None, "new_val": database_config(database)}
    return {"dbs_created": 1, "config_changes": [change]}


@term("DB_DROP")
def db_drop(query: Query, name: Value) -> Datum:
    wanted = checked_name("Database", name)
    if wanted == SYSTEM_DATABASE:
        raise OpFailedError(f"Database `{SYSTEM_DATABASE}` is special; you can't delete it.")
    tables = len(query.catalog.database(wanted).tables)
    database = query.catalog.drop_database(wanted)
    change = {"old_val": database_config(database), "new_val": None}
    return {"dbs_dropped": 1, "tables_dropped": tables, "config_changes": [change]}


@term("DB_LIST")
def db_list(query: Query) -> list[str]:
    return sorted([*query.catalog.databases, SYSTEM_DATABASE])


@term("TABLE_CREATE")
def table_create(
    query: Query,
    first: Value,
    second: Value = None,
    *,
    primary_key: Value = "id",
    durability: Value = None,
    shards: Value = 1,
    replicas: Value = 1,
) -> Datum:
    arguments = (first,) if second is None else (first, second)
    database, name = database_and_name(query, "Table", arguments)
    check_durability(durability)
    if expect_integer(to_datum(shards)) <= 0:
        raise QueryLogicError("Every table must have at least one shard.")
    if expect_integer(to_datum(replicas)) != 1:
        raise OpFailedError(
            f"Can't put {to_datum(replicas)} replicas on servers with the tag `default` because "
            "there is only 1 server with that tag."
        )
    _refuse_system(database)
    key = expect("STRING", to_datum(primary_key))
    table = query.catalog.create_table(database, name, key, to_datum(durability) or "hard")
    change = {"old_val": None, "new_val": query.system.table_config(table)}
    return {"tables_created": 1, "config_changes": [change]}


@term("TABLE_DROP")
def table_drop(query: Query, first: Value, second: Value = None) -> Datum:
    arguments = (first,) if second is None else (first, second)
    database, name = database_and_name(query, "Table", arguments)
    _refuse_system(database)
    config = query.system.table_config(database.table(name))
    query.catalog.drop_table(database, name)
    return {"tables_dropped": 1, "config_changes": [{"old_val": config, "new_val": None}]}


@term("TABLE_LIST")
def table_list(query: Query, database: Value = None) -> list[str]:
    found = current_database(query) if database is None else to_database(database)
    return sorted(SYSTEM_TABLES if found.name == SYSTEM_DATABASE else found.tables)


def _refuse_system(database: Database) -> None:
    if database.name == SYSTEM_DATABASE:
        raise OpFailedError(
            f"Database `{SYSTEM_DATABASE}` is special; you can't create or drop tables in it."
        )


def _system_row(query: Query, name: str, id: str) -> Row:
    """The row of a system table that describes something."""
    table, key = query.system.table(name), sort_key(id)
    if table is None or key not in table.documents:
        raise OpFailedError("The database `rethinkdb` and its tables cannot be configured.")
    return Row(table, key, table.documents[key])


@term("CONFIG")
def config(query: Query, target: Value) -> Row:
    if isinstance(target, DatabaseValue):
        return _system_row(query, "db_config", target.database.id)
    return _system_row(query, "table_config", to_table(target).id)


@term("STATUS")
def status(query: Query, target: Value) -> Row:
    return _system_row(query, "table_status", to_table(target).id)


@term("WAIT")
def wait(
    query: Query, target: Value, *, wait_for: Value = "all_replicas_ready", timeout: Value = 0
) -> Datum:
    wanted = expect("STRING", to_datum(wait_for))
    if wanted not in _READINESS:
        *others, last = (f"'{state}'" for state in _READINESS)
        raise QueryLogicError(
            f"Unknown table readiness state: '{wanted}', must be one of {', '.join(others)}, "
            f"or {last}"
        )
    if isinstance(target, DatabaseValue):
        return {"ready": len(target.database.tables)}
    to_table(target)
    return {"ready": 1}


@term("SYNC")
def sync(query: Query, target: Value) -> Datum:
    to_table(target)
    query.system.sync()
    return {"synced": 1}
