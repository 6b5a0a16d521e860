"""Arguments of SQL as psycopg takes them: text for a type is what PostgreSQL reads.

psycopg sends most values as text, of which the server makes what the column has: `'5'` for a
`bigint`. asyncpg sends values as the server has them, and refuses any other before it sends
anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from .psycopg_values import Interval, Values

_REFUSED = re.compile(r"invalid input for query argument \$(\d+)")
"""What asyncpg says, counting from 1; the server's own errors say something else."""
_INTEGERS = {"int2", "int4", "int8"}
_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_TEXTS = {"bpchar", "name", "text", "varchar"}
_SCALARS = str, bool, int, float, Decimal, date, time, UUID
_WITHOUT_ZONE = {"date", "time", "timestamp"}


class PsycopgArguments(asyncpg.Connection):
    """An asyncpg connection that takes text for any type, and for text what is written as one.

    So do `fetch`, `fetchrow`, `fetchval` and `execute`. What asyncpg takes costs nothing more; nor
    does text for an integer; any other argument that asyncpg refuses costs a round trip.

    Raises:
        asyncpg.DataError: the text is none of this type, by what PostgreSQL reads; or it is what
            Python has no value for, such as a date before our era.
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
                given[place] = await self._read(query, place, given[place], error)

    async def _keep_whole(self, query: str, given: list[Any]) -> None:
        """Refuse what asyncpg would send an integer less for, and send decimals as written.

        asyncpg makes 2 of 2.5, and 1.100000000000000088817841970012523233890533447265625 of 1.1.
        """
        for place, (value, kind) in enumerate(zip(given, await self._kinds(query), strict=False)):
            name = kind.name.partition("[")[0]
            if name in _INTEGERS and any(map(_has_fraction, _scalars(value))):
                reason = f"invalid input for query argument ${place + 1}: {value!r} (no integer)"
                raise asyncpg.DataError(reason)
            if name == "numeric":
                given[place] = _as_written(value, self.values)

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
        source = "text[]" if isinstance(text, list) else "text"
        target = f'"{kind.schema}"."{name}"{"[]" if array else ""}'
        read = f"$1::{source}{_between(value, name)}::{target}"
        try:
            if name != "interval":
                return await self.fetchval(f"SELECT {read}", text)
            each = read if array else f"ARRAY[{read}]"
            sent = f"SELECT ARRAY(SELECT interval_send(i) FROM unnest({each}) i)"
            parts = [i and Interval.of(i) for i in await self.fetchval(sent, text)]
            return parts if array else parts[0]
        except (OverflowError, ValueError) as error:
            raise refused from error


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _scalars(each)
    else:
        yield value


def _may_break(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_may_break, value))
    return isinstance(value, float) or _has_fraction(value)


def _has_fraction(value: Any) -> bool:
    if isinstance(value, Decimal):
        return not (value.is_finite() and value == value.to_integral_value())
    return isinstance(value, float) and not value.is_integer()


def _as_written(value: Any, values: Values) -> Any:
    if isinstance(value, list | tuple):
        return [_as_written(each, values) for each in value]
    if not isinstance(value, float):
        return value
    # psycopg sends a float as such, and PostgreSQL keeps 15 digits of it.
    return Decimal(f"{value:.15g}" if values == "psycopg" else repr(value))


def _text(value: Any) -> Any:
    """A value as text that PostgreSQL reads, or a list of such; None if it has none."""
    if isinstance(value, list | tuple):
        texts = [each if each is None else _text(each) for each in value]
        known = all(
            text is not None or each is None for text, each in zip(texts, value, strict=True)
        )
        return texts if known else None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, _SCALARS) else None


def _between(value: Any, kind: str) -> str:
    """The type that PostgreSQL makes the one of the column from, as for psycopg."""
    by = ""
    if any(isinstance(each, float | Decimal) for each in _scalars(value)):
        by = "::numeric"
    elif kind in _WITHOUT_ZONE and any(
        isinstance(each, datetime) and each.tzinfo is not None for each in _scalars(value)
    ):
        by = "::timestamptz"
    return f"{by}[]" if by and isinstance(value, list | tuple) else by
