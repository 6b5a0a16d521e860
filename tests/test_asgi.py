"""A request as the server sees it: the same with Quart's own connection class and with ours."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from io import BytesIO
from traceback import walk_tb
from typing import Any

import pytest
from quart import (
    Quart,
    Response,
    abort,
    g,
    make_push_promise,
    redirect,
    request,
    send_file,
    websocket,
)
from quart.asgi import ASGIHTTPConnection
from quart.typing import ResponseReturnValue
from werkzeug import Response as WerkzeugResponse

from service.asgi import OneTaskConnection
from service.stopping import StoppableConnection, register

from .eventually import until

Message = dict[str, Any]

receives: ContextVar[bool] = ContextVar("receives", default=False)
"""Whether something waits for a message, in this context."""

CLASSES = [ASGIHTTPConnection, OneTaskConnection, StoppableConnection]


@pytest.fixture(params=[*CLASSES, None], ids=lambda kind: kind.__name__ if kind else "wrapped")
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Quart:
    """An app whose requests are of each class in turn; at last, with a `receive` of its own."""
    monkeypatch.setattr(Exchange, "wrapped", request.param is None)
    return app_with(request.param or OneTaskConnection)


def app_with(kind: type[ASGIHTTPConnection]) -> Quart:
    app = Quart(__name__)
    app.config["STOP_TIMEOUT"] = 60
    if kind is StoppableConnection:
        register(app)
    app.asgi_http_class = kind
    return app


class Exchange:
    """One request, message by message.

    Attributes:
        sent: what the app has sent.
        clogged: while this is set, the client does not read what is sent.
        wrapped: whether something is between the server's `receive` and the app.
    """

    wrapped = False

    def __init__(self, app: Quart, path: str = "/", method: str = "GET", **scope: Any) -> None:
        self._app = app
        self._scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "extensions": {},
            **scope,
        }
        self._received: asyncio.Queue[Message | Exception] = asyncio.Queue()
        self.sent: list[Message] = []
        self.clogged = False

    def body(self, data: bytes = b"", more: bool = False) -> None:
        """The client sends some of the body."""
        self._received.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def leave(self) -> None:
        """The client goes away."""
        self._received.put_nowait({"type": "http.disconnect"})

    def fail(self, error: Exception) -> None:
        """The server cannot receive any more."""
        self._received.put_nowait(error)

    async def run(self) -> None:
        """Until the app has done with it."""
        scope: Any = self._scope
        receive: Any = self._receive if self.wrapped else self._received.get
        await self._app(scope, receive, self._send)

    @property
    def seen(self) -> tuple[Any, ...]:
        """What the client sees: status, headers, body, and whether that has an end."""
        start, *parts = self.sent
        assert start["type"] == "http.response.start"
        assert {part["type"] for part in parts} == {"http.response.body"}
        data = b"".join(part["body"] for part in parts)
        ends = [part.get("more_body", False) for part in parts]
        return start["status"], start["headers"], data, ends == [True] * (len(ends) - 1) + [False]

    async def _receive(self) -> Any:
        token = receives.set(True)
        try:
            message = await self._received.get()
        finally:
            receives.reset(token)
        if isinstance(message, Exception):
            raise message
        return message

    async def _send(self, message: Any) -> None:
        if self.clogged:
            await asyncio.Event().wait()
        self.sent.append(message)


def has(parts: list[bytes], count: int) -> bool:
    return len(parts) == count


async def parts() -> AsyncIterator[str]:
    yield "a"
    await asyncio.sleep(0)
    yield "b"


async def file() -> Response:
    return await send_file(BytesIO(b"0123456789"), mimetype="text/plain", conditional=True)


def announced() -> Response:
    return Response(parts(), headers={"Content-Length": "2"})


def ranged() -> Response:
    response = Response(b"0123456789")
    response.response.begin, response.response.end = 2, 5  # type: ignore[attr-defined]
    return response


async def refused() -> str:
    abort(418)


async def failing() -> str:
    raise ValueError("failed")


ANSWERS: list[Callable[[], Any]] = [
    lambda: "text",
    lambda: b"bytes",
    lambda: {"json": [1, "ü"]},
    lambda: "",
    lambda: Response(None),
    lambda: ("", 204),
    lambda: ("teapot", 418, {"X-Two": "2", "Set-Cookie": "a=b"}),
    lambda: redirect("/elsewhere"),
    lambda: WerkzeugResponse(["of ", "werkzeug"]),
    parts,
    announced,
    ranged,
    file,
    refused,
    failing,
]


@pytest.mark.parametrize("kind", CLASSES[1:])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_every_answer_is_seen_as_with_quart_s_own(
    answer: Callable[[], ResponseReturnValue], method: str, kind: type[ASGIHTTPConnection]
) -> None:
    seen = []
    for one in (ASGIHTTPConnection, kind):
        app = app_with(one)
        app.get("/")(answer)
        exchange = Exchange(app, method=method)
        exchange.body()
        await exchange.run()
        seen.append(exchange.seen)
    assert seen[0] == seen[1]
    assert seen[0][-1]


@pytest.mark.parametrize("kind", CLASSES[1:])
async def test_an_answer_that_is_there_takes_two_messages_and_no_task(
    kind: type[ASGIHTTPConnection],
) -> None:
    app = app_with(kind)
    app.get("/")(lambda: {"here": True})

    @app.get("/async")
    async def index() -> str:
        return "here"

    exchange = Exchange(app, "/async")
    before = asyncio.all_tasks()
    exchange.body()
    work = exchange.run()
    with pytest.raises(StopIteration):
        work.send(None)  # not one wait
    assert asyncio.all_tasks() == before
    assert [message["type"] for message in exchange.sent] == [
        "http.response.start",
        "http.response.body",
    ]


async def test_a_stream_is_sent_part_by_part_as_it_comes(app: Quart) -> None:
    more = asyncio.Event()

    @app.get("/")
    async def index() -> Response:
        async def stream() -> AsyncIterator[bytes]:
            yield b"one"
            await more.wait()
            yield b"two"

        return Response(stream())

    exchange = Exchange(app)
    exchange.body()
    running = asyncio.create_task(exchange.run())
    await until(lambda: len(exchange.sent) == 2)
    assert exchange.sent[1]["body"] == b"one"
    more.set()
    await running
    assert exchange.seen[2:] == (b"onetwo", True)


async def test_a_body_is_read_whole_and_as_it_comes(app: Quart) -> None:
    read: list[bytes] = []

    @app.post("/whole")
    async def whole() -> str | bytes:
        return await request.get_data(as_text=False)

    @app.post("/parts")
    async def in_parts() -> str:
        async for data in request.body:
            read.append(data)
        return "read"

    announced = [(b"host", b"localhost"), (b"content-length", b"6")]
    whole_exchange = Exchange(app, "/whole", "POST", headers=announced)
    running = asyncio.create_task(whole_exchange.run())
    whole_exchange.body(b"abc", more=True)
    whole_exchange.body(b"def")
    await running
    assert whole_exchange.seen[2] == b"abcdef"

    chunked = [(b"host", b"localhost"), (b"transfer-encoding", b"chunked")]
    exchange = Exchange(app, "/parts", "POST", headers=chunked)
    running = asyncio.create_task(exchange.run())
    for number, part in enumerate((b"abc", b"def"), 1):
        exchange.body(part, more=True)
        await until(partial(has, read, number))
    exchange.body()
    await running
    assert exchange.seen[2] == b"read"
    assert read == [b"abc", b"def"]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_is_too_much_is_refused(app: Quart, announced: bool) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 3

    @app.post("/")
    async def index() -> str | bytes:
        return await request.get_data(as_text=False)

    length = [(b"content-length", b"4")] if announced else []
    exchange = Exchange(app, method="POST", headers=[(b"host", b"localhost"), *length])
    exchange.body(b"abcd")
    await exchange.run()
    assert exchange.seen[0] == 413


async def test_a_body_that_does_not_come_is_a_timeout(app: Quart) -> None:
    app.config["BODY_TIMEOUT"] = 0.01

    @app.post("/")
    async def index() -> str | bytes:
        return await request.get_data(as_text=False)

    exchange = Exchange(app, method="POST")
    exchange.body(b"ab", more=True)
    await exchange.run()
    assert exchange.seen[0] == 408


async def test_a_client_that_leaves_cancels_the_route(app: Quart) -> None:
    events: list[str] = []

    @app.get("/")
    async def index() -> str:
        events.append("waits")
        try:
            await asyncio.Event().wait()
        finally:
            events.append("cut")
        return ""

    exchange = Exchange(app)
    exchange.body()
    running = asyncio.create_task(exchange.run())
    await until(lambda: bool(events))
    exchange.leave()
    await running
    assert events == ["waits", "cut"]
    assert not exchange.sent
    assert not running.cancelling()


async def test_nothing_listens_to_a_client_that_has_its_answer(app: Quart) -> None:
    @app.get("/")
    async def index() -> str:
        await asyncio.sleep(0.01)
        return ""

    before = asyncio.all_tasks()
    exchange = Exchange(app)
    await exchange.run()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_timeout_that_nobody_handles_reaches_the_server(app: Quart) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.get("/")
    async def index() -> str:
        await asyncio.sleep(0.01)
        raise TimeoutError("own")

    with pytest.raises(TimeoutError, match="own"):
        await Exchange(app).run()


@pytest.mark.parametrize("first", ["leaves", "answers"])
async def test_a_client_may_leave_as_the_answer_comes(app: Quart, first: str) -> None:
    complaints: list[Message] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    waits, answer = asyncio.Event(), asyncio.Event()

    @app.get("/")
    async def index() -> str:
        waits.set()
        await answer.wait()
        return ""

    exchange = Exchange(app)
    running = asyncio.create_task(exchange.run())
    await waits.wait()
    await asyncio.sleep(0)
    if first == "answers":
        answer.set()
    exchange.leave()
    answer.set()
    await running
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()  # which tells of errors that nobody has retrieved
    assert not complaints


async def test_a_route_that_will_not_be_cut_comes_to_its_end(app: Quart) -> None:
    events: list[str] = []

    @app.get("/")
    async def index() -> str:
        events.append("waits")
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        events.append("ends")
        return "all the same"

    exchange = Exchange(app)
    running = asyncio.create_task(exchange.run())
    await until(lambda: bool(events))
    exchange.leave()
    await running
    assert events == ["waits", "ends"]
    assert exchange.seen[2] == b"all the same"


async def test_what_a_cut_route_raises_reaches_the_server(app: Quart) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = True
    waits = asyncio.Event()

    @app.get("/")
    async def index() -> str:
        waits.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError("cut")

    exchange = Exchange(app)
    running = asyncio.create_task(exchange.run())
    await waits.wait()
    exchange.leave()
    with pytest.raises(KeyError, match="cut"):
        await running


async def test_a_stream_ends_when_its_client_leaves(app: Quart) -> None:
    events: list[str] = []

    @app.get("/")
    async def index() -> Response:
        async def stream() -> AsyncIterator[bytes]:
            try:
                yield b"one"
                await asyncio.Event().wait()
            finally:
                events.append("ended")

        return Response(stream())

    exchange = Exchange(app)
    exchange.body()
    running = asyncio.create_task(exchange.run())
    await until(lambda: len(exchange.sent) == 2)
    exchange.leave()
    await running
    assert events == ["ended"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("own", [False, True])
async def test_a_client_that_does_not_read_is_given_up(
    app: Quart, streamed: bool, own: bool
) -> None:
    app.config["RESPONSE_TIMEOUT"] = 60 if own else 0.01

    @app.get("/")
    async def index() -> Response:
        response = Response(parts() if streamed else b"known")
        if own:
            response.timeout = 0.01
        return response

    exchange = Exchange(app)
    exchange.body()
    exchange.clogged = True
    async with asyncio.timeout(30):
        await exchange.run()
    assert not exchange.sent


async def test_no_timeout_is_none(app: Quart) -> None:
    app.config["RESPONSE_TIMEOUT"] = None
    app.get("/")(lambda: "here")
    exchange = Exchange(app)
    exchange.body()
    await exchange.run()
    assert exchange.seen[2] == b"here"


@pytest.mark.parametrize("testing", [False, True])
async def test_errors_reach_the_server_or_whoever_tests(app: Quart, testing: bool) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.testing = testing
    app.get("/")(failing)
    exchange = Exchange(app)
    exchange.body()
    if testing:
        await exchange.run()
        assert exchange.seen[0] == 500
        assert b"ValueError" in exchange.seen[2]
    else:
        with pytest.raises(ValueError, match="failed"):
            await exchange.run()
        assert not exchange.sent


async def test_a_route_s_own_timeout_is_an_error_of_its_own(app: Quart) -> None:
    @app.get("/")
    async def index() -> str:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
        return ""

    exchange = Exchange(app)
    exchange.body()
    await exchange.run()
    assert exchange.seen[0] == 500


async def test_what_receives_has_a_context_of_its_own(app: Quart) -> None:
    seen: list[bool] = []

    @app.post("/")
    async def index() -> str:
        await asyncio.sleep(0)
        seen.append(receives.get())
        await request.get_data()
        seen.append(receives.get())
        return ""

    exchange = Exchange(app, method="POST")
    running = asyncio.create_task(exchange.run())
    await until(lambda: bool(seen))
    exchange.body()
    await running
    assert seen == [False, False]
    assert exchange.seen[0] == 200


@pytest.mark.parametrize("leaves", [False, True])
async def test_nothing_of_a_request_waits_for_the_garbage_collector(
    app: Quart, leaves: bool
) -> None:
    class Kept:
        """Something of the request's."""

    alive: list[weakref.ref[Kept]] = []
    go_on = asyncio.Event()

    @app.get("/")
    async def index() -> str:
        g.kept = kept = Kept()
        alive.append(weakref.ref(kept))
        await go_on.wait()
        return ""

    exchange = Exchange(app)
    exchange.body()
    running = asyncio.create_task(exchange.run())
    await until(lambda: bool(alive))
    gc.disable()
    try:
        exchange.leave() if leaves else go_on.set()
        await running
        del running
        for _ in range(5):
            await asyncio.sleep(0)
        assert alive[0]() is None
    finally:
        gc.enable()


async def test_an_error_comes_from_where_it_came_from(app: Quart) -> None:
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    waits = asyncio.Event()
    origin: list[str] = []

    @app.get("/")
    async def index() -> str:
        waits.set()
        return await answer

    @app.errorhandler(LookupError)
    async def look(error: LookupError) -> str:
        origin.extend(frame.f_code.co_name for frame, _ in walk_tb(error.__traceback__))
        return ""

    running = asyncio.create_task(Exchange(app).run())
    await waits.wait()
    answer.set_exception(LookupError())
    await running
    assert origin[-1] == "index"


async def test_what_cannot_be_received_reaches_the_server(app: Quart) -> None:
    @app.get("/")
    async def index() -> str:
        await asyncio.Event().wait()
        return ""

    exchange = Exchange(app)
    exchange.wrapped = True
    exchange.fail(ConnectionResetError("lost"))
    with pytest.raises(ConnectionResetError, match="lost"):
        await exchange.run()


async def test_a_push_promise_goes_before_the_answer(app: Quart) -> None:
    @app.get("/")
    async def index() -> str:
        await make_push_promise("/style.css")
        return "pushed"

    exchange = Exchange(app, http_version="2", extensions={"http.response.push": {}})
    exchange.body()
    await exchange.run()
    push, start, *_ = exchange.sent
    assert (push["type"], push["path"]) == ("http.response.push", "/style.css")
    assert start["type"] == "http.response.start"


async def test_a_server_that_cancels_cancels_the_route() -> None:
    events: list[str] = []
    app = app_with(OneTaskConnection)

    @app.get("/")
    async def index() -> str:
        events.append("waits")
        try:
            await asyncio.Event().wait()
        finally:
            events.append("cut")
        return ""

    exchange = Exchange(app)
    running = asyncio.create_task(exchange.run())
    await until(lambda: bool(events))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert events == ["waits", "cut"]


async def test_websockets_are_quart_s_own(app: Quart) -> None:
    @app.websocket("/")
    async def index() -> None:
        await websocket.send(await websocket.receive())

    async with app.test_client().websocket("/") as socket:
        await socket.send("hello")
        assert await socket.receive() == "hello"
