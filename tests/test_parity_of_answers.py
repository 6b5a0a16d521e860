"""What the README's porting section says of sessions, limits, statuses and tags, row by row."""

from __future__ import annotations

import hashlib
from typing import Any

import flask
import quart

from service.porting.runtime import PortedRequest
from service.porting.sessions import PortedSessions

from .test_parity_differences import answer_of, as_expected, make


@as_expected(Flask="299 FINE", Quart="299 UNKNOWN", ours="299 UNKNOWN")
async def test_a_status_with_a_name_of_its_own(kind: str, expected: str) -> None:
    def view() -> Any:
        response = (flask if kind == "Flask" else quart).Response("")
        response.status = "299 FINE"
        return response

    assert (await answer_of(make(kind), view)).status == expected


@as_expected(Flask="sha1", Quart="md5", ours="md5")
async def test_the_etag_of_a_body(kind: str, expected: str) -> None:
    if kind == "Flask":
        response: Any = flask.Response("body")
        response.add_etag()
    else:
        response = quart.Response("body")
        await response.add_etag()
    assert response.get_etag() == (hashlib.new(expected, b"body").hexdigest(), False)


@as_expected(Flask="Cookie", Quart=None, ours="Cookie")
async def test_an_answer_that_depends_on_the_session(kind: str, expected: str | None) -> None:
    app = make(kind)
    app.secret_key = "only-for-this-test"
    if kind == "ours":
        app.session_interface = PortedSessions()
    session = (flask if kind == "Flask" else quart).session
    answer = await answer_of(app, lambda: str("user" in session))
    assert answer.headers.get("Vary") == expected


@as_expected(Flask=413, Quart=200, ours=413)
async def test_a_limit_that_a_view_sets(kind: str, expected: int) -> None:
    app = make(kind)
    if kind == "Flask":

        def view() -> bytes:
            flask.request.max_content_length = 1
            return flask.request.get_data()

        app.add_url_rule("/", "view", view, methods=["POST"])
        response = app.test_client().post("/", data=b"body")
    else:

        async def async_view() -> Any:
            quart.request.max_content_length = 1
            return await quart.request.get_data()

        app.add_url_rule("/", "view", async_view, methods=["POST"])
        if kind == "ours":
            app.request_class = PortedRequest
        response = await app.test_client().post("/", data=b"body")
    assert response.status_code == expected
