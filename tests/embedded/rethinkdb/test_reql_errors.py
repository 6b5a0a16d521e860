"""In which words queries fail, and with which of the driver's errors."""

from __future__ import annotations

from typing import Any

import pytest
from rethinkdb import r
from rethinkdb.errors import ReqlError

from .conftest import orders, people

ERRORS: list[tuple[Any, str, str]] = [
    (r.expr(1)["a"], "ReqlQueryLogicError",
     "Cannot perform bracket on a non-object non-sequence `1`"),
    (r.expr(None)["a"], "ReqlNonExistenceError",
     "Cannot perform bracket on a non-object non-sequence `null`"),
    (people.get(9)["name"], "ReqlNonExistenceError",
     "Cannot perform bracket on a non-object non-sequence `null`"),
    (r.expr(None) + 1, "ReqlNonExistenceError", "Expected type NUMBER but found NULL"),
    (r.expr([1]).append(2) + "x", "ReqlQueryLogicError", "Expected type ARRAY but found STRING"),
    (r.expr({}) + 1, "ReqlQueryLogicError", "Expected type NUMBER but found OBJECT"),
    (r.expr(1).upcase(), "ReqlQueryLogicError", "Expected type STRING but found NUMBER"),
    *[
        (r.expr("x").match(pattern), "ReqlQueryLogicError",
         f"Error in regexp `{pattern}` (portion `{portion}`): {problem}: {portion}")
        for pattern, portion, problem in [
            ("a(?=b)", "(?=", "invalid perl operator"),
            (r"(a)\1", r"\1", "invalid escape sequence"),
            ("a++", "++", "bad repetition operator"),
            ("(", "(", "missing )"),
        ]
    ],
    (r.expr([1, 2]).nth(5), "ReqlNonExistenceError", "Index out of bounds: 5"),
    (r.expr([1, 2])[-3], "ReqlNonExistenceError", "Index out of bounds: -3"),
    (r.expr([]).avg(), "ReqlNonExistenceError", "Cannot take the average of an empty stream.  (If "
     "you passed `avg` a field name, it may be that no elements of the stream had that field.)"),
    (r.expr([]).reduce(lambda a, b: a), "ReqlNonExistenceError",
     "Cannot reduce over an empty stream"),
    (r.expr([1, "a"]).sum(), "ReqlQueryLogicError", "Expected type NUMBER but found STRING"),
    (r.expr([1]).pluck("a"), "ReqlQueryLogicError",
     "Cannot perform pluck on a non-object non-sequence `1`"),
    (r.expr(1) % 0, "ReqlQueryLogicError", "Cannot take a number modulo 0"),
    (r.expr(1.5) % 2, "ReqlQueryLogicError", "Number not an integer: 1.5"),
    (r.expr(2).coerce_to("array"), "ReqlQueryLogicError", "Cannot coerce NUMBER to ARRAY"),
    (r.expr("x").coerce_to("number"), "ReqlQueryLogicError", "Could not coerce `x` to NUMBER"),
    (r.expr("٣").coerce_to("number"), "ReqlQueryLogicError", "Could not coerce `٣` to NUMBER"),
    (r.expr(1).coerce_to("wall"), "ReqlQueryLogicError", "Unknown Type: WALL"),
    (r.json("{"), "ReqlQueryLogicError", 'Failed to parse "{" as JSON: Invalid value'),
    (r.object("a"), "ReqlQueryLogicError",
     "OBJECT expects an even number of arguments (but found 1)"),
    (r.branch(True, 1, False, 2), "ReqlQueryLogicError",
     "Cannot call `branch` term with an even number of arguments"),
    (r.expr(1).for_each(lambda x: x), "ReqlQueryLogicError", "Cannot convert NUMBER to SEQUENCE"),
    (r.expr([1]).for_each(lambda x: x), "ReqlQueryLogicError",
     "FOR_EACH expects one or more basic write queries"),
    (r.expr([1]).update({"a": 1}), "ReqlQueryLogicError",
     "Expected type SELECTION but found DATUM:\n[\n\t1\n]"),
    (people.filter({"id": 1}) + 1, "ReqlQueryLogicError",
     "Expected type DATUM but found SELECTION:\nSELECTION ON table(people)"),
    (people.between(1, 2) + 1, "ReqlQueryLogicError",
     "Expected type DATUM but found TABLE_SLICE:\nSELECTION ON table(people)"),
    (r.range(3) + 1, "ReqlQueryLogicError",
     "Expected type DATUM but found SEQUENCE:\nVALUE SEQUENCE"),
    (r.expr({"p": people}), "ReqlQueryLogicError",
     'Expected type DATUM but found TABLE:\ntable("people")'),
    (people.get_all(None), "ReqlNonExistenceError", "Keys cannot be NULL"),
    (people.between(None, 1), "ReqlQueryLogicError",
     "Cannot use `null` in BETWEEN, use `r.minval` or `r.maxval` to denote unboundedness"),
    (people.order_by(), "ReqlQueryLogicError", "Must specify something to order by"),
    (people.filter({"id": 1}).order_by(index="id"), "ReqlQueryLogicError",
     "Indexed order_by can only be performed on a TABLE or TABLE_SLICE. Make sure order_by comes "
     "before any transformations (such as map) or filters"),
    (people.limit(-1), "ReqlQueryLogicError", "LIMIT takes a non-negative argument (got -1)"),
    (people.map(lambda a, b: a), "ReqlQueryLogicError",
     "The function passed to `map` expects 2 arguments, but 1 sequence was found"),
    (people.get(1).update({"n": orders.count()}), "ReqlQueryLogicError",
     "Could not prove argument deterministic.  Maybe you want to use the non_atomic flag?"),
    (people.get(1).update(lambda p: {"n": r.random()}), "ReqlQueryLogicError",
     "Could not prove argument deterministic.  Maybe you want to use the non_atomic flag?"),
    (people.insert({"id": 7}, conflict="ignore"), "ReqlQueryLogicError",
     'Conflict option `ignore` unrecognized (options are "error", "replace" and "update")'),
    (people.insert({"id": 7}, durability="soft-ish"), "ReqlQueryLogicError",
     'Durability option `soft-ish` unrecognized (options are "hard" and "soft")'),
    (people.insert({"id": 7}, return_changes="some"), "ReqlQueryLogicError",
     "Invalid return_changes value `some` (options are `true`, `false`, and `'always'`.)"),
    (r.literal(1), "ReqlQueryLogicError", "Stray literal keyword found: literal is only legal "
     "inside of the object passed to merge or update and cannot nest inside other literals"),
    (r.epoch_time(0) + "x", "ReqlQueryLogicError", "Expected type NUMBER but found STRING"),
    (r.iso8601("x"), "ReqlQueryLogicError",
     "Invalid date string `x` (got `x` but expected a digit)"),
    (r.iso8601("2013-01-01T00:00:00"), "ReqlQueryLogicError",
     "ISO 8601 string has no time zone, and no default time zone was provided"),
    (r.now().in_timezone("noon"), "ReqlQueryLogicError",
     "Timezone `noon` does not start with `-` or `+`"),
    (r.table("x y"), "ReqlQueryLogicError",
     "Table name `x y` invalid (Use A-Z, a-z, 0-9, _ and - only)"),
    (r.db("nope").table("t"), "ReqlOpFailedError", "Database `nope` does not exist"),
    (people.index_drop("nope"), "ReqlOpFailedError",
     "Index `nope` does not exist on table `test.people`"),
    (people.index_wait("nope"), "ReqlOpFailedError",
     "Index `nope` was not found on table `test.people`"),
    (people.index_create("id"), "ReqlQueryLogicError",
     "Index name conflict: `id` is the name of the primary key"),
    (people.index_create("r", lambda p: r.random()), "ReqlQueryLogicError",
     "Could not prove function deterministic.  Index functions must be deterministic"),
    (people.index_create("g", geo=True), "ReqlQueryLogicError",
     "Geospatial indexes are not supported by this server"),
    (r.http("http://localhost"), "ReqlServerCompileError",
     "Term `HTTP` is not supported by this server"),
    (r.js("1"), "ReqlServerCompileError", "Term `JAVASCRIPT` is not supported by this server"),
    (r.point(1, 2), "ReqlServerCompileError", "Term `POINT` is not supported by this server"),
    (people.get(1, 2), "ReqlServerCompileError", "Expected 2 arguments but found 3"),
    (people.get(), "ReqlServerCompileError", "Expected 2 arguments but found 1"),
    (people.insert({}, wait=True), "ReqlServerCompileError",
     "Unrecognized optional argument `wait`"),
    (r.row["a"], "ReqlServerCompileError", "r.row is not defined in this context"),
    (r.expr([[1]]).map(r.row.map(r.row + 1)), "ReqlServerCompileError",
     "Cannot use r.row in nested queries.  Use functions instead"),
    (r.db("rethinkdb").table("stats").delete(), "ReqlPermissionError",
     "Writing to the system table `rethinkdb.stats` is not supported by this server"),
    (r.db("rethinkdb").table("nope"), "ReqlOpFailedError",
     "Table `rethinkdb.nope` does not exist"),
    (r.range().count(), "ReqlQueryLogicError", "Cannot use an infinite stream with an aggregation "
     "function (`reduce`, `count`, etc.) or coerce it to an array"),
    (r.range().map(r.row + 1).coerce_to("array"), "ReqlQueryLogicError",
     "Cannot use an infinite stream with an aggregation function (`reduce`, `count`, etc.) or "
     "coerce it to an array"),
    (r.expr(1e308) * 10, "ReqlQueryLogicError", "Non-finite number: inf"),
]  # fmt: skip


async def test_errors(data: Any) -> None:
    for query, kind, message in ERRORS:
        with pytest.raises(ReqlError) as raised:
            await query.run(data)
        found = str(raised.value).partition(" in:\n")[0]
        assert (str(query), type(raised.value).__name__, found) == (str(query), kind, message)
