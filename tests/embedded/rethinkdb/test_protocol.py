"""Tokens, batches, cursors, and clients that do not behave."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rethinkdb import r
from rethinkdb.errors import (
    ReqlCursorEmpty,
    ReqlOpFailedError,
    ReqlQueryLogicError,
    ReqlResourceLimitError,
    ReqlRuntimeError,
    ReqlServerCompileError,
)

from service.embedded.rethinkdb import StandIn

from .conftest import Connect, rows

START, CONTINUE, STOP, NOREPLY_WAIT, SERVER_INFO = range(1, 6)


class Wire:
    """The driver's own logged-in socket, with frames written and read by hand."""

    def __init__(self, connection: Any) -> None:
        instance = connection._instance
        self._writer = instance._streamwriter
        self._reader = instance._streamreader
        instance._reader_task.cancel()

    def send(self, token: int, payload: Any) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._writer.write(struct.pack("<QL", token, len(data)) + data)

    async def receive(self) -> tuple[int, dict[str, Any]]:
        header = await asyncio.wait_for(self._reader.readexactly(12), 5)
        token, size = struct.unpack("<QL", header)
        return token, json.loads(await self._reader.readexactly(size))

    async def ask(self, token: int, payload: Any) -> dict[str, Any]:
        self.send(token, payload)
        answered, answer = await self.receive()
        assert answered == token
        return answer


@pytest.fixture
async def wire(connect: Connect) -> AsyncIterator[Wire]:
    connection = await connect()
    wire = Wire(connection)
    await asyncio.sleep(0)
    yield wire
    connection._instance._reader_task = None


async def read_on(cursor: Any) -> None:
    while True:
        await cursor.next()


def table(name: str) -> list[Any]:
    return [15, [name]]


async def test_queries_of_one_connection_are_answered_as_they_finish(
    wire: Wire, games: Any, connection: Any
) -> None:
    wire.send(1, [START, [152, [table("games")]]])
    assert (await wire.receive())[1]["n"] == [1]
    wire.send(1, [CONTINUE])
    wire.send(2**62, [START, [24, [1, 2]]])
    assert await wire.receive() == (2**62, {"t": 1, "r": [3]})
    await games.insert({"id": "new"}).run(connection)
    token, change = await wire.receive()
    assert (token, change["t"]) == (1, 3)
    assert change["r"] == [{"old_val": None, "new_val": {"id": "new"}}]


async def test_stop_is_answered_once_and_so_is_the_request_it_interrupts(
    wire: Wire, games: Any
) -> None:
    await wire.ask(1, [START, [152, [table("games")]]])
    wire.send(1, [CONTINUE])
    wire.send(1, [STOP])
    wire.send(2, [START, 5])
    answers = [await wire.receive() for _ in range(3)]
    end = {"t": 2, "r": []}
    assert answers == [(1, end), (1, end), (2, {"t": 1, "r": [5]})]
    assert (await wire.ask(1, [STOP]))["t"] == 2
    assert "not in stream cache" in (await wire.ask(1, [CONTINUE]))["r"][0]


async def test_a_token_in_use_is_refused(wire: Wire, games: Any) -> None:
    await wire.ask(1, [START, [152, [table("games")]]])
    answer = await wire.ask(1, [START, 1])
    assert answer == {"t": 16, "r": ["ERROR: duplicate token 1"], "b": []}


@pytest.mark.parametrize(
    "payload", [b"", b"garbage", b"{}", b"[]", b"7", b"\xff", b"[9]", b'["x"]', b'[1,"\\ud800"]']
)
async def test_what_is_no_query_is_a_client_error(wire: Wire, payload: bytes) -> None:
    assert (await wire.ask(3, payload))["t"] == 16
    assert (await wire.ask(4, [START, 1]))["r"] == [1]


@pytest.mark.parametrize(
    ("term", "named"),
    [
        ([], "Expected a term"),
        ([15], "Expected between 1 and 2 arguments but found 0"),
        ([15, "x"], "Expected a term"),
        ([153, ["http://x"]], "HTTP"),
        ([11, ["1"]], "JAVASCRIPT"),
        ([99999, []], "99999"),
        ([15, ["t"], {"speed": 1}], "Unrecognized optional argument `speed`"),
        ([10, [5]], "Variable name not found"),
        ([13], "r.row is not defined"),
        ([69, [[2, ["x"]], 1]], "FUNC"),
        ({"$reql_type$": "NONSENSE"}, "NONSENSE"),
    ],
)
async def test_what_cannot_be_compiled_is_an_error_that_names_it(
    wire: Wire, term: Any, named: str
) -> None:
    answer = await wire.ask(1, [START, term])
    assert answer["t"] == 17
    assert named in answer["r"][0]


async def test_a_deeply_nested_query_is_an_error(wire: Wire) -> None:
    sums = b"[24,[" * 3000 + b"1" + b",1]]" * 3000
    assert (await wire.ask(1, b"[1," + sums + b"]"))["t"] in (16, 17, 18)
    assert (await wire.ask(2, b"[" * 100_000))["t"] == 16
    assert (await wire.ask(3, [START, 1]))["r"] == [1]


async def test_a_frame_too_large_ends_the_connection(wire: Wire) -> None:
    wire._writer.write(struct.pack("<QL", 1, 2**31))
    assert "greater than maximum" in (await wire.receive())[1]["r"][0]
    with pytest.raises(asyncio.IncompleteReadError):
        await wire.receive()


async def test_a_client_that_vanishes_amid_a_query_harms_nobody(
    server: StandIn, connect: Connect, connection: Any
) -> None:
    other = await connect()
    other._instance._streamwriter.write(struct.pack("<QL", 1, 100) + b"[1,")
    other._instance._streamwriter.transport.abort()
    assert await r.expr(1).run(connection) == 1


async def test_an_error_in_the_server_is_told_and_survived(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.embedded.rethinkdb import connection as module

    def broken(*arguments: Any) -> Any:
        raise ZeroDivisionError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(module, "to_datum", broken)
        with pytest.raises(Exception, match="ZeroDivisionError"):
            await r.expr(1).run(connection)
    assert await r.expr(1).run(connection) == 1


async def test_errors_underline_the_term_that_failed(connection: Any) -> None:
    with pytest.raises(ReqlQueryLogicError) as raised:
        await r.expr([1, 2]).map(lambda x: x + "a").run(connection)
    query, underline = str(raised.value).splitlines()[-2:]
    assert query[underline.index("^") :].rstrip(")").endswith("+ r.expr('a'")


async def test_a_long_result_comes_in_batches_the_first_one_smaller(connection: Any) -> None:
    cursor = await r.range(100).run(connection, max_batch_rows=20)
    assert len(cursor.items) == 5
    assert [value async for value in cursor] == list(range(100))


async def test_an_endless_result_can_be_closed(connection: Any) -> None:
    cursor = await r.range().run(connection)
    assert await cursor.next() == 0
    await cursor.close()
    assert await r.expr("still here").run(connection) == "still here"


async def test_a_result_shows_what_was_there_when_it_was_asked_for(
    games: Any, connection: Any
) -> None:
    cursor = await games.run(connection, max_batch_rows=1)
    await games.delete().run(connection)
    assert len([row async for row in cursor]) == 3


async def test_an_error_in_a_later_batch_ends_the_cursor(connection: Any) -> None:
    cursor = await r.range(10).map(10 / (5 - r.row)).run(connection, max_batch_rows=4)
    assert await cursor.next() == 2
    with pytest.raises(ReqlQueryLogicError, match="Cannot divide by zero"):
        await read_on(cursor)


async def test_a_finished_cursor_is_empty(connection: Any) -> None:
    cursor = await r.range(1).run(connection)
    assert await cursor.next() == 0
    with pytest.raises(ReqlCursorEmpty):
        await cursor.next()


async def test_noreply_is_not_answered_and_can_be_waited_for(connection: Any) -> None:
    await r.table_create("t").run(connection)
    for number in range(50):
        assert await r.table("t").insert({"id": number}).run(connection, noreply=True) is None
    await r.error("lost").run(connection, noreply=True)
    await connection.noreply_wait()
    assert await r.table("t").count().run(connection) == 50


async def test_who_the_server_is(server: StandIn, connection: Any) -> None:
    about = await connection.server()
    assert about == {"id": server.system.id, "name": server.system.name, "proxy": False}


async def test_the_database_of_a_query(connect: Connect, connection: Any) -> None:
    await r.db_create("other").run(connection)
    await r.table_create("here").run(connection)
    other = await connect(db="other")
    assert await r.table_list().run(other) == []
    assert await r.table_list().run(other, db="test") == ["here"]
    with pytest.raises(ReqlOpFailedError, match="Database `gone` does not exist"):
        await r.table("here").run(other, db="gone")


async def test_unknown_global_options_are_named(connection: Any) -> None:
    with pytest.raises(ReqlServerCompileError, match="colour"):
        await r.expr(1).run(connection, colour="red")


async def test_arrays_have_a_limit(connection: Any) -> None:
    with pytest.raises(ReqlResourceLimitError, match="Array over size limit `2`"):
        await r.range(3).coerce_to("array").run(connection, array_limit=2)


async def test_a_profile_can_be_asked_for(connection: Any) -> None:
    answer = await r.expr(1).run(connection, profile=True)
    assert answer == {"value": 1, "profile": []}


async def test_many_queries_at_once_on_one_connection(connection: Any) -> None:
    answers = await asyncio.gather(*(r.expr(n).run(connection) for n in range(500)))
    assert answers == list(range(500))


async def test_a_query_that_gives_no_data_is_an_error(connection: Any) -> None:
    with pytest.raises(ReqlQueryLogicError, match="got DATABASE"):
        await r.db("test").run(connection)


async def test_a_closed_cursor_leaves_no_job(connection: Any) -> None:
    cursor = await r.range().run(connection)
    jobs = r.db("rethinkdb").table("jobs")["info"]["query"]
    assert sorted(await rows(jobs, connection))[-1] == "r.range()"
    await cursor.close()
    assert "r.range()" not in await rows(jobs, connection)


async def test_closing_while_queries_run(connect: Connect) -> None:
    connection = await connect()
    cursor = await r.range().run(connection)
    await connection.close()
    with pytest.raises(ReqlRuntimeError, match="closed"):
        await read_on(cursor)
