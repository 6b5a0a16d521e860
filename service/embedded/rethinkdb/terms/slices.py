"""Parts of sequences: the first few, one of them, some at random."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import (
    NonExistenceError,
    QueryLogicError,
)
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import (
    SKIP,
    Row,
    Stream,
    Value,
    Watch,
    is_datum,
    to_datum,
    to_stream,
)
from service.embedded.rethinkdb.values import (
    Datum,
    expect,
    expect_integer,
    printed_short,
    type_name,
    wrong_type,
)

from .arrays import absolute


@term("SKIP")
def skip(query: Query, sequence: Value, count: Value) -> Value:
    return slice_(query, sequence, count, -1, right_bound="closed")


@term("LIMIT")
def limit(query: Query, sequence: Value, count: Value) -> Value:
    size = expect_integer(to_datum(count))
    if size < 0:
        raise QueryLogicError(f"LIMIT takes a non-negative argument (got {size})")
    stream = to_stream(sequence)
    if stream.feed is not None:
        return Stream((), feed=stream.feed.at_most(size))
    made = stream.derived(islice(stream, size), "limit", selection=True, cut=True)
    watch = stream.watch
    if (
        type(made) is Stream
        and isinstance(watch, Watch)
        and watch.order is not None
        and watch.order.descending is not None
    ):
        made.watch = replace(watch, limit=size)
    return made


@term("SLICE")
def slice_(
    query: Query,
    sequence: Value,
    left: Value,
    right: Value = None,
    *,
    left_bound: Value = "closed",
    right_bound: Value = "open",
) -> Value:
    start = expect_integer(to_datum(left))
    stop = -1 if right is None else expect_integer(to_datum(right))
    left_open = bound_is_open("left_bound", left_bound)
    right_open = right is not None and bound_is_open("right_bound", right_bound)
    if is_datum(sequence):
        if type(sequence) not in (list, str, bytes):
            raise wrong_type(
                f"Expected ARRAY, BINARY, or STRING, but found {type_name(sequence)}.", sequence
            )
        size = len(sequence)
        first = _slice_place(start, size, after=left_open)
        last = _slice_place(stop, size, after=not right_open)
        return sequence[first:last] if first < last else sequence[:0]
    stream = to_stream(sequence)
    if start < 0:
        raise QueryLogicError("Cannot use a negative left index on a stream.")
    if stop < -1:
        raise QueryLogicError("Cannot use a right index < -1 on a stream.")
    if stop == -1 and right_open:
        raise QueryLogicError("Cannot slice to an open right index of -1 on a stream.")
    end = None if stop == -1 else stop + (not right_open)
    first = start + left_open
    items = islice(stream, first, end if end is None else max(end, first))
    return stream.derived(items, "slice", selection=True, cut=end is not None)


def _slice_place(index: int, size: int, *, after: bool) -> int:
    if index < 0 and -index > size:
        return 0
    return absolute(index, size) + after


def bound_is_open(name: str, value: Value) -> bool:
    """Whether an option says `open`; raises `QueryLogicError` for neither that nor `closed`."""
    bound = expect("STRING", to_datum(value))
    if bound not in ("open", "closed"):
        raise QueryLogicError(
            f"Expected `open` or `closed` for optarg `{name}` (got `{printed_short(bound)}`)."
        )
    return bool(bound == "open")


@term("NTH")
def nth(query: Query, sequence: Value, index: Value) -> Value:
    place = expect_integer(to_datum(index))
    out_of_bounds = NonExistenceError(f"Index out of bounds: {place}")
    if is_datum(sequence):
        array = expect("ARRAY", sequence)
        found = absolute(place, len(array))
        if found >= len(array):
            raise out_of_bounds
        return array[found]
    stream = to_stream(sequence)
    if place < -1:
        raise QueryLogicError(f"Cannot use an index < -1 ({place}) on a stream.")
    item: Datum = SKIP
    if place == -1:
        for item in stream:  # noqa: B007
            pass
    else:
        item = next(islice(stream, place, None), SKIP)
    if item is SKIP:
        raise out_of_bounds
    return item if stream.table is None else Row.found(stream.table, item)


@term("SAMPLE")
def sample(query: Query, sequence: Value, count: Value) -> Value:
    size = expect_integer(to_datum(count))
    if size < 0:
        raise QueryLogicError(f"Number of items to sample must be non-negative, got `{size}`.")
    table = getattr(sequence, "table", None)
    items = query.array(sequence)
    chosen = random.sample(items, min(size, len(items)))
    return chosen if table is None else Stream(chosen, is_array=True, table=table)
