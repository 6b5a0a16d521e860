"""Joins."""

from __future__ import annotations

from collections.abc import Iterator

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import NonExistenceError, QueryLogicError
from service.embedded.rethinkdb.functions import field_or_function, to_function
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import Value, to_datum, to_stream, to_table
from service.embedded.rethinkdb.values import Datum, expect, sort_key, truthy

from .documents import merge_datums


@term("INNER_JOIN")
def inner_join(query: Query, left: Value, right: Value, function: Value) -> Value:
    return _join(query, left, right, function, outer=False)


@term("OUTER_JOIN")
def outer_join(query: Query, left: Value, right: Value, function: Value) -> Value:
    return _join(query, left, right, function, outer=True)


def _join(query: Query, left: Value, right: Value, function: Value, *, outer: bool) -> Value:
    stream, others, matches = to_stream(left), query.array(right), to_function(function)

    def joined() -> Iterator[Datum]:
        for item in stream:
            alone = True
            for other in others:
                if truthy(matches.datum(item, other)):
                    alone = False
                    yield {"left": item, "right": other}
            if outer and alone:
                yield {"left": item}

    return stream.derived(joined(), "concat_map", limit=query.array_limit)


@term("EQ_JOIN")
def eq_join(
    query: Query,
    left: Value,
    by: Value,
    right: Value,
    *,
    index: Value = None,
    ordered: Value = False,
) -> Value:
    stream, key_of, table = to_stream(left), field_or_function(by), to_table(right)
    name: str = table.primary_key if index is None else expect("STRING", to_datum(index))
    if name != table.primary_key:
        table.index(name)

    def joined() -> Iterator[Datum]:
        for item in stream:
            try:
                key = key_of(item)
            except NonExistenceError:
                continue
            if key is not None:
                sort_key(key)
                for found in table.equal_to(name, [key]):
                    yield {"left": item, "right": found}

    return stream.derived(joined(), "eq_join", limit=query.array_limit)


@term("ZIP")
def zip_(query: Query, joined: Value) -> Value:
    stream = to_stream(joined)

    def zipped() -> Iterator[Datum]:
        for pair in stream:
            if type(pair) is not dict or "left" not in pair:
                raise QueryLogicError("ZIP can only be called on the result of a join.")
            yield merge_datums(pair["left"], pair["right"]) if "right" in pair else pair["left"]

    return stream.derived(zipped(), "zip")
