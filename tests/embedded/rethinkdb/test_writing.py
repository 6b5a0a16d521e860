"""Writes: what they do, what they answer, that each is done as a whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rethinkdb import r

from .conftest import Connect, rows

NOTHING = {"deleted": 0, "errors": 0, "inserted": 0, "replaced": 0, "skipped": 0, "unchanged": 0}


async def test_generated_keys(games: Any, connection: Any) -> None:
    answer = await games.insert([{"n": 1}, {"id": "x"}, {"n": 2}]).run(connection)
    first, second = answer.pop("generated_keys")
    assert answer == NOTHING | {"inserted": 3}
    assert await games.get_all(first, second)["n"].sum().run(connection) == 3


async def test_insert_from_a_query(games: Any, connection: Any) -> None:
    copies = games.map(lambda game: game.merge({"id": game["id"] + "2"}))
    assert (await games.insert(copies).run(connection))["inserted"] == 3
    answer = await games.insert(games.get("a"), conflict="update").run(connection)
    assert answer == NOTHING | {"unchanged": 1}


async def test_a_conflict_can_be_resolved_by_a_function(games: Any, connection: Any) -> None:
    answer = await games.insert(
        [{"id": "a", "turn": 5}, {"id": "new", "turn": 9}],
        conflict=lambda key, old, new: old.merge({"turn": old["turn"] + new["turn"], "key": key}),
        return_changes=True,
    ).run(connection)
    changes = answer.pop("changes")
    assert answer == NOTHING | {"inserted": 1, "replaced": 1}
    assert changes[0]["new_val"] == {"id": "a", "state": "playing", "turn": 6, "key": "a"}
    assert changes[1] == {"old_val": None, "new_val": {"id": "new", "turn": 9}}


async def test_one_document_that_fails_does_not_stop_the_others(
    games: Any, connection: Any
) -> None:
    answer = await games.insert([{"id": None}, 7, {"id": "x"}, {"id": "a"}]).run(connection)
    assert answer["first_error"].startswith("Primary keys must be either a number, string")
    assert {k: answer[k] for k in NOTHING} == NOTHING | {"errors": 3, "inserted": 1}
    answer = await games.update({"per_turn": 10 / r.row["turn"]}).run(connection)
    assert {k: answer[k] for k in NOTHING} == NOTHING | {"errors": 2, "replaced": 2}


@pytest.mark.parametrize("length", [127, 128])
async def test_primary_keys_have_a_longest_length(games: Any, connection: Any, length: int) -> None:
    answer = await games.insert({"id": "k" * length}).run(connection)
    assert answer["inserted"] == (length == 127)


async def test_keys_of_every_type(games: Any, connection: Any) -> None:
    keys = [1, 1.5, True, False, "1", [1, "a"], b"\0", r.epoch_time(5)]
    await games.insert([{"id": key, "n": n} for n, key in enumerate(keys)]).run(connection)
    for n, key in enumerate(keys):
        assert await games.get(key)["n"].run(connection) == n
    in_order = await rows(games.order_by(index="id").has_fields("n")["n"], connection)
    assert in_order == [5, 3, 2, 0, 1, 6, 7, 4]


async def test_all_changes_can_be_returned(games: Any, connection: Any) -> None:
    answer = await games.get("z").update({"n": 1}, return_changes="always").run(connection)
    assert answer == NOTHING | {"skipped": 1, "changes": [{"old_val": None, "new_val": None}]}
    answer = await games.get("a").update({"turn": 1}, return_changes="always").run(connection)
    (change,) = answer.pop("changes")
    assert answer == NOTHING | {"unchanged": 1}
    assert change["old_val"] == change["new_val"]
    failing = games.get("a").update(lambda game: r.error("no"), return_changes="always")
    answer = await failing.run(connection)
    assert answer["changes"][0]["error"] == "no"


async def test_replace(games: Any, connection: Any) -> None:
    answer = await games.get("z").replace({"id": "z", "n": 1}).run(connection)
    assert answer == NOTHING | {"inserted": 1}
    answer = await games.get("z").replace(lambda game: game.without("id")).run(connection)
    assert answer["first_error"] == 'Inserted object must have primary key `id`:\n{\n\t"n":\t1\n}'
    answer = await games.get("z").replace(5).run(connection)
    assert answer["first_error"] == "Inserted value must be an OBJECT (got NUMBER):\n5"
    answer = await games.filter({"state": "playing"}).replace(
        lambda game: game.pluck("id")
    ).run(connection)  # fmt: skip
    assert answer == NOTHING | {"replaced": 2}


async def test_selections_can_be_written(games: Any, connection: Any) -> None:
    writes = [
        (games.get_all("waiting", index="state").update({"n": 1}), "replaced", 1),
        (games.between("a", "c").update({"n": 2}), "replaced", 2),
        (games.order_by("turn").limit(1).update({"n": 3}), "replaced", 1),
        (games.order_by(index="id").nth(0).update({"n": 4}), "replaced", 1),
        (games.update({"n": 5}), "replaced", 3),
        (games.filter({"n": 5}).limit(2).delete(), "deleted", 2),
        (games.delete(), "deleted", 1),
    ]
    for query, fate, count in writes:
        assert await query.run(connection) == NOTHING | {fate: count}


async def test_update_merges_deeply(games: Any, connection: Any) -> None:
    game = games.get("a")
    await game.update({"meta": {"x": {"y": 1}, "z": [1]}}).run(connection)
    await game.update({"meta": {"x": {"w": 2}, "z": r.literal({"k": 1})}}).run(connection)
    assert await game["meta"].run(connection) == {"x": {"y": 1, "w": 2}, "z": {"k": 1}}
    await game.update({"meta": {"x": r.literal()}}).run(connection)
    assert await game["meta"].run(connection) == {"z": {"k": 1}}
    await game.update(lambda g: {"meta": r.literal({"turn": g["turn"]})}).run(connection)
    assert await game["meta"].run(connection) == {"turn": 1}
    await game.update({"at": r.now(), "meta": r.epoch_time(1)}).run(connection)
    assert await game["meta"].to_epoch_time().run(connection) == 1


async def test_what_is_not_deterministic_is_done_if_asked_for(games: Any, connection: Any) -> None:
    count = {"games": games.count()}
    answer = await games.get("a").update(count, non_atomic=True).run(connection)
    assert answer["replaced"] == 1
    assert await games.get("a")["games"].run(connection) == 3


async def test_increments_from_many_clients_are_all_counted(
    connect: Connect, games: Any, connection: Any
) -> None:
    clients = [await connect() for _ in range(8)]
    increment = games.get("b").update({"turn": r.row["turn"] + 1}, durability="soft")
    await asyncio.gather(*(increment.run(client) for client in clients for _ in range(25)))
    assert await games.get("b")["turn"].run(connection) == 200


async def test_for_each_adds_up(games: Any, connection: Any) -> None:
    answer = await (
        r.expr([1, 2])
        .for_each(
            lambda n: [
                games.insert({"n": n}, return_changes=True),
                games.get("a").update({"turn": n}, return_changes=True),
            ]
        )
        .run(connection)
    )
    assert answer["inserted"] == 2
    assert answer["replaced"] + answer["unchanged"] == 2
    assert len(answer["generated_keys"]) == 2
    assert len(answer["changes"]) == 3


async def test_indexes_follow_the_documents(games: Any, connection: Any) -> None:
    await games.index_create("both", [r.row["state"], r.row["turn"]]).run(connection)
    await games.get("a").update({"state": "over", "turn": "last"}).run(connection)
    await games.get("b").replace({"id": "b"}).run(connection)
    await games.get("c").delete().run(connection)
    assert await rows(games.get_all("playing", index="state"), connection) == []
    assert await rows(games.get_all(["over", "last"], index="both")["id"], connection) == ["a"]
    assert await games.order_by(index="state").count().run(connection) == 1


async def test_an_index_skips_what_its_function_fails_on(games: Any, connection: Any) -> None:
    await games.insert([{"id": "n", "turn": None}, {"id": "o", "turn": {"x": 1}}]).run(connection)
    await games.index_create("turn").run(connection)
    await games.index_create("ratio", 1 / r.row["turn"]).run(connection)
    assert await games.order_by(index="turn")["turn"].coerce_to("array").run(connection) == [
        0,
        1,
        7,
    ]
    assert await games.order_by(index="ratio").count().run(connection) == 2


async def test_indexes_can_be_renamed(games: Any, connection: Any) -> None:
    assert await games.index_rename("state", "phase").run(connection) == {"renamed": 1}
    assert await games.index_list().run(connection) == ["phase"]
    assert await games.get_all("playing", index="phase").count().run(connection) == 2
