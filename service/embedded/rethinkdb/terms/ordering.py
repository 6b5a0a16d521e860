"""Sequences put in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cmp_to_key
from typing import Any

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import (
    NonExistenceError,
    QueryLogicError,
)
from service.embedded.rethinkdb.functions import field_or_function
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import (
    Opaque,
    Stream,
    TableSlice,
    Value,
    to_datum,
)
from service.embedded.rethinkdb.values import (
    Datum,
    SortKey,
    expect,
    sort_key,
)


@dataclass(frozen=True)
class Ordering(Opaque):
    """`r.asc(by)`, `r.desc(by)`."""

    by: Value
    descending: bool


@term("ASC")
def asc(query: Query, by: Value) -> Ordering:
    return Ordering(by, descending=False)


@term("DESC")
def desc(query: Query, by: Value) -> Ordering:
    return Ordering(by, descending=True)


@term("ORDER_BY")
def order_by(query: Query, sequence: Value, *orderings: Value, index: Value = None) -> Value:
    by = [o if isinstance(o, Ordering) else Ordering(o, descending=False) for o in orderings]
    functions = [(field_or_function(ordering.by), ordering.descending) for ordering in by]
    if index is not None:
        if type(sequence) is not TableSlice:
            raise QueryLogicError(
                "Indexed order_by can only be performed on a TABLE or TABLE_SLICE. Make sure "
                "order_by comes before any transformations (such as map) or filters."
            )
        ordered = _in_order(sequence, index)
        if not functions:
            return ordered
        groups = _sorted_within(query, ordered, functions)
        return Stream(groups, table=ordered.table)
    if not functions:
        raise QueryLogicError("Must specify something to order by.")
    table = getattr(sequence, "table", None)
    items = sorted_by(query.array(sequence), functions)
    return items if table is None else Stream(items, is_array=True, table=table)


def _in_order(sequence: TableSlice, index: Value) -> TableSlice:
    descending = isinstance(index, Ordering) and index.descending
    name = expect("STRING", to_datum(index.by if isinstance(index, Ordering) else index))
    if sequence.index is not None and sequence.index != name:
        raise QueryLogicError(
            f"Cannot order by index `{name}` after calling BETWEEN on index `{sequence.index}`."
        )
    if sequence.descending is not None:
        raise QueryLogicError("Cannot perform multiple indexed ORDER_BYs on the same table.")
    if name != sequence.table.primary_key:
        sequence.table.index(name)
    return replace(sequence, index=name, descending=descending)


def _sorted_within(query: Query, ordered: TableSlice, functions: Any) -> Iterator[Datum]:
    """The documents in the index's order, those equal there in the order of the functions."""
    assert ordered.index is not None
    rows = ordered.table.within(ordered.index, ordered.bounds)
    if ordered.descending:
        rows.reverse()
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end][0] != rows[start][0]:
            yield from sorted_by([document for _, document in rows[start:end]], functions)
            start = end


def sorted_by(items: Sequence[Datum], functions: Any) -> list[Datum]:
    def key(item: Datum) -> list[SortKey | None]:
        keys: list[SortKey | None] = []
        for function, _ in functions:
            try:
                keys.append(sort_key(function(item)))
            except NonExistenceError:
                keys.append(None)
        return keys

    def compare(left: Any, right: Any) -> int:
        for a, b, (_, descending) in zip(left[0], right[0], functions, strict=True):
            if a == b:
                continue
            smaller = a is None if a is None or b is None else a < b
            return -1 if smaller is not descending else 1
        return 0

    keyed = [(key(item), item) for item in items]
    keyed.sort(key=cmp_to_key(compare))
    return [item for _, item in keyed]
