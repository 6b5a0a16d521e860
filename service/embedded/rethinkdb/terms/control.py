"""Control: functions called, branches, defaults, errors, loops."""

from __future__ import annotations

import random as _random
import uuid as _uuid
from collections.abc import Callable
from itertools import count as _count
from typing import Any, Final

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import (
    EmptyUserError,
    NonExistenceError,
    QueryLogicError,
    ReqlError,
    UserError,
)
from service.embedded.rethinkdb.functions import Function
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import (
    Grouped,
    Stream,
    Value,
    is_datum,
    to_datum,
    to_finite,
)
from service.embedded.rethinkdb.values import (
    MAXVAL,
    MINVAL,
    Datum,
    expect,
    expect_integer,
    number,
    truthy,
)

Thunk = Callable[[], Value]
_UUID_NAMESPACE: Final = _uuid.UUID("91461c99-f89d-49d2-af96-d8e2e14e9b58")
_FOR_EACH_EXPECTS: Final = "FOR_EACH expects one or more basic write queries."


@term("ARGS", datums=True, grouped=False)
def args(query: Query, values: Datum) -> list[Datum]:
    return list(expect("ARRAY", values))


@term("FUNCALL")
def funcall(query: Query, function: Value, *arguments: Value) -> Value:
    if not isinstance(function, Function):
        return function
    if arguments and isinstance(arguments[0], Grouped):
        rest = [to_datum(value) for value in arguments[1:]]
        return arguments[0].each(lambda value: function.datum(value, *rest))
    return function(*[to_datum(value) for value in arguments])


@term("BRANCH", lazy=True)
def branch(query: Query, test: Thunk, then: Thunk, *rest: Thunk) -> Value:
    thunks = (test, then, *rest)
    if len(thunks) % 2 == 0:
        raise QueryLogicError("Cannot call `branch` term with an even number of arguments.")
    for i in range(0, len(thunks) - 1, 2):
        if truthy(to_datum(thunks[i]())):
            return thunks[i + 1]()
    return thunks[-1]()


@term("AND", lazy=True)
def and_(query: Query, *thunks: Thunk) -> Value:
    value: Value = True
    for thunk in thunks:
        value = thunk()
        if not truthy(to_datum(value)):
            break
    return value


@term("OR", lazy=True)
def or_(query: Query, *thunks: Thunk) -> Value:
    value: Value = False
    for thunk in thunks:
        value = thunk()
        if truthy(to_datum(value)):
            break
    return value


@term("DEFAULT", lazy=True)
def default(query: Query, wanted: Thunk, otherwise: Thunk) -> Value:
    missing: ReqlError | None = None
    value: Value = None
    try:
        value = wanted()
        if isinstance(value, Grouped):
            return value
        if not is_datum(value) and getattr(value, "document", value) is not None:
            return value
        if to_datum(value) is not None:
            return value
    except NonExistenceError as error:
        missing = error
    try:
        instead = otherwise()
        if isinstance(instead, Function):
            return instead(None if missing is None else missing.message)
        return instead
    except EmptyUserError:
        if missing is not None:
            raise missing from None
        return value


@term("ERROR", datums=True)
def error(query: Query, message: Datum = ...) -> Value:
    if message is ...:
        raise EmptyUserError("Empty ERROR term outside a default block.")
    raise UserError(expect("STRING", message))


@term("FOR_EACH")
def for_each(query: Query, sequence: Value, function: Value) -> Datum:
    stream = to_finite(sequence)
    if not isinstance(function, Function):
        raise QueryLogicError(_FOR_EACH_EXPECTS)
    total: dict[str, Any] = {}
    for item in stream:
        try:
            made = function.datum(item)
        except QueryLogicError as failure:
            if failure.message.startswith("Expected type DATUM"):
                raise QueryLogicError(_FOR_EACH_EXPECTS) from None
            raise
        for stats in made if type(made) is list else [made]:
            if type(stats) is not dict:
                raise QueryLogicError(_FOR_EACH_EXPECTS)
            _add(total, stats)
    return total


def _add(total: dict[str, Any], stats: dict[str, Datum]) -> None:
    for name, value in stats.items():
        if name not in total:
            total[name] = value
        elif name == "first_error":
            continue
        elif type(value) in (int, float, list) and type(total[name]) in (int, float, list):
            total[name] = total[name] + value
        else:
            raise QueryLogicError(_FOR_EACH_EXPECTS)


@term("RANGE", datums=True)
def range_(query: Query, first: Datum = None, second: Datum = None) -> Stream:
    refusal = "Cannot call `changes` on an eager stream."
    if first is None:
        return Stream(_count(), watch=refusal, endless=True)
    start, stop = (0, first) if second is None else (first, second)
    return Stream(range(expect_integer(start), expect_integer(stop)), watch=refusal)


@term("UUID", datums=True)
def uuid(query: Query, name: Datum = None) -> str:
    if name is None:
        return str(_uuid.uuid4())
    return str(_uuid.uuid5(_UUID_NAMESPACE, expect("STRING", name)))


@term("RANDOM", datums=True)
def random(
    query: Query, first: Datum = None, second: Datum = None, *, float: Datum = False
) -> Datum:
    if first is None:
        return _random.random()
    lower, upper = (0, first) if second is None else (first, second)
    expect("NUMBER", lower), expect("NUMBER", upper)
    if float:
        return number(_random.uniform(lower, upper))
    lower, upper = expect_integer(lower), expect_integer(upper)
    if lower >= upper:
        raise QueryLogicError(f"Lower bound is not less than upper bound.\n{lower} >= {upper}")
    return _random.randrange(lower, upper)


@term("MINVAL")
def minval(query: Query) -> Datum:
    return MINVAL


@term("MAXVAL")
def maxval(query: Query) -> Datum:
    return MAXVAL
