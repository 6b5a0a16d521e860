"""The client of ported tests: each request its own `g`, errors raised as by Flask's client."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from contextvars import copy_context
from typing import Any, cast

import flask
import pytest
from quart import Quart, Response, g, has_app_context, jsonify, request, session
from quart.sessions import SecureCookieSession, SessionInterface
from werkzeug.test import EnvironBuilder

from service.connections import Connections, get_db
from service.porting.runtime import run_apart
from service.porting.testing import PortedClient, ported_client
from tests.connections.ledger import LEDGERS, Ledger
from tests.eventually import until


def make_app() -> Quart:
    app = Quart("ported")

    @app.before_request
    async def load() -> None:
        if "X-User" in request.headers:
            g.user = request.headers["X-User"]

    @app.get("/who")
    async def who() -> dict[str, Any]:
        return {"user": g.get("user")}

    app.add_url_rule("/boom", view_func=boom)
    return app


def boom() -> str:
    raise RuntimeError("boom")


async def test_each_request_has_a_g_of_its_own_that_is_kept_until_the_next() -> None:
    async with PortedClient(make_app()) as client:
        response = await client.get("/who", headers={"X-User": "ada"})
        assert await response.get_json() == {"user": "ada"}
        assert g.user == "ada"
        response = await client.get("/who")
        assert await response.get_json() == {"user": None}
        assert "user" not in g
    assert not has_app_context()


async def test_connections_are_opened_after_a_request_and_go_back_before_the_next() -> None:
    ledger = LEDGERS["ledger://client"] = Ledger()
    app = make_app()
    app.config["CONNECTIONS"] = {"x": "ledger://client"}
    connections = Connections(app)
    client = PortedClient(app)
    async with client:
        await client.get("/who")
        connection = await get_db("x")
        assert await get_db("x") is connection
        await client.get("/who")
        assert ledger.out == 0
        await get_db("x")
    assert ledger.out == 0
    with client:
        await client.get("/who")
        await get_db("x")
    await until(lambda: ledger.out == 0)
    await connections.close()


async def test_headers_have_the_names_that_the_app_gave_them() -> None:
    app = make_app()
    app.add_url_rule("/tagged", view_func=lambda: ("", 200, {"ETag": "a", "X-DNS": "on"}))
    response = await PortedClient(app).get("/tagged")
    assert {"ETag": "a", "X-DNS": "on"}.items() <= dict(response.headers).items()


@pytest.mark.parametrize("kind", ["builder", "request", "environ"])
def test_requests_that_are_made_already_are_sent(kind: str) -> None:
    of_flask, ported = flask.Flask("sent"), Quart("sent")

    def told(request: Any, body: Any) -> dict[str, Any]:
        given = [request.method, request.full_path, request.headers["X-A"], request.remote_addr]
        return {"given": given, "body": body}

    of_flask.add_url_rule(
        "/a", "a", lambda: told(flask.request, flask.request.get_json()), methods=["POST"]
    )

    @ported.post("/a")
    async def view() -> dict[str, Any]:
        return told(request, await request.get_json())

    def made() -> Any:
        builder = EnvironBuilder("/a?b=1", method="POST", json={"c": 1}, headers=[("X-A", "1")])
        if kind == "builder":
            return builder
        return builder.get_request() if kind == "request" else builder.get_environ()

    async def answer() -> Any:
        client = PortedClient(ported)
        client.environ_base["REMOTE_ADDR"] = "1.2.3.4"
        response = await client.open(made())
        again = await client.open(cast(Any, response).request)
        assert await again.get_json() == await response.get_json()
        return await response.get_json()

    client = of_flask.test_client()
    client.environ_base["REMOTE_ADDR"] = "1.2.3.4"
    assert asyncio.run(answer()) == client.open(made()).get_json()


async def test_a_request_in_an_app_context_leaves_that_as_it_is() -> None:
    app = make_app()
    async with PortedClient(app) as client:
        async with app.app_context():
            await client.get("/who", headers={"X-User": "ada"})
            assert request.path == "/who"
            assert g.user == "ada"
        assert not has_app_context()
        assert request.path == "/who"


async def test_what_a_fixture_sent_before_is_forgotten_by_the_test() -> None:
    client = PortedClient(make_app())
    await client.__aenter__()
    await client.get("/who", headers={"X-User": "ada"})

    async def tested() -> Any:
        return await (await client.get("/who")).get_json()

    of_test = asyncio.get_running_loop().create_task(tested(), context=copy_context())
    assert await of_test == {"user": None}
    await client.__aexit__(None, None, None)


async def test_a_request_says_who_it_is_from_as_that_of_flasks_client_does() -> None:
    def sender() -> dict[str, Any]:
        return {"agent": request.headers.get("User-Agent"), "address": request.remote_addr}

    of_flask = flask.Flask("of_flask")
    of_flask.add_url_rule("/agent", view_func=lambda: dict(flask.request.headers))
    ported = make_app()
    ported.add_url_rule("/from", view_func=sender)
    expected = of_flask.test_client().get("/agent").get_json()["User-Agent"]
    response = await PortedClient(ported).get("/from")
    assert await response.get_json() == {"agent": expected, "address": "127.0.0.1"}
    response = await PortedClient(ported).get("/from", headers={"User-Agent": "curl"})
    assert (await response.get_json())["agent"] == "curl"


@pytest.mark.parametrize("handled", [True, False])
@pytest.mark.parametrize("propagate", [True, False, None])
@pytest.mark.parametrize("testing", [True, False])
async def test_an_error_is_raised_if_flasks_client_raises_it(
    testing: bool, propagate: bool | None, handled: bool
) -> None:
    of_flask = flask.Flask("of_flask")
    of_flask.add_url_rule("/boom", view_func=boom)
    ported = make_app()
    for app in (of_flask, ported):
        app.config.update(TESTING=testing, PROPAGATE_EXCEPTIONS=propagate)
        if handled:
            app.register_error_handler(500, lambda error: ("sorry", 500))
    try:
        expected: int | None = of_flask.test_client().get("/boom").status_code
    except RuntimeError:
        expected = None
    async with PortedClient(ported) as client:
        try:
            found: int | None = (await client.get("/boom")).status_code
        except RuntimeError:
            found = None
        assert request.path == "/boom"
    assert found == expected


async def test_a_response_has_the_headers_that_were_sent_and_no_others() -> None:
    app = make_app()

    @app.get("/none")
    async def none() -> Response:
        response = Response(None, 304)
        del response.headers["Content-Type"]
        return response

    response = await PortedClient(app).get("/none")
    assert (response.status_code, list(response.headers)) == (304, [])


@pytest.mark.parametrize(("method", "path"), [("HEAD", "/who"), ("GET", "/gone")])
async def test_what_has_no_body_has_none_for_the_client_either(method: str, path: str) -> None:
    def answers(app: Any) -> Any:
        app.add_url_rule("/who", "who", lambda: "nobody")
        app.add_url_rule("/gone", "gone", lambda: ("gone", 204))
        return app

    expected = answers(flask.Flask("flask")).test_client().open(path, method=method)
    response = await PortedClient(answers(Quart("ported"))).open(path, method=method)
    assert (await response.get_data(), expected.data) == (b"", b"")
    if method == "HEAD":
        assert response.content_length == expected.content_length == len("nobody")


class InMemory(SessionInterface):
    """Sessions that are kept here, by plain functions as under Flask."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def open_session(self, app: Any, request: Any) -> Any:
        return SecureCookieSession(self.kept.get(request.cookies.get("sid"), {}))

    def save_session(self, app: Any, session: Any, response: Any) -> None:  # type: ignore[override]
        self.kept["1"] = dict(session)
        response.set_cookie("sid", "1")


async def test_a_session_of_plain_functions_is_read_and_changed() -> None:
    app = Quart("ported")
    app.session_interface = InMemory()  # type: ignore[assignment]
    app.add_url_rule("/", "who", lambda: {"name": session.get("name")})
    client = PortedClient(app)
    async with client.session_transaction("/", headers={"X-User": "ada"}) as changed:
        changed["name"] = "bob"
    assert await (await client.get("/")).get_json() == {"name": "bob"}
    async with client.session_transaction() as read:
        assert read["name"] == "bob"


async def test_a_cookie_is_forgotten_that_was_set_by_the_app_or_by_the_test() -> None:
    app = Quart("ported")
    app.session_interface = InMemory()  # type: ignore[assignment]
    app.add_url_rule("/", "cookies", lambda: dict(request.cookies))
    client = PortedClient(app)
    await client.get("/")
    client.set_cookie("theme", "dark")
    assert await (await client.get("/")).get_json() == {"sid": "1", "theme": "dark"}
    client.delete_cookie("theme")
    assert await (await client.get("/")).get_json() == {"sid": "1"}
    client.delete_cookie("sid")
    client.delete_cookie("of another name")
    assert await (await client.get("/")).get_json() == {}


@pytest.mark.parametrize(
    ("setting", "asked"),
    [
        ({"key": "sid", "value": "a b", "httponly": True, "samesite": "Lax"}, {"key": "sid"}),
        ({"key": "sid", "value": "1", "max_age": 60, "secure": True}, {"key": "sid"}),
        ({"key": "sid", "value": "1", "path": "/p"}, {"key": "sid"}),
        ({"key": "sid", "value": "1", "path": "/p"}, {"key": "sid", "path": "/p"}),
        ({"key": "sid", "value": "1", "domain": "x.org"}, {"key": "sid", "domain": "x.org"}),
        ({"key": "sid", "value": "1", "expires": 0}, {"key": "sid"}),
    ],
)
async def test_a_cookie_says_what_werkzeugs_says(
    setting: dict[str, Any], asked: dict[str, Any]
) -> None:
    of_flask, ported = flask.Flask("cookies"), Quart("cookies")

    @of_flask.get("/")
    @of_flask.get("/p/q")
    def view() -> flask.Response:
        response = flask.jsonify(flask.request.cookies)
        response.set_cookie(**setting)
        return response

    @ported.get("/")
    @ported.get("/p/q")
    async def async_view() -> Response:
        response = jsonify(request.cookies)
        response.set_cookie(**setting)
        return response

    flasks, client = of_flask.test_client(), PortedClient(ported)
    for path in ("/", "/p/q", "/"):
        expected = flasks.get(path).get_json()
        assert await (await client.get(path)).get_json() == expected
    assert client.get_cookie(**asked) == flasks.get_cookie(**asked)


async def test_a_client_is_of_the_apps_own_class() -> None:
    class Own(PortedClient):
        pass

    app = make_app()
    assert type(ported_client(app)) is PortedClient
    app.test_client_class = Own  # type: ignore[assignment]
    client = ported_client(app, use_cookies=False)
    assert type(client) is Own
    with pytest.raises(TypeError, match="disabled"):
        client.set_cookie("theme", "dark")
    app.test_client_class = None  # type: ignore[assignment]
    assert type(ported_client(app)) is PortedClient


async def test_a_client_is_entered_by_a_stack_as_well() -> None:
    with ExitStack() as stack:
        client = stack.enter_context(PortedClient(make_app()))
        await client.get("/who", headers={"X-User": "ada"})
        assert g.user == "ada"
    assert not has_app_context()


def test_a_client_is_left_where_no_event_loop_is() -> None:
    async def other() -> None:
        pass

    asyncio.run(other())
    with PortedClient(make_app()) as client:
        assert run_apart(client.get("/who")).status_code == 200
    assert not has_app_context()
