"""What no client can do to the others: take the server's time or its memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from rethinkdb import r
from rethinkdb.errors import ReqlError, ReqlResourceLimitError

from service.embedded.rethinkdb import StandIn, evaluation

from .conftest import Connect, open_connection, rows
from .test_protocol import Wire

NEVER = r.range().filter(False).limit(1)
LONG = [
    NEVER,
    r.range(10**9).count(),
    r.range(10**9).map(lambda i: i + 1).sum(),
    r.range().concat_map(lambda i: []).is_empty(),
    r.range(10**9).fold(0, lambda total, i: total + i),
    r.expr([0] * 1000).map(lambda i: r.range(10**6).count()),
]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_SECONDS", 0.2)


@pytest.mark.parametrize("query", LONG)
@pytest.mark.usefixtures("short")
async def test_a_query_that_goes_on_for_long_ends_in_an_error(query: Any, connection: Any) -> None:
    with pytest.raises(ReqlResourceLimitError, match=r"over time limit: this server works 0\.2 s"):
        await query.run(connection)
    assert await r.expr(1).run(connection) == 1


async def test_others_are_answered_while_a_query_goes_on(server: StandIn, connect: Connect) -> None:
    busy, other = await connect(), await connect()
    await r.table_create("t").run(other)
    running = asyncio.create_task(NEVER.run(busy))
    jobs = r.db("rethinkdb").table("jobs")["info"]["query"]
    while not any("filter" in job for job in await rows(jobs, other)):
        pass
    newcomer = await open_connection(server.port)
    assert (await r.table("t").insert({"id": 1}).run(newcomer))["inserted"] == 1
    await newcomer.close()
    assert not running.done()
    await busy.close(noreply_wait=False)
    with pytest.raises(ReqlError):
        await running


async def test_a_server_and_its_clients_end_amid_a_query(connect: Connect) -> None:
    async with StandIn() as server:
        leaving, staying = await open_connection(server.port), await open_connection(server.port)
        queries = [asyncio.create_task(NEVER.run(c)) for c in (leaving, staying)]
        jobs = r.db("rethinkdb").table("jobs").count()
        watching = await open_connection(server.port)
        while await jobs.run(watching) < 3:
            pass
        await leaving.close(noreply_wait=False)
        while await jobs.run(watching) > 2:
            pass
    for outcome in await asyncio.gather(*queries, return_exceptions=True):
        assert isinstance(outcome, ReqlError)


@pytest.mark.usefixtures("short")
async def test_the_next_query_of_a_connection_waits_its_turn(connection: Any) -> None:
    done: list[str] = []

    async def ask(name: str, query: Any) -> None:
        with suppress(ReqlResourceLimitError):
            await query.run(connection)
        done.append(name)

    await asyncio.gather(ask("long", NEVER), ask("short", r.expr(1)))
    assert done == ["long", "short"]


@pytest.mark.usefixtures("short")
async def test_nobody_sees_half_a_write(connect: Connect, games: Any) -> None:
    writer, reader = await connect(), await connect()
    slow = games.update(lambda game: {"n": r.range(10_000).count()})
    counts = games.has_fields("n").count()
    writing = asyncio.create_task(slow.run(writer))
    seen = set()
    while not writing.done():
        seen.add(await counts.run(reader))
    seen.add(await counts.run(reader))
    assert (await writing)["replaced"] == 3
    assert seen <= {0, 3}


@pytest.mark.usefixtures("short")
async def test_a_write_over_the_time_limit_leaves_the_indexes_right(
    connection: Any, games: Any
) -> None:
    await games.index_create("slow", lambda game: r.range(game["count"]).count()).run(connection)
    with pytest.raises(ReqlResourceLimitError):
        await games.insert({"id": "new", "state": "lost", "count": 10**9}).run(connection)
    assert await games.get("new").run(connection) is None
    assert await games.get_all("lost", index="state").count().run(connection) == 0
    assert (await games.delete().run(connection))["deleted"] == 3


@pytest.mark.usefixtures("short")
async def test_a_feed_that_cannot_keep_up_says_so(connect: Connect, games: Any) -> None:
    follower, writer = await connect(), await connect()
    feed = await (
        games.filter(lambda game: r.range(game["turn"]).count() >= 0).changes().run(follower)
    )
    await games.insert({"id": "long", "turn": 10**9}).run(writer)
    with pytest.raises(ReqlResourceLimitError, match="over time limit"):
        await feed.next()


async def test_regular_expressions_take_no_longer_than_their_text(connection: Any) -> None:
    text = "a" * 5000 + "b"
    assert await r.expr(text).match("(a+)+$").run(connection) is None


async def test_a_client_that_reads_no_answers_is_served_no_more(
    server: StandIn, connect: Connect
) -> None:
    greedy, other = await connect(), await connect()
    wire = Wire(greedy)
    await asyncio.sleep(0)
    large = [26, [[2, ["x" * 1000]], 100]]
    for token in range(300):
        wire.send(token, [1, large])
    total = -1
    while total < server.system.queries.total - 1:
        total = server.system.queries.total
        await r.expr(1).run(other)
    assert total < 200
    for token in range(300):
        assert (await wire.receive())[0] == token
    greedy._instance._reader_task = None


ARRAY = r.range(60_000).coerce_to("array")


@pytest.mark.parametrize(
    "query",
    [
        r.expr([1]) * 100_001,
        ARRAY + ARRAY,
        r.range(100_001).coerce_to("array"),
        ARRAY.concat_map(lambda i: [i, i]),
        ARRAY.union(ARRAY),
        ARRAY.fold(0, lambda total, i: i, emit=lambda total, i, new: [i, i]),
        r.range(100_000).coerce_to("array").append(0),
        r.range(100_001).group(lambda i: 0),
    ],
)
async def test_arrays_end_at_a_hundred_thousand(query: Any, connection: Any) -> None:
    with pytest.raises(ReqlResourceLimitError, match="Array over size limit `100000`"):
        await query.run(connection)


async def test_arrays_in_a_query_have_the_limit_too(connection: Any) -> None:
    with pytest.raises(ReqlResourceLimitError, match="Array over size limit `2`"):
        await r.expr([1, 2, 3]).count().run(connection, array_limit=2)
    assert await r.expr([1, 2]).count().run(connection, array_limit=2) == 2
