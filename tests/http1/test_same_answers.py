"""Whatever is asked and answered, a client sees what it sees with Hypercorn's own HTTP/1."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypercorn import protocol
from hypercorn.protocol.h11 import H11Protocol

from service import closed_streams, http1, keep_alive, protocol_errors
from service.http1.connection import Http1Connection
from tests.eventually import until
from tests.test_keep_alive import LOOPS, certified, go_on, served

PAUSE: Final = 15
"""Steps of the loop, after which what was sent has been read."""
LONGER: Final = 6 * PAUSE
EOF: Final = None


def asks(path: str, more: str = "", body: bytes = b"", method: str = "GET") -> bytes:
    """A request."""
    return f"{method} /{path} HTTP/1.1\r\nHost: here\r\n{more}\r\n".encode() + body


def start(length: int | None, status: Any = 200, *more: tuple[Any, Any], **named: Any) -> Any:
    """The first message of an answer."""
    announced = [] if length is None else [(b"content-length", b"%d" % length)]
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [*announced, *more],
        **named,
    }


def body(data: Any = b"", *, more: bool = False) -> Any:
    """A part of an answer, or the rest of it."""
    return {"type": "http.response.body", "body": data, "more_body": more}


ANSWERS: dict[str, list[Any]] = {
    "whole": [start(5), body(b"whole")],
    "later": [LONGER, start(5), body(b"later")],
    "busy-after": [start(1), body(b"a"), LONGER],
    "nothing": [start(0), body()],
    "parts": [start(3), body(b"a", more=True), LONGER, body(b"b", more=True), body(b"c")],
    "parts-and-end": [start(2), body(b"ab", more=True), body()],
    "head-first": [start(2), LONGER, body(b"ab")],
    "chunks": [start(None), body(b"a", more=True), LONGER, body(more=True), body(b"b")],
    "echo": ["echo"],
    "204": [start(None, 204), body(b"dropped")],
    "204-announced": [start(3, 204), body(b"abc")],
    "304": [start(3, 304), body(b"a", more=True), body(b"bc")],
    "999": [start(1, 999), body(b"a")],
    "1000": [start(1, 1000), body(b"a")],
    "100": [start(None, 100), body()],
    "status-in-words": [start(1, "200"), body(b"a")],
    "no-answer": [],
    "error": [ValueError],
    "no-body": [start(1)],
    "no-body-nor-length": [start(None)],
    "error-for-body": [start(1), ValueError],
    "error-after-head": [start(1), LONGER, ValueError],
    "error-within-chunks": [start(None), body(b"a", more=True), ValueError],
    "body-first": [body(b"a")],
    "two-heads": [start(1), start(1), body(b"a")],
    "two-bodies": [start(1), body(b"a"), body(b"b")],
    "head-after-end": [start(1), body(b"a"), start(1)],
    "short": [start(3), body(b"a")],
    "long": [start(1), body(b"abc")],
    "short-parts": [start(3), body(b"a", more=True), body(b"b")],
    "long-parts": [start(3), body(b"ab", more=True), body(b"cd", more=True), body()],
    "upper": [start(None, 200, (b"Content-Length", b"1"), (b"X-Y", b" v ")), body(b"a")],
    "chunked": [start(None, 200, (b"transfer-encoding", b"chunked")), body(b"a")],
    "gzip": [start(None, 200, (b"transfer-encoding", b"gzip")), body(b"a")],
    "chunked-length": [start(1, 200, (b"transfer-encoding", b"chunked")), body(b"a")],
    "length-twice": [start(1, 200, (b"content-length", b"1")), body(b"a")],
    "two-lengths": [start(1, 200, (b"content-length", b"2")), body(b"a")],
    "lengths": [start(None, 200, (b"content-length", b"1, 1")), body(b"a")],
    "no-length": [start(None, 200, (b"content-length", b"x")), body(b"a")],
    "closes": [start(1, 200, (b"connection", b"close")), body(b"a")],
    "keeps-alive": [start(1, 200, (b"connection", b"keep-alive")), body(b"a")],
    "bad-name": [start(1, 200, (b"x y", b"a")), body(b"a")],
    "split": [start(1, 200, (b"x", b"a\r\nb: c")), body(b"a")],
    "split-lf": [start(1, 200, (b"x", b"a\nb: c")), body(b"a")],
    "split-name": [start(1, 200, (b"x: 1\r\ny", b"a")), body(b"a")],
    "nul": [start(1, 200, (b"x", b"a\0b")), body(b"a")],
    "control": [start(1, 200, (b"x", b"a\1b")), body(b"a")],
    "pseudo": [start(1, 200, (b":x", b"a")), body(b"a")],
    "text": [start(1, 200, ("x", "a")), body(b"a")],
    "host": [start(1, 200, (b"x", b"a"), (b"host", b"a")), body(b"a")],
    "no-headers": [{"type": "http.response.start", "status": 200}, body(b"a")],
    "headers-once": [lambda: start(2) | {"headers": iter([(b"x", b"y")])}, body(b"ab")],
    "body-of-nothing": [start(0), {"type": "http.response.body"}],
    "bytearray": [start(1), body(bytearray(b"a"))],
    "text-body": [start(1), body("a")],
    "trailers": [
        start(1, trailers=True),
        body(b"a"),
        {"type": "http.response.trailers", "headers": []},
    ],
    "push": [{"type": "http.response.push", "path": "/", "headers": []}, start(0), body()],
    "hint": [{"type": "http.response.early_hint", "links": [b"x"]}, start(0), body()],
    "unknown": [{"type": "unknown"}],
    "unknown-within": [start(1), {"type": "unknown"}],
}
"""What an app does for a path: messages, errors, steps of the loop that it takes."""

LENGTH = "Content-Length: 3\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
LAST = asks("whole", "Connection: close\r\n")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
WHOLE = asks("whole")
LONG = asks("whole", "X: " + "a" * 20_000 + "\r\n")

REQUESTS: dict[str, list[bytes | None]] = {
    **{path: [asks(path)] for path in ANSWERS},
    **{f"HEAD {path}": [asks(path, method="HEAD")] for path in ANSWERS},
    "many": [WHOLE * 50 + asks("chunks") + asks("204") * 20 + asks("later") * 2],
    "byte by byte": [bytes([byte]) for byte in asks("echo", LENGTH, b"abc", "POST")],
    "in parts": [WHOLE[:10], WHOLE[10:-1], b"\n" + WHOLE[:-2], b"\r\n"],
    "a body": [asks("echo", LENGTH, b"abc", "POST")],
    "a body in parts": [asks("echo", LENGTH, b"a", "POST"), b"b", b"c" + WHOLE[:9], WHOLE[9:]],
    "a long body": [asks("echo", "Content-Length: 300000\r\n", b"x" * 300_000, "POST")],
    "a long body later": [
        WHOLE,
        asks("echo", "Content-Length: 900000\r\n", b"x" * 900_000, "POST") + WHOLE,
    ],
    "a body nobody reads": [asks("whole", LENGTH, b"abc", "POST")],
    "a body that comes late": [asks("whole", LENGTH, b"a", "POST"), b"bc"],
    "a long body nobody reads": [asks("later", "Content-Length: 200000\r\n", b"x" * 200_000)],
    "a body of a GET": [asks("echo", LENGTH, b"abc")],
    "no body": [asks("echo", "Content-Length: 000\r\n", b"", "POST")],
    "what comes after a body": [asks("later", LENGTH, b"abc\0\r\n\r\n", "POST")],
    "chunks of a body": [asks("echo", CHUNKED, b"3\r\nabc\r\n0\r\n\r\n", "POST")],
    "wrong chunks": [asks("echo", CHUNKED, b"zz\r\nabc\r\n", "POST")],
    "chunks, and an error": [asks("error-within-chunks", CHUNKED, b"0\r\n\r\n")],
    "chunks, and no answer": [asks("no-answer", CHUNKED, b"0\r\n\r\n")],
    "chunks later": [WHOLE, asks("echo", CHUNKED, b"3\r\nabc\r\n", "POST"), b"0\r\n\r\n"],
    "expects": [asks("echo", LENGTH + "Expect: 100-continue\r\n", b"", "POST"), b"abc"],
    "expects something": [asks("whole", "Expect: something\r\n")],
    "a length twice": [asks("echo", LENGTH * 2, b"abc", "POST")],
    "two lengths": [asks("echo", LENGTH + "Content-Length: 4\r\n", b"abc", "POST")],
    "lengths": [asks("echo", "Content-Length: 3, 3\r\n", b"abc", "POST")],
    "a signed length": [asks("echo", "Content-Length: +3\r\n", b"abc", "POST")],
    "an endless length": [asks("echo", f"Content-Length: {'9' * 30}\r\n", b"abc", "POST")],
    "a length and chunks": [asks("echo", LENGTH + CHUNKED, b"0\r\n\r\n", "POST")],
    "another coding": [asks("echo", "Transfer-Encoding: gzip, chunked\r\n", b"", "POST")],
    "LF": [b"GET /whole HTTP/1.1\nHost: here\n\n"],
    "LF and CRLF": [b"GET /whole HTTP/1.1\r\nHost: here\n\r\n"],
    "CR CR LF": [b"GET /whole HTTP/1.1\r\r\nHost: here\r\n\r\n"],
    "an empty line first": [b"\r\n"],
    "an empty line between": [WHOLE + b"\r\n"],
    "no HTTP": [b"hello\r\n\r\n"],
    "no HTTP later": [WHOLE + b"hello\r\n\r\n"],
    "HTTP/0.9": [b"GET /whole\r\n\r\n"],
    "HTTP/1.2": [b"GET /whole HTTP/1.2\r\nHost: here\r\n\r\n"],
    "no host": [b"GET /whole HTTP/1.1\r\n\r\n"],
    "two hosts": [asks("whole", "Host: there\r\n")],
    "a folded line": [asks("whole", "X: a\r\n b\r\n")],
    "a space before a colon": [asks("whole", "X : a\r\n")],
    "no colon": [asks("whole", "X\r\n")],
    "NUL": [asks("whole", "X: a\0b\r\n")],
    "a control character": [asks("whole", "X: a\1b\r\n")],
    "odd but right": [asks("whole", "X:\r\nY: \t \r\nZ:\ta\t\r\nÄ: \xe4\r\n".replace("Ä", "!"))],
    "two spaces": [b"GET  /whole HTTP/1.1\r\nHost: here\r\n\r\n"],
    "a target with bytes": [b"GET /wh\xc3\xb6le HTTP/1.1\r\nHost: here\r\n\r\n"],
    "a target that is a URL": [b"GET http://here/whole HTTP/1.1\r\nHost: here\r\n\r\n"],
    "a target that is escaped": [asks("wh%6fle?%ff=%20")],
    "CONNECT": [b"CONNECT here:80 HTTP/1.1\r\nHost: here\r\n\r\n"],
    "a method of its own": [asks("whole", method="m-x")],
    "a method in lower case": [asks("whole", method="head") + WHOLE],
    "CONNECT to a path": [asks("whole", method="CONNECT")],
    "Keep-Alive": [asks("whole", "Connection: Keep-Alive\r\n")],
    "more of a connection": [asks("whole", "Connection: keep-alive, x\r\n")],
    "an unknown upgrade": [asks("whole", "Connection: upgrade\r\nUpgrade: x\r\n")],
    "a long head": [LONG],
    "a long head in parts": [LONG[:17_000], LONG[17_000:]],
    "a WebSocket": [asks("", UPGRADE), b"\x81\x82\0\0\0\0hi", b"\x88\x80\0\0\0\0", EOF],
    "a WebSocket later": [
        WHOLE,
        WHOLE + asks("", UPGRADE),
        b"\x81\x82\0\0\0\0hi\x88\x80\0\0\0\0",
        EOF,
    ],
    "h2c": [asks("nothing", H2C), EOF],
    "h2c later": [WHOLE + asks("nothing", H2C), EOF],
    "HTTP/2": [PREFACE, EOF],
    "HTTP/2 in parts": [PREFACE[:9], PREFACE[9:], EOF],
    "HTTP/2 later": [WHOLE, PREFACE, EOF],
    "nothing": [EOF],
    "ends": [asks("later"), EOF],
    "ends with it": [asks("later") + WHOLE[:9], EOF],
    "ends behind requests": [asks("later") + WHOLE + WHOLE, EOF],
    "ends behind a request, in a head": [asks("later") + WHOLE + WHOLE[:9], EOF],
    "ends in a head": [WHOLE[:9], EOF],
    "ends in a later head": [WHOLE + WHOLE[:9], EOF],
    "ends in a body": [asks("echo", LENGTH, b"a", "POST"), EOF],
    "ends in a body that is answered": [asks("parts", LENGTH, b"a", "POST"), EOF],
}
"""What a client sends, each part when the one before has been read, and then `LAST`."""
LAST_REQUESTS: dict[str, list[bytes | None]] = {
    "no bytes of HTTP": [b"\x16\x03\x01\x02\0"],
    **{f"{path}, 1.0": [b"GET /%b HTTP/1.0\r\n\r\n" % path.encode()] for path in ANSWERS},
    **{f"{path}, the last": [asks(path, "Connection: close\r\n")] for path in ANSWERS},
    "CLOSE": [asks("whole", "Connection: CLOSE\r\n")],
    "closes in two lines": [asks("whole", "Connection: x\r\nConnection: close\r\n")],
}
"""Those after which the server closes."""


CASES = {
    **{name: parts if parts[-1] is EOF else [*parts, LAST] for name, parts in REQUESTS.items()},
    **LAST_REQUESTS,
}

OPTIONS: dict[str, Any] = {
    "keep_alive_timeout": 60,
    "graceful_timeout": 0.1,
    "include_date_header": False,
}


class Application:
    """An ASGI app that answers as it is told, and tells what has become of it."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})
        elif scope["type"] == "http":
            path = scope["path"].strip("/")
            try:
                await self.answer(ANSWERS.get(path, ANSWERS["whole"]), scope, receive, send)
            except Exception as error:
                self.errors.append((f"{scope['method']} {path}", repr(error)))
                raise

    async def answer(self, steps: list[Any], scope: Any, receive: Any, send: Any) -> None:
        for step in steps:
            if step == "echo":
                received, more = b"", True
                while more:
                    message = await receive()
                    received += message.get("body", b"")
                    more = message.get("more_body", False)
                seen = {key: scope[key] for key in sorted(scope) if key != "client"}
                seen["headers"] = [*seen["headers"], len(received), received[:9]]
                seen["server"] = None
                told = repr(seen).encode()
                await send(start(len(told)))
                await send(body(told))
            elif isinstance(step, int):
                await go_on(step)
            elif isinstance(step, dict):
                await send(step)
            elif step is not ValueError:
                await send(step())
            else:
                raise step


async def seen(
    parts: list[bytes | None], address: tuple[str, int], tls: ssl.SSLContext | None = None
) -> bytes:
    """What a client gets to read, and how it ends."""
    reader, writer = await asyncio.open_connection(*address, ssl=tls)
    await go_on(PAUSE)
    told = asyncio.create_task(reader.read())
    try:
        for part in parts:
            with suppress(OSError):  # closed already
                writer.write(part) if part is not None else writer.write_eof()
            await go_on(PAUSE)
        async with asyncio.timeout(20):
            text: bytes = await told
    except ConnectionError:
        text = b"reset"
    except TimeoutError:
        text = b"open"
    finally:
        writer.close()
    return text.replace(b"\r\nConnection: ", b"\r\nconnection: ")


async def all_seen(
    names: Iterable[str] = CASES, tls: ssl.SSLContext | None = None, **options: Any
) -> tuple[Mapping[str, bytes], list[tuple[str, str]]]:
    """What clients see of these cases, and the app."""
    app = Application()
    async with served(app, asyncio.Event(), **OPTIONS, **options) as (_, first):
        address = first.get_extra_info("peername")
        answers = {name: await seen(CASES[name], address, tls) for name in names}
    return answers, sorted(app.errors)


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hypercorn's HTTP/1 first, and then ours."""
    for part in (closed_streams, keep_alive, protocol_errors):
        part.register()

    def each() -> Iterator[None]:
        for kind in (H11Protocol, Http1Connection):
            monkeypatch.setattr(protocol, "H11Protocol", kind)
            yield

    return each()


@pytest.mark.parametrize("new_loop", LOOPS)
def test_clients_and_apps_see_the_same(
    new_loop: Callable[[], asyncio.AbstractEventLoop], kinds: Iterator[None]
) -> None:
    results = []
    for _ in kinds:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            results.append(runner.run(all_seen()))
    (theirs, their_errors), (ours, our_errors) = results
    assert {b"open", b"reset"}.isdisjoint(ours.values())
    different = {name: (theirs[name], ours[name]) for name in ours if theirs[name] != ours[name]}
    assert not different
    assert our_errors == their_errors


@pytest.mark.parametrize("new_loop", LOOPS)
def test_clients_see_the_same_with_tls(
    new_loop: Callable[[], asyncio.AbstractEventLoop], kinds: Iterator[None], tmp_path: Path
) -> None:
    options, trusting = certified(tmp_path)
    names = [name for name, parts in CASES.items() if EOF not in parts]
    results = []
    for _ in kinds:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            results.append(runner.run(all_seen(names, trusting, **options)))
    (theirs, _), (ours, _) = results
    different = {name: (theirs[name], ours[name]) for name in ours if theirs[name] != ours[name]}
    assert not different


SETTINGS: list[dict[str, Any]] = [
    {"keep_alive_max_requests": 2},
    {"server_names": ["there"]},
    {"server_names": ["here"]},
    {"root_path": "/root"},
    {"h11_pass_raw_headers": True},
    {"h11_max_incomplete_size": 60},
    {"read_timeout": 20},
    {"include_server_header": False},
    {"alt_svc_headers": ['h3=":443"']},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
async def test_settings_of_hypercorn_hold(settings: dict[str, Any], kinds: Iterator[None]) -> None:
    names = ["many", "a body in parts", "upper", "chunks", "no-answer", "a long head"]
    theirs, ours = [(await all_seen(names, **settings))[0] for _ in kinds]
    assert ours == theirs


async def test_a_worker_ends_after_its_requests() -> None:
    http1.register()
    keep_alive.register()
    async with (
        served(Application(), asyncio.Event(), max_requests=1, **OPTIONS) as (
            reader,
            writer,
        ),
        asyncio.timeout(10),
    ):
        for _ in range(2):
            writer.write(WHOLE)
            await reader.readuntil(b"whole")
        assert await reader.read() == b""


async def test_nothing_is_left_of_a_connection() -> None:
    for part in (closed_streams, http1, keep_alive, protocol_errors):
        part.register()
    async with served(Application(), asyncio.Event(), **OPTIONS) as (_, first):
        address = first.get_extra_info("peername")
        await go_on(PAUSE)
        before = asyncio.all_tasks()
        for parts in CASES.values():
            await seen(parts, address)
        await until(lambda: asyncio.all_tasks() == before)
