"""What the README's porting section says of Flask, of Quart alone and of ours, row by row."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import flask
import pytest
import quart
from quart import Quart

from service.connections import Connections, run
from service.porting import sending
from service.porting.testing import PortedClient


def make(kind: str) -> Any:
    """An app of this kind."""
    if kind == "Flask":
        return flask.Flask("differences")
    app = Quart("differences")
    if kind == "ours":
        Connections(app)
    return app


async def body(app: Any, path: str = "/") -> str:
    """What the app answers."""
    answer = app.test_client().get(path)
    if isinstance(app, flask.Flask):
        return str(answer.text)
    return str(await (await answer).get_data(as_text=True))


async def answer_of(app: Any, view: Callable[[], Any]) -> Any:
    """What the app answers if this is its view, with status and headers."""
    app.add_url_rule("/", "view", view)
    answer = app.test_client().get("/")
    return answer if isinstance(app, flask.Flask) else await answer


def as_expected(**expected: Any) -> Callable[[Any], Any]:
    """Run the test for each kind, with what the README says of it."""
    return pytest.mark.parametrize(("kind", "expected"), [*expected.items()])


@pytest.mark.parametrize("kind", ["Flask", "ours"])
async def test_plain_functions_run_in_one_thread(kind: str) -> None:
    app, threads = make(kind), set()

    def view() -> Iterator[str]:
        threads.add(threading.get_ident())
        yield ""

    app.before_request(lambda: threads.add(threading.get_ident()))
    app.add_url_rule("/", "view", view)
    await body(app)
    assert len(threads) == 1


@as_expected(Flask="set", Quart="nothing", ours="set")
async def test_a_context_variable_set_in_a_hook(kind: str, expected: str) -> None:
    app = make(kind)
    variable: ContextVar[str] = ContextVar("variable", default="nothing")
    app.before_request(lambda: variable.set("set") and None)
    app.add_url_rule("/", "view", variable.get)
    assert await body(app) == expected


@as_expected(Flask="set", Quart="ValueError", ours="ValueError")
async def test_the_token_of_a_context_variable_in_another_hook(kind: str, expected: str) -> None:
    app, tokens = make(kind), []
    variable: ContextVar[str] = ContextVar("variable")
    app.before_request(lambda: tokens.append(variable.set("set")))

    def view() -> str:
        try:
            variable.reset(tokens[0])
        except ValueError:
            return "ValueError"
        return tokens[0].var.get("set")

    app.add_url_rule("/", "view", view)
    assert await body(app) == expected


@as_expected(Flask=ValueError, Quart=type(None), ours=ValueError)
async def test_the_error_that_a_teardown_gets(kind: str, expected: type) -> None:
    app, errors = make(kind), []

    def view() -> str:
        raise ValueError

    app.add_url_rule("/", "view", view)
    app.teardown_request(lambda error: errors.append(type(error)))
    app.teardown_appcontext(lambda error: errors.append(type(error)))
    await body(app)
    assert errors == [expected, expected]


@as_expected(Flask=[2, 1], Quart=[1, 2], ours=[2, 1])
async def test_the_order_of_teardowns_of_the_app_context(kind: str, expected: list[int]) -> None:
    app, order = make(kind), []
    for number in (1, 2):
        app.teardown_appcontext(lambda error, number=number: order.append(number))
    await body(app)
    assert order == expected


@pytest.mark.parametrize("kind", ["Quart", "ours"])
async def test_teardowns_at_the_start_and_the_end_of_serving(kind: str) -> None:
    app, contents = make(kind), []
    app.teardown_appcontext(lambda error: contents.append(list(vars(quart.g))))
    async with app.test_app():
        assert contents == [[]]
    assert contents == [[], []]


@as_expected(Flask="ValueError", Quart="NoneType", ours="ValueError")
async def test_the_error_being_handled_in_an_error_handler(kind: str, expected: str) -> None:
    app = make(kind)

    def view() -> str:
        raise ValueError

    app.add_url_rule("/", "view", view)
    app.register_error_handler(ValueError, lambda error: type(sys.exc_info()[1]).__name__)
    assert await body(app) == expected


@as_expected(Flask=True, Quart=False, ours=False)
async def test_g_in_the_block_of_a_test_client(kind: str, expected: bool) -> None:
    app = make(kind)
    app.add_url_rule("/", "view", lambda: "view")
    if kind == "Flask":
        with app.test_client() as client:
            client.get("/")
            found = flask.has_app_context() and flask.request.path == "/"
    else:
        async with app.test_client() as client:
            await client.get("/")
            assert quart.request.path == "/"
            found = quart.has_app_context()
    assert found is expected


@as_expected(Flask=None, Quart=500, ours=500)
async def test_an_error_while_testing(kind: str, expected: int | None) -> None:
    app = make(kind)
    app.testing = True
    if expected is None:
        with pytest.raises(ZeroDivisionError):
            await answer_of(app, lambda: 1 // 0)
    else:
        assert (await answer_of(app, lambda: 1 // 0)).status_code == expected
        with pytest.raises(ZeroDivisionError):
            await PortedClient(app).get("/")


@as_expected(Flask="differences", Quart="", ours="")
def test_the_app_context_of_a_command(kind: str, expected: str) -> None:
    app = make(kind)
    web = flask if kind == "Flask" else quart

    def command() -> None:
        print(web.current_app.name if web.has_app_context() else "")

    app.cli.command("command")(command)
    assert app.test_cli_runner().invoke(args=["command"]).output.strip() == expected


@as_expected(
    Flask=("no-cache", "inline; filename=a.py"),
    Quart=("public, max-age=43200", None),
    ours=("no-cache", "inline; filename=a.py"),
)
async def test_a_file_that_was_sent(kind: str, expected: tuple[str, str | None]) -> None:
    app = make(kind)

    async def view() -> Any:
        if kind == "Quart":
            return await quart.send_file(__file__, attachment_filename="a.py")
        return await sending.send_file(__file__, download_name="a.py")

    of_flask = lambda: flask.send_file(__file__, download_name="a.py")  # noqa: E731
    answer = await answer_of(app, of_flask if kind == "Flask" else view)
    headers = answer.headers
    assert (headers["Cache-Control"], headers.get("Content-Disposition")) == expected
    if kind == "Flask":
        answer.close()


@as_expected(Flask="no-cache", Quart="public, max-age=43200", ours="public, max-age=43200")
async def test_who_may_keep_a_static_file(kind: str, expected: str) -> None:
    app = make(kind)
    app.static_folder = str(Path(__file__).parent)
    async with contextlib.AsyncExitStack() as stack:
        if kind == "Flask":
            stack.enter_context(app.test_request_context("/"))
            answer = app.send_static_file(Path(__file__).name)
            stack.callback(answer.close)
        else:
            await stack.enter_async_context(app.test_request_context("/"))
            answer = await app.send_static_file(Path(__file__).name)
        assert answer.headers["Cache-Control"] == expected


@as_expected(Flask=["a=1", "b=2"], Quart=["b=2"], ours=["b=2"])
async def test_a_header_twice_beside_the_body(kind: str, expected: list[str]) -> None:
    headers = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    answer = await answer_of(make(kind), lambda: ("", headers))
    assert answer.headers.getlist("Set-Cookie") == expected


@as_expected(Flask=201, Quart=500, ours=500)
async def test_a_status_with_its_name(kind: str, expected: int) -> None:
    assert (await answer_of(make(kind), lambda: ("", "201 CREATED"))).status_code == expected


@as_expected(Flask=200, Quart=413, ours=413)
async def test_a_body_of_more_than_16_mb(kind: str, expected: int) -> None:
    app = make(kind)
    if kind == "Flask":
        app.add_url_rule("/", "view", lambda: str(len(flask.request.get_data())), methods=["POST"])
        response = app.test_client().post("/", data=b"x" * (16 * 2**20 + 1))
    else:

        async def view() -> str:
            return str(len(await quart.request.get_data()))

        app.add_url_rule("/", "view", view, methods=["POST"])
        response = await app.test_client().post("/", data=b"x" * (16 * 2**20 + 1))
    assert response.status_code == expected


@as_expected(Flask=None, Quart=60, ours=60)
async def test_an_answer_that_takes_longer_than_a_minute(kind: str, expected: int | None) -> None:
    app = make(kind)
    assert app.config.get("RESPONSE_TIMEOUT") == expected
    if kind != "Flask":
        app.config["RESPONSE_TIMEOUT"] = 0.05
        ends = asyncio.Event()

        async def parts() -> Any:
            yield b"first"
            try:
                await asyncio.Event().wait()
            finally:
                ends.set()

        app.add_url_rule("/", "view", parts)
        await app.test_client().get("/")
        assert ends.is_set()


@as_expected(Flask=200, Quart=404, ours=404)
async def test_a_host_that_is_not_the_server_name(kind: str, expected: int) -> None:
    app = make(kind)
    app.config["SERVER_NAME"] = "example.org"
    app.add_url_rule("/", "view", lambda: "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = app.test_client().get("/", headers={"Host": "10.0.0.1"})
        response = given if kind == "Flask" else await given
    assert response.status_code == expected


@as_expected(Flask=400, Quart=200, ours=200)
async def test_a_host_that_is_not_trusted(kind: str, expected: int) -> None:
    app = make(kind)
    app.config["TRUSTED_HOSTS"] = ["example.org"]
    assert (await answer_of(app, lambda: "")).status_code == expected


@as_expected(Flask="set in the view", Quart="", ours="")
async def test_g_in_a_stream_with_the_context(kind: str, expected: str) -> None:
    app = make(kind)

    def view() -> Any:
        flask.g.mark = "set in the view"

        def stream() -> Iterator[str]:
            yield flask.g.get("mark", "")

        return flask.stream_with_context(stream())

    async def async_view() -> Any:
        quart.g.mark = "set in the view"

        @quart.stream_with_context
        async def stream() -> Any:
            yield quart.g.get("mark", "")

        return stream()

    app.add_url_rule("/", "view", view if kind == "Flask" else async_view)
    assert await body(app) == expected


@pytest.mark.parametrize(("waits", "ended"), [("run", "cancelled"), ("itself", "returned")])
async def test_a_client_that_leaves(waits: str, ended: str) -> None:
    app = make("ours")
    began, go = asyncio.Event(), threading.Event()
    seen: list[Any] = []
    task: list[asyncio.Task[Any] | None] = []

    async def before() -> None:
        task.append(asyncio.current_task())

    async def begin() -> None:
        began.set()

    def view() -> str:
        run(begin())
        try:
            if waits == "run":
                run(asyncio.Event().wait())
            assert go.wait(30)
            seen.append("returned")
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return ""

    app.before_request(before)
    app.add_url_rule("/", "view", view)
    app.teardown_request(lambda error: seen.append(type(error)))
    async with app.test_client().request("/") as connection:
        await connection.send_complete()
        await began.wait()
        asyncio.get_running_loop().call_later(0.05, go.set)
        await connection.disconnect()
    assert seen == [ended, asyncio.CancelledError]


async def test_an_app_that_tears_down_in_a_way_of_its_own_does_so() -> None:
    torn_down = []

    class Own(Quart):
        async def do_teardown_appcontext(self, exc: BaseException | None) -> None:
            torn_down.append(exc)

    app = Own("own")
    Connections(app)
    async with app.app_context():
        pass
    assert torn_down == [None]
