"""Arrays: elements added, removed, changed; arrays as sets."""

from __future__ import annotations

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import NonExistenceError
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import Value, to_finite
from service.embedded.rethinkdb.values import Datum, expect, expect_integer, sort_key

Array = list[Datum]


def absolute(index: int, size: int) -> int:
    """A place counted from the start; raises `NonExistenceError` for one before the start."""
    if index >= 0:
        return index
    if -index > size:
        raise NonExistenceError(f"Index out of bounds: {index}")
    return size + index


@term("APPEND", datums=True)
def append(query: Query, array: Datum, value: Datum) -> Array:
    return query.array([*expect("ARRAY", array), value])


@term("PREPEND", datums=True)
def prepend(query: Query, array: Datum, value: Datum) -> Array:
    return query.array([value, *expect("ARRAY", array)])


@term("INSERT_AT", datums=True)
def insert_at(query: Query, array: Datum, index: Datum, value: Datum) -> Array:
    place = _space(expect("ARRAY", array), index)
    return query.array([*array[:place], value, *array[place:]])


@term("SPLICE_AT", datums=True)
def splice_at(query: Query, array: Datum, index: Datum, values: Datum) -> Array:
    place = _space(expect("ARRAY", array), index)
    return query.array([*array[:place], *expect("ARRAY", values), *array[place:]])


@term("CHANGE_AT", datums=True)
def change_at(query: Query, array: Datum, index: Datum, value: Datum) -> Array:
    place = _element(expect("ARRAY", array), index)
    return [*array[:place], value, *array[place + 1 :]]


@term("DELETE_AT", datums=True)
def delete_at(query: Query, array: Datum, index: Datum, end: Datum = None) -> Array:
    size = len(expect("ARRAY", array))
    if end is None:
        place = _element(array, index)
        return [*array[:place], *array[place + 1 :]]
    start, stop = (absolute(expect_integer(i), size) for i in (index, end))
    for place in (start, stop):
        if place > size:
            _out_of_bounds(place, size)
    if start > stop:
        raise NonExistenceError(f"Start index `{start}` is greater than end index `{stop}`.")
    return [*array[:start], *array[stop:]]


def _space(array: Array, index: Datum) -> int:
    place = absolute(expect_integer(index), len(array) + 1)
    if place > len(array):
        _out_of_bounds(place, len(array))
    return place


def _element(array: Array, index: Datum) -> int:
    place = absolute(expect_integer(index), len(array))
    if place >= len(array):
        _out_of_bounds(place, len(array))
    return place


def _out_of_bounds(place: int, size: int) -> None:
    raise NonExistenceError(f"Index `{place}` out of bounds for array of size: `{size}`.")


@term("DIFFERENCE")
def difference(query: Query, sequence: Value, without: Value) -> Array:
    removed = {sort_key(value) for value in to_finite(without)}
    return [value for value in query.array(sequence) if sort_key(value) not in removed]


def _distinct(*arrays: Datum) -> dict[object, Datum]:
    found: dict[object, Datum] = {}
    for array in arrays:
        for value in expect("ARRAY", array):
            found.setdefault(sort_key(value), value)
    return found


@term("SET_INSERT", datums=True)
def set_insert(query: Query, array: Datum, value: Datum) -> Array:
    return query.array(list(_distinct(array, [value]).values()))


@term("SET_UNION", datums=True)
def set_union(query: Query, left: Datum, right: Datum) -> Array:
    return query.array(list(_distinct(left, right).values()))


@term("SET_INTERSECTION", datums=True)
def set_intersection(query: Query, left: Datum, right: Datum) -> Array:
    kept = _distinct(left)
    return [value for key, value in _distinct(right).items() if key in kept]


@term("SET_DIFFERENCE", datums=True)
def set_difference(query: Query, left: Datum, right: Datum) -> Array:
    removed = _distinct(right)
    return [value for key, value in _distinct(left).items() if key not in removed]
