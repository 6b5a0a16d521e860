"""What templates are given of database drivers: a connection, a cursor, a method of one."""

from __future__ import annotations

from collections.abc import Iterator

from . import drivers
from .idiom import Kept
from .program import Program
from .values import External, Instance, Many, Object, Row, Value, Values, items, one


def of_drivers(program: Program, values: Values) -> set[str]:
    """The paths of what templates find of drivers in what they are given."""
    return set(_found(program, values, frozenset()))


def _found(program: Program, values: Values, seen: frozenset[Value]) -> Iterator[str]:
    for value in values - seen:
        if isinstance(value, External | Instance):
            path = value.path if isinstance(value, External) else value.kind
            if drivers.number_of(path) is not None:
                yield path
        elif isinstance(value, Many | Row):
            yield from _found(program, items(one(value)), seen | {value})
        elif isinstance(value, Object):
            for name in program.templates.words & value.of.attributes.keys():
                yield from _found(program, value.of.attributes[name], seen | {value})


def read_from_g(program: Program, kept: Kept) -> bool:
    """Whether templates read a connection from `g`."""
    return kept.of_g and kept.name in program.templates.read_from_g
