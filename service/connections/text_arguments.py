"""Arguments of SQL that are text for a column of another type: PostgreSQL reads them.

psycopg and others send text, of which the server makes what the column has: `'5'` for a `bigint`.
asyncpg sends values as the server has them, and refuses any other before it sends anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

_REFUSED = re.compile(r"invalid input for query argument \$(\d+):")
"""What asyncpg says, counting from 1; the server's own errors say something else."""
_INTEGERS = {"int2", "int4", "int8"}
_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_TEXTS = {"bpchar", "name", "text", "varchar"}
_SCALARS = str, bool, int, float, Decimal, date, time, UUID
_WITHOUT_ZONE = {"date", "time", "timestamp"}
_MONTHS = (
    "SELECT date_part('year', $1::text::interval) * 12 + date_part('month', $1::text::interval)"
)


class TextArguments(asyncpg.Connection):
    """An asyncpg connection that takes text for any type, and for text what is written as one.

    So do `fetch`, `fetchrow`, `fetchval` and `execute`. What asyncpg takes costs nothing more; nor
    does text for an integer; any other argument that asyncpg refuses costs a round trip, or two.

    Raises:
        asyncpg.DataError: the text is none of this type, by what PostgreSQL reads; or it is what
            Python has no value for, such as an interval of months.
    """

    async def _execute(self, query: str, args: Sequence[Any], *rest: Any, **options: Any) -> Any:
        given = [*args]
        if any(map(_is_broken, given)):
            await self._refuse_broken(query, given)
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

    async def _refuse_broken(self, query: str, given: Sequence[Any]) -> None:
        """Refuse what asyncpg would send an integer less for: 2.5 is none."""
        kinds = await self._kinds(query)
        for place, (value, kind) in enumerate(zip(given, kinds, strict=False), 1):
            if kind.name in _INTEGERS and _is_broken(value):
                reason = f"invalid input for query argument ${place}: {value!r} (no integer)"
                raise asyncpg.DataError(reason)

    async def _kinds(self, query: str) -> Sequence[asyncpg.Type]:
        timeout = self._protocol._get_timeout(None)  # type: ignore[attr-defined]
        statement = await self._get_statement(query, timeout)  # type: ignore[attr-defined]
        kinds: Sequence[asyncpg.Type] = statement._get_parameters()
        return kinds

    async def _read(self, query: str, place: int, value: Any, refused: asyncpg.DataError) -> Any:
        """A parameter's value, as one of the type that it has."""
        kind = (await self._kinds(query))[place]
        name, _, array = kind.name.partition("[")
        if name in _INTEGERS and isinstance(value, str) and _WHOLE.fullmatch(value):
            return int(value)
        text = _text(value)
        if text is None or (isinstance(text, list) and not array):
            raise refused
        if kind.name in _TEXTS:
            return text
        if name == "interval" and (array or await self.fetchval(_MONTHS, text)):
            raise refused
        source = "text[]" if isinstance(text, list) else "text"
        by = _between(value, name)
        target = f'"{kind.schema}"."{name}"{"[]" if array else ""}'
        try:
            return await self.fetchval(f"SELECT $1::{source}{by}::{target}", text)
        except (OverflowError, ValueError) as error:
            raise refused from error


def _is_broken(value: Any) -> bool:
    if isinstance(value, Decimal):
        return not (value.is_finite() and value == value.to_integral_value())
    return isinstance(value, float) and not value.is_integer()


def _text(value: Any) -> Any:
    """A value as text that PostgreSQL reads, or a list of such; None if it has none."""
    if isinstance(value, list | tuple):
        known = all(each is None or isinstance(each, _SCALARS) for each in value)
        return [each if each is None else _text(each) for each in value] if known else None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, _SCALARS) else None


def _between(value: Any, kind: str) -> str:
    """The type that PostgreSQL makes the one of the column from, as for psycopg."""
    values = value if isinstance(value, list | tuple) else [value]
    by = ""
    if any(isinstance(each, float | Decimal) for each in values):
        by = "::numeric"
    elif kind in _WITHOUT_ZONE and any(
        isinstance(each, datetime) and each.tzinfo is not None for each in values
    ):
        by = "::timestamptz"
    return f"{by}[]" if by and values is value else by
