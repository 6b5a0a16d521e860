"""What terms pass to each other that is not a plain value: tables, selections, streams, groups."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .errors import QueryLogicError, ResourceLimitError
from .evaluation import stepping
from .keys import EVERYTHING, Range
from .storage import Database, Document, Table
from .values import (
    DATUM_TYPES,
    Datum,
    SortKey,
    printed,
    sort_key,
    type_name,
    wrong_type,
)

if TYPE_CHECKING:
    from .changefeeds import Feed

Value: TypeAlias = Any
"""A `Datum`, or one of the classes of this module, or a `Function`."""


class Skip(enum.Enum):
    """What a step answers for an element that is not to be part of its result."""

    SKIP = enum.auto()


SKIP: Final = Skip.SKIP
Step = Callable[[Datum], Datum]
"""Makes one element of a sequence into one of the next, or into `SKIP`."""


class Opaque:
    """A value that is no datum; `kind` is its type in messages."""

    kind = "SEQUENCE"

    def __str__(self) -> str:
        return f"VALUE {self.kind}"


@dataclass(frozen=True)
class DatabaseValue(Opaque):
    """`r.db(name)`."""

    database: Database
    kind = "DATABASE"

    def __str__(self) -> str:
        return f'db("{self.database.name}")'


@dataclass(frozen=True)
class Watch:
    """Which part of a table a stream shows, and what it makes of each document."""

    table: Table
    contains: Callable[[SortKey, Document], bool] = lambda key, document: True
    steps: tuple[Step, ...] = ()
    order: TableSlice | None = None
    limit: int | None = None

    def then(self, step: Step) -> Watch:
        return replace(self, steps=(*self.steps, step))


class Stream(Opaque):
    """Values to iterate once. An array in all but name if `is_array`; a selection with a table.

    `watch` is what a changefeed on the stream looks at, or the message that says why it cannot.
    """

    def __init__(
        self,
        items: Iterable[Datum],
        *,
        is_array: bool = False,
        table: Table | None = None,
        watch: Watch | str = "Cannot call `changes` on an eager stream.",
        feed: Feed | None = None,
        endless: bool = False,
    ) -> None:
        self.items = items
        self.endless = endless
        self.is_array = is_array
        self.table = table
        self.watch = watch
        self.feed = feed

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "SEQUENCE" if self.table is None else "SELECTION"

    def __str__(self) -> str:
        return "VALUE SEQUENCE" if self.table is None else f"SELECTION ON table({self.table.name})"

    def __iter__(self) -> Iterator[Datum]:
        if self.feed is not None:
            raise QueryLogicError(
                "Cannot call a terminal (`reduce`, `count`, etc.) on an infinite stream "
                "(such as a changefeed)."
            )
        return stepping(self.items)

    def map(self, step: Step, *, selection: bool = False) -> Value:
        """This with a step done on each element; still a selection only if that is asked for."""
        if self.feed is not None:
            return Stream((), feed=self.feed.then(step))
        out = (made for made in map(step, stepping(self.items)) if made is not SKIP)
        table = self.table if selection else None
        if self.is_array:
            items = list(out)
            return items if table is None else Stream(items, is_array=True, table=table)
        watch = self.watch
        if isinstance(watch, Watch):
            refusal = "Cannot call `changes` after a transformation of a `limit`."
            watch = watch.then(step) if watch.limit is None else refusal
        return Stream(out, table=table, watch=watch, endless=self.endless)

    def derived(
        self,
        items: Iterable[Datum],
        term: str,
        *,
        selection: bool = False,
        cut: bool = False,
        limit: int | None = None,
    ) -> Value:
        """Other elements made of this, lazily, as many if not `cut`.

        `term` says how they are made, for a changefeed to refuse. Raises `ResourceLimitError` if
        they are to be an array and more than `limit`.
        """
        table = self.table if selection else None
        if self.is_array:
            made = list(items) if limit is None else to_array(items, limit)
            return made if table is None else Stream(made, is_array=True, table=table)
        refusal = f"Cannot call `changes` after `{term}`."
        return Stream(items, table=table, watch=refusal, endless=self.endless and not cut)


@dataclass(frozen=True)
class TableSlice(Opaque):
    """A table, or a range of one of its indexes, perhaps in order."""

    table: Table
    index: str | None = None
    bounds: Range = EVERYTHING
    descending: bool | None = None

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "TABLE" if self.index is None else "TABLE_SLICE"

    def __str__(self) -> str:
        name = self.table.name
        return f'table("{name}")' if self.index is None else f"SELECTION ON table({name})"

    def documents(self) -> list[Document]:
        """What is in it now, in its order."""
        if self.index is None:
            return self.table.scan()
        documents = [document for _, document in self.table.within(self.index, self.bounds)]
        if self.descending:
            documents.reverse()
        return documents

    def contains(self, key: SortKey, document: Document) -> bool:
        """Whether a document of the table is in the range."""
        if self.index is None:
            return True
        if self.index == self.table.primary_key:
            return key in self.bounds
        values = self.table.index(self.index).values(document)
        return any(sort_key(value) in self.bounds for value in values)

    def stream(self) -> Stream:
        """What is in it now, as a selection."""
        watch = Watch(self.table, self.contains, order=self)
        return Stream(self.documents(), table=self.table, watch=watch)


@dataclass(frozen=True)
class Row(Opaque):
    """One document of a table, or its absence: `get`, `nth` of a selection."""

    table: Table
    key: SortKey
    document: Document | None
    by_key: bool = True
    kind = "SINGLE_SELECTION"

    @classmethod
    def found(cls, table: Table, document: Document) -> Row:
        """A document that is part of a selection."""
        return cls(table, sort_key(document[table.primary_key]), document, by_key=False)


@dataclass(frozen=True)
class Grouped(Opaque):
    """Groups of a sequence, or what became of each, in the order of their keys."""

    groups: list[tuple[Datum, Value]]
    kind = "GROUPED_DATA"

    def each(self, function: Callable[[Value], Value]) -> Grouped:
        return Grouped([(key, function(value)) for key, value in self.groups])


def is_datum(value: Value) -> bool:
    """Whether it is plain data."""
    return type(value) in DATUM_TYPES


def unexpected(expected: str, value: Value) -> QueryLogicError:
    """The error for a value that cannot be used as what was expected."""
    kind = value.kind if isinstance(value, Opaque) else "DATUM"
    shown = str(value) if isinstance(value, Opaque) else printed(value)
    return QueryLogicError(f"Expected type {expected} but found {kind}:\n{shown}")


def to_datum(value: Value) -> Datum:
    """The value as data; a document of a selection counts, a table or a stream does not."""
    if type(value) in DATUM_TYPES:
        return value
    if type(value) is Row:
        return value.document
    raise unexpected("DATUM", value)


def to_stream(value: Value) -> Stream:
    """The value as a sequence; raises `QueryLogicError` if it is none."""
    if type(value) is list:
        return Stream(value, is_array=True)
    if type(value) is Stream:
        return value
    if type(value) is TableSlice:
        return value.stream()
    if type(value) is Row:
        value = value.document
        if type(value) is list:
            return Stream(value, is_array=True)
    if type(value) in DATUM_TYPES:
        raise wrong_type(f"Cannot convert {type_name(value)} to SEQUENCE", value)
    raise unexpected("SEQUENCE", value)


def to_finite(value: Value) -> Stream:
    """The value as a sequence that has an end; raises `QueryLogicError` if it has none."""
    stream = to_stream(value)
    if stream.endless:
        raise QueryLogicError(
            "Cannot use an infinite stream with an aggregation function (`reduce`, `count`, etc.) "
            "or coerce it to an array."
        )
    return stream


def to_table(value: Value) -> Table:
    """The value as a table; raises `QueryLogicError` for a part of one, too."""
    if type(value) is TableSlice and value.index is None:
        return value.table
    raise unexpected("TABLE", value)


def to_slice(value: Value) -> TableSlice:
    """The value as a table or a range of one; raises `QueryLogicError` if it is neither."""
    if type(value) is TableSlice:
        return value
    raise unexpected("TABLE_SLICE", value)


def to_array(items: Iterable[Datum], limit: int) -> list[Datum]:
    """The elements as an array; raises `ResourceLimitError` if there are more than `limit`."""
    array = []
    for item in items:
        array.append(item)
        if len(array) > limit:
            raise ResourceLimitError(f"Array over size limit `{limit}`.")
    return array
