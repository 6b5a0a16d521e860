"""Arguments of SQL as psycopg sends them: each with the type that its value has in Python.

asyncpg leaves it to the server to find out which type an argument is of, from where it stands, and
refuses any other before it sends anything. psycopg says it, and the server converts: 2.5 for an
`integer`, or compared with one. Of text neither says the type: `'5'` does for a `bigint`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any
from uuid import UUID

import asyncpg

from .psycopg_values import Interval, Values

_PLACEHOLDER = re.compile(
    r"""
      [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/
    | \$(?P<tag>[^\W\d]\w*|)\$.*?\$(?P=tag)\$
    | (?<![\w$])\$(?P<number>\d+)
    """,
    re.DOTALL | re.VERBOSE,
)
"""A placeholder, among all that may only look as if it had one in it."""
_REFUSED = re.compile(r"invalid input for query argument \$(\d+)")
"""What asyncpg says, counting from 1; the server's own errors say something else."""
_INTEGERS = {"int2", "int4", "int8"}
_WRITTEN = str, int, float, Decimal, date, time, UUID
_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_LITERALS = ((2**31, "int4"), (2**63, "int8"))
_SIZES = {"psycopg": ((2**15, "int2"), *_LITERALS), "psycopg2": _LITERALS}
"""The limits of the integers that a driver knows; what is beyond is numeric."""

_NUMBERS = {"int2", "int4", "int8", "numeric", "float8"}

_TYPES: dict[type, str] = {
    bool: "bool",
    Decimal: "numeric",
    date: "date",
    timedelta: "interval",
    UUID: "uuid",
    **dict.fromkeys((bytes, bytearray, memoryview), "bytea"),
    **dict.fromkeys((IPv4Address, IPv4Interface, IPv6Address, IPv6Interface), "inet"),
    **dict.fromkeys((IPv4Network, IPv6Network), "cidr"),
}
"""What psycopg says of values; what depends on more than their class is below."""


class PsycopgArguments(asyncpg.Connection):
    """An asyncpg connection whose arguments are of the types that psycopg says they are of.

    So it is with `fetch`, `fetchrow`, `fetchval` and `execute`. Text for something else costs a
    round trip, in which PostgreSQL reads it; but none for an integer.

    Raises:
        asyncpg.DataError: the text is none of this type, by what PostgreSQL reads; or it is what
            Python has no value for, such as a date before our era.
    """

    values: Values = "psycopg"

    async def _execute(self, query: str, args: Sequence[Any], *rest: Any, **options: Any) -> Any:
        if not args:
            return await super()._execute(query, args, *rest, **options)  # type: ignore[misc]
        given = [each.name if _is_named(each) else each for each in args]
        query = with_types(query, tuple(map(self._type, given)))
        try:
            return await self._execute_read(query, [*given], *rest, **options)
        except (asyncpg.DataError, asyncpg.SyntaxOrAccessError):
            if not await self._forgets(query):
                raise
            return await self._execute_read(query, given, *rest, **options)

    async def _execute_read(self, query: str, given: list[Any], *rest: Any, **options: Any) -> Any:
        read: set[int] = set()
        while True:
            try:
                return await super()._execute(query, given, *rest, **options)  # type: ignore[misc]
            except asyncpg.DataError as error:
                refused = _REFUSED.match(str(error))
                place = int(refused[1]) - 1 if refused else -1
                if place < 0 or place in read:
                    raise
                read.add(place)
                given[place] = await self._read(query, place, given[place], error)

    async def _forgets(self, query: str) -> bool:
        """Whether the statement was known from when its arguments had other types.

        In a transaction, which is over, nobody can ask: there the next one asks anew.
        """
        if self.is_in_transaction():
            self._drop_local_statement_cache()  # type: ignore[attr-defined]
            return False
        with suppress(asyncpg.PostgresError):
            known, now = [await self._types_of(query, use_cache=each) for each in (True, False)]
            if known != now:
                self._drop_local_statement_cache()  # type: ignore[attr-defined]
                return True
        return False

    async def _types_of(self, query: str, **options: Any) -> Sequence[Any]:
        """The types that the server gave to the placeholders."""
        timeout = self._protocol._get_timeout(None)  # type: ignore[attr-defined]
        statement = await self._get_statement(query, timeout, **options)  # type: ignore[attr-defined]
        return statement._get_parameters()  # type: ignore[no-any-return]

    def _type(self, value: Any) -> str:
        """The type of an argument; empty if the server is to find it out."""
        if value is None or isinstance(value, str):
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            return self._integer(value, value)
        if isinstance(value, float):
            return "float8" if self.values == "psycopg" else "numeric"
        if isinstance(value, list):
            return self._type_of_array([each for each in _scalars(value) if each is not None])
        if isinstance(value, datetime):
            return "timestamp" if value.tzinfo is None else "timestamptz"
        if isinstance(value, time):
            return "time" if value.tzinfo is None else "timetz"
        return next((name for of, name in _TYPES.items() if isinstance(value, of)), "")

    def _type_of_array(self, values: Sequence[Any]) -> str:
        if values and {int}.issuperset(map(type, values)):
            return f"{self._integer(min(values), max(values))}[]"
        found = set(map(self._type, values))
        if found == {""} and self.values == "psycopg2":
            return "text[]"
        if len(found) > 1 and found <= _NUMBERS:
            return "float8[]" if "float8" in found else "numeric[]"
        return f"{found.pop()}[]" if len(found) == 1 and "" not in found else ""

    def _integer(self, least: int, most: int) -> str:
        for limit, name in _SIZES[self.values]:
            if -limit <= least and most < limit:
                return name
        return "numeric"

    async def _read(self, query: str, place: int, value: Any, refused: asyncpg.DataError) -> Any:
        """Text, as PostgreSQL reads it for the type that the argument has."""
        kind = (await self._types_of(query))[place]
        name, _, array = kind.name.partition("[")
        if name in _INTEGERS and isinstance(value, str) and _WHOLE.fullmatch(value):
            return int(value)
        text = _text(value)
        if text is None:
            raise refused
        source = "text" if isinstance(text, str) else "text[]" if array else "text[]::text"
        read = f'$1::{source}::"{kind.schema}"."{name}"{"[]" if array else ""}'
        try:
            if name != "interval":
                return await self.fetchval(f"SELECT {read}", text)
            each = read if array else f"ARRAY[{read}]"
            parts = f"SELECT ARRAY(SELECT interval_send(i) FROM unnest({each}) i)"
            found = [i and Interval.of(i) for i in await self.fetchval(parts, text)]
            return found if array else found[0]
        except (OverflowError, ValueError) as error:
            raise refused from error


@lru_cache(maxsize=1024)
def with_types(query: str, types: tuple[str, ...]) -> str:
    """The query with `$1::int4` in the place of `$1`, and so on; an empty type is not written."""

    def written(found: re.Match[str]) -> str:
        number = int(found["number"] or 0)
        name = types[number - 1] if 0 < number <= len(types) else ""
        return f"{found[0]}::{name}" if name else found[0]

    return _PLACEHOLDER.sub(written, query) if any(types) else query


def _is_named(value: Any) -> bool:
    """Whether psycopg sends its name: a member of an enumeration that is no text or number."""
    return isinstance(value, Enum) and not isinstance(value, str | int)


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _scalars(each)
    else:
        yield value


def _text(value: Any) -> Any:
    """Text, or a list of it; None if there is something else in it."""
    if isinstance(value, list | tuple):
        texts = [each if each is None else _text(each) for each in value]
        return texts if texts.count(None) == [*value].count(None) else None
    return str(value) if isinstance(value, _WRITTEN) else None
