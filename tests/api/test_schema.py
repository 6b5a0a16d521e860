"""Creating tables and seeding them: as often as anybody likes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
from quart import Quart

from service.api import schema, seed
from tests import databases
from tests.api.apps import close, make_app


@pytest.fixture
def empty_urls(server_url: Callable[[str], str]) -> Iterator[dict[str, str]]:
    """Databases that nobody has created anything in."""
    with (
        databases.postgresql(server_url("postgresql")) as postgresql_url,
        databases.rethinkdb(server_url("rethinkdb")) as rethinkdb_url,
        databases.redis(server_url("redis")) as redis_url,
    ):
        yield {"a": postgresql_url, "b": rethinkdb_url, "client": redis_url}


async def create(app: Quart) -> None:
    async with app.app_context():
        await schema.create()


async def test_many_may_create_everything_at_once(empty_urls: Mapping[str, str]) -> None:
    apps = [make_app(empty_urls) for _ in range(4)]
    await asyncio.gather(*(create(app) for app in apps))
    await create(apps[0])
    assert (await apps[0].test_client().get("/api/players")).status_code == 200
    assert (await apps[0].test_client().get("/api/matches")).status_code == 200
    for app in apps:
        await close(app)


@pytest.mark.parametrize("names", [[], ["a"], ["b"], ["client"], ["a", "client"]])
async def test_only_what_is_configured_is_touched(
    urls: Mapping[str, str], names: list[str]
) -> None:
    app = make_app({name: urls[name] for name in names})
    async with app.app_context():
        await schema.create()
        assert set(app.extensions["connections"].opened()) == set(names) - {"client"}
    await close(app)


async def test_seeding_again_changes_nothing(empty_urls: Mapping[str, str]) -> None:
    app = make_app(empty_urls)
    client = app.test_client()
    await create(app)
    seen = []
    for _ in range(2):
        async with app.app_context():
            player_id = await seed.seed()
        paths = ["/api/players", "/api/matches", "/api/leaderboard", f"/api/players/{player_id}"]
        seen.append([await (await client.get(path)).get_json() for path in paths])
    credentials = {"name": seen[0][-1]["name"], "password": seed.PASSWORD}
    token = await client.post("/api/tokens", json=credentials)
    await close(app)

    assert seen[0] == seen[1]
    assert [len(part) for part in seen[0][0].values() if isinstance(part, list)] == [3]
    assert token.status_code == 200
