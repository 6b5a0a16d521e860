"""Every error is a problem that says enough, and nothing that is nobody's business."""

from __future__ import annotations

import asyncio
import encodings
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from quart import Quart, abort
from quart.testing import WebsocketResponseError
from quart.typing import TestClientProtocol as Client
from redis.exceptions import ConnectionError as RedisConnectionError
from rethinkdb import r

from service.connections import get_db
from service.errors import Problem
from tests.api.apps import close, make_app, served
from tests.eventually import until


@pytest.fixture
def app(unused_tcp_port: int) -> Quart:
    """The app with servers that are not there, and routes that fail in many ways."""
    dead = f"127.0.0.1:{unused_tcp_port}"
    app = make_app(
        {
            "a": f"postgresql://somebody:hush-hush@{dead}/db",
            "b": f"rethinkdb://admin:hush-hush@{dead}/db",
            "client": f"redis://:hush-hush@{dead}/0",
        },
        PROPAGATE_EXCEPTIONS=False,
    )

    @app.get("/abort/<int:status>")
    async def aborted(status: int) -> str:
        abort(status)

    @app.get("/bug")
    async def bug() -> str:
        raise KeyError("hush-hush")

    @app.get("/group")
    async def group() -> str:
        async def fail() -> None:
            raise Problem(409, "some-kind", "Some kind", "In a task.", more=[1, 2])

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
        return ""

    @app.get("/group/bug")
    async def group_bug() -> str:
        async def fail() -> None:
            raise KeyError("hush-hush")

        async with asyncio.TaskGroup() as outer:

            async def nested() -> None:
                async with asyncio.TaskGroup() as inner:
                    inner.create_task(fail())

            outer.create_task(nested())
        return ""

    @app.get("/open/<name>")
    async def opened(name: str) -> str:
        await get_db(name)
        return ""

    @app.get("/driver")
    async def driver() -> str:
        raise RedisConnectionError("not of a connection that this request has")

    return app


@pytest.fixture
def client(app: Quart) -> Client:
    return app.test_client()


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/nowhere", 404, "Not Found"),
        ("GET", "/api/players/", 404, "Not Found"),
        ("GET", "/api//players", 404, "Not Found"),
        ("GET", "/docs/../app.py", 404, "Not Found"),
        ("PUT", "/api/players", 405, "Method Not Allowed"),
        ("BREW", "/healthz", 405, "Method Not Allowed"),
        ("GET", "/abort/418", 418, "I'm a teapot"),
        ("GET", "/abort/451", 451, "Unavailable For Legal Reasons"),
        ("GET", "/bug", 500, "Internal Server Error"),
        ("GET", "/group/bug", 500, "Internal Server Error"),
        ("GET", "/driver", 500, "Internal Server Error"),
        ("GET", "/open/nothing", 500, "Internal Server Error"),
    ],
)
async def test_an_error_of_http_is_a_problem(
    app: Quart, method: str, path: str, status: int, title: str
) -> None:
    client: Any = app.test_client()
    response = await client.open(path, method=method)
    problem = await response.get_json()

    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail"}
    assert problem["type"] == "about:blank"
    assert problem["title"] == title
    assert problem["status"] == status
    assert isinstance(problem["detail"], str)
    assert "hush" not in await response.get_data(as_text=True)


async def test_a_405_says_what_is_allowed(client: Client) -> None:
    response = await client.delete("/api/players")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


async def test_the_first_error_of_a_task_group_is_the_answer(client: Client) -> None:
    response = await client.get("/group")

    assert response.status_code == 409
    assert await response.get_json() == {
        "type": "/problems/some-kind",
        "title": "Some kind",
        "status": 409,
        "detail": "In a task.",
        "more": [1, 2],
    }


@pytest.mark.parametrize("name", ["a", "b", "client"])
async def test_a_backend_that_is_down_is_named(client: Client, name: str) -> None:
    for _ in range(5):  # The later ones fail fast, and answer the same.
        response = await client.get(f"/open/{name}")
        problem = await response.get_json()

        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) >= 1
        assert problem["type"] == "/problems/connection-unavailable"
        assert problem["connection"] == name
        assert "Server-Timing" not in response.headers
        assert "hush" not in await response.get_data(as_text=True)


async def test_routes_that_need_nothing_of_it_do_not_notice(client: Client) -> None:
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/openapi.json")).status_code == 200
    assert (await client.post("/api/players", json={})).status_code == 400


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"", None, 415),
        (b"{}", None, 415),
        (b"{}", "text/plain", 415),
        (b"name=x", "application/x-www-form-urlencoded", 415),
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b"1" * 10_000, "application/json", 400),
        (b"NaN", "application/json", 400),
        (b"null", "application/json", 400),
        (b"[]", "application/json; charset=utf-8", 400),
        (b" " * 65_537, "application/json", 413),
    ],
)
async def test_a_body_that_is_no_json_object(
    client: Client, data: bytes, content_type: str | None, status: int
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = await client.post("/api/players", data=data, headers=headers)
    problem = await response.get_json()

    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    assert problem["status"] == status
    if status == 413:
        assert "65536" in problem["detail"]


async def test_no_more_wrong_values_are_named_than_anybody_reads(client: Client) -> None:
    response = await client.post("/api/players", json={f"m{n}": n for n in range(1000)})
    problem = await response.get_json()

    assert response.status_code == 400
    assert len(problem["errors"]) == 10


@pytest.mark.parametrize(("path", "status"), [("/api/players", 413), ("/nowhere", 404)])
@pytest.mark.parametrize("size", [65_537, 5_000_000])
async def test_who_sends_too_much_gets_the_answer(
    app: Quart, path: str, status: int, size: int
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 1024):
            yield b" " * min(1024, size - start)

    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        headers = {"Content-Type": "application/json"}
        for content in (b" " * size, chunks()):
            response = await client.post(path, content=content, headers=headers)

            assert response.status_code == status
            assert response.headers["Content-Type"] == "application/problem+json"


async def test_who_never_stops_sending_is_not_waited_for(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.body.LINGER", 0.05)
    async with served(app) as url:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome")
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        writer.close()


@pytest.fixture
async def live(urls: Mapping[str, str]) -> AsyncIterator[Quart]:
    """The app with servers that are there."""
    app = make_app(urls, PROPAGATE_EXCEPTIONS=False)
    yield app
    await close(app)


async def test_who_sends_slowly_holds_no_connection(
    live: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.body.LINGER", 60)
    connections = live.extensions["connections"]
    async with served(live) as url:
        port = int(url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/players/999999 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        await until(lambda: connections.stats()["a"].opened == 1)
        await until(lambda: connections.stats()["a"].in_use == 0)
        writer.close()


@pytest.mark.parametrize(
    "target", ["?x", "/docs/" + "a" * 5000, "/api/players/%D9%A3", "/api/players/%0A1"]
)
async def test_odd_paths_are_not_found(app: Quart, target: str) -> None:
    async with served(app) as url:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"application/problem+json" in answer
    assert b"/docs" in answer


async def test_a_missing_table_is_told_with_what_to_do(
    live: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    @live.get("/postgresql")
    async def postgresql() -> str:
        return str(await (await get_db("a")).execute("SELECT * FROM missing"))

    @live.get("/rethinkdb")
    async def rethinkdb() -> str:
        return str(await r.table("missing").run(await get_db("b")))

    for path in ("/postgresql", "/rethinkdb"):
        caplog.clear()
        assert (await live.test_client().get(path)).status_code == 500
        assert "has 'service init' been run?" in caplog.text


async def test_a_lost_connection_is_logged_with_the_route_and_not_the_path(
    live: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    async def lost(token: str) -> str:
        await get_db("client")
        raise RedisConnectionError(f"redis://:{token}@host is gone")

    live.add_url_rule("/lost/<token>", view_func=lost)
    live.add_websocket("/follow/<token>", view_func=lost)
    client = live.test_client()
    assert (await client.get("/lost/hush")).status_code == 503
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket("/follow/hush") as websocket:
            await websocket.receive()
    assert refused.value.response.status_code == 503
    assert "GET /lost/<token>: connection 'client' is unavailable" in caplog.text
    assert "GET /follow/<token>: connection 'client' is unavailable" in caplog.text
    assert "hush" not in caplog.text


async def test_a_websocket_where_there_is_none_is_not_allowed(client: Client) -> None:
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket("/api/players") as websocket:
            await websocket.receive()
    assert refused.value.response.status_code in (400, 405)
    problem = await refused.value.response.get_json()
    assert problem["status"] == refused.value.response.status_code


async def test_no_name_that_a_client_makes_up_is_kept(app: Quart) -> None:
    client, kept = app.test_client(), len(encodings._cache)
    for number in range(3):
        content_type = f"application/json; charset=made-up-{number}"
        headers = {"Content-Type": content_type}
        response = await client.post("/api/players", data=b"{}", headers=headers)
        assert response.status_code == 415
    assert len(encodings._cache) == kept
