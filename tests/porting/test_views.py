"""Class-based views whose objects wait while they are made."""

from __future__ import annotations

import threading
from typing import Any

import flask
import flask.views
import pytest
import quart
from quart import Quart
from quart.views import MethodView

from service.connections import Connections, run
from service.porting.testing import PortedClient
from service.porting.views import PortedMethodView, PortedView


@pytest.fixture
def app() -> Quart:
    """An app whose plain functions may wait."""
    app = Quart("views")
    app.config["CONNECTIONS"] = {}
    Connections(app)
    return app


async def test_init_may_wait_for_the_body(app: Quart) -> None:
    class Sent(PortedMethodView):
        def __init__(self, greeting: str, to: str) -> None:
            self.greeting, self.to = greeting, to
            self.body: Any = run(quart.request.get_json())

        async def post(self, number: int) -> Any:
            return [self.greeting, self.to, number, self.body]

    app.add_url_rule("/<int:number>", view_func=Sent.as_view("sent", "hello", to="you"))
    response = await PortedClient(app).post("/3", json={"a": 1})
    assert await response.json == ["hello", "you", 3, {"a": 1}]
    assert (await PortedClient(app).get("/3")).status_code == 405


async def test_init_may_end_the_request(app: Quart) -> None:
    class Refusing(PortedView):
        def __init__(self) -> None:
            quart.abort(409)

        def dispatch_request(self, **kwargs: Any) -> Any:
            raise AssertionError

    app.add_url_rule("/", view_func=Refusing.as_view("refusing"))
    assert (await PortedClient(app).get("/")).status_code == 409


async def test_the_object_is_made_where_plain_functions_run(app: Quart) -> None:
    threads = []

    class Threads(PortedView):
        def __init__(self) -> None:
            threads.append(threading.current_thread())

        def dispatch_request(self, **kwargs: Any) -> Any:
            threads.append(threading.current_thread())
            return ""

    app.add_url_rule("/", view_func=Threads.as_view("threads"))
    await PortedClient(app).get("/")
    made, dispatched = threads
    assert made is dispatched is not threading.main_thread()


async def test_the_function_is_decorated_and_described_as_that_of_flask(app: Quart) -> None:
    told: list[tuple[str, str]] = []

    def remember(view: Any) -> Any:
        told.append((view.__name__, view.__module__))
        return view

    functions = []
    for base in (flask.views.MethodView, MethodView, PortedMethodView):
        body = {"__doc__": "A page.", "decorators": [remember], "get": lambda self: "page"}
        functions.append(type("Page", (base,), body).as_view("page"))  # type: ignore[attr-defined]
    of_flask, of_quart, ported = functions
    for name in ("__name__", "__doc__", "__module__", "methods", "provide_automatic_options"):
        assert getattr(of_flask, name) == getattr(of_quart, name) == getattr(ported, name)
    assert told == [("page", __name__)] * 3
    assert issubclass(ported.view_class, PortedView)


async def test_one_object_for_all_requests(app: Quart) -> None:
    made = []

    class Once(PortedMethodView):
        init_every_request = False

        def __init__(self) -> None:
            made.append(self)

        async def get(self) -> str:
            return str(made.index(self))

    app.add_url_rule("/", view_func=Once.as_view("once"))
    for _ in range(2):
        assert await (await PortedClient(app).get("/")).get_data() == b"0"
    assert len(made) == 1
