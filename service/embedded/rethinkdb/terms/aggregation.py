"""Sequences made into single values, and into groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import NonExistenceError, QueryLogicError
from service.embedded.rethinkdb.evaluation import stepping
from service.embedded.rethinkdb.functions import field_or_function, matcher, to_function
from service.embedded.rethinkdb.keys import EVERYTHING
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import (
    SKIP,
    Grouped,
    Row,
    Stream,
    TableSlice,
    Value,
    to_datum,
    to_finite,
    to_stream,
    unexpected,
)
from service.embedded.rethinkdb.values import (
    Datum,
    SortKey,
    expect,
    number,
    sort_key,
    truthy,
)


@term("COUNT")
def count(query: Query, sequence: Value, wanted: Value = SKIP) -> int:
    if wanted is SKIP:
        if isinstance(sequence, Row):
            sequence = sequence.document
        if type(sequence) in (str, bytes, dict, list):
            return len(sequence)
        if type(sequence) is TableSlice and sequence.index is None:
            return len(sequence.table.documents)
        return sum(1 for _ in to_finite(sequence))
    matches = matcher(wanted)
    return sum(1 for item in to_finite(sequence) if _forgiving(matches, item))


def _forgiving(matches: Callable[[Datum], bool], item: Datum) -> bool:
    try:
        return matches(item)
    except NonExistenceError:
        return False


def _measured(sequence: Value, by: Value) -> Iterator[tuple[Datum, Datum]]:
    """Each element with what the function or field says of it; without those it says nothing of."""
    if by is SKIP:
        yield from ((item, item) for item in to_finite(sequence) if item is not None)
        return
    function = field_or_function(by)
    for item in to_finite(sequence):
        try:
            value = function(item)
        except NonExistenceError:
            continue
        if value is not None:
            yield item, value


def _empty(what: str, name: str) -> NonExistenceError:
    return NonExistenceError(
        f"Cannot take the {what} of an empty stream.  (If you passed `{name}` a field name, it may "
        "be that no elements of the stream had that field.)"
    )


@term("SUM")
def sum_(query: Query, sequence: Value, by: Value = SKIP) -> Datum:
    return number(sum(expect("NUMBER", value) for _, value in _measured(sequence, by)))


@term("AVG")
def avg(query: Query, sequence: Value, by: Value = SKIP) -> Datum:
    values = [expect("NUMBER", value) for _, value in _measured(sequence, by)]
    if not values:
        raise _empty("average", "avg")
    return number(sum(values) / len(values))


def _extreme(name: str, better: Callable[[SortKey, SortKey], bool], *, descending: bool) -> None:
    @term(name)
    def extreme(query: Query, sequence: Value, by: Value = SKIP, *, index: Value = None) -> Value:
        lower_name = name.lower()
        if index is not None:
            if by is not SKIP:
                raise QueryLogicError(
                    f"Cannot provide both a function and an index to {lower_name}."
                )
            if type(sequence) is not TableSlice:
                raise unexpected("TABLE", sequence)
            rows = sequence.table.within(expect("STRING", to_datum(index)), EVERYTHING)
            if not rows:
                raise NonExistenceError(f"`{lower_name}` found no entries in the specified index.")
            return Row.found(sequence.table, rows[-1 if descending else 0][1])
        best: tuple[SortKey, Datum] | None = None
        for item, value in _measured(sequence, by):
            key = sort_key(value)
            if best is None or better(key, best[0]):
                best = (key, item)
        if best is None:
            raise _empty(lower_name, lower_name)
        return best[1]


_extreme("MIN", lambda new, best: new < best, descending=False)
_extreme("MAX", lambda new, best: new > best, descending=True)


@term("REDUCE")
def reduce(query: Query, sequence: Value, function: Value) -> Datum:
    combine, items = to_function(function), iter(to_finite(sequence))
    total = next(items, SKIP)
    if total is SKIP:
        raise NonExistenceError("Cannot reduce over an empty stream.")
    for item in items:
        total = combine.datum(total, item)
    return total


@term("FOLD")
def fold(
    query: Query,
    sequence: Value,
    start: Value,
    function: Value,
    *,
    emit: Value = None,
    final_emit: Value = None,
) -> Value:
    stream, combine, total = to_stream(sequence), to_function(function), to_datum(start)
    if emit is None:
        if final_emit is not None:
            raise QueryLogicError("Cannot use `final_emit` without `emit`.")
        for item in stream:
            total = combine.datum(total, item)
        return total
    emitting = to_function(emit)

    def emitted() -> Iterator[Datum]:
        current = total
        for item in stream:
            following = combine.datum(current, item)
            yield from expect("ARRAY", emitting.datum(current, item, following))
            current = following
        if final_emit is not None:
            yield from expect("ARRAY", to_function(final_emit).datum(current))

    return stream.derived(emitted(), "fold", limit=query.array_limit)


@term("CONTAINS")
def contains(query: Query, sequence: Value, *wanted: Value) -> bool:
    missing: list[Any] = [matcher(value) for value in wanted]
    stream = to_stream(sequence)
    if not missing:
        return True
    for item in stream:
        for matches in missing:
            if _forgiving(matches, item):
                missing.remove(matches)
                break
        if not missing:
            return True
    return False


@term("DISTINCT")
def distinct(query: Query, sequence: Value, *, index: Value = None) -> Value:
    if index is not None:
        if type(sequence) is not TableSlice:
            raise QueryLogicError("Can only perform an indexed distinct on a TABLE.")
        name = expect("STRING", to_datum(index))
        return Stream(
            _index_values(sequence, name), watch="Cannot call `changes` after `distinct`."
        )
    unique = {sort_key(item): item for item in to_finite(sequence)}
    items = [unique[key] for key in sorted(unique)]
    if type(sequence) is TableSlice:
        return Stream(items, watch="Cannot call `changes` after `distinct`.")
    return query.array(items)


def _index_values(sequence: TableSlice, name: str) -> Iterator[Datum]:
    table = sequence.table
    bounds = sequence.bounds if sequence.index == name else EVERYTHING
    last: SortKey | None = None
    for key, document in table.within(name, bounds):
        if key == last:
            continue
        last = key
        if name == table.primary_key:
            yield document[name]
        else:
            values = table.index(name).values(document)
            yield next(value for value in values if sort_key(value) == key)


@term("GROUP")
def group(
    query: Query, sequence: Value, *by: Value, index: Value = None, multi: Value = False
) -> Grouped:
    functions = [field_or_function(value) for value in by]
    items: Iterable[tuple[Datum, list[Datum]]]
    if index is not None:
        if type(sequence) is not TableSlice:
            raise unexpected("TABLE", sequence)
        name, table = expect("STRING", to_datum(index)), sequence.table
        rows = [document for _, document in table.within(name)]
        if name == table.primary_key:
            items = [(row, [row[name]]) for row in rows]
        else:
            found = table.index(name)
            items = [
                (row, [value])
                for row in {id(row): row for row in rows}.values()
                for value in found.values(row)
            ]
    else:
        items = ((item, []) for item in to_finite(sequence))
    if not functions and index is None:
        raise QueryLogicError("Cannot group by nothing.")
    groups: dict[SortKey, tuple[Datum, list[Datum]]] = {}
    for item, extra in items:
        keys = [_key(function, item) for function in functions] + extra
        for key in _group_keys(keys, multi=truthy(to_datum(multi))):
            groups.setdefault(sort_key(key), (key, []))[1].append(item)
    return Grouped([groups[key] for key in sorted(groups)])


def _key(function: Callable[[Datum], Datum], item: Datum) -> Datum:
    try:
        return function(item)
    except NonExistenceError:
        return None


def _group_keys(keys: list[Datum], *, multi: bool) -> Iterator[Datum]:
    """The groups an element belongs to; with `multi` one for each element of an array."""
    choices = [key if multi and type(key) is list else [key] for key in keys]
    for chosen in stepping(product(*choices)):
        yield chosen[0] if len(keys) == 1 else list(chosen)


@term("UNGROUP", grouped=False)
def ungroup(query: Query, groups: Value) -> list[Datum]:
    if not isinstance(groups, Grouped):
        raise unexpected("GROUPED_DATA", groups)
    return [{"group": key, "reduction": query.datum(value)} for key, value in groups.groups]
