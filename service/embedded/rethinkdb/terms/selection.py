"""Where data comes from: databases, tables, documents by key, ranges of an index."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from service.embedded.rethinkdb.changefeeds import feed_of_row, feed_of_stream
from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import (
    NonExistenceError,
    OpFailedError,
    QueryLogicError,
)
from service.embedded.rethinkdb.keys import Range, check_primary_key, check_secondary_key
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import (
    DatabaseValue,
    Row,
    Stream,
    TableSlice,
    Value,
    Watch,
    to_datum,
    to_slice,
    to_table,
    unexpected,
)
from service.embedded.rethinkdb.storage import SYSTEM_DATABASE, Database, Document
from service.embedded.rethinkdb.values import (
    Datum,
    SortKey,
    expect,
    expect_integer,
    sort_key,
    type_name,
)

from .slices import bound_is_open

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_READ_MODES: Final = ("majority", "single", "outdated")


def checked_name(kind: str, value: Value) -> str:
    """The name of a database or table; raises `QueryLogicError` for what cannot be one."""
    name: str = expect("STRING", to_datum(value))
    if not _NAME.fullmatch(name):
        raise QueryLogicError(f"{kind} name `{name}` invalid (Use A-Z, a-z, 0-9, _ and - only).")
    return name


def to_database(value: Value) -> Database:
    """The value as a database; raises `QueryLogicError` if it is none."""
    if isinstance(value, DatabaseValue):
        return value.database
    raise unexpected("DATABASE", value)


def current_database(query: Query) -> Database:
    """The one that the query's global option `db` names, `test` without it."""
    named = query.option("db")
    return query.catalog.database("test") if named is None else to_database(named)


def database_and_name(
    query: Query, kind: str, arguments: tuple[Value, ...]
) -> tuple[Database, str]:
    """The arguments of a term that may be called on a database or on the current one."""
    if len(arguments) == 1:
        return current_database(query), checked_name(kind, arguments[0])
    return to_database(arguments[0]), checked_name(kind, arguments[1])


@term("DB")
def db(query: Query, name: Value) -> DatabaseValue:
    wanted = checked_name("Database", name)
    if wanted == SYSTEM_DATABASE:
        return DatabaseValue(Database(SYSTEM_DATABASE, id=""))
    return DatabaseValue(query.catalog.database(wanted))


@term("TABLE")
def table(
    query: Query,
    first: Value,
    second: Value = None,
    *,
    read_mode: Value = "single",
    identifier_format: Value = "name",
) -> TableSlice:
    arguments = (first,) if second is None else (first, second)
    database, name = database_and_name(query, "Table", arguments)
    mode = expect("STRING", to_datum(read_mode))
    if mode not in _READ_MODES:
        raise QueryLogicError(
            f'Read mode `{mode}` unrecognized (options are "majority", "single", and "outdated").'
        )
    form = expect("STRING", to_datum(identifier_format))
    if form != "name":
        raise QueryLogicError(f"Identifier format `{form}` is not supported by this server.")
    if database.name == SYSTEM_DATABASE:
        system_table = query.system.table(name)
        if system_table is None:
            raise OpFailedError(f"Table `{SYSTEM_DATABASE}.{name}` does not exist.")
        return TableSlice(system_table)
    return TableSlice(database.table(name))


@term("GET")
def get(query: Query, source: Value, key: Value) -> Row:
    found, value = to_table(source), to_datum(key)
    check_primary_key(value)
    primary = sort_key(value)
    return Row(found, primary, found.get(primary))


@term("GET_ALL")
def get_all(query: Query, source: Value, *keys: Value, index: Value = None) -> Stream:
    found = to_table(source)
    name: str = found.primary_key if index is None else expect("STRING", to_datum(index))
    check = check_primary_key if name == found.primary_key else check_secondary_key
    if name != found.primary_key:
        found.index(name)
    values = [to_datum(key) for key in keys]
    for value in values:
        if value is None:
            raise NonExistenceError("Keys cannot be NULL")
        check(value)
    wanted = {sort_key(value) for value in values}

    def contains(key: SortKey, document: Document) -> bool:
        if name == found.primary_key:
            return key in wanted
        return any(sort_key(value) in wanted for value in found.index(name).values(document))

    documents = found.equal_to(name, values)
    return Stream(documents, table=found, watch=Watch(found, contains))


@term("BETWEEN")
def between(
    query: Query,
    source: Value,
    lower: Value,
    upper: Value,
    *,
    index: Value = None,
    left_bound: Value = "closed",
    right_bound: Value = "open",
) -> TableSlice:
    sliced = to_slice(source)
    bounds = Range(
        _bound(lower),
        _bound(upper),
        bound_is_open("left_bound", left_bound),
        bound_is_open("right_bound", right_bound),
    )
    if index is not None:
        name: str = expect("STRING", to_datum(index))
    else:
        name = sliced.index or sliced.table.primary_key
    if sliced.index is not None and (sliced.descending is None or sliced.index != name):
        if sliced.descending is None:
            raise QueryLogicError("Cannot perform multiple BETWEENs on the same table.")
        raise QueryLogicError(
            f"Cannot call between on index `{name}` after ordering by index `{sliced.index}`."
        )
    if name != sliced.table.primary_key:
        sliced.table.index(name)
    return replace(sliced, index=name, bounds=bounds)


def _bound(value: Value) -> Datum:
    bound = to_datum(value)
    if bound is None:
        raise QueryLogicError(
            "Cannot use `null` in BETWEEN, use `r.minval` or `r.maxval` to denote unboundedness."
        )
    return bound


@term("CHANGES", grouped=False)
def changes(
    query: Query,
    source: Value,
    *,
    squash: Value = False,
    changefeed_queue_size: Value = 100_000,
    include_initial: Value = False,
    include_states: Value = False,
    include_types: Value = False,
    include_offsets: Value = False,
) -> Stream:
    squashed = to_datum(squash)
    if type(squashed) not in (bool, int, float):
        raise QueryLogicError(f"Expected BOOL or NUMBER but found {type_name(squashed)}.")
    if type(squashed) is not bool and squashed < 0:
        raise QueryLogicError("Expected BOOL or a positive NUMBER but found a negative NUMBER.")
    if expect("BOOL", to_datum(include_offsets)):
        raise QueryLogicError("The option `include_offsets` is not supported by this server.")
    options = {
        "squash": squashed is not False,
        "queue_size": expect_integer(to_datum(changefeed_queue_size)),
        "include_initial": expect("BOOL", to_datum(include_initial)),
        "include_states": expect("BOOL", to_datum(include_states)),
        "include_types": expect("BOOL", to_datum(include_types)),
    }
    if isinstance(source, Row):
        return Stream((), feed=feed_of_row(source, **options))
    if isinstance(source, TableSlice):
        source = source.stream()
    if not isinstance(source, Stream):
        if type(source) is list:
            raise QueryLogicError("Cannot call `changes` on an eager stream.")
        raise unexpected("SELECTION", source)
    return Stream((), feed=feed_of_stream(source, **options))
