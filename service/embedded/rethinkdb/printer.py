"""A query as text, in the manner of the table `jobs`: `r.db("g").table("m").changes()`."""

from __future__ import annotations

import json
from typing import Any, Final

from .registry import NAMES, NUMBERS

_LIMIT: Final = 4096
_TOP_LEVEL: Final = frozenset(
    NUMBERS[name]
    for name in [
        "DB",
        "DB_CREATE",
        "DB_DROP",
        "DB_LIST",
        "BRANCH",
        "ERROR",
        "RANGE",
        "NOW",
        "TIME",
        "EPOCH_TIME",
        "ISO8601",
        "UUID",
        "RANDOM",
        "JSON",
        "OBJECT",
        "ARGS",
        "LITERAL",
        "ASC",
        "DESC",
        "MINVAL",
        "MAXVAL",
        "BINARY",
    ]
)
_DATUM: Final = "r.expr({})"


def query_text(term: Any) -> str:
    """The term as one would write it, cut to a few thousand characters."""
    try:
        text = _text(term)
    except (LookupError, TypeError, AttributeError, RecursionError):
        text = "<unprintable>"
    return text if len(text) <= _LIMIT else text[: _LIMIT - 3] + "..."


def _text(term: Any) -> str:
    if type(term) is dict:
        return _object(term)
    if type(term) is not list:
        return json.dumps(term, ensure_ascii=False)
    kind = term[0]
    arguments = term[1] if len(term) > 1 else []
    options = term[2] if len(term) > 2 else {}
    if kind == NUMBERS["MAKE_ARRAY"]:
        return f"[{', '.join(map(_text, arguments))}]"
    if kind == NUMBERS["VAR"]:
        return f"var_{arguments[0]}"
    if kind == NUMBERS["IMPLICIT_VAR"]:
        return "r.row"
    if kind == NUMBERS["FUNC"]:
        names = ", ".join(f"var_{number}" for number in arguments[0][1])
        return f"function({names}) {{ return {_text(arguments[1])}; }}"
    if kind == NUMBERS["FUNCALL"]:
        arguments = [*arguments[1:], arguments[0]]
    written = [_text(argument) for argument in arguments] + ([_object(options)] if options else [])
    if kind == NUMBERS["BRACKET"]:
        return f"{_receiver(arguments[0], written[0])}({written[1]})"
    is_bare_table = kind == NUMBERS["TABLE"] and len(arguments) == 1
    if not arguments or kind in _TOP_LEVEL or is_bare_table:
        return f"r.{_method(kind)}({', '.join(written)})"
    return f"{_receiver(arguments[0], written[0])}.{_method(kind)}({', '.join(written[1:])})"


def _receiver(term: Any, written: str) -> str:
    is_data = type(term) is not list or term[0] == NUMBERS["MAKE_ARRAY"]
    return _DATUM.format(written) if is_data else written


def _object(fields: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{json.dumps(k)}: {_text(v)}" for k, v in fields.items()) + "}"


def _method(kind: int) -> str:
    if kind == NUMBERS["FUNCALL"]:
        return "do"
    first, *rest = NAMES[kind].lower().split("_")
    return first + "".join(word.capitalize() for word in rest)
