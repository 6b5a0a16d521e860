"""Feeds: what they tell, in which order, and that they go when their client goes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rethinkdb import r
from rethinkdb.errors import ReqlOpFailedError, ReqlQueryLogicError

from service.embedded.rethinkdb import StandIn

from .conftest import Connect, rows

FEEDS = r.db("rethinkdb").table("jobs").filter(r.row["info"]["query"].match(r"\.changes\("))["id"]


async def take(feed: Any, count: int) -> list[Any]:
    """The next few of a feed, in order."""
    return [await asyncio.wait_for(feed.next(), 5) for _ in range(count)]


async def nothing_waits(feed: Any, connection: Any) -> bool:
    """Whether a feed has told all: what was to come is there once another query is answered."""
    await r.expr(1).run(connection)
    return not feed.items


async def test_a_table(games: Any, connection: Any) -> None:
    feed = await games.changes().run(connection)
    await games.insert({"id": "d"}).run(connection)
    await games.get("d").update({"turn": 1}).run(connection)
    await games.get("d").update({"turn": 1}).run(connection)
    await games.get("d").delete().run(connection)
    assert await take(feed, 3) == [
        {"old_val": None, "new_val": {"id": "d"}},
        {"old_val": {"id": "d"}, "new_val": {"id": "d", "turn": 1}},
        {"old_val": {"id": "d", "turn": 1}, "new_val": None},
    ]
    await feed.close()


async def test_what_is_there_already_comes_first_if_asked_for(games: Any, connection: Any) -> None:
    feed = await games.changes(include_initial=True, include_states=True).run(connection)
    first, *initial, last = await take(feed, 5)
    assert (first, last) == ({"state": "initializing"}, {"state": "ready"})
    assert sorted(change["new_val"]["id"] for change in initial) == ["a", "b", "c"]
    assert all("old_val" not in change for change in initial)
    await feed.close()


async def test_a_filter_tells_of_documents_that_come_under_it_and_leave_it(
    games: Any, connection: Any
) -> None:
    waiting = games.filter({"state": "waiting"})
    feed = await waiting.changes(include_initial=True, include_types=True).run(connection)
    await games.get("a").update({"state": "waiting"}).run(connection)
    await games.get("c").update({"turn": 8}).run(connection)
    await games.get("a").update({"turn": 2}).run(connection)
    await games.get("b").update({"state": "over"}).run(connection)
    found = await take(feed, 4)
    assert [
        (change["type"], change["new_val"] and change["new_val"]["id"]) for change in found
    ] == [
        ("initial", "b"),
        ("add", "a"),
        ("change", "a"),
        ("remove", None),
    ]
    assert await nothing_waits(feed, connection)
    await feed.close()


@pytest.mark.parametrize(
    "selected",
    [
        lambda games: games.get_all("playing", index="state"),
        lambda games: games.between("pl", "pm", index="state"),
        lambda games: games.get_all("a", "c", "e"),
        lambda games: games.order_by(index="state").filter(r.row["state"] == "playing"),
    ],
)
async def test_a_part_of_an_index(games: Any, connection: Any, selected: Any) -> None:
    feed = await selected(games).changes().run(connection)
    await games.get("b").update({"turn": 5}).run(connection)
    await games.insert({"id": "e", "state": "playing"}).run(connection)
    await games.get("c").delete().run(connection)
    added, removed = await take(feed, 2)
    assert added == {"old_val": None, "new_val": {"id": "e", "state": "playing"}}
    assert removed["old_val"]["id"] == "c"
    assert await nothing_waits(feed, connection)
    await feed.close()


async def test_a_single_document(games: Any, connection: Any) -> None:
    feed = await games.get("z").changes(include_initial=True, include_states=True).run(connection)
    await games.insert([{"id": "y"}, {"id": "z"}]).run(connection)
    await games.get("z").delete().run(connection)
    assert await take(feed, 5) == [
        {"state": "initializing"},
        {"new_val": None},
        {"state": "ready"},
        {"old_val": None, "new_val": {"id": "z"}},
        {"old_val": {"id": "z"}, "new_val": None},
    ]
    await feed.close()


async def test_the_first_few_of_an_order(games: Any, connection: Any) -> None:
    top = games.order_by(index=r.desc("id")).limit(2)
    feed = await top.changes(include_initial=True, include_types=True).run(connection)
    assert [change["new_val"]["id"] for change in await take(feed, 2)] == ["c", "b"]
    await games.insert([{"id": "0"}, {"id": "d"}]).run(connection)
    await games.get("d").update({"turn": 1}).run(connection)
    await games.get("d").delete().run(connection)
    entered, changed, left = await take(feed, 3)
    assert (entered["old_val"]["id"], entered["new_val"]) == ("b", {"id": "d"})
    assert (changed["old_val"], changed["new_val"]) == ({"id": "d"}, {"id": "d", "turn": 1})
    assert (left["old_val"]["id"], left["new_val"]["id"]) == ("d", "b")
    await feed.close()


async def test_changes_can_be_transformed(games: Any, connection: Any) -> None:
    values = await games.changes()["new_val"].run(connection)
    plucked = await games.pluck("id", "turn").changes().pluck({"new_val": "id"}).run(connection)
    mapped = (
        await games.changes()
        .filter(r.row["old_val"] == None)  # noqa: E711
        .map(lambda change: change["new_val"]["id"].upcase())
        .run(connection)
    )
    await games.get("a").update({"state": "over"}).run(connection)
    await games.insert({"id": "d", "turn": 3}).run(connection)
    assert [value["id"] for value in await take(values, 2)] == ["a", "d"]
    assert await take(plucked, 1) == [{"new_val": {"id": "d"}}]
    assert await take(mapped, 1) == ["D"]
    for feed in (values, plucked, mapped):
        await feed.close()


async def test_a_feed_can_have_an_end(games: Any, connection: Any) -> None:
    feed = await games.changes().limit(2).run(connection)
    await games.insert([{"id": number} for number in range(5)]).run(connection)
    assert len([change async for change in feed]) == 2
    assert await rows(FEEDS, connection) == []


async def test_squashed_changes_of_a_document_are_one(games: Any, connection: Any) -> None:
    feed = await games.changes(squash=True).run(connection)
    await (
        r.expr([1, 2, 3])
        .for_each(lambda turn: games.get("a").update({"turn": turn * 10}))
        .run(connection)
    )
    await r.do(
        games.insert({"id": "gone"}), lambda _: games.get("gone").delete()
    ).run(connection)  # fmt: skip
    (change,) = await take(feed, 1)
    assert (change["old_val"]["turn"], change["new_val"]["turn"]) == (1, 30)
    assert await nothing_waits(feed, connection)
    await feed.close()


async def test_a_feed_that_nobody_reads_tells_what_it_skipped(games: Any, connection: Any) -> None:
    feed = await games.changes(changefeed_queue_size=2).run(connection)
    await games.insert([{"id": number} for number in range(4)]).run(connection)
    found = await take(feed, 2)
    assert found[0] == {"error": "Changefeed cache over array size limit, skipped 3 elements."}
    assert found[1]["new_val"] == {"id": 3}
    await feed.close()


async def test_several_clients_are_told(connect: Connect, games: Any, connection: Any) -> None:
    clients = [await connect() for _ in range(5)]
    feeds = [await games.changes().run(client) for client in clients]
    await games.insert({"id": "d"}).run(connection)
    for feed in feeds:
        assert (await take(feed, 1))[0]["new_val"] == {"id": "d"}


async def test_a_feed_goes_when_its_cursor_is_closed(games: Any, connection: Any) -> None:
    feed = await games.changes().run(connection)
    point = await games.get("a").changes().run(connection)
    assert len(await rows(FEEDS, connection)) == 2
    await feed.close()
    await point.close()
    assert await rows(FEEDS, connection) == []
    assert await games.count().run(connection) == 3


async def test_a_feed_goes_when_its_client_goes(
    server: StandIn, connect: Connect, games: Any, connection: Any
) -> None:
    other = await connect()
    await games.changes().run(other)
    assert len(await rows(FEEDS, connection)) == 1
    clients = r.db("rethinkdb").table("stats").get(["cluster"])["query_engine"]
    assert await clients["client_connections"].run(connection) == 2
    other._instance._streamwriter.transport.abort()
    async with asyncio.timeout(5):
        while await clients["client_connections"].run(connection) == 2:
            pass
    assert await rows(FEEDS, connection) == []
    assert not server.system.catalog.database("test").table("games").listeners


async def test_a_feed_ends_with_its_table(games: Any, connection: Any) -> None:
    feed = await games.changes().run(connection)
    await r.table_drop("games").run(connection)
    with pytest.raises(ReqlOpFailedError, match="Changefeed aborted"):
        await take(feed, 1)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (lambda games: games.order_by("id").changes(), "eager stream"),
        (lambda games: r.expr([1]).changes(), "eager stream"),
        (lambda games: r.range(3).changes(), "eager stream"),
        (lambda games: games.concat_map(lambda g: [g]).changes(), "concat_map"),
        (lambda games: games.limit(2).changes(), "limit"),
        (lambda games: games.order_by(index="id").limit(2).pluck("id").changes(), "limit"),
        (lambda games: games.changes().changes(), "on a changefeed"),
        (lambda games: games.changes().count(), "infinite stream"),
        (lambda games: games.filter(lambda g: r.random() < 0.5).changes(), "non-deterministic"),
        (lambda games: games.changes(squash="yes"), "Expected BOOL or NUMBER but found STRING"),
        (lambda games: games.changes(squash=-1), "negative NUMBER"),
        (lambda games: games.changes(include_offsets=True), "include_offsets"),
        (lambda games: r.db("rethinkdb").table("jobs").changes(), "system tables"),
        (lambda games: r.expr(1).changes(), "SELECTION"),
    ],
)
async def test_what_cannot_be_followed(
    games: Any, connection: Any, query: Any, message: str
) -> None:
    with pytest.raises(ReqlQueryLogicError, match=message):
        await query(games).run(connection)
