"""Health: the process, and the backends behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping

import pytest

from tests.api.apps import close, make_app


@pytest.fixture
def urls(postgresql_url: str, rethinkdb_url: str, redis_url: str) -> Mapping[str, str]:
    return {"a": postgresql_url, "b": rethinkdb_url, "client": redis_url}


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """The port of a server that accepts connections and never says a word."""
    connected: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: connected.append(writer), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in connected:
        writer.close()


async def test_ready_when_all_answer(urls: Mapping[str, str]) -> None:
    app = make_app(urls)
    response = await app.test_client().get("/readyz")
    state = await response.get_json()
    await close(app)

    assert response.status_code == 200
    assert state["ok"] is True
    assert set(state["connections"]) == {"a", "b", "client"}
    for connection in state["connections"].values():
        assert connection["ok"] is True
        assert 0 < connection["milliseconds"] < 2000
        assert connection["error"] is None


async def test_not_ready_when_one_does_not(urls: Mapping[str, str], unused_tcp_port: int) -> None:
    app = make_app({**urls, "b": f"rethinkdb://admin:hush-hush@127.0.0.1:{unused_tcp_port}/x"})
    response = await app.test_client().get("/readyz")
    problem = await response.get_json()
    await close(app)

    assert response.status_code == 503
    assert response.content_type == "application/problem+json"
    assert int(response.headers["Retry-After"]) >= 1
    assert problem["type"] == "/problems/not-ready"
    assert problem["detail"] == "No answer from: b."
    assert {name: its["ok"] for name, its in problem["connections"].items()} == {
        "a": True,
        "b": False,
        "client": True,
    }
    assert problem["connections"]["b"]["error"]
    assert "hush" not in str(problem)
    assert [entry.partition(";")[0] for entry in response.headers["Server-Timing"].split(", ")] == [
        "a",
        "client",
    ]


async def test_the_answer_comes_however_dead_the_backends_are(silent_port: int) -> None:
    address = f"127.0.0.1:{silent_port}"
    dead = {
        "a": f"postgresql://x@{address}/x",
        "b": f"rethinkdb://{address}/x",
        "client": f"redis://{address}/0",
    }
    app = make_app(dead, READY_TIMEOUT=0.2)
    began = time.monotonic()
    response = await app.test_client().get("/readyz")
    seconds = time.monotonic() - began
    await close(app)

    assert response.status_code == 503
    assert seconds < 1
    for connection in (await response.get_json())["connections"].values():
        assert connection["ok"] is False


async def test_the_process_is_healthy_without_any_backend(unused_tcp_port: int) -> None:
    app = make_app({"a": f"postgresql://x@127.0.0.1:{unused_tcp_port}/x"})
    response = await app.test_client().get("/healthz")

    assert response.status_code == 200
    assert await response.get_json() == {"ok": True}
    assert "Server-Timing" not in response.headers
