"""The environ of a ported request, beside the one that Flask's client makes."""

from __future__ import annotations

from typing import Any

import flask
import quart

from service.porting.environ import environ
from service.porting.testing import PortedClient

_OF_THE_SERVER = {
    "HTTP_USER_AGENT", "RAW_URI", "REMOTE_PORT", "REQUEST_URI", "werkzeug.request",
    "wsgi.input", "wsgi.input_terminated", "wsgi.multiprocess", "wsgi.multithread",
}  # fmt: skip


def compared(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in _OF_THE_SERVER}


async def test_it_says_what_flasks_says() -> None:
    under_flask: list[dict[str, Any]] = []
    here: list[dict[str, Any]] = []
    before, after = flask.Flask("before"), quart.Quart("after")

    @before.post("/é/<name>")
    def of_flask(name: str) -> str:
        under_flask.append(dict(flask.request.environ))
        return name

    @after.post("/é/<name>")
    async def of_quart(name: str) -> str:
        here.append(environ(quart.request))
        return name

    sent: dict[str, Any] = {
        "data": b"abc",
        "headers": [("X-Thing", "1"), ("Accept", "a/b")],
        "content_type": "text/plain",
    }
    for base in ("http://localhost", "https://games.example:8443"):
        before.test_client().post("/é/a b?q=1&%C3%BC=2", base_url=base, **sent)
        await PortedClient(after).post("/é/a b?q=1&%C3%BC=2", base_url=base, **sent)
    assert list(map(compared, here)) == list(map(compared, under_flask))


async def test_what_a_test_gives_is_there() -> None:
    app = quart.Quart("after")

    @app.get("/")
    async def index() -> dict[str, Any]:
        found = environ(quart.request)
        return {name: found.get(name) for name in ("REMOTE_USER", "HTTP_X", "REMOTE_ADDR")}

    client = PortedClient(app)
    client.environ_base["REMOTE_USER"] = "ada"
    nobody = {"HTTP_X": None, "REMOTE_ADDR": "127.0.0.1"}
    assert await (await client.get("/")).json == {**nobody, "REMOTE_USER": "ada"}
    given = {"REMOTE_USER": "bob", "HTTP_X": "1", "REMOTE_ADDR": "10.0.0.1"}
    assert await (await client.get("/", environ_base=given)).json == given
    assert await (await client.get("/", environ_overrides=given)).json == given
