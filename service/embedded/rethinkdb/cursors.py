"""A sequence on its way to a client, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from . import wire
from .changefeeds import Feed
from .compiler import Query
from .errors import QueryLogicError
from .sequences import Stream, to_datum
from .system import Job

_MOST_BYTES: Final = 1024 * 1024
_FIRST_SCALEDOWN: Final = 4


def _positive(query: Query, name: str, default: int) -> int:
    value = to_datum(query.option(name))
    if value is None:
        return default
    if type(value) is not int or value < 1:
        raise QueryLogicError(f"`{name}` must be a positive integer (got {value}).")
    return value


class Cursor:
    """What is left of a query's result.

    `waiting` while a request for more is unanswered, `scheduled` when it is about to be.
    """

    def __init__(self, token: int, query: Query, stream: Stream, job: Job) -> None:
        self.token = token
        self.job = job
        self.atomic = query.atomic
        self.waiting = False
        self.scheduled = False
        self.feed: Feed | None = stream.feed
        self._most_rows = _positive(query, "max_batch_rows", 2**53)
        self._most_bytes = _positive(query, "max_batch_bytes", _MOST_BYTES)
        self._scaledown = _positive(query, "first_batch_scaledown_factor", _FIRST_SCALEDOWN)
        self._items: Iterator[Any] = iter(()) if self.feed is not None else iter(stream)
        self._next: list[str] = []
        self._first = True
        if self.feed is not None:
            self.feed.start()

    def close(self) -> None:
        if self.feed is not None:
            self.feed.stop()

    def ready(self) -> bool:
        """Whether a request for more can be answered now."""
        return self.feed is None or bool(self._next) or self.feed.ready()

    def batch(self, extra: str = "") -> tuple[bytes | None, bool]:
        """The next answer, and whether it is the last. Raises `ReqlError`.

        The first batch is smaller, as the real server's, so that it comes soon. After the first,
        a feed has no empty ones (drivers ask no more after those), but no answer yet.
        """
        is_first, self._first = self._first, False
        scale = self._scaledown if is_first else 1
        rows, size = max(1, self._most_rows // scale), max(1, self._most_bytes // scale)
        items, last = self._collect(rows, size)
        if not items and not last and not is_first:
            return None, False
        notes = self.feed.notes if self.feed is not None else ()
        return wire.batch(self.token, items, notes, last=last, extra=extra), last

    def _collect(self, rows: int, size: int) -> tuple[list[str], bool]:
        if self.feed is not None:
            self._items = self.feed.take()
        batch, self._next = self._next, []
        total = sum(map(len, batch))
        for item in self._items:
            encoded = wire.encode(item)
            if batch and (len(batch) >= rows or total >= size):
                self._next = [encoded]
                return batch, False
            batch.append(encoded)
            total += len(encoded)
        return batch, self.feed is None or self.feed.exhausted
