"""Strings."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import QueryLogicError
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.values import Datum, expect, expect_integer

_UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)

# What Python's regular expressions have and RE2's, which are the server's, do not.
_FOREIGN = re.compile(
    r"""
    (?P<escape_sequence>\\[1-9Z])
    | \\.
    | \[\^?\]?(?:\\.|[^]\\])*\]
    | (?P<named_capture_group>\(\?P[=>][^)]*\)?)
    | (?P<perl_operator>\(\?[imsU-]*[^imsUP:)-])
    | (?P<repetition_operator>[*+?]\+|\{\d+(?:,\d*)?\}\+)
    """,
    re.VERBOSE | re.DOTALL,
)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    for token in _FOREIGN.finditer(pattern):
        if token.lastgroup is not None:
            problem = f"invalid {token.lastgroup.replace('_', ' ')}: {token[0]}"
            raise _error_in(pattern, token[0], problem)
    try:
        return re.compile(pattern)
    except re.error as error:
        raise _error_in(pattern, pattern, error.msg) from None


def _error_in(pattern: str, portion: str, problem: str) -> QueryLogicError:
    return QueryLogicError(f"Error in regexp `{pattern}` (portion `{portion}`): {problem}")


@term("MATCH", datums=True)
def match(query: Query, text: Datum, pattern: Datum) -> Datum:
    subject = expect("STRING", text)
    found = _compiled(expect("STRING", pattern)).search(subject)
    if found is None:
        return None

    def part(group: int) -> Datum:
        if found.group(group) is None:
            return None
        start, end = (len(subject[:place].encode()) for place in found.span(group))
        return {"str": found.group(group), "start": start, "end": end}

    groups = [part(group) for group in range(1, found.re.groups + 1)]
    return {**part(0), "groups": groups}


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
