"""Strings."""

from __future__ import annotations

import unicodedata
from string import ascii_lowercase, ascii_uppercase

import re2  # type: ignore[import-untyped]

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import QueryLogicError
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.values import Datum, expect, expect_integer

_UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


@term("MATCH", datums=True)
def match(query: Query, text: Datum, pattern: Datum) -> Datum:
    subject: bytes = expect("STRING", text).encode("utf-8", "surrogatepass")
    expression: str = expect("STRING", pattern)
    try:
        compiled = re2.compile(expression.encode("utf-8", "surrogatepass"), _OPTIONS)
    except re2.error as error:
        problem = error.args[0].decode("utf-8", "replace")
        portion = problem.partition(": ")[2]
        raise QueryLogicError(
            f"Error in regexp `{expression}` (portion `{portion}`): {problem}"
        ) from None
    found = compiled.search(subject)
    if found is None:
        return None

    def part(group: int) -> Datum:
        start, end = found.span(group)
        if start < 0:
            return None
        part = subject[start:end].decode("utf-8", "surrogatepass")
        return {"str": part, "start": start, "end": end}

    return {**part(0), "groups": [part(group) for group in range(1, compiled.groups + 1)]}


@term("SPLIT", datums=True)
def split(query: Query, text: Datum, separator: Datum = None, most: Datum = -1) -> list[str]:
    subject, splits = expect("STRING", text), expect_integer(most)
    if not -1 <= splits < query.array_limit:
        raise QueryLogicError(
            f"Error: `split` size argument must be in range [-1, {query.array_limit - 1}]."
        )
    if separator is None:
        return list(subject.split(None, splits))
    if expect("STRING", separator):
        return list(subject.split(separator, splits))
    characters = _with_marks(subject)
    if splits < 0 or splits >= len(characters):
        return characters
    return [*characters[:splits], "".join(characters[splits:])]


def _with_marks(text: str) -> list[str]:
    """The characters, each with the combining marks that follow it."""
    found: list[str] = []
    for character in text:
        if found and unicodedata.category(character).startswith("M"):
            found[-1] += character
        else:
            found.append(character)
    return found


@term("UPCASE", datums=True)
def upcase(query: Query, text: Datum) -> str:
    return str(expect("STRING", text).translate(_UPPER))


@term("DOWNCASE", datums=True)
def downcase(query: Query, text: Datum) -> str:
    return str(expect("STRING", text).translate(_LOWER))
