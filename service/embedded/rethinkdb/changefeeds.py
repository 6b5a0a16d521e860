"""Changefeeds: what a client asked to be told of a table, and what waits to be sent to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from rethinkdb.ql2_pb2 import Response

from .errors import OpFailedError, QueryLogicError, ReqlError, TimeLimitError
from .sequences import SKIP, Row, Step, Stream, Watch
from .storage import SYSTEM_DATABASE, Document
from .values import Datum, SortKey, equal, sort_key

_NOTE: Final = Response.ResponseNote
_ABSENT: Final = object()


class Feed(ABC):
    """Listens to a table from `start` to `stop`; `take` gives what is to be sent.

    `squash`: a change of a document whose last change was not sent yet is joined with that one.
    """

    note: int = _NOTE.SEQUENCE_FEED

    def __init__(
        self,
        watch: Watch,
        *,
        squash: bool,
        queue_size: int,
        include_initial: bool,
        include_states: bool,
        include_types: bool,
    ) -> None:
        self.watch = watch
        self.include_states = include_states
        self.wake: Callable[[], None] = lambda: None
        self._steps: tuple[Step, ...] = ()
        self._limit: int | None = None
        self._squash = squash
        self._queue_size = queue_size
        self._include_initial = include_initial
        self._include_types = include_types
        self._queue: dict[Any, dict[str, Datum]] = {}
        self._serial = 0
        self._skipped = 0
        self._error: ReqlError | None = None

    def then(self, step: Step) -> Feed:
        """This, with something done on each change before it is sent."""
        self._steps = (*self._steps, step)
        return self

    def at_most(self, count: int) -> Feed:
        """This, ended after a number of changes."""
        self._limit = count if self._limit is None else min(count, self._limit)
        return self

    @property
    def notes(self) -> list[int]:
        """What the protocol says of it in every answer."""
        return [self.note, *([_NOTE.INCLUDES_STATES] if self.include_states else [])]

    @property
    def exhausted(self) -> bool:
        """Whether it has told as much as it was to."""
        return self._limit == 0

    def start(self) -> None:
        """Begin to listen; what is there already is queued if that was asked for."""
        if self._include_initial:
            self._state("initializing")
            for document in self._initial():
                self._push(_ABSENT, {"new_val": document}, "initial")
        self._state("ready")
        self.watch.table.listeners[self] = None

    def stop(self) -> None:
        """Listen no longer."""
        self.watch.table.listeners.pop(self, None)

    def ready(self) -> bool:
        """Whether `take` has something to give or to raise."""
        waiting = self._queue or self._skipped or self._error is not None
        return bool(waiting) or self.exhausted

    def take(self) -> Iterator[Datum]:
        """What waits to be sent, each once; then, if the table is gone, raises `ReqlError`."""
        if self._error is not None and not self._queue:
            raise self._error
        if self._skipped:
            message = f"Changefeed cache over array size limit, skipped {self._skipped} elements."
            self._skipped = 0
            yield {"error": message}
        while self._queue and not self.exhausted:
            change = self._queue.pop(next(iter(self._queue)))
            made: Datum = change
            for step in self._steps:
                made = step(made)
                if made is SKIP:
                    break
            else:
                if self._limit is not None:
                    self._limit -= 1
                yield made

    def changed(self, key: SortKey, old: Document | None, new: Document | None) -> None:
        before, after = self._shown(key, old), self._shown(key, new)
        if not equal(before, after):
            self._push(key, {"old_val": before, "new_val": after}, _kind(before, after))

    def table_gone(self) -> None:
        self._abort(OpFailedError("Changefeed aborted (table unavailable)."))

    def _abort(self, error: ReqlError) -> None:
        self.stop()
        self._error = error
        self.wake()

    def _shown(self, key: SortKey, document: Document | None) -> Datum:
        if document is None or not self.watch.contains(key, document):
            return None
        return self._transformed(document)

    def _transformed(self, document: Document) -> Datum:
        value: Datum = document
        for step in self.watch.steps:
            try:
                value = step(value)
            except TimeLimitError as error:
                self._abort(error)
                return None
            except ReqlError:
                return None
            if value is SKIP:
                return None
        return value

    @abstractmethod
    def _initial(self) -> Iterator[Datum]:
        """What is there already."""

    def _state(self, state: str) -> None:
        if self.include_states:
            self._push(_ABSENT, {"state": state}, "state")

    def _push(self, key: Any, change: dict[str, Datum], kind: str) -> None:
        if self._squash and key is not _ABSENT:
            waiting = self._queue.pop(key, None)
            if waiting is not None:
                change["old_val"] = waiting["old_val"]
                if equal(change["old_val"], change["new_val"]):
                    return
                kind = _kind(change["old_val"], change["new_val"])
        else:
            self._serial += 1
            key = self._serial
        if self._include_types:
            change["type"] = kind
        if len(self._queue) >= self._queue_size:
            self._skipped += len(self._queue) + 1
            self._queue.clear()
        else:
            self._queue[key] = change
        self.wake()


class RangeFeed(Feed):
    """On a table, a range of it, or what a filter leaves of it."""

    def __init__(self, stream: Stream, watch: Watch, **options: Any) -> None:
        super().__init__(watch, **options)
        self._stream = stream

    def _initial(self) -> Iterator[Datum]:
        return iter(self._stream)


class PointFeed(Feed):
    """On a single document."""

    note = _NOTE.ATOM_FEED

    def __init__(self, row: Row, watch: Watch, **options: Any) -> None:
        super().__init__(watch, **options)
        self._row = row

    def _initial(self) -> Iterator[Datum]:
        yield self._row.document


class TopFeed(Feed):
    """On the first few documents of an order."""

    note = _NOTE.ORDER_BY_LIMIT_FEED

    def __init__(self, watch: Watch, **options: Any) -> None:
        super().__init__(watch, **options)
        self._top = self._current()

    def _current(self) -> dict[SortKey, Datum]:
        order, primary_key = self.watch.order, self.watch.table.primary_key
        assert order is not None
        shown = (
            (sort_key(document[primary_key]), made)
            for document in order.documents()
            if (made := self._transformed(document)) is not None
        )
        return dict(islice(shown, self.watch.limit))

    def _initial(self) -> Iterator[Datum]:
        return iter(self._top.values())

    def changed(self, key: SortKey, old: Document | None, new: Document | None) -> None:
        before, after = self._top, self._current()
        self._top = after
        left = [before[k] for k in before if k not in after]
        entered = [after[k] for k in after if k not in before]
        for i in range(max(len(left), len(entered))):
            gone = left[i] if i < len(left) else None
            come = entered[i] if i < len(entered) else None
            self._push(_ABSENT, {"old_val": gone, "new_val": come}, _kind(gone, come))
        if key in before and key in after and not equal(before[key], after[key]):
            self._push(key, {"old_val": before[key], "new_val": after[key]}, "change")


def _kind(old: Datum, new: Datum) -> str:
    """What a change is called with `include_types`."""
    return "add" if old is None else "remove" if new is None else "change"


def feed_of_row(row: Row, **options: Any) -> Feed:
    """A feed on one document; raises `QueryLogicError` for one that was not got by its key."""
    if not row.by_key:
        raise QueryLogicError("Cannot call `changes` on a document that `get` did not find.")
    _refuse_system(row.table.database.name)
    return PointFeed(row, Watch(row.table, lambda key, document: key == row.key), **options)


def feed_of_stream(stream: Stream, **options: Any) -> Feed:
    """A feed on a part of a table; raises `QueryLogicError` for what cannot be followed."""
    watch = stream.watch
    if stream.feed is not None:
        raise QueryLogicError("Cannot call `changes` on a changefeed.")
    if isinstance(watch, str):
        raise QueryLogicError(watch)
    _refuse_system(watch.table.database.name)
    if watch.limit is not None:
        return TopFeed(watch, **options)
    return RangeFeed(stream, watch, **options)


def _refuse_system(database: str) -> None:
    if database == SYSTEM_DATABASE:
        raise QueryLogicError("Changefeeds on system tables are not supported by this server.")
