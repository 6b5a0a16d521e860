"""Event streams: what a client sees, and what is left when it goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from quart import Quart
from rethinkdb.asyncio_net.net_asyncio import Connection

from service.api.matches import MATCHES
from service.connections import get_db
from service.stopping import stopping
from tests.eventually import until
from tests.serverside import rethinkdb_connections

from .apps import close, make_app, served
from .conftest import NewMatch, World


class Event(NamedTuple):
    """One event of a stream, or a comment."""

    id: str
    kind: str
    data: Any


class Stream:
    """The events of a response, as they come."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> Event | None:
        """The next event, its name empty if it is a comment; None at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                if not line:
                    break
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            else:
                return None
        data = json.loads(fields["data"]) if "data" in fields else None
        return Event(fields.get("id", ""), fields.get("event", ""), data)

    async def rest(self) -> AsyncIterator[str]:
        """The lines to the end."""
        async with asyncio.timeout(10):
            async for line in self._lines:
                yield f"{line}\n"


@asynccontextmanager
async def stream(url: str, match_id: str, **headers: str) -> AsyncIterator[Stream]:
    """The events of a match from the app that is served at ``url``."""
    async with (
        httpx.AsyncClient(base_url=url, timeout=10) as client,
        client.stream("GET", f"/api/matches/{match_id}/events", headers=headers) as response,
    ):
        yield Stream(response)


@pytest.fixture
async def url(app: Quart) -> AsyncIterator[str]:
    """The app under Hypercorn."""
    async with served(app) as url:
        yield url


async def post(url: str, path: str, body: object, headers: Mapping[str, str]) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        (await client.post(path, json=body, headers=dict(headers))).raise_for_status()


async def test_a_stream_tells_everything_up_to_the_end(
    url: str, world: World, new_match: NewMatch
) -> None:
    match_id = await new_match()
    async with stream(url, match_id) as events:
        assert events.response.status_code == 200
        assert events.response.headers["Content-Type"].startswith("text/event-stream")
        assert events.response.headers["Server-Timing"].startswith("b;dur=")
        first = await events.next()
        assert first is not None
        assert (first.kind, first.data["id"], first.data["moves"]) == ("match", match_id, [])

        await post(url, f"/api/matches/{match_id}/moves", {"move": "e2-e4"}, world.ann.auth)
        second = await events.next()
        assert second is not None
        assert (second.kind, second.data["moves"][0]["move"]) == ("match", "e2-e4")

        winner = {"winner_id": world.ann.id}
        await post(url, f"/api/matches/{match_id}/result", winner, world.ann.auth)
        last = await events.next()
        assert last is not None
        assert (last.kind, last.data["winner_id"]) == ("finished", world.ann.id)
        assert await events.next() is None

    assert [first.id, second.id, last.id] == ["0", "1", "2"]
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get(f"/api/matches/{match_id}")).json() == last.data


async def test_a_client_that_has_seen_the_end_is_told_to_stop(
    url: str, world: World, new_match: NewMatch
) -> None:
    match_id = await new_match(winner=world.ann)
    async with stream(url, match_id, **{"Last-Event-ID": "0"}) as events:
        last = await events.next()
        assert last is not None
        assert last.kind == "finished"
        assert await events.next() is None
    async with stream(url, match_id, **{"Last-Event-ID": last.id}) as events:
        assert events.response.status_code == 204


async def test_when_the_client_goes_the_feed_goes(
    app: Quart, url: str, urls: Mapping[str, str], new_match: NewMatch
) -> None:
    def in_use() -> int:
        count: int = app.extensions["connections"].stats()["b"].in_use
        return count

    match_id = await new_match()
    async with stream(url, match_id) as events:
        await events.next()
        assert in_use() == 1
    await until(lambda: in_use() == 0)
    # The connection went with the feed, or is fit for the next request.
    async with httpx.AsyncClient(base_url=url) as client:
        for _ in range(3):
            assert (await client.get(f"/api/matches/{match_id}")).status_code == 200
    assert rethinkdb_connections(urls["b"]) <= 1


async def test_a_stream_opens_its_database_and_no_other(
    app: Quart, url: str, urls: Mapping[str, str], new_match: NewMatch
) -> None:
    match_id = await new_match()
    async with stream(url, match_id) as events:
        await events.next()
        stats = app.extensions["connections"].stats()
        assert {name for name, its in stats.items() if its.pool} == {"b"}
        # The route's own has gone back before the stream began, and serves it now.
        assert rethinkdb_connections(urls["b"]) == 1


async def test_a_silent_stream_says_that_it_is_there(
    urls: Mapping[str, str], new_match: NewMatch
) -> None:
    app = make_app(urls, EVENT_HEARTBEAT=0.05)
    match_id = await new_match()
    async with served(app) as url, stream(url, match_id) as events:
        first = await events.next()
        assert first is not None
        assert first.kind == "match"
        for _ in range(3):
            assert await events.next() == Event("", "", None)
    await close(app)


async def test_a_stream_lasts_longer_than_other_responses_may(
    urls: Mapping[str, str], world: World, new_match: NewMatch
) -> None:
    app = make_app(urls, RESPONSE_TIMEOUT=0.2, EVENT_HEARTBEAT=0.1)
    match_id = await new_match()
    async with served(app) as url, stream(url, match_id) as events:
        for _ in range(6):
            assert await events.next() is not None
    await close(app)


async def test_streams_leave_connections_for_others(
    urls: Mapping[str, str], new_match: NewMatch
) -> None:
    app = make_app({**urls, "b": {"url": urls["b"], "max_size": 3}}, EVENT_STREAMS=2)
    match_id = await new_match()
    async with served(app) as url:
        async with stream(url, match_id) as one, stream(url, match_id) as two:
            await one.next()
            await two.next()
            async with stream(url, match_id) as refused:
                problem = json.loads(await refused.response.aread())
                assert refused.response.status_code == 503
                assert int(refused.response.headers["Retry-After"]) >= 1
                assert problem["type"] == "/problems/too-many-streams"
            async with httpx.AsyncClient(base_url=url) as client:
                assert (await client.get(f"/api/matches/{match_id}")).status_code == 200
        await until(lambda: not app.extensions["event_streams"])
        async with stream(url, match_id) as again:
            assert await again.next() is not None
    await close(app)


async def test_a_stream_that_never_begins_takes_no_place(
    urls: Mapping[str, str], new_match: NewMatch
) -> None:
    app = make_app(urls, EVENT_STREAMS=1)
    match_id = await new_match()
    # Nobody reads these responses, as if each client had left in the meantime.
    for _ in range(3):
        async with app.test_request_context(f"/api/matches/{match_id}/events"):
            response = await app.full_dispatch_request()
            assert response.status_code == 200
            del response
    await close(app)


async def test_a_head_request_follows_nothing(app: Quart, new_match: NewMatch) -> None:
    response = await app.test_client().head(f"/api/matches/{await new_match()}/events")
    assert response.status_code == 200
    assert response.content_type.startswith("text/event-stream")
    assert await response.get_data() == b""


async def test_a_stream_whose_database_goes_ends_with_when_to_come_back(
    app: Quart, url: str, new_match: NewMatch
) -> None:
    match_id = await new_match()
    async with stream(url, match_id) as events:
        await events.next()
        await close(app)
        assert await events.next() == Event("", "", None)
        assert await events.next() is None
    async with stream(url, match_id) as events:
        assert await events.next() is not None


async def test_a_stream_ends_when_its_match_is_deleted(
    app: Quart, url: str, new_match: NewMatch
) -> None:
    match_id = await new_match()
    async with stream(url, match_id) as events:
        await events.next()
        async with app.app_context():
            await MATCHES.get(match_id).delete().run(await get_db("b", Connection))
        assert await events.next() is None
    async with stream(url, match_id) as events:
        assert events.response.status_code == 404


async def test_a_stream_that_has_missed_changes_ends_with_when_to_come_back(
    app: Quart, url: str, new_match: NewMatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing:
        """The table, whose feeds say at once that they have skipped something."""

        def get(self, match_id: str) -> Missing:
            return self

        def changes(self, **options: Any) -> Any:
            return MATCHES.changes(**options).map(lambda _: {"error": "skipped 3 elements."})

    match_id = await new_match()
    monkeypatch.setattr("service.api.events.MATCHES", Missing())
    async with stream(url, match_id) as events:
        assert await events.next() == Event("", "", None)
        assert await events.next() is None


async def test_streams_end_and_none_begins_once_the_process_stops(
    app: Quart, url: str, new_match: NewMatch
) -> None:
    match_id = await new_match()
    come_back = "retry: 5000\n\n"
    async with stream(url, match_id) as events:
        assert await events.next() is not None
        stopping(app).begin()
        assert "".join([text async for text in events.rest()]) == come_back
    async with stream(url, match_id) as late:
        assert late.response.status_code == 200
        assert "".join([text async for text in late.rest()]) == come_back
