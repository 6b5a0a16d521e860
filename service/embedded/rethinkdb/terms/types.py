"""What type a value has, and made into another one."""

from __future__ import annotations

import json
from typing import Any, Final

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import QueryLogicError
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import (
    DatabaseValue,
    Grouped,
    Opaque,
    Row,
    Stream,
    TableSlice,
    Value,
    is_datum,
    to_datum,
    to_stream,
)
from service.embedded.rethinkdb.values import (
    PSEUDOTYPE,
    Datum,
    compact,
    expect,
    from_wire,
    number,
    printed,
    type_name,
    wrong_type,
)

from .documents import pairs_to_object

_DATUM_TYPES: Final = frozenset(
    ["NULL", "BINARY", "BOOL", "NUMBER", "STRING", "ARRAY", "OBJECT", "MINVAL", "MAXVAL"]
)
_OTHER_TYPES: Final = frozenset(
    [
        "DB",
        "TABLE",
        "TABLE_SLICE",
        "SELECTION<STREAM>",
        "SELECTION<ARRAY>",
        "STREAM",
        "SELECTION<OBJECT>",
        "DATUM",
        "FUNCTION",
        "GROUPED_DATA",
    ]
)


@term("TYPE_OF", grouped=False)
def type_of(query: Query, value: Value) -> str:
    if is_datum(value):
        return type_name(value)
    if isinstance(value, Stream):
        if value.table is None:
            return "STREAM"
        return "SELECTION<ARRAY>" if value.is_array else "SELECTION<STREAM>"
    if isinstance(value, Grouped):
        return "GROUPED_STREAM"
    opaque: Opaque = value
    names = {"DATABASE": "DB", "SINGLE_SELECTION": "SELECTION<OBJECT>"}
    return names.get(opaque.kind, opaque.kind)


@term("INFO", grouped=False)
def info(query: Query, value: Value) -> Datum:
    made: dict[str, Any] = {"type": type_of(query, value)}
    if isinstance(value, DatabaseValue):
        made |= {"name": value.database.name, "id": value.database.id or None}
    elif isinstance(value, TableSlice):
        table = value.table
        about = {
            "name": table.name,
            "primary_key": table.primary_key,
            "db": info(query, DatabaseValue(table.database)),
            "id": table.id,
            "indexes": sorted(table.indexes),
            "doc_count_estimates": [len(table.documents)],
        }
        if value.index is None:
            made |= about
        else:
            made |= {"table": {**about, "type": "TABLE"}, "index": value.index}
    elif isinstance(value, (Row, Stream)) and value.table is not None:
        made["table"] = info(query, TableSlice(value.table))
    elif type(value) is bytes:
        made["count"] = len(value)
    elif is_datum(value):
        made["value"] = printed(value)
    return made


@term("COERCE_TO")
def coerce_to(query: Query, value: Value, kind: Value) -> Value:
    wanted: str = expect("STRING", to_datum(kind)).upper()
    if wanted not in _DATUM_TYPES and wanted not in _OTHER_TYPES:
        raise QueryLogicError(f"Unknown Type: {wanted}")
    source = type_of(query, value)
    if isinstance(value, Row):
        value, source = value.document, type_name(value.document)
    start = "BINARY" if type(value) is bytes else "OBJECT" if type(value) is dict else source
    if wanted == start or (wanted == "DATUM" and is_datum(value)):
        return value
    if wanted == "STREAM" and not is_datum(value) and not isinstance(value, DatabaseValue):
        return to_stream(value)
    if wanted == "BOOL":
        return value is not None
    if is_datum(value):
        if wanted == "STRING":
            return _text(value)
        if wanted == "BINARY" and start == "STRING":
            return value.encode()
        if wanted == "ARRAY" and start == "OBJECT":
            return [[name, value[name]] for name in sorted(value)]
        if wanted == "NUMBER" and start == "STRING":
            return _parsed(value)
    if type(value) is list or not is_datum(value):
        return _from_sequence(query, value, start, wanted)
    raise wrong_type(f"Cannot coerce {start} to {wanted}.", value)


def _text(value: Datum) -> str:
    if type(value) is bytes:
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise QueryLogicError(
                f"String is not a UTF-8 string; invalid byte at position {error.start}."
            ) from None
    return compact(value)


def _parsed(text: str) -> Datum:
    try:
        if "_" in text or not text.isascii():
            raise ValueError
        return number(float(text))
    except ValueError:
        raise QueryLogicError(f"Could not coerce `{text}` to NUMBER.") from None


def _from_sequence(query: Query, value: Value, start: str, wanted: str) -> Datum:
    if wanted not in ("ARRAY", "DATUM", "OBJECT", "STRING"):
        raise QueryLogicError(f"Cannot coerce {start} to {wanted}.")
    items = query.array(value)
    if wanted == "STRING":
        return compact(items)
    if wanted != "OBJECT":
        return items
    for pair in items:
        if len(expect("ARRAY", pair)) != 2:
            raise QueryLogicError(f"Expected array of size 2, but got size {len(pair)}.")
    return pairs_to_object(items, "Duplicate key {} in coerced object.")


@term("TO_JSON_STRING", datums=True)
def to_json_string(query: Query, value: Datum) -> str:
    return compact(value)


@term("JSON", datums=True)
def json_(query: Query, text: Datum) -> Datum:
    source = expect("STRING", text)
    try:
        return json.loads(
            source, object_hook=_decoded, parse_constant=_no_constant, parse_float=_parsed
        )
    except (ValueError, RecursionError):
        shown = source if len(source) <= 40 else source[:37] + "..."
        raise QueryLogicError(f'Failed to parse "{shown}" as JSON: Invalid value.') from None


def _decoded(value: dict[str, Datum]) -> Datum:
    return from_wire(value) if PSEUDOTYPE in value else value


def _no_constant(name: str) -> Datum:
    raise ValueError(name)


@term("BINARY", datums=True)
def binary(query: Query, value: Datum) -> bytes:
    return value if type(value) is bytes else expect("STRING", value).encode()
