"""Documents inserted, updated, replaced, deleted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

from service.embedded.rethinkdb.compiler import Query
from service.embedded.rethinkdb.errors import PermissionDeniedError, QueryLogicError, ReqlError
from service.embedded.rethinkdb.functions import Function
from service.embedded.rethinkdb.keys import check_primary_key
from service.embedded.rethinkdb.registry import term
from service.embedded.rethinkdb.sequences import (
    Row,
    Stream,
    TableSlice,
    Value,
    to_datum,
    to_stream,
    to_table,
    unexpected,
)
from service.embedded.rethinkdb.storage import Table
from service.embedded.rethinkdb.values import (
    Datum,
    SortKey,
    equal,
    expect,
    expect_object,
    printed,
    sort_key,
    truthy,
    type_name,
)

from .documents import merge_datums, without_literals

Change = Callable[[Datum], Datum]
"""Makes the document that is there, or None, into the one that is to be there, or None."""

_NOT_DETERMINISTIC: Final = (
    "Could not prove argument deterministic.  Maybe you want to use the non_atomic flag?"
)


class Summary:
    """What a write answers: how many documents met which fate, and the changes if wanted."""

    def __init__(self, return_changes: Value) -> None:
        wanted = to_datum(return_changes)
        if type(wanted) is str and wanted != "always":
            raise QueryLogicError(
                f"Invalid return_changes value `{wanted}` "
                "(options are `true`, `false`, and `'always'`.)"
            )
        self._always = wanted == "always"
        self._changes: list[dict[str, Datum]] | None = [] if truthy(wanted) else None
        self._counts = dict.fromkeys(
            ("deleted", "errors", "inserted", "replaced", "skipped", "unchanged"), 0
        )
        self._first_error: str | None = None

    def count(self, fate: str, old: Datum, new: Datum) -> None:
        """A document met its fate: one of the names in the answer."""
        self._counts[fate] += 1
        changed = fate in ("deleted", "inserted", "replaced")
        if self._changes is not None and (changed or self._always):
            self._changes.append({"old_val": old, "new_val": new})

    def fail(self, message: str, old: Datum) -> None:
        """The write of a document failed; it stays as it was."""
        self._counts["errors"] += 1
        if self._first_error is None:
            self._first_error = message
        if self._changes is not None and self._always:
            self._changes.append({"old_val": old, "new_val": old, "error": message})

    def datum(self) -> dict[str, Datum]:
        """The answer."""
        made: dict[str, Datum] = dict(self._counts)
        if self._first_error is not None:
            made["first_error"] = self._first_error
        if self._changes is not None:
            made["changes"] = self._changes
        return made


def check_durability(durability: Value) -> None:
    """Raises `QueryLogicError` for what is neither `hard` nor `soft`."""
    value = to_datum(durability)
    if value is not None and expect("STRING", value) not in ("hard", "soft"):
        raise QueryLogicError(
            f'Durability option `{value}` unrecognized (options are "hard" and "soft").'
        )


def _check_writable(table: Table) -> None:
    if not table.writable:
        raise PermissionDeniedError(
            f"Writing to the system table `{table}` is not supported by this server."
        )


@term("INSERT")
def insert(
    query: Query,
    target: Value,
    documents: Value,
    *,
    conflict: Value = "error",
    durability: Value = None,
    return_changes: Value = False,
) -> Datum:
    table = to_table(target)
    _check_writable(table)
    check_durability(durability)
    resolve = _conflict(table, conflict)
    summary, generated = Summary(return_changes), []
    if type(documents) in (Row, dict):
        documents = [to_datum(documents)]
    for document in query.array(to_stream(documents)):
        if type(document) is dict and table.primary_key not in document:
            generated.append(str(uuid.uuid4()))
            document = {table.primary_key: generated[-1], **document}
        _insert(table, document, resolve, summary)
    made = summary.datum()
    return {**made, "generated_keys": generated} if generated else made


def _insert(
    table: Table,
    document: Datum,
    resolve: Callable[[Datum, Datum, Datum], Datum],
    summary: Summary,
) -> None:
    try:
        value = expect_object(without_literals(document))[table.primary_key]
        check_primary_key(value)
    except ReqlError as error:
        summary.fail(error.message, None)
        return
    write(
        table,
        sort_key(value),
        lambda old: document if old is None else resolve(value, old, document),
        summary,
    )


def _conflict(table: Table, conflict: Value) -> Callable[[Datum, Datum, Datum], Datum]:
    """What becomes of a key, the document that has it, and the one to be inserted with it."""
    if isinstance(conflict, Function):
        if not conflict.deterministic:
            raise QueryLogicError("The conflict function passed to `insert` must be deterministic.")
        if len(conflict.parameters) not in (0, 3):
            raise QueryLogicError(
                "The conflict function passed to `insert` should expect 3 arguments."
            )
        return conflict.datum
    wanted = expect("STRING", to_datum(conflict))
    if wanted == "replace":
        return lambda key, old, new: new
    if wanted == "update":
        return lambda key, old, new: merge_datums(old, new)
    if wanted == "error":

        def refuse(key: Datum, old: Datum, new: Datum) -> Datum:
            raise QueryLogicError(
                f"Duplicate primary key `{table.primary_key}`:\n{printed(old)}\n{printed(new)}"
            )

        return refuse
    raise QueryLogicError(
        f'Conflict option `{wanted}` unrecognized (options are "error", "replace" and "update").'
    )


@term("UPDATE", literals=True)
def update(
    query: Query,
    target: Value,
    change: Value,
    *,
    non_atomic: Value = False,
    durability: Value = None,
    return_changes: Value = False,
    deterministic: bool = True,
) -> Datum:
    def updated(old: Datum) -> Datum:
        if old is None:
            return None
        new = change.datum(old) if isinstance(change, Function) else to_datum(change)
        return old if new is None else merge_datums(old, new)

    _check_atomic(deterministic, non_atomic)
    return _write_all(target, updated, durability, return_changes)


@term("REPLACE")
def replace(
    query: Query,
    target: Value,
    change: Value,
    *,
    non_atomic: Value = False,
    durability: Value = None,
    return_changes: Value = False,
    deterministic: bool = True,
) -> Datum:
    _check_atomic(deterministic, non_atomic)
    if isinstance(change, Function):
        return _write_all(target, change.datum, durability, return_changes)
    new = to_datum(change)
    return _write_all(target, lambda old: new, durability, return_changes)


def _check_atomic(deterministic: bool, non_atomic: Value) -> None:
    if not deterministic and not truthy(to_datum(non_atomic)):
        raise QueryLogicError(_NOT_DETERMINISTIC)


@term("DELETE")
def delete(
    query: Query, target: Value, *, durability: Value = None, return_changes: Value = False
) -> Datum:
    return _write_all(target, lambda old: None, durability, return_changes)


def _write_all(target: Value, change: Change, durability: Value, return_changes: Value) -> Datum:
    check_durability(durability)
    summary = Summary(return_changes)
    if isinstance(target, Row):
        _check_writable(target.table)
        write(target.table, target.key, change, summary)
        return summary.datum()
    table, documents = _selected(target)
    _check_writable(table)
    for document in documents:
        key = sort_key(document[table.primary_key])
        if key in table.documents:
            write(table, key, change, summary)
    return summary.datum()


def _selected(target: Value) -> tuple[Table, Iterable[Any]]:
    if isinstance(target, TableSlice):
        return target.table, target.documents()
    if isinstance(target, Stream) and target.table is not None:
        return target.table, list(target)
    raise unexpected("SELECTION", target)


def write(table: Table, key: SortKey, change: Change, summary: Summary) -> None:
    """Change one document; what fails on it is counted, not raised."""
    old = table.get(key)
    try:
        new = without_literals(change(old))
        if new is not None:
            _check_replacement(table, key, old, new)
    except ReqlError as error:
        summary.fail(error.message, old)
        return
    if new is None:
        if old is None:
            summary.count("skipped", None, None)
        else:
            table.remove(key)
            summary.count("deleted", old, None)
    elif old is not None and equal(old, new):
        summary.count("unchanged", old, old)
    else:
        table.put(key, new)
        summary.count("inserted" if old is None else "replaced", old, new)


def _check_replacement(table: Table, key: SortKey, old: Datum, new: Datum) -> None:
    if type(new) is not dict:
        raise QueryLogicError(
            f"Inserted value must be an OBJECT (got {type_name(new)}):\n{printed(new)}"
        )
    name = table.primary_key
    if name not in new:
        raise QueryLogicError(f"Inserted object must have primary key `{name}`:\n{printed(new)}")
    if sort_key(new[name]) != key:
        raise QueryLogicError(
            f"Primary key `{name}` cannot be changed (`{printed(old)}` -> `{printed(new)}`)."
        )
