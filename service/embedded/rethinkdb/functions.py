"""Functions of ReQL: lambdas, and expressions with `r.row` in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from .errors import QueryLogicError
from .evaluation import step
from .registry import NUMBERS
from .sequences import Opaque, Value, to_datum, unexpected
from .values import (
    PSEUDOTYPE,
    Datum,
    equal,
    field,
    printed_short,
    to_wire,
    truthy,
    wrong_type,
)

Json: TypeAlias = Any
Scope = dict[int, Datum]
"""The values of the variables in sight."""
Node = Callable[[Scope], Value]
"""A compiled term: gives its value in a scope."""

ROW: Final = -1
"""The variable that `r.row` is."""

_MAKE_ARRAY: Final = NUMBERS["MAKE_ARRAY"]
_FUNC: Final = NUMBERS["FUNC"]
_UUID: Final = NUMBERS["UUID"]
_VAR: Final = NUMBERS["VAR"]
ATOMIC: Final = frozenset(
    NUMBERS[name]
    for name in [
        "CHANGES",
        "DB_CREATE",
        "DB_DROP",
        "DELETE",
        "FOR_EACH",
        "INDEX_CREATE",
        "INDEX_DROP",
        "INDEX_RENAME",
        "INSERT",
        "REPLACE",
        "TABLE_CREATE",
        "TABLE_DROP",
        "UPDATE",
    ]
)
"""Terms that change something, or begin to follow it."""
_NOT_DETERMINISTIC: Final = frozenset(
    NUMBERS[name]
    for name in [
        "DB",
        "TABLE",
        "INSERT",
        "UPDATE",
        "REPLACE",
        "DELETE",
        "FOR_EACH",
        "DB_CREATE",
        "DB_DROP",
        "DB_LIST",
        "TABLE_CREATE",
        "TABLE_DROP",
        "TABLE_LIST",
        "CONFIG",
        "STATUS",
        "WAIT",
        "RECONFIGURE",
        "REBALANCE",
        "SYNC",
        "GRANT",
        "INDEX_CREATE",
        "INDEX_DROP",
        "INDEX_LIST",
        "INDEX_STATUS",
        "INDEX_WAIT",
        "INDEX_RENAME",
        "CHANGES",
        "HTTP",
        "JAVASCRIPT",
        "RANDOM",
        "SAMPLE",
        "SET_WRITE_HOOK",
        "GET_WRITE_HOOK",
    ]
)


class Function(Opaque):
    """A function of ReQL with the variables it was made in sight of."""

    kind = "FUNCTION"

    def __init__(self, parameters: list[int], source: Json, body: Node, scope: Scope) -> None:
        self.parameters = parameters
        self._source = source
        self._body = body
        self._scope = scope
        self._single = parameters[0] if len(parameters) == 1 else None

    def __call__(self, *arguments: Datum) -> Value:
        step()
        if self._single is not None and len(arguments) == 1:
            scope = {**self._scope, self._single: arguments[0], ROW: arguments[0]}
            return self._body(scope)
        wanted = len(self.parameters)
        if wanted and wanted != len(arguments):
            plural = "" if wanted == 1 else "s"
            raise QueryLogicError(f"Expected {wanted} argument{plural} but found {len(arguments)}.")
        return self._body({**self._scope, **dict(zip(self.parameters, arguments, strict=False))})

    def datum(self, *arguments: Datum) -> Datum:
        """The result as data."""
        return to_datum(self(*arguments))

    @property
    def deterministic(self) -> bool:
        """Whether it gives the same for the same arguments, always."""
        return is_deterministic(self._source)

    @property
    def is_pattern(self) -> bool:
        """Whether it makes an object that is written out: to `filter`, what to look for."""
        return type(self._source) is dict

    @property
    def term(self) -> Json:
        """The function as a term that needs nothing around it."""
        body = _with_values(self._source, self._scope)
        return [_FUNC, [[_MAKE_ARRAY, self.parameters], body]]


def _with_values(term: Json, scope: Scope) -> Json:
    """A term with the values of a scope in place of its variables."""
    if type(term) is dict:
        return {name: _with_values(item, scope) for name, item in term.items()}
    if type(term) is not list:
        return term
    if term[0] == _VAR and term[1][0] in scope:
        return _as_term(scope[term[1][0]])
    arguments = [_with_values(item, scope) for item in (term[1] if len(term) > 1 else [])]
    return [term[0], arguments, *[_with_values(item, scope) for item in term[2:]]]


def _as_term(value: Datum) -> Json:
    if type(value) is list:
        return [_MAKE_ARRAY, [_as_term(item) for item in value]]
    if type(value) is dict:
        return {name: _as_term(item) for name, item in value.items()}
    return to_wire(value) if type(value) is bytes else value


def is_deterministic(term: Json) -> bool:
    """Whether a term has the same value whenever it is asked for, in the same scope."""
    if type(term) is dict:
        return all(map(is_deterministic, term.values()))
    if type(term) is not list:
        return True
    if term[0] in _NOT_DETERMINISTIC or (term[0] == _UUID and not term[1:2]):
        return False
    return all(map(is_deterministic, term[1] if len(term) > 1 else [])) and all(
        map(is_deterministic, (term[2] if len(term) > 2 else {}).values())
    )


def to_function(value: Value) -> Function:
    """The value, if it is a function; raises `QueryLogicError` otherwise."""
    if isinstance(value, Function):
        return value
    raise unexpected("FUNCTION", value)


def field_or_function(value: Value) -> Callable[[Datum], Datum]:
    """A function of an element: as given, or the field of this name."""
    if isinstance(value, Function):
        return value.datum
    name = to_datum(value)
    if type(name) is not str:
        raise unexpected("FUNCTION", value)

    def get(item: Datum) -> Datum:
        if type(item) is not dict or PSEUDOTYPE in item:
            raise wrong_type(
                f"Cannot perform get_field on a non-object non-sequence `{printed_short(item)}`.",
                item,
            )
        return field(item, name)

    return get


def matcher(wanted: Value) -> Callable[[Datum], bool]:
    """Whether an element is what is wanted, or what a function says is."""
    if isinstance(wanted, Function):
        return lambda item: truthy(wanted.datum(item))
    value = to_datum(wanted)
    return lambda item: equal(item, value)
