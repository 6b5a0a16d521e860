"""Times: made, read, moved, compared. A time is seconds since 1970 and an offset from UTC."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import QueryLogicError
from service.embedded.rethinkdb.keys import Range
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.values import (
    PSEUDOTYPE,
    Datum,
    expect,
    expect_integer,
    expect_time,
    is_time,
    number,
    sort_key,
)

from .slices import bound_is_open

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISO_8601: Final = re.compile(
    r"(?P<year>\d{4})(?:(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)"
    r"|(?:(?P<month2>\d\d)(?P<day2>\d\d))|(?:-?(?P<yearday>\d{3})))?"
    r"(?:T(?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?"
)
_ZONE: Final = re.compile(r"[+-](\d\d)(?::?(\d\d))?")


def make_time(seconds: float, zone: str) -> Datum:
    """The time so many seconds after 1970 began in UTC, to the millisecond."""
    rounded = number(round(float(seconds), 3))
    return {PSEUDOTYPE: "TIME", "epoch_time": rounded, "timezone": zone}


def _zone(text: str) -> str:
    """The offset in the form it is kept in; raises `QueryLogicError` for what is none."""
    if text == "Z":
        return "+00:00"
    if text in ("-00", "-00:00"):
        raise QueryLogicError(f"`{text}` is not a valid time offset.")
    if text[:1] not in ("+", "-"):
        raise QueryLogicError(f"Timezone `{text}` does not start with `-` or `+`.")
    found = _ZONE.fullmatch(text)
    if found is None:
        raise QueryLogicError(f"Invalid ISO 8601 timezone: `{text}`.")
    hours, minutes = found[1], found[2] or "00"
    if int(hours) > 24:
        raise QueryLogicError(f"Hours out of range in `{text}`.")
    if int(minutes) > 59:
        raise QueryLogicError(f"Minutes out of range in `{text}`.")
    return f"{text[0]}{hours}:{minutes}"


def _tzinfo(zone: str) -> timezone:
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    return timezone(-offset if zone[0] == "-" else offset)


def _local(value: Datum) -> datetime:
    time = expect_time(value)
    try:
        moment = _EPOCH + timedelta(seconds=time["epoch_time"])
        return moment.astimezone(_tzinfo(_zone(time["timezone"])))
    except (OverflowError, ValueError):
        message = "Error in time logic: Year is out of valid range: 1400..10000."
        raise QueryLogicError(message) from None


def _from_local(moment: datetime, zone: str) -> Datum:
    if moment.year < 1400:
        raise QueryLogicError("Error in time logic: Year is out of valid range: 1400..10000.")
    return make_time((moment - _EPOCH) / timedelta(seconds=1), zone)


def _midnight(zone: str, year: int, month: int, day: int) -> datetime:
    try:
        return datetime(year, month, day, tzinfo=_tzinfo(zone))
    except (ValueError, OverflowError) as error:
        raise QueryLogicError(f"Error in time logic: {error}.") from None


def _at(midnight: datetime, hour: int, minute: int, second: float) -> Datum:
    """The time of a day that a clock shows."""
    if not (0 <= hour <= 24 and 0 <= minute <= 59 and 0 <= second < 61):
        raise QueryLogicError("Error in time logic: Time is out of valid range.")
    zone = _offset(midnight)
    return _from_local(midnight + timedelta(hours=hour, minutes=minute, seconds=second), zone)


def _offset(moment: datetime) -> str:
    return moment.isoformat()[-6:]


def time_plus(left: Datum, right: Datum) -> Datum:
    """A time and a number of seconds, in either order, added."""
    time, seconds = (left, right) if is_time(left) else (right, left)
    return make_time(time["epoch_time"] + expect("NUMBER", seconds), time["timezone"])


def time_difference(left: Datum, right: Datum) -> Datum:
    """Seconds between two times, or a time that many seconds earlier."""
    if is_time(right):
        return number(round(left["epoch_time"] - right["epoch_time"], 3))
    return make_time(left["epoch_time"] - expect("NUMBER", right), left["timezone"])


@term("NOW")
def now(query: Query) -> Datum:
    return query.now


@term("EPOCH_TIME", datums=True)
def epoch_time(query: Query, seconds: Datum) -> Datum:
    return make_time(expect("NUMBER", seconds), "+00:00")


@term("TIME", datums=True)
def time_(query: Query, year: Datum, month: Datum, day: Datum, *rest: Datum) -> Datum:
    if len(rest) not in (1, 4):
        raise QueryLogicError(f"Got {3 + len(rest)} arguments to TIME (expected 4 or 7).")
    *clock, zone = rest
    hour, minute, second = clock or (0, 0, 0)
    offset = _zone(expect("STRING", zone))
    start = _midnight(offset, *(expect_integer(part) for part in (year, month, day)))
    return _at(start, expect_integer(hour), expect_integer(minute), expect("NUMBER", second))


@term("ISO8601", datums=True)
def iso8601(query: Query, text: Datum, *, default_timezone: Datum = None) -> Datum:
    source = expect("STRING", text)
    found = _ISO_8601.fullmatch(source)
    if found is None:
        for character in source[:4]:
            if not character.isdigit():
                raise QueryLogicError(
                    f"Invalid date string `{source}` (got `{character}` but expected a digit)."
                )
        raise QueryLogicError(f"Invalid date string `{source}`.")
    part = found.groupdict()
    if part["zone"] is None and default_timezone is None:
        raise QueryLogicError(
            "ISO 8601 string has no time zone, and no default time zone was provided."
        )
    zone = _zone(part["zone"] or expect("STRING", default_timezone))
    month, day = part["month"] or part["month2"] or 1, part["day"] or part["day2"] or 1
    second = float(f"{part['second'] or 0}.{(part['fraction'] or '0')[:3]}")
    midnight = _midnight(zone, int(part["year"]), int(month), int(day))
    made = _at(midnight, int(part["hour"] or 0), int(part["minute"] or 0), second)
    return time_plus(made, (int(part["yearday"]) - 1) * 86400) if part["yearday"] else made


@term("TO_ISO8601", datums=True)
def to_iso8601(query: Query, value: Datum) -> str:
    moment, zone = _local(value), value["timezone"]
    fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}{zone}"


@term("TO_EPOCH_TIME", datums=True)
def to_epoch_time(query: Query, value: Datum) -> Datum:
    return expect_time(value)["epoch_time"]


@term("IN_TIMEZONE", datums=True)
def in_timezone(query: Query, value: Datum, zone: Datum) -> Datum:
    return {**expect_time(value), "timezone": _zone(expect("STRING", zone))}


@term("TIMEZONE", datums=True)
def timezone_(query: Query, value: Datum) -> Datum:
    return expect_time(value)["timezone"]


@term("DURING", datums=True)
def during(
    query: Query,
    value: Datum,
    start: Datum,
    end: Datum,
    *,
    left_bound: Datum = "closed",
    right_bound: Datum = "open",
) -> bool:
    bounds = Range(
        expect_time(start),
        expect_time(end),
        bound_is_open("left_bound", left_bound),
        bound_is_open("right_bound", right_bound),
    )
    return sort_key(expect_time(value)) in bounds


def _start_of_day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


@term("DATE", datums=True)
def date(query: Query, value: Datum) -> Datum:
    moment = _local(value)
    return _from_local(_start_of_day(moment), value["timezone"])


@term("TIME_OF_DAY", datums=True)
def time_of_day(query: Query, value: Datum) -> Datum:
    moment = _local(value)
    return number(round((moment - _start_of_day(moment)) / timedelta(seconds=1), 3))


def _portion(name: str, read: Callable[[datetime], float]) -> None:
    @term(name, datums=True)
    def portion(query: Query, value: Datum) -> Datum:
        return number(read(_local(value)))


_portion("YEAR", lambda moment: moment.year)
_portion("MONTH", lambda moment: moment.month)
_portion("DAY", lambda moment: moment.day)
_portion("DAY_OF_WEEK", lambda moment: moment.isoweekday())
_portion("DAY_OF_YEAR", lambda moment: moment.timetuple().tm_yday)
_portion("HOURS", lambda moment: moment.hour)
_portion("MINUTES", lambda moment: moment.minute)
_portion("SECONDS", lambda moment: moment.second + moment.microsecond // 1000 / 1000)


def _constant(name: str, value: int) -> None:
    @term(name)
    def constant(query: Query) -> int:
        return value


_WEEKDAYS: Final = "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY"
_MONTHS: Final = (
    "JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER"
)
for _names in (_WEEKDAYS, _MONTHS):
    for _number, _name in enumerate(_names.split(), 1):
        _constant(_name, _number)
