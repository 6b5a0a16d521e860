"""Objects, and sequences of them: fields read, chosen, merged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import QueryLogicError, ReqlError
from service.embedded.rethinkdb.functions import Function
from service.embedded.rethinkdb.paths import Paths, has, parse_paths, project, without_paths
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import SKIP, Value, is_datum, to_datum, to_stream
from service.embedded.rethinkdb.values import (
    PSEUDOTYPE,
    Datum,
    expect,
    field,
    is_literal,
    printed,
    printed_short,
    type_name,
    wrong_type,
)

from .slices import nth


def on_objects(
    value: Value,
    name: str,
    single: Callable[[Datum], Datum],
    each: Callable[[Datum], Datum] | None = None,
    *,
    selection: bool = False,
) -> Value:
    """Do something on an object, or on each object of a sequence (there `each`, if given)."""
    target = value if is_datum(value) else getattr(value, "document", value)
    if is_datum(target):
        if type(target) is dict:
            if PSEUDOTYPE in target:
                raise QueryLogicError(
                    f"Cannot call `{name}` on objects of type `{type_name(target)}`."
                )
            return single(target)
        if type(target) is not list:
            raise _no_object(name, target)

    def step(item: Datum) -> Datum:
        if type(item) is not dict:
            if type(item) is list:
                raise QueryLogicError(f"Cannot perform {name} on a sequence of sequences.")
            raise _no_object(name, item)
        return single(item) if each is None else each(item)

    return to_stream(target).map(step, selection=selection)


def _no_object(name: str, value: Datum) -> ReqlError:
    return wrong_type(
        f"Cannot perform {name} on a non-object non-sequence `{printed_short(value)}`.", value
    )


def _get_field(value: Value, name: str, key: str) -> Value:
    return on_objects(value, name, lambda o: field(o, key), lambda o: o.get(key, SKIP))


@term("GET_FIELD")
def get_field(query: Query, value: Value, name: Value) -> Value:
    return _get_field(value, "get_field", expect("STRING", to_datum(name)))


@term("BRACKET")
def bracket(query: Query, value: Value, key: Value) -> Value:
    wanted = to_datum(key)
    if type(wanted) is str:
        return _get_field(value, "bracket", wanted)
    if type(wanted) in (int, float):
        return nth(query, value, wanted)
    raise wrong_type(
        f"Expected NUMBER or STRING as second argument to `bracket` but found {type_name(wanted)}.",
        wanted,
    )


@term("HAS_FIELDS")
def has_fields(query: Query, value: Value, *paths: Value) -> Value:
    wanted = _paths(paths)
    return on_objects(
        value,
        "has_fields",
        lambda o: has(o, wanted),
        lambda o: o if has(o, wanted) else SKIP,
        selection=True,
    )


@term("WITH_FIELDS")
def with_fields(query: Query, value: Value, *paths: Value) -> Value:
    wanted = _paths(paths)
    if type(value) is dict:
        raise QueryLogicError("Cannot convert OBJECT to SEQUENCE")
    return on_objects(
        value,
        "has_fields",
        lambda o: project(o, wanted),
        lambda o: project(o, wanted) if has(o, wanted) else SKIP,
    )


@term("PLUCK")
def pluck(query: Query, value: Value, *paths: Value) -> Value:
    wanted = _paths(paths)
    return on_objects(value, "pluck", lambda o: project(o, wanted))


@term("WITHOUT")
def without(query: Query, value: Value, *paths: Value) -> Value:
    removed = _paths(paths)
    return on_objects(value, "without", lambda o: without_paths(o, removed))


def _paths(paths: tuple[Value, ...]) -> Paths:
    return parse_paths([to_datum(path) for path in paths])


@term("MERGE", literals=True)
def merge(query: Query, value: Value, *others: Value) -> Value:
    def merged(target: Datum) -> Datum:
        for other in others:
            addition = other.datum(target) if isinstance(other, Function) else to_datum(other)
            if type(addition) is dict and PSEUDOTYPE in addition and not is_literal(addition):
                raise QueryLogicError(f"Cannot merge objects of type `{type_name(addition)}`.")
            target = merge_datums(target, addition)
        return target

    return on_objects(value, "merge", merged)


def merge_datums(left: Datum, right: Datum) -> Datum:
    """`left` with `right` over it, object by object; a literal in `right` replaces."""
    if type(right) is not dict or type(left) is not dict or PSEUDOTYPE in right:
        return without_literals(right)
    result = dict(left)
    for name, value in right.items():
        if is_literal(value):
            if "value" in value:
                result[name] = value["value"]
            else:
                result.pop(name, None)
        elif type(value) is dict:
            result[name] = merge_datums(result.get(name), value)
        else:
            result[name] = without_literals(value)
    return result


def without_literals(value: Datum) -> Datum:
    """The value with what its literals say in their place."""
    if type(value) is dict:
        if is_literal(value):
            return value.get("value")
        kept = {k: v for k, v in value.items() if not (is_literal(v) and "value" not in v)}
        return {name: without_literals(item) for name, item in kept.items()}
    if type(value) is list:
        return [without_literals(item) for item in value]
    return value


@term("LITERAL", datums=True, grouped=False)
def literal(query: Query, value: Datum = ...) -> Datum:
    made: dict[str, Any] = {PSEUDOTYPE: "LITERAL"}
    return made if value is ... else {**made, "value": value}


@term("KEYS")
def keys(query: Query, value: Value) -> list[str]:
    return sorted(_plain_object("keys", value))


@term("VALUES")
def values(query: Query, value: Value) -> list[Datum]:
    target = _plain_object("values", value)
    return [target[name] for name in sorted(target)]


def _plain_object(name: str, value: Value) -> dict[str, Datum]:
    target = to_datum(value)
    if type(target) is not dict or PSEUDOTYPE in target:
        raise wrong_type(f"Cannot call `{name}` on objects of type `{type_name(target)}`.", target)
    return target


@term("OBJECT", datums=True)
def object_(query: Query, *pairs: Datum) -> Datum:
    if len(pairs) % 2:
        raise QueryLogicError(
            f"OBJECT expects an even number of arguments (but found {len(pairs)})."
        )
    return pairs_to_object(zip(pairs[::2], pairs[1::2], strict=True), "Duplicate key {} in object.")


def pairs_to_object(pairs: Any, duplicate: str) -> dict[str, Datum]:
    made: dict[str, Datum] = {}
    for name, value in pairs:
        if expect("STRING", name) in made:
            raise QueryLogicError(
                f"{duplicate.format(printed(name))}  "
                f"(got {printed_short(made[name])} and {printed_short(value)} as values)"
            )
        made[name] = value
    return made
