"""Values of PostgreSQL as psycopg and psycopg2 give them.

See https://www.psycopg.org/docs/usage.html#adaptation-of-python-values-to-sql-types and
https://www.psycopg.org/psycopg3/docs/basic/adapt.html.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg

_log = logging.getLogger(__name__)

Values = Literal["asyncpg", "psycopg", "psycopg2"]

_AS_TEXT = (
    "bit", "varbit", "box", "cid", "circle", "line", "lseg", "path", "point", "polygon", "tid",
    "xid",
)  # fmt: skip
"""Types that both versions of psycopg give as text, and asyncpg as objects."""
_AS_TEXT_IN_2 = ("cidr", "inet", "uuid")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FOR_EVER = {
    2**63 - 1: datetime.max.replace(tzinfo=UTC),
    -(2**63): datetime.min.replace(tzinfo=UTC),
}
"""How PostgreSQL sends `infinity`."""
_SENT_FOR_EVER: dict[date, int] = {at: sent for sent, at in _FOR_EVER.items()}
_INTERVAL = struct.Struct(">qii")
_REAL = struct.Struct(">f")
_NUMERIC = struct.Struct(">HhHH")
_MOST_DIGITS = 131_072
_SPECIAL = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}


async def take_values(connection: asyncpg.Connection, values: Values) -> None:
    """Let a new connection give the values that this driver gives; it asks the server nothing."""

    async def know(name: str, decoder: Callable[[Any], Any], **how: Any) -> None:
        await connection.set_type_codec(name, schema="pg_catalog", decoder=decoder, **how)

    dumps = json.dumps if values == "asyncpg" else _json_text
    for name in ("json", "jsonb"):
        await know(name, json.loads, encoder=dumps)
    if values == "asyncpg":
        return
    zones = _Zones(connection)
    await know("timestamptz", zones.decode, encoder=zones.encode, format="tuple")
    await know("interval", _timedelta, encoder=_interval, format="tuple")
    await know("numeric", _decimal, encoder=_sent_numeric, format="binary")
    await know("float4", _float, encoder=_sent_float, format="binary")
    for name in _AS_TEXT:
        await know(name, str, encoder=str)
    if values == "psycopg2":
        for name in _AS_TEXT_IN_2:
            await know(name, str, encoder=str)
        await know("bytea", memoryview, encoder=_itself, format="binary")


class Interval(NamedTuple):
    """What Python has no value for: a `timedelta` has no months."""

    months: int
    days: int
    microseconds: int

    @classmethod
    def of(cls, sent: bytes) -> Interval:
        """Made of how PostgreSQL sends an interval."""
        microseconds, days, months = _INTERVAL.unpack(sent)
        return cls(months, days, microseconds)


class _Zones:
    """Times with a zone: given in the zone of the session, where asyncpg gives them in UTC."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    def decode(self, sent: tuple[int]) -> datetime:
        """The time that PostgreSQL sends as microseconds since 2000."""
        if sent[0] in _FOR_EVER:
            return _FOR_EVER[sent[0]]
        return (_EPOCH + timedelta(microseconds=sent[0])).astimezone(self._zone())

    def encode(self, value: object) -> tuple[int]:
        """What PostgreSQL is sent: a time without a zone is one of the session's zone.

        Raises:
            TypeError: it is neither a `datetime` nor a `date`.
            ValueError: there is no such time there, or there are two, as clocks are put back.
        """
        if not isinstance(value, date):
            raise TypeError("expected a datetime")
        if value in _SENT_FOR_EVER:
            return (_SENT_FOR_EVER[value],)
        at = value if isinstance(value, datetime) else datetime.combine(value, time())
        if at.tzinfo is None:
            at = at.replace(tzinfo=self._zone())
            if at.utcoffset() != at.replace(fold=1).utcoffset():
                raise ValueError("clocks are changed then")
        return ((at - _EPOCH) // timedelta(microseconds=1),)

    def _zone(self) -> tzinfo:
        return _zone(getattr(self._connection.get_settings(), "TimeZone", "UTC"))


@cache
def _zone(name: str) -> tzinfo:
    if name in {"UTC", "Etc/UTC", "GMT"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        _log.warning("times are given in UTC: Python knows no time zone %r (try tzdata)", name)
        return UTC


def _timedelta(sent: tuple[int, int, int]) -> timedelta:
    months, days, microseconds = sent
    years, left = divmod(abs(months), 12)
    of_months = years * 365 + left * 30
    return timedelta(days + (of_months if months > 0 else -of_months), 0, microseconds)


def _interval(value: object) -> tuple[int, int, int]:
    if isinstance(value, Interval):
        return value
    if not isinstance(value, timedelta):
        raise TypeError("expected a timedelta")
    return 0, value.days, value.seconds * 10**6 + value.microseconds


def _decimal(sent: bytes) -> Decimal:
    """The number as PostgreSQL writes it: groups of four digits, and how many are decimals."""
    count, weight, sign, scale = _NUMERIC.unpack_from(sent)
    if sign in _SPECIAL:
        return Decimal(_SPECIAL[sign])
    whole = 0
    for group in struct.unpack_from(f">{count}H", sent, _NUMERIC.size):
        whole = whole * 10_000 + group
    shift = (weight - count + 1) * 4 + scale
    whole = whole * 10**shift if shift >= 0 else whole // 10**-shift
    return Decimal(f"{'-' if sign else ''}{whole}E-{scale}")


def _sent_numeric(value: object) -> bytes:
    """How PostgreSQL is sent a number; a float as written: asyncpg sends all of its digits."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float):
        raise TypeError("expected a number")
    number = Decimal(repr(value) if isinstance(value, float) else value)
    if not number.is_finite():
        name = "NaN" if number.is_nan() else f"{'-' if number < 0 else ''}Infinity"
        return _NUMERIC.pack(0, 0, next(s for s, of in _SPECIAL.items() if of == name), 0)
    sign, written, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if exponent > _MOST_DIGITS:
        raise OverflowError("numeric has not so many digits")
    scale = max(0, -exponent)
    after = -(-scale // 4)
    whole = int("".join(map(str, written))) * 10 ** (exponent + after * 4)
    groups: list[int] = []
    while whole:
        whole, group = divmod(whole, 10_000)
        groups.insert(0, group)
    head = _NUMERIC.pack(len(groups), len(groups) - after - 1, sign * 0x4000, scale)
    return head + struct.pack(f">{len(groups)}H", *groups)


def _float(sent: bytes) -> float:
    """The number as PostgreSQL writes it: the shortest that is no other `real`."""
    (exact,) = _REAL.unpack(sent)
    shorter = (float(f"{exact:.{digits}g}") for digits in range(6, 9))
    return next((each for each in shorter if _is_real(each, sent)), float(f"{exact:.9g}"))


def _is_real(value: float, sent: bytes) -> bool:
    with suppress(OverflowError):
        return _REAL.pack(value) == sent
    return False


def _sent_float(value: object) -> bytes:
    if not isinstance(value, Decimal | int | float):
        raise TypeError("expected a number")
    return _REAL.pack(value)


def _json_text(value: object) -> str:
    """Text is JSON already: psycopg is told to make it so."""
    return value if isinstance(value, str) else json.dumps(value)


def _itself(value: Any) -> Any:
    return value
