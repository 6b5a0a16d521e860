"""Databases, tables and indexes in memory.

Every change of a catalog is also told as an event (a JSON array) to `Catalog.record`; `replay`
does what such events say, so that a list of events is all it takes to have the data again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from .errors import OpFailedError, ReqlError, TimeLimitError
from .keys import (
    EVERYTHING,
    KeyOrder,
    Range,
    check_secondary_key,
    hash_shard,
)
from .meters import Meter
from .values import Datum, SortKey, sort_key

Document = dict[str, Datum]
Event = list[Any]
IndexFunction = Callable[[Document], Datum]
SYSTEM_DATABASE: Final = "rethinkdb"


class Listener(Protocol):
    """Told of every change of a table: a changefeed."""

    def changed(self, key: SortKey, old: Document | None, new: Document | None) -> None: ...

    def table_gone(self) -> None: ...


class Index:
    """A secondary index: for each of its values the primary keys of the documents that have it."""

    def __init__(self, name: str, term: Any, function: IndexFunction, multi: bool) -> None:
        self.name = name
        self.term = term
        self.multi = multi
        self._function = function
        self._entries: dict[SortKey, dict[SortKey, int]] = {}
        self._order = KeyOrder(lambda: self._entries)

    def values(self, document: Document) -> list[Datum]:
        """What the document is indexed under; nothing if the function fails on it.

        Raises `TimeLimitError`.
        """
        try:
            value = self._function(document)
        except TimeLimitError:
            raise
        except ReqlError:
            return []
        found = []
        for key in value if self.multi and type(value) is list else [value]:
            try:
                check_secondary_key(key)
            except ReqlError:
                continue
            found.append(key)
        return found

    def keys(self, document: Document) -> list[SortKey]:
        """The keys of the document's values."""
        return [sort_key(value) for value in self.values(document)]

    def add(self, primary: SortKey, keys: Iterable[SortKey]) -> None:
        for key in keys:
            documents = self._entries.get(key)
            if documents is None:
                documents = self._entries[key] = {}
                self._order.add(key)
            documents[primary] = documents.get(primary, 0) + 1

    def remove(self, primary: SortKey, keys: Iterable[SortKey]) -> None:
        for key in set(keys):
            documents = self._entries[key]
            del documents[primary]
            if not documents:
                del self._entries[key]
                self._order.remove(key)

    def equal_to(self, value: Datum) -> Iterator[SortKey]:
        documents = self._entries.get(sort_key(value), {})
        for primary in sorted(documents):
            yield from [primary] * documents[primary]

    def within(self, bounds: Range) -> Iterator[tuple[SortKey, SortKey]]:
        """The (value, primary key) pairs in a range, in order."""
        for key in tuple(self._order.within(bounds)):
            documents = self._entries[key]
            for primary in sorted(documents):
                yield from [(key, primary)] * documents[primary]


class Table:
    """The documents of one table by primary key, with its indexes and who listens to it."""

    def __init__(
        self,
        database: Database,
        name: str,
        primary_key: str = "id",
        *,
        id: str | None = None,
        durability: str = "hard",
        record: Callable[[Event], None] | None = None,
        writable: bool = True,
    ) -> None:
        self.database = database
        self.name = name
        self.primary_key = primary_key
        self.id = id or str(uuid.uuid4())
        self.durability = durability
        self.writable = writable
        self.indexes: dict[str, Index] = {}
        self.documents: dict[SortKey, Document] = {}
        self.listeners: dict[Listener, None] = {}
        self.read = Meter()
        self.written = Meter()
        self._record = record
        self._primary = KeyOrder(lambda: self.documents)
        self._natural = KeyOrder(lambda: ((hash_shard(k), k) for k in self.documents))

    def __str__(self) -> str:
        return f"{self.database.name}.{self.name}"

    def get(self, key: SortKey) -> Document | None:
        self.read.add()
        return self.documents.get(key)

    def put(self, key: SortKey, document: Document) -> None:
        """Store a document, new or instead of the one with the same primary key."""
        old = self.documents.get(key)
        # Indexes can fail: all of them are asked before anything is changed.
        left = [] if old is None else self._index_keys(old)
        entered = self._index_keys(document)
        for index, keys in left:
            index.remove(key, keys)
        self.documents[key] = document
        if old is None:
            self._primary.add(key)
            self._natural.add((hash_shard(key), key))
        for index, keys in entered:
            index.add(key, keys)
        self._changed(["put", self.id, document], key, old, document)

    def remove(self, key: SortKey) -> None:
        old = self.documents[key]
        left = self._index_keys(old)
        del self.documents[key]
        self._primary.remove(key)
        self._natural.remove((hash_shard(key), key))
        for index, keys in left:
            index.remove(key, keys)
        self._changed(["remove", self.id, old[self.primary_key]], key, old, None)

    def _index_keys(self, document: Document) -> list[tuple[Index, list[SortKey]]]:
        return [(index, index.keys(document)) for index in self.indexes.values()]

    def _changed(
        self, event: Event, key: SortKey, old: Document | None, new: Document | None
    ) -> None:
        self.written.add()
        if self._record is not None:
            self._record(event)
        for listener in tuple(self.listeners):
            listener.changed(key, old, new)

    def scan(self) -> list[Document]:
        """All documents, in the order in which RethinkDB walks a table without an index."""
        self.read.add(len(self.documents))
        documents = self.documents
        return [documents[key] for _, key in self._natural.all()]

    def index(self, name: str) -> Index:
        try:
            return self.indexes[name]
        except KeyError:
            message = f"Index `{name}` was not found on table `{self}`."
            raise OpFailedError(message) from None

    def within(self, index: str, bounds: Range = EVERYTHING) -> list[tuple[SortKey, Document]]:
        """The documents in a range of an index, in its order, each with its value there."""
        documents = self.documents
        if index == self.primary_key:
            found = [(key, documents[key]) for key in self._primary.within(bounds)]
        else:
            found = [(key, documents[pk]) for key, pk in self.index(index).within(bounds)]
        self.read.add(len(found))
        return found

    def equal_to(self, index: str, values: Sequence[Datum]) -> list[Document]:
        """The documents that an index has under any of the values, once for each of them."""
        documents = self.documents
        if index == self.primary_key:
            keys = [key for key in map(sort_key, values) if key in documents]
        else:
            entries = self.index(index)
            keys = [key for value in values for key in entries.equal_to(value)]
        self.read.add(len(keys))
        return [documents[key] for key in keys]

    def add_index(self, index: Index) -> None:
        for key, document in self.documents.items():
            index.add(key, index.keys(document))
        self.indexes[index.name] = index


@dataclass(eq=False)
class Database:
    """A named set of tables."""

    name: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    tables: dict[str, Table] = field(default_factory=dict)

    def table(self, name: str) -> Table:
        try:
            return self.tables[name]
        except KeyError:
            raise OpFailedError(f"Table `{self.name}.{name}` does not exist.") from None


class Catalog:
    """All databases."""

    def __init__(self, compile_index: Callable[[Any], IndexFunction]) -> None:
        self.databases: dict[str, Database] = {}
        self.record: Callable[[Event], None] = lambda event: None
        self._compile_index = compile_index

    def database(self, name: str) -> Database:
        try:
            return self.databases[name]
        except KeyError:
            raise OpFailedError(f"Database `{name}` does not exist.") from None

    def tables(self) -> Iterator[Table]:
        for database in self.databases.values():
            yield from database.tables.values()

    def create_database(self, name: str, id: str | None = None) -> Database:
        if name in self.databases or name == SYSTEM_DATABASE:
            raise OpFailedError(f"Database `{name}` already exists.")
        database = Database(name) if id is None else Database(name, id)
        self.databases[name] = database
        self.record(["create_database", name, database.id])
        return database

    def drop_database(self, name: str) -> Database:
        database = self.database(name)
        for table in tuple(database.tables):
            self.drop_table(database, table)
        del self.databases[name]
        self.record(["drop_database", name])
        return database

    def create_table(
        self,
        database: Database,
        name: str,
        primary_key: str = "id",
        durability: str = "hard",
        id: str | None = None,
    ) -> Table:
        if name in database.tables:
            raise OpFailedError(f"Table `{database.name}.{name}` already exists.")

        # Looked up at each change: the server sets it when the journal has been replayed.
        def record(event: Event) -> None:
            self.record(event)

        table = Table(database, name, primary_key, id=id, durability=durability, record=record)
        database.tables[name] = table
        self.record(["create_table", database.name, name, primary_key, durability, table.id])
        return table

    def drop_table(self, database: Database, name: str) -> Table:
        table = database.table(name)
        del database.tables[name]
        for listener in tuple(table.listeners):
            listener.table_gone()
        self.record(["drop_table", database.name, name])
        return table

    def create_index(self, table: Table, name: str, term: Any, multi: bool) -> None:
        """Index a table by the function of a document that `term` is on the wire."""
        table.add_index(Index(name, term, self._compile_index(term), multi))
        self.record(["create_index", table.id, name, term, multi])

    def drop_index(self, table: Table, name: str) -> None:
        del table.indexes[name]
        self.record(["drop_index", table.id, name])

    def events(self) -> Iterator[Event]:
        """What has to happen to an empty catalog to become this one."""
        for database in self.databases.values():
            yield ["create_database", database.name, database.id]
            for table in database.tables.values():
                key, durability = table.primary_key, table.durability
                yield ["create_table", database.name, table.name, key, durability, table.id]
                for index in table.indexes.values():
                    yield ["create_index", table.id, index.name, index.term, index.multi]
                for document in table.documents.values():
                    yield ["put", table.id, document]

    def replay(self, events: Iterator[Event]) -> None:
        """Do what the events say, in order."""
        tables: dict[str, Table] = {}
        for kind, *rest in events:
            match kind:
                case "put":
                    table = tables[rest[0]]
                    table.put(sort_key(rest[1][table.primary_key]), rest[1])
                case "remove":
                    tables[rest[0]].remove(sort_key(rest[1]))
                case "create_database":
                    self.create_database(*rest)
                case "drop_database":
                    self.drop_database(*rest)
                case "create_table":
                    table = self.create_table(self.database(rest[0]), *rest[1:])
                    tables[table.id] = table
                case "drop_table":
                    self.drop_table(self.database(rest[0]), rest[1])
                case "create_index":
                    self.create_index(tables[rest[0]], *rest[1:])
                case "drop_index":
                    self.drop_index(tables[rest[0]], rest[1])
                case _:
                    raise ValueError(f"unknown event {kind!r}")
