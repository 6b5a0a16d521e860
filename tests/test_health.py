"""Health: the process, and the backends behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from service.connections import Connections
from tests.api.apps import close, make_app
from tests.mute import mute_server


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
    connections: Connections = app.extensions["connections"]
    whole = (await connections.check())["b"].error
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
    # The whole of it is for who runs the service: it names the server's address.
    assert re.fullmatch(r"\w+Error", problem["connections"]["b"]["error"])
    assert "hush" not in str(problem)
    assert str(unused_tcp_port) not in str(problem)
    assert str(unused_tcp_port) in str(whole)
    assert [entry.partition(";")[0] for entry in response.headers["Server-Timing"].split(", ")] == [
        "a",
        "client",
    ]


async def test_the_answer_comes_however_dead_the_backends_are() -> None:
    async with mute_server() as port:
        dead = {
            "a": f"postgresql://x@127.0.0.1:{port}/x",
            "b": f"rethinkdb://127.0.0.1:{port}/x",
            "client": f"redis://127.0.0.1:{port}/0",
        }
        tables = {name: {"url": url, "connect_timeout": 60.0} for name, url in dead.items()}
        app = make_app(tables, READY_TIMEOUT=0.2)
        async with asyncio.timeout(10):
            response = await app.test_client().get("/readyz")
        await close(app)

    assert response.status_code == 503
    for connection in (await response.get_json())["connections"].values():
        assert connection["ok"] is False
        assert connection["error"] == "no answer within 0.2 s"


async def test_the_process_is_healthy_without_any_backend(unused_tcp_port: int) -> None:
    app = make_app({"a": f"postgresql://x@127.0.0.1:{unused_tcp_port}/x"})
    response = await app.test_client().get("/healthz")

    assert response.status_code == 200
    assert await response.get_json() == {"ok": True}
    assert "Server-Timing" not in response.headers
