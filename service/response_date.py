"""The `Date` of Hypercorn's answers, which changes once a second, and is formatted as often."""

from __future__ import annotations

from functools import lru_cache
from wsgiref.handlers import format_date_time

from hypercorn import config


def date(timestamp: float) -> str:
    """A time as HTTP writes it (RFC 9110, 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`."""
    return _date(int(timestamp))


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return format_date_time(second)


def register() -> None:
    """Let every answer of this process have its date from here."""
    config.format_date_time = date  # type: ignore[assignment,attr-defined]
