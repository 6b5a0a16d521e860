"""Arguments of SQL as psycopg takes them: PostgreSQL makes of each what the column has.

psycopg says of which type a value is, and the server converts it: `'5'` for a `bigint`, 2.5 for an
`integer`. asyncpg sends values as the column has them, and refuses any other before it sends
anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from uuid import UUID

import asyncpg

from .psycopg_values import Interval, Values

_REFUSED = re.compile(r"invalid input for query argument \$(\d+)")
"""What asyncpg says, counting from 1; the server's own errors say something else."""
_INTEGERS = {"int2", "int4", "int8"}
_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_TEXTS = {"bpchar", "name", "text", "varchar"}
_WITH_FRACTIONS = {"float4", "float8", "numeric"}
_WITHOUT_ZONE = {"date", "time", "timestamp"}

_TYPES: dict[type, str] = {
    str: "text",
    bool: "boolean",
    int: "int8",
    Decimal: "numeric",
    date: "date",
    timedelta: "interval",
    UUID: "uuid",
    bytes: "bytea",
    bytearray: "bytea",
    memoryview: "bytea",
    **dict.fromkeys((IPv4Address, IPv4Network, IPv6Address, IPv6Network), "inet"),
}
"""The types that psycopg says values are of; others depend on the value."""


class PsycopgArguments(asyncpg.Connection):
    """An asyncpg connection whose arguments may be of other types than what they are for.

    So it is with `fetch`, `fetchrow`, `fetchval` and `execute`. What asyncpg takes costs nothing
    more; nor does text for an integer; any other argument that asyncpg refuses costs a round trip.

    Raises:
        asyncpg.DataError: nothing makes one type of the other; or it is what Python has no value
            for, such as a date before our era.
    """

    values: Values = "psycopg"

    async def _execute(self, query: str, args: Sequence[Any], *rest: Any, **options: Any) -> Any:
        given = [*args]
        if any(map(_may_break, given)):
            await self._keep_whole(query, given)
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
                kind = (await self._kinds(query))[place]
                given[place] = await self._read(kind, given[place], error)

    async def _keep_whole(self, query: str, given: list[Any]) -> None:
        """Let PostgreSQL round numbers and dates, which asyncpg cuts off without a word."""
        for place, (value, kind) in enumerate(zip(given, await self._kinds(query), strict=False)):
            name = kind.name.partition("[")[0]
            cut = name not in _WITH_FRACTIONS and any(map(_has_fraction, _scalars(value)))
            if cut or (name in _WITHOUT_ZONE and any(map(_has_zone, _scalars(value)))):
                reason = f"invalid input for query argument ${place + 1}: {value!r} for {kind.name}"
                given[place] = await self._read(kind, value, asyncpg.DataError(reason))

    async def _kinds(self, query: str) -> Sequence[asyncpg.Type]:
        timeout = self._protocol._get_timeout(None)  # type: ignore[attr-defined]
        statement = await self._get_statement(query, timeout)  # type: ignore[attr-defined]
        kinds: Sequence[asyncpg.Type] = statement._get_parameters()
        return kinds

    async def _read(self, kind: asyncpg.Type, value: Any, refused: asyncpg.DataError) -> Any:
        """A value as PostgreSQL makes it one of this type."""
        name, _, array = kind.name.partition("[")
        if name in _INTEGERS and isinstance(value, str) and _WHOLE.fullmatch(value):
            return int(value)
        source, sent = self._typed(value)
        if source is None or (source.startswith("bytea") and name not in _TEXTS):
            raise refused
        read = f'$1::{source}::"{kind.schema}"."{name}"{"[]" if array else ""}'
        try:
            if name != "interval":
                return await self.fetchval(f"SELECT {read}", sent)
            each = read if array else f"ARRAY[{read}]"
            parts = f"SELECT ARRAY(SELECT interval_send(i) FROM unnest({each}) i)"
            found = [i and Interval.of(i) for i in await self.fetchval(parts, sent)]
            return found if array else found[0]
        except asyncpg.CannotCoerceError as error:
            raise refused from error
        except (OverflowError, ValueError) as error:
            raise refused from error

    def _typed(self, value: Any) -> tuple[str | None, Any]:
        """The type that psycopg says a value is of, and the value; None if it takes none."""
        if isinstance(value, list | tuple):
            types = {self._typed(each)[0] for each in _scalars(value) if each is not None}
            if None in types:
                return None, value
            if len(types) > 1:
                return "text[]", _texts(value)
            return f"{types.pop() if types else 'text'}[]", value
        if isinstance(value, Enum) and not isinstance(value, str | int):
            return "text", value.name
        if isinstance(value, float):
            return ("float8" if self.values == "psycopg" else "numeric"), value
        if isinstance(value, datetime):
            return ("timestamptz" if value.tzinfo else "timestamp"), value
        if isinstance(value, time):
            return ("timetz" if value.tzinfo else "time"), value
        known = (name for of, name in _TYPES.items() if isinstance(value, of))
        return next(known, None), value


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _scalars(each)
    else:
        yield value


def _texts(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_texts(each) for each in value]
    return value if value is None else str(value)


def _may_break(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_may_break, value))
    return _has_fraction(value) or _has_zone(value)


def _has_fraction(value: Any) -> bool:
    if isinstance(value, Decimal):
        return not (value.is_finite() and value == value.to_integral_value())
    return isinstance(value, float) and not value.is_integer()


def _has_zone(value: Any) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None
