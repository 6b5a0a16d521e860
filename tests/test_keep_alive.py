"""A connection that closes takes no request and no answer with it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import h11
import psutil
import pytest
import trustme
import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from quart import Quart

from service import keep_alive, stopping
from service.embedded.ports import bound_socket
from tests.eventually import until

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\n"


@asynccontextmanager
async def served(
    application: Any, stop: asyncio.Event, **options: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to Hypercorn, which serves until `stop`."""
    listener = bound_socket("127.0.0.1", 0)
    listener.listen()
    address = listener.getsockname()
    config = Config.from_mapping(bind=[f"fd://{listener.detach()}"], errorlog=None, **options)
    server = asyncio.create_task(serve(application, config, shutdown_trigger=stop.wait))
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()
        stop.set()
        await server


def certified(folder: Path) -> tuple[dict[str, str], ssl.SSLContext]:
    """What Hypercorn needs to serve with TLS, and a client to trust it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    options = {"certfile": str(folder / "certificate"), "keyfile": str(folder / "key")}
    certificate.cert_chain_pems[0].write_to_path(options["certfile"])
    certificate.private_key_pem.write_to_path(options["keyfile"])
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return options, trusting


async def begun_and_answered(
    steps: int, tls: ssl.SSLContext | None = None, **options: str
) -> tuple[int, int]:
    """Ask again so many steps of the loop after the server was told to stop."""
    begun, stop = 0, asyncio.Event()
    app = Quart(__name__)

    async def counting(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        nonlocal begun
        begun += scope["type"] == "http"
        await app(scope, receive, send)

    @app.get("/")
    async def index() -> str:
        await go_on(20)  # longer than one takes to close
        return "here"

    async with served(counting, stop, **options) as (_, first):
        address = first.get_extra_info("peername")
        reader, writer = await asyncio.open_connection(*address, ssl=tls)
        writer.write(REQUEST)
        await reader.readuntil(b"here")
        await go_on(20)
        stop.set()
        await go_on(steps)
        writer.write(REQUEST)
        answered = 0
        with suppress(ConnectionError):
            answered = (await reader.read()).endswith(b"here")
        writer.transport.abort()
    return begun - 1, answered


async def go_on(steps: int) -> None:
    """Let the loop make so many steps."""
    for _ in range(steps):
        await asyncio.sleep(0)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_request_that_is_begun_is_answered(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    keep_alive.register()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        seen = {runner.run(begun_and_answered(steps)) for steps in range(30)}
    assert seen == {(1, 1), (0, 0)}


def test_a_request_that_is_begun_is_answered_with_tls(tmp_path: Path) -> None:
    keep_alive.register()
    options, trusting = certified(tmp_path)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = {runner.run(begun_and_answered(steps, trusting, **options)) for steps in range(30)}
    assert seen == {(1, 1), (0, 0)}


async def test_what_its_client_has_closed_is_not_kept() -> None:
    keep_alive.register()
    app = Quart(__name__)

    @app.get("/")
    async def index() -> str:
        return "here"

    async with served(app, asyncio.Event(), keep_alive_timeout=60) as (reader, writer):
        writer.write(REQUEST)
        await reader.readuntil(b"here")
        port = writer.get_extra_info("peername")[1]
        assert kept(port) == ["ESTABLISHED"]
        writer.close()
        await until(lambda: not kept(port))


async def test_one_task_looks_after_a_connection_for_all_its_requests() -> None:
    keep_alive.register()
    app = Quart(__name__)

    @app.get("/")
    async def index() -> str:
        return "here"

    async with served(app, asyncio.Event()) as (reader, writer):
        looking_after = set()
        for _ in range(3):
            writer.write(REQUEST)
            await reader.readuntil(b"here")
            await go_on(20)
            looking_after |= {task for task in asyncio.all_tasks() if "idle" in repr(task)}
        assert len(looking_after) == 1


async def test_a_long_request_is_answered_before_the_connection_closes_as_idle() -> None:
    keep_alive.register()
    app = Quart(__name__)

    @app.get("/")
    async def index() -> str:
        await asyncio.sleep(0.3)
        return "here"

    async with served(app, asyncio.Event(), keep_alive_timeout=0.1) as (reader, writer):
        writer.write(REQUEST)
        async with asyncio.timeout(10):
            assert (await reader.read()).endswith(b"here")


def kept(port: int) -> list[str]:
    """The states of the connections that this process has on one of its ports."""
    sockets = psutil.Process().net_connections("tcp4")
    return [one.status for one in sockets if one.laddr.port == port and one.raddr]


@pytest.fixture
async def connection() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """To an app that refuses what is posted without a look at it."""
    app = Quart(__name__)
    app.config["STOP_TIMEOUT"] = 60
    stopping.register(app)

    @app.post("/")
    async def refuse() -> tuple[str, int]:
        return "not now", 503

    async with served(app, asyncio.Event()) as connection:
        yield connection


async def answer(reader: asyncio.StreamReader) -> dict[str, str]:
    """The headers of a 503."""
    told = h11.Connection(h11.CLIENT)
    told.send(h11.Request(method="POST", target="/", headers=[("Host", "here")]))
    told.receive_data(await reader.readuntil(b"not now"))
    response = told.next_event()
    assert isinstance(response, h11.Response)
    assert response.status_code == 503
    return {name.decode(): value.decode() for name, value in response.headers}


async def test_an_answer_waits_for_the_rest_of_its_request(
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    reader, writer = connection
    for _ in range(3):
        writer.write(POST)
        await writer.drain()
        await go_on(20)
        writer.write(b"body")
        assert "connection" not in await answer(reader)


async def test_one_that_waits_no_longer_says_that_the_connection_closes(
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    reader, writer = connection
    writer.write(POST)
    assert (await answer(reader))["connection"] == "close"
    assert await reader.read() == b""
