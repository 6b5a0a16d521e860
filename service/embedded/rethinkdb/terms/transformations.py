"""Sequences made of sequences: mapped, filtered, joined one after the other."""

from __future__ import annotations

from typing import Any

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import (
    EmptyUserError,
    NonExistenceError,
    QueryLogicError,
)
from service.embedded.rethinkdb.functions import Function, field_or_function, matcher, to_function
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import (
    SKIP,
    Stream,
    Value,
    to_datum,
    to_stream,
)
from service.embedded.rethinkdb.values import (
    PSEUDOTYPE,
    Datum,
    equal,
    field,
    truthy,
    type_name,
    wrong_type,
)

from .ordering import sorted_by


@term("MAP")
def map_(query: Query, sequence: Value, *others_and_function: Value) -> Value:
    *sequences, last = (sequence, *others_and_function)
    if not sequences:
        raise QueryLogicError("Expected 2 or more arguments but found 1.")
    function = to_function(last)
    wanted, found = len(function.parameters), len(sequences)
    if wanted not in (0, found):
        raise QueryLogicError(
            f"The function passed to `map` expects {wanted} argument{'' if wanted == 1 else 's'}, "
            f"but {found} sequence{' was' if found == 1 else 's were'} found."
        )
    streams = [to_stream(sequence) for sequence in sequences]
    if found == 1:
        return streams[0].map(function.datum)
    items = map(function.datum, *streams)
    is_array = all(stream.is_array for stream in streams)
    endless = all(stream.endless for stream in streams)
    return Stream((), is_array=is_array, endless=endless).derived(items, "map")


@term("CONCAT_MAP")
def concat_map(query: Query, sequence: Value, function: Value) -> Value:
    stream, made = to_stream(sequence), to_function(function)
    items = (out for item in stream for out in to_stream(made(item)))
    return stream.derived(items, "concat_map", limit=query.array_limit)


@term("FILTER", lazy_options=frozenset(["default"]))
def filter_(query: Query, sequence: Value, predicate: Value, *, default: Any = None) -> Value:
    stream = to_stream(sequence)
    constant = None if isinstance(predicate, Function) else to_datum(predicate)

    def holds(item: Datum) -> bool:
        try:
            found = constant if not isinstance(predicate, Function) else predicate.datum(item)
            if type(found) is dict and (
                not isinstance(predicate, Function) or predicate.is_pattern
            ):
                return _matches(found, item)
            return truthy(found)
        except NonExistenceError:
            if default is None:
                return False
            try:
                return truthy(to_datum(default()))
            except EmptyUserError:
                pass
            raise

    made = stream.map(lambda item: item if holds(item) else SKIP, selection=True)
    if isinstance(predicate, Function) and not predicate.deterministic and type(made) is Stream:
        made.watch = "Cannot call `changes` after a non-deterministic function."
    return made


def _matches(pattern: dict[str, Datum], item: Datum) -> bool:
    if pattern.get(PSEUDOTYPE) == "LITERAL":
        return equal(pattern.get("value"), item)
    if type(item) is not dict:
        raise wrong_type(f"Expected type OBJECT but found {type_name(item)}.", item)
    for name, wanted in pattern.items():
        found = field(item, name)
        if type(wanted) is dict and type(found) is dict and PSEUDOTYPE not in found:
            if not _matches(wanted, found):
                return False
        elif not equal(wanted, found):
            return False
    return True


@term("OFFSETS_OF")
def offsets_of(query: Query, sequence: Value, wanted: Value) -> Value:
    stream, matches = to_stream(sequence), matcher(wanted)
    offsets = (i for i, item in enumerate(stream) if matches(item))
    return stream.derived(offsets, "offsets_of")


@term("IS_EMPTY")
def is_empty(query: Query, sequence: Value) -> bool:
    return next(iter(to_stream(sequence)), SKIP) is SKIP


@term("UNION")
def union(query: Query, *sequences: Value, interleave: Value = True) -> Value:
    streams = [to_stream(sequence) for sequence in sequences]
    is_array = all(stream.is_array for stream in streams)
    endless = any(stream.endless for stream in streams)
    if isinstance(interleave, (str, list, Function)):
        by = interleave if type(interleave) is list else [interleave]
        functions = [(field_or_function(value), False) for value in by]
        items: Any = sorted_by([item for stream in streams for item in stream], functions)
    else:
        items = (item for stream in streams for item in stream)
    joined = Stream((), is_array=is_array, endless=endless)
    return joined.derived(items, "union", limit=query.array_limit)
