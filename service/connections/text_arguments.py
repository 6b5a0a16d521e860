"""Arguments of SQL that are text for a column of another type: PostgreSQL reads them.

psycopg and others send text, of which the server makes what the column has: `'5'` for a `bigint`.
asyncpg sends values as the server has them, and refuses any other before it sends anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

_REFUSED = re.compile(r"invalid input for query argument \$(\d+)\b")
"""What asyncpg says, counting from 1; the server's own errors say something else."""
_INTEGERS = {"int2", "int4", "int8"}
_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_TEXTS = {"bpchar", "name", "text", "varchar"}
_SCALARS = str, bool, int, float, Decimal, date, time, timedelta, UUID


class TextArguments(asyncpg.Connection):
    """An asyncpg connection that takes text for any type, and for text what is written as one.

    So do `fetch`, `fetchrow`, `fetchval`, `execute` and `executemany`. What asyncpg takes costs
    nothing more; other text for a whole number nothing on the server, and all else a round trip.

    Raises:
        asyncpg.DataError: the text is none of this type, by what PostgreSQL reads.
    """

    async def _execute(self, query: str, args: Sequence[Any], *rest: Any, **options: Any) -> Any:
        given = [*args]
        read: set[int] = set()
        while True:
            try:
                return await super()._execute(query, given, *rest, **options)  # type: ignore[misc]
            except asyncpg.DataError as error:
                place = _place(error, read)
                (given[place],) = await self._read(query, place, [given[place]], error)

    async def _executemany(
        self, query: str, args: Iterable[Sequence[Any]], *rest: Any, **options: Any
    ) -> Any:
        rows = [[*row] for row in args]
        read: set[int] = set()
        while True:
            try:
                return await super()._executemany(query, rows, *rest, **options)  # type: ignore[misc]
            except asyncpg.DataError as error:
                place = _place(error, read)
                values = await self._read(query, place, [row[place] for row in rows], error)
                for row, value in zip(rows, values, strict=True):
                    row[place] = value

    async def _read(
        self, query: str, place: int, values: list[Any], refused: asyncpg.DataError
    ) -> list[Any]:
        """The values of one parameter, as those of the type that it has."""
        statement = await self._get_statement(query, None)  # type: ignore[attr-defined]
        kind: asyncpg.Type = statement._get_parameters()[place]
        if kind.name in _INTEGERS and all(map(_is_whole, values)):
            return [value if value is None else int(value) for value in values]
        texts = [_text(value, refused) for value in values]
        if kind.name in _TEXTS:
            return texts
        name = f'"{kind.schema}"."{kind.name.removesuffix("[]")}"'
        if kind.name.endswith("[]"):
            return [await self.fetchval(f"SELECT $1::text[]::{name}[]", text) for text in texts]
        numbers = any(isinstance(value, float | Decimal) for value in values)
        read = f"given::numeric::{name}" if numbers else f"given::{name}"
        source = "unnest($1::text[]) WITH ORDINALITY AS texts(given, place)"
        rows = await self.fetch(f"SELECT {read} FROM {source} ORDER BY place", texts)
        return [row[0] for row in rows]


def _place(error: asyncpg.DataError, read: set[int]) -> int:
    """Which argument asyncpg refuses, that has not been read already."""
    refused = _REFUSED.match(str(error)) if error.sqlstate == "22000" else None
    place = int(refused[1]) - 1 if refused else -1
    if place < 0 or place in read:
        raise error
    read.add(place)
    return place


def _is_whole(value: Any) -> bool:
    if isinstance(value, str):
        return _WHOLE.fullmatch(value) is not None
    return value is None or isinstance(value, int)


def _text(value: Any, refused: asyncpg.DataError) -> Any:
    """A value as text that PostgreSQL reads, or a list of such."""
    if isinstance(value, list | tuple):
        return [_text(each, refused) for each in value]
    if value is not None and not isinstance(value, _SCALARS):
        raise refused
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)
