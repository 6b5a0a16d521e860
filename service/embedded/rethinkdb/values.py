"""ReQL's values: their types, order, equality and printed form.

A value is what `json` decodes to, never changed in place once it exists, plus `bytes` for the
pseudotype BINARY and the two ends of every order, `MINVAL` and `MAXVAL`. A time is the object
with `$reql_type$: TIME` that travels on the wire.
"""

from __future__ import annotations

import base64
import binascii
import enum
import json
import math
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from .errors import NonExistenceError, QueryLogicError, ReqlError

Datum: TypeAlias = Any
SortKey: TypeAlias = tuple[Any, ...]

PSEUDOTYPE: Final = "$reql_type$"
LARGEST_EXACT_INTEGER: Final = 2**53
PRINTED_LIMIT: Final = 300


class Extreme(enum.Enum):
    """The bounds of every range: smaller and larger than any other value."""

    MINVAL = "r.minval"
    MAXVAL = "r.maxval"


MINVAL: Final = Extreme.MINVAL
MAXVAL: Final = Extreme.MAXVAL

_TYPE_NAMES: Final[Mapping[type, str]] = {
    type(None): "NULL",
    bool: "BOOL",
    int: "NUMBER",
    float: "NUMBER",
    str: "STRING",
    list: "ARRAY",
    dict: "OBJECT",
    bytes: "PTYPE<BINARY>",
}
DATUM_TYPES: Final = frozenset([*_TYPE_NAMES, Extreme])


def type_name(value: Datum) -> str:
    """The name of a value's type in messages and in `type_of`."""
    if isinstance(value, Extreme):
        return value.name
    if type(value) is dict and PSEUDOTYPE in value:
        return f"PTYPE<{value[PSEUDOTYPE]}>"
    return _TYPE_NAMES[type(value)]


def is_time(value: Datum) -> bool:
    """Whether it is of the pseudotype TIME."""
    return type(value) is dict and value.get(PSEUDOTYPE) == "TIME"


def is_literal(value: Datum) -> bool:
    """Whether it is an `r.literal`."""
    return type(value) is dict and value.get(PSEUDOTYPE) == "LITERAL"


def sort_key(value: Datum) -> SortKey:
    """A hashable key that orders values of every type as RethinkDB does: by type, then value."""
    kind = type(value)
    if kind is str:
        return (9, value)
    if kind is int or kind is float:
        return (4, value)
    if kind is bool:
        return (2, value)
    if value is None:
        return (3,)
    if kind is list:
        return (1, tuple([sort_key(item) for item in value]))
    if kind is bytes:
        return (6, value)
    if kind is dict:
        pseudotype = value.get(PSEUDOTYPE)
        if pseudotype == "TIME":
            return (8, value["epoch_time"])
        rank = 5 if pseudotype is None else 7
        return (rank, tuple([(name, sort_key(value[name])) for name in sorted(value)]))
    return (0,) if value is MINVAL else (10,)


def equal(left: Datum, right: Datum) -> bool:
    """ReQL's `==`: `1` is `1.0` but not `True`, and times are equal in any time zone."""
    kind = type(left)
    if kind is not type(right):
        return {kind, type(right)} == {int, float} and bool(left == right)
    if kind is list:
        return len(left) == len(right) and all(map(equal, left, right))
    if kind is dict:
        if is_time(left) and is_time(right):
            return bool(left["epoch_time"] == right["epoch_time"])
        return left.keys() == right.keys() and all(equal(left[k], right[k]) for k in left)
    return bool(left == right)


def truthy(value: Datum) -> bool:
    """Everything but `null` and `false` counts as true."""
    return value is not None and value is not False


def number(value: float) -> int | float:
    """A computed number in the form it is kept and printed in: integral ones as `int`."""
    if type(value) is float:
        if not math.isfinite(value):
            raise QueryLogicError(f"Non-finite number: {value}")
        if value.is_integer() and abs(value) <= LARGEST_EXACT_INTEGER:
            return int(value)
    elif not -LARGEST_EXACT_INTEGER <= value <= LARGEST_EXACT_INTEGER:
        try:
            return int(float(value))
        except OverflowError:
            raise QueryLogicError("Non-finite number: inf") from None
    return value


def wrong_type(message: str, value: Datum) -> ReqlError:
    """The error for a value of a wrong type: `null` counts as something missing."""
    return NonExistenceError(message) if value is None else QueryLogicError(message)


def expect(kind: str, value: Datum) -> Datum:
    """The value, if its type is called `kind`; raises `QueryLogicError` otherwise."""
    found = type_name(value)
    if found != kind:
        raise wrong_type(f"Expected type {kind} but found {found}.", value)
    return value


def expect_integer(value: Datum) -> int:
    """The value as an integer; raises `QueryLogicError` if it is none."""
    expect("NUMBER", value)
    if type(value) is float and not value.is_integer():
        raise QueryLogicError(f"Number not an integer: {value}")
    if abs(value) > LARGEST_EXACT_INTEGER:
        raise QueryLogicError(f"Number not an integer (>2^53): {value}")
    return int(value)


def expect_object(value: Datum) -> dict[str, Datum]:
    """The value, if it is an object; raises `QueryLogicError` otherwise."""
    if type(value) is not dict:
        raise wrong_type(f"Expected type OBJECT but found {type_name(value)}.", value)
    return value


def expect_time(value: Datum) -> dict[str, Datum]:
    """The value, if it is a time; raises `QueryLogicError` otherwise."""
    if not is_time(value):
        if type(value) is dict and PSEUDOTYPE in value:
            raise QueryLogicError(f"Not a TIME pseudotype: `{printed_short(value)}`.")
        raise wrong_type(f"Not a TIME pseudotype: `{printed_short(value)}`.", value)
    time: dict[str, Datum] = value
    return time


def field(value: dict[str, Datum], name: str) -> Datum:
    """One attribute of an object; raises `NonExistenceError` if it has none of that name."""
    try:
        return value[name]
    except KeyError:
        message = f"No attribute `{name}` in object:\n{printed(value)}"
        raise NonExistenceError(message) from None


def to_wire(value: Any) -> Any:
    """`json`'s hook for the values it does not know."""
    if isinstance(value, bytes):
        return {PSEUDOTYPE: "BINARY", "data": base64.b64encode(value).decode("ascii")}
    if isinstance(value, Extreme):
        raise QueryLogicError(f"Cannot convert `{value.value}` to JSON.")
    raise TypeError(f"{type(value).__name__} is no ReQL value")


def from_wire(value: dict[str, Any]) -> Datum:
    """A decoded object with a pseudotype, checked; BINARY becomes `bytes`."""
    pseudotype = value[PSEUDOTYPE]
    if type(pseudotype) is not str:
        raise QueryLogicError(
            f"Error: Field `{PSEUDOTYPE}` must be a string (got `{printed_short(pseudotype)}` of "
            f"type {type_name(pseudotype)}):\n{printed_short(value)}"
        )
    if pseudotype == "BINARY":
        try:
            return base64.b64decode(expect("STRING", field(value, "data")), validate=True)
        except binascii.Error:
            message = "Invalid binary pseudotype: `data` is not base64-encoded."
            raise QueryLogicError(message) from None
    if pseudotype == "TIME":
        for name in ("epoch_time", "timezone"):
            if name not in value:
                raise QueryLogicError(f"Invalid time object constructed (no field `{name}`):")
        expect("NUMBER", value["epoch_time"])
        expect("STRING", value["timezone"])
    elif pseudotype not in ("LITERAL", "GEOMETRY"):
        raise QueryLogicError(f"Unknown $reql_type$ `{type_name(value)}`.")
    return value


def printed(value: Datum) -> str:
    """A value as RethinkDB prints it in messages: indented with tabs, names in order."""
    if isinstance(value, Extreme):
        return value.value
    return json.dumps(
        value,
        default=to_wire,
        ensure_ascii=False,
        indent="\t",
        separators=(",", ":\t"),
        sort_keys=True,
    )


def printed_short(value: Datum) -> str:
    """The same, cut to a few hundred characters."""
    text = printed(value)
    return text if len(text) <= PRINTED_LIMIT else text[: PRINTED_LIMIT - 3] + "..."


def compact(value: Datum) -> str:
    """A value as JSON without spaces, names in order: `coerce_to('string')`, `to_json`."""
    return json.dumps(
        value, default=to_wire, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
