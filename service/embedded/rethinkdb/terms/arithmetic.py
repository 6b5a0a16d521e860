"""Numbers, comparison and logic."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import QueryLogicError
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.values import (
    Datum,
    equal,
    expect,
    expect_integer,
    is_time,
    number,
    sort_key,
    truthy,
)

from .dates import time_difference, time_plus


@term("ADD", datums=True)
def add(query: Query, first: Datum, *rest: Datum) -> Datum:
    total = first
    for value in rest:
        if is_time(total) or is_time(value):
            total = time_plus(total, value)
            continue
        kind = type(total)
        if kind is str:
            total = total + expect("STRING", value)
        elif kind is list:
            total = query.array([*total, *expect("ARRAY", value)])
        else:
            total = number(expect("NUMBER", total) + expect("NUMBER", value))
    return total


@term("SUB", datums=True)
def sub(query: Query, first: Datum, *rest: Datum) -> Datum:
    total = first
    for value in rest:
        if is_time(total):
            total = time_difference(total, value)
        else:
            total = number(expect("NUMBER", total) - expect("NUMBER", value))
    return total


@term("MUL", datums=True)
def mul(query: Query, first: Datum, *rest: Datum) -> Datum:
    total = first
    for value in rest:
        if type(total) is list or type(value) is list:
            array, times = (total, value) if type(total) is list else (value, total)
            times = expect_integer(times)
            if times < 0:
                raise QueryLogicError("Cannot multiply an ARRAY by a negative number.")
            total = query.array(array * min(times, query.array_limit + 1))
        else:
            total = number(expect("NUMBER", total) * expect("NUMBER", value))
    return total


@term("DIV", datums=True)
def div(query: Query, first: Datum, *rest: Datum) -> Datum:
    total = first
    for value in rest:
        expect("NUMBER", total)
        if expect("NUMBER", value) == 0:
            raise QueryLogicError("Cannot divide by zero.")
        total = number(total / value)
    return total


@term("MOD", datums=True)
def mod(query: Query, left: Datum, right: Datum) -> Datum:
    dividend, divisor = expect_integer(left), expect_integer(right)
    if divisor == 0:
        raise QueryLogicError("Cannot take a number modulo 0.")
    return int(math.fmod(dividend, divisor))


@term("FLOOR", datums=True)
def floor(query: Query, value: Datum) -> Datum:
    return math.floor(expect("NUMBER", value))


@term("CEIL", datums=True)
def ceil(query: Query, value: Datum) -> Datum:
    return math.ceil(expect("NUMBER", value))


@term("ROUND", datums=True)
def round_(query: Query, value: Datum) -> Datum:
    """To the nearest integer, halves away from zero."""
    whole = math.floor(abs(expect("NUMBER", value)) + 0.5)
    return whole if value >= 0 else -whole


def _bitwise(name: str, operate: Callable[[int, int], int]) -> None:
    @term(name, datums=True)
    def bitwise(query: Query, first: Datum, *rest: Datum) -> Datum:
        total = expect_integer(first)
        for value in rest:
            total = operate(total, expect_integer(value))
        return number(total)


def _shift_distance(value: int) -> int:
    if value < 0:
        raise QueryLogicError("Cannot bit-shift by a negative value")
    return min(value, 64)


_bitwise("BIT_AND", lambda a, b: a & b)
_bitwise("BIT_OR", lambda a, b: a | b)
_bitwise("BIT_XOR", lambda a, b: a ^ b)
_bitwise("BIT_SAL", lambda a, b: a << _shift_distance(b))
_bitwise("BIT_SAR", lambda a, b: a >> _shift_distance(b))


@term("BIT_NOT", datums=True)
def bit_not(query: Query, value: Datum) -> Datum:
    return ~expect_integer(value)


@term("EQ", datums=True)
def eq(query: Query, first: Datum, *rest: Datum) -> bool:
    return all(equal(first, value) for value in rest)


@term("NE", datums=True)
def ne(query: Query, first: Datum, *rest: Datum) -> bool:
    return not all(equal(first, value) for value in rest)


def _ordered(name: str, holds: Callable[[object, object], bool]) -> None:
    @term(name, datums=True)
    def ordered(query: Query, first: Datum, *rest: Datum) -> bool:
        return all(holds(a, b) for a, b in pairwise(map(sort_key, (first, *rest))))


_ordered("LT", lambda a, b: a < b)  # type: ignore[operator]
_ordered("LE", lambda a, b: a <= b)  # type: ignore[operator]
_ordered("GT", lambda a, b: a > b)  # type: ignore[operator]
_ordered("GE", lambda a, b: a >= b)  # type: ignore[operator]


@term("NOT", datums=True)
def not_(query: Query, value: Datum) -> bool:
    return not truthy(value)
