"""Secondary indexes: made, dropped, renamed, listed, waited for."""

from __future__ import annotations

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import OpFailedError, QueryLogicError
from service.embedded.rethinkdb.functions import Function
from service.embedded.rethinkdb.registry import NUMBERS, term
from service.embedded.rethinkdb.sequences import Value, to_datum, to_table
from service.embedded.rethinkdb.storage import Index, Table
from service.embedded.rethinkdb.values import Datum, compact, expect, truthy


def _field_term(name: str) -> Datum:
    """The function that an index without one has: the field of its own name."""
    variable = [NUMBERS["VAR"], [1]]
    body = [NUMBERS["GET_FIELD"], [variable, name]]
    return [NUMBERS["FUNC"], [[NUMBERS["MAKE_ARRAY"], [1]], body]]


@term("INDEX_CREATE")
def index_create(
    query: Query,
    target: Value,
    name: Value,
    function: Value = None,
    *,
    multi: Value = False,
    geo: Value = False,
) -> Datum:
    table, wanted = to_table(target), expect("STRING", to_datum(name))
    if wanted == table.primary_key:
        raise QueryLogicError(f"Index name conflict: `{wanted}` is the name of the primary key.")
    if truthy(to_datum(geo)):
        raise QueryLogicError("Geospatial indexes are not supported by this server.")
    _refuse_taken(table, wanted)
    if function is None:
        source = _field_term(wanted)
    elif isinstance(function, Function):
        if not function.deterministic:
            raise QueryLogicError(
                "Could not prove function deterministic.  Index functions must be deterministic."
            )
        source = function.term
    else:
        raise QueryLogicError("Expected type FUNCTION but found DATUM.")
    query.catalog.create_index(table, wanted, source, truthy(to_datum(multi)))
    return {"created": 1}


def _refuse_taken(table: Table, name: str) -> None:
    if name in table.indexes:
        raise OpFailedError(f"Index `{name}` already exists on table `{table}`.")


def _existing(table: Table, name: str) -> Index:
    if name not in table.indexes:
        raise OpFailedError(f"Index `{name}` does not exist on table `{table}`.")
    return table.indexes[name]


@term("INDEX_DROP")
def index_drop(query: Query, target: Value, name: Value) -> Datum:
    table, wanted = to_table(target), expect("STRING", to_datum(name))
    _existing(table, wanted)
    query.catalog.drop_index(table, wanted)
    return {"dropped": 1}


@term("INDEX_RENAME")
def index_rename(
    query: Query, target: Value, old: Value, new: Value, *, overwrite: Value = False
) -> Datum:
    table = to_table(target)
    before, after = expect("STRING", to_datum(old)), expect("STRING", to_datum(new))
    index = _existing(table, before)
    if table.primary_key in (before, after):
        raise QueryLogicError(
            f"Index name conflict: `{table.primary_key}` is the name of the primary key."
        )
    if before == after:
        return {"renamed": 0}
    if after in table.indexes:
        if not truthy(to_datum(overwrite)):
            _refuse_taken(table, after)
        query.catalog.drop_index(table, after)
    query.catalog.create_index(table, after, index.term, index.multi)
    query.catalog.drop_index(table, before)
    return {"renamed": 1}


@term("INDEX_LIST")
def index_list(query: Query, target: Value) -> list[str]:
    return sorted(to_table(target).indexes)


@term("INDEX_STATUS", "INDEX_WAIT")
def index_status(query: Query, target: Value, *names: Value) -> list[Datum]:
    table = to_table(target)
    wanted = [expect("STRING", to_datum(name)) for name in names] or sorted(table.indexes)
    return [_status(table.index(name)) for name in wanted]


def _status(index: Index) -> Datum:
    return {
        "function": compact(index.term).encode(),
        "geo": False,
        "index": index.name,
        "multi": index.multi,
        "outdated": False,
        "query": f"indexCreate('{index.name}'{', {multi: true}' if index.multi else ''})",
        "ready": True,
    }
