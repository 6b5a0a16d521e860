"""The paths that `pluck`, `without`, `has_fields` take: names, nested objects, lists of both."""

from __future__ import annotations

from typing import TypeAlias

from .errors import QueryLogicError
from .values import PSEUDOTYPE, Datum, printed

Paths: TypeAlias = "list[tuple[str, Paths | None]]"
"""Names of fields, each with the paths inside it, or None for all of it."""


def parse_paths(value: Datum) -> Paths:
    """Raises `QueryLogicError` for what is no path."""
    if type(value) is str:
        return [(value, None)]
    if type(value) is list:
        return [path for item in value for path in parse_paths(item)]
    if type(value) is dict and PSEUDOTYPE not in value:
        return [(k, None if inner is True else parse_paths(inner)) for k, inner in value.items()]
    raise QueryLogicError(f"Invalid path argument `{printed(value)}`.")


def project(value: dict[str, Datum], paths: Paths) -> dict[str, Datum]:
    """Only what the paths name."""
    result: dict[str, Datum] = {}
    for name, inner in paths:
        if name not in value:
            continue
        item = value[name]
        if inner is None:
            result[name] = item
        elif type(item) is dict:
            result[name] = {**result.get(name, {}), **project(item, inner)}
        elif type(item) is list and all(type(element) is dict for element in item):
            result[name] = [project(element, inner) for element in item]
    return result


def without_paths(value: dict[str, Datum], paths: Paths) -> dict[str, Datum]:
    """All but what the paths name."""
    result = dict(value)
    for name, inner in paths:
        if name not in result:
            continue
        item = result[name]
        if inner is None:
            del result[name]
        elif type(item) is dict:
            result[name] = without_paths(item, inner)
        elif type(item) is list and all(type(element) is dict for element in item):
            result[name] = [without_paths(element, inner) for element in item]
    return result


def has(value: Datum, paths: Paths) -> bool:
    """Whether each path leads to something that is not null."""
    return type(value) is dict and all(
        value.get(name) is not None and (inner is None or has(value[name], inner))
        for name, inner in paths
    )
