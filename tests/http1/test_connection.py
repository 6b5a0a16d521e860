"""What is answered goes in as few writes as may be, and no sooner and no later than it should."""

from __future__ import annotations

import asyncio
import re
from asyncio import selector_events
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from quart import Quart, Response
from quart.typing import ResponseTypes

from service import http1, keep_alive, tuning
from tests.eventually import until
from tests.test_keep_alive import LOOPS, go_on, served

GET = b"GET /%b HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.fixture(autouse=True)
def short_way() -> None:
    """Let every connection of this process go the short way."""
    http1.register()
    keep_alive.register()


@pytest.fixture
def app() -> Quart:
    """An app with an answer of each kind."""
    app = Quart(__name__)
    tuning.register(app, 0)

    @app.get("/whole")
    async def whole() -> str:
        return "whole"

    @app.get("/nothing")
    async def nothing() -> tuple[str, int]:
        return "", 204

    return app


class Written:
    """What Hypercorn writes, write by write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parts: list[bytes] = []
        transport: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
        self._write = transport.write
        monkeypatch.setattr(transport, "write", lambda *given: self._note(*given))

    def _note(self, transport: Any, data: bytes) -> None:
        if not data.startswith(b"GET"):
            self.parts.append(data)
        self._write(transport, data)


async def test_an_answer_that_is_there_is_one_write(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written(monkeypatch)
    async with served(app, asyncio.Event()) as (reader, writer):
        for _ in range(2):
            writer.write(GET % b"whole")
            await reader.readuntil(b"whole")
            await go_on(5)
    assert [part.endswith(b"\r\n\r\nwhole") for part in written.parts] == [True, True]


async def test_a_head_without_a_body_is_sent(app: Quart) -> None:
    async with served(app, asyncio.Event()) as (reader, writer), asyncio.timeout(10):
        for request in (GET % b"nothing", (GET % b"whole").replace(b"GET", b"HEAD")) * 2:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 2")


@pytest.mark.parametrize("new_loop", LOOPS)
def test_the_head_of_a_stream_does_not_wait_for_its_first_part(
    app: Quart, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main() -> tuple[bytes, bytes]:
        go = asyncio.Event()

        async def parts() -> AsyncIterator[bytes]:
            await go.wait()
            yield b"first"
            yield b"second"

        app.add_url_rule("/stream", "stream", lambda: Response(parts()))
        async with served(app, asyncio.Event()) as (reader, writer), asyncio.timeout(10):
            writer.write(GET % b"stream")
            head = await reader.readuntil(b"\r\n\r\n")
            go.set()
            return head, await reader.readuntil(b"0\r\n\r\n")

    with asyncio.Runner(loop_factory=new_loop) as runner:
        head, body = runner.run(main())
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"


async def test_the_head_of_a_body_that_is_announced_does_not_wait_for_it(app: Quart) -> None:
    go = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        await go.wait()
        yield b"all"

    app.add_url_rule("/", "file", lambda: Response(parts(), headers={"Content-Length": "3"}))
    async with served(app, asyncio.Event()) as (reader, writer), asyncio.timeout(10):
        writer.write(GET % b"")
        assert b"content-length: 3" in await reader.readuntil(b"\r\n\r\n")
        go.set()
        assert await reader.readexactly(3) == b"all"


async def test_the_head_of_an_answer_that_breaks_off_is_sent() -> None:
    async def breaks_off(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})

    async with served(breaks_off, asyncio.Event()) as (reader, writer):
        writer.write(GET % b"")
        told = await reader.read()
    assert told.startswith(b"HTTP/1.1 200")
    assert told.endswith(b"\r\n\r\n")


async def test_answers_to_requests_that_come_at_once_are_in_order(app: Quart) -> None:
    async with served(app, asyncio.Event()) as (reader, writer):
        writer.write((GET % b"whole") + (GET % b"nothing") + (GET % b"whole"))
        told = b"".join([await reader.readuntil(b"\r\n\r\n") for _ in range(3)])
        assert await reader.readexactly(5) == b"whole"
    assert [told.count(b"HTTP/1.1 %d" % status) for status in (200, 204)] == [2, 1]


@pytest.mark.parametrize("path", [b"nothing", b"whole"])
async def test_a_client_that_does_not_read_is_answered_no_more(app: Quart, path: bytes) -> None:
    answered, asked = 0, 900  # Hypercorn closes after 1,000

    @app.after_request
    async def count(response: ResponseTypes) -> ResponseTypes:
        nonlocal answered
        answered += 1
        response.headers["Long"] = "x" * 20_000
        return response

    async def stands_still() -> bool:
        before = answered
        await asyncio.sleep(0.3)
        return answered == before > 0

    async with served(app, asyncio.Event()) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write((GET % path) * asked)
        await until(stands_still, 60)
        assert answered < asked
        writer.transport.abort()


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_client_that_leaves_as_its_answer_is_written_is_nobody_s_error(
    app: Quart, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, what: complaints.append(what))
        for path in (b"whole", b"nothing"):
            for steps in range(15):
                async with served(app, asyncio.Event()) as (_, writer):
                    writer.write(GET % path)
                    await go_on(steps)
                    writer.transport.abort()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
    assert not complaints


class Waiting:
    """An app that does nothing before it may, and then takes what there is, if it reads."""

    def __init__(self, *, reads: bool = True) -> None:
        self.go = asyncio.Event()
        self.reads = reads

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self.go.wait()
            length, more = 0, self.reads
            while more:
                message = await receive()
                length += len(message["body"])
                more = message["more_body"]
            told = b"%d!" % length
            head = [(b"content-length", b"%d" % len(told))]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": told})


LONG = 30_000_000
POST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
NOTHING = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
BIG = b"GET / HTTP/1.1\r\nHost: here\r\nX: %b\r\n\r\n" % (b"x" * 15_000)


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize(
    ("reads", "sent", "answers"),
    [
        (True, [POST % LONG, b"x" * LONG], [b"%d" % LONG]),
        (True, [POST % 15_000 + b"x" * 15_000] * 1500, [b"15000"] * 1500),
        (False, [BIG] * 1500, [b"0"] * 1500),
    ],
    ids=["a body", "bodies", "requests"],
)
def test_no_more_is_read_than_the_app_takes(
    reads: bool,
    sent: list[bytes],
    answers: list[bytes],
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        app = Waiting(reads=reads)
        options = {"keep_alive_max_requests": 10_000}
        async with (
            served(app, asyncio.Event(), **options) as (reader, writer),
            asyncio.timeout(60),
        ):
            app.go.set()
            writer.write(POST % 0)
            await reader.readuntil(b"!")
            app.go.clear()
            transport: Any = writer.transport
            writer.writelines(sent)

            await until(lambda: standing_still(transport), 30)
            assert transport.get_write_buffer_size() > LONG / 2
            app.go.set()
            told = b"".join([await reader.readuntil(b"!") for _ in answers])
        assert re.findall(rb"(\d+)!", told) == answers

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


async def test_after_a_long_body_that_nobody_reads_the_next_request_is_read() -> None:
    app = Waiting(reads=False)
    async with asyncio.timeout(20), served(app, asyncio.Event()) as (reader, writer):
        for body in (b"", b"x" * 700_000, b""):  # more than waits for an app
            app.go.clear()
            writer.write(POST % len(body) + body)
            await go_on(50)
            app.go.set()
            await reader.readuntil(b"!")


@pytest.mark.parametrize("new_loop", LOOPS)
def test_no_more_is_read_for_hypercorn_than_it_takes(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        turn = asyncio.Semaphore(0)

        async def in_turn(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await turn.acquire()
                await send(NOTHING)
                await send({"type": "http.response.body"})

        options = {"h11_max_incomplete_size": 300_000}  # more than a stream takes
        async with (
            asyncio.timeout(60),
            served(in_turn, asyncio.Event(), **options) as (reader, writer),
        ):
            writer.write(POST % 0)
            await go_on(20)
            transport: Any = writer.transport
            writer.writelines([CHUNKED, b"x" * LONG])
            await until(lambda: standing_still(transport), 30)
            turn.release()
            await reader.readuntil(b"\r\n\r\n")
            await until(lambda: standing_still(transport), 30)
            assert transport.get_write_buffer_size() > LONG / 2
            transport.abort()
            turn.release()  # from Python 3.12 on, Hypercorn waits for it without end

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


async def test_what_hypercorn_reads_on_with_is_read_to_its_end() -> None:
    app, early, length = Waiting(), 100_000, 200_000  # early is more than may wait
    async with asyncio.timeout(20), served(app, asyncio.Event()) as (reader, writer):
        writer.write(POST % 0)
        await go_on(20)
        head = CHUNKED.removesuffix(b"0\r\n\r\n")
        writer.write(head + b"%x\r\n%b" % (length, b"x" * early))
        await go_on(50)
        app.go.set()
        await reader.readuntil(b"!")
        writer.write(b"x" * (length - early) + b"\r\n0\r\n\r\n")
        assert (await reader.readuntil(b"!")).endswith(b"%d!" % length)


async def standing_still(transport: Any) -> bool:
    """Whether a client can write no more."""
    before = transport.get_write_buffer_size()
    await asyncio.sleep(0.2)
    return bool(transport.get_write_buffer_size() == before)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_request_sees_nothing_of_the_context_of_another(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    user: ContextVar[str] = ContextVar("user", default="nobody")
    seen = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(user.get())
            user.set("somebody")
            await go_on(20)
            while (await receive()).get("more_body"):
                pass
            await send(NOTHING)
            await send({"type": "http.response.body"})

    async def main() -> None:
        async with asyncio.timeout(30), served(noting, asyncio.Event()) as (reader, writer):
            for sent in ([POST % 0], [POST % 0] * 3, [POST % LONG, b"x" * LONG], [POST % 0]):
                writer.writelines(sent)
                for _ in sent if len(sent) == 3 else sent[:1]:
                    await reader.readuntil(b"\r\n\r\n")

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
    assert seen == ["nobody"] * 6


async def test_a_connection_closes_with_the_answer_that_it_was_stopped_in() -> None:
    app, stop = Waiting(), asyncio.Event()
    async with (
        asyncio.timeout(10),
        served(app, stop, graceful_timeout=60, keep_alive_timeout=60) as (reader, writer),
    ):
        writer.write(POST % 0)
        await go_on(20)
        stop.set()
        await go_on(20)
        app.go.set()
        assert (await reader.read()).endswith(b"0!")


async def test_a_client_that_says_nothing_for_too_long_is_left_and_no_other() -> None:
    app = Waiting()
    app.go.set()
    options = {"read_timeout": 1, "keep_alive_timeout": 60}
    async with asyncio.timeout(20), served(app, asyncio.Event(), **options) as (reader, writer):
        for _ in range(4):
            writer.write(POST % 0)
            await reader.readuntil(b"!")
            await asyncio.sleep(0.4)
        assert await reader.read() == b""


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_client_may_end_whenever_it_likes(
    app: Quart, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    complaints: list[Any] = []
    upgrade = (GET % b"whole").replace(b"\r\n\r\n", b"\r\nUpgrade: h2c\r\n\r\n")

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:
            complaints.append(error)
            raise

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, what: complaints.append(what))
        for behind in (upgrade, GET % b"whole", b"\0"):
            for steps in range(15):
                options = {"keep_alive_timeout": 60}
                async with served(noting, asyncio.Event(), **options) as (reader, writer):
                    writer.write((GET % b"whole") * 2 + behind)
                    await go_on(steps)
                    writer.write_eof()
                    async with asyncio.timeout(10):
                        await reader.read()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
    assert not complaints


async def test_an_answer_that_is_ended_twice_ends_once() -> None:
    long = b"x" * 10_000_000
    head = {**NOTHING, "headers": [(b"content-length", b"%d" % len(long))]}

    async def ends_twice(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(head)
            ends = ({"type": "http.response.body", "body": body} for body in (long, b""))
            await asyncio.gather(*map(send, ends))

    async with asyncio.timeout(20), served(ends_twice, asyncio.Event()) as (reader, writer):
        for _ in range(2):
            writer.write(GET % b"")
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(long)) == long
