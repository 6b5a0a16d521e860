"""A request that comes as its connection is closed for being idle: answered, or never begun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from quart import Quart

from service import keep_alive
from service.embedded.ports import bound_socket

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def begun_and_answered(steps: int) -> tuple[int, int]:
    """Ask again so many steps of the loop after the server was told to stop."""
    begun, stop = 0, asyncio.Event()
    app = Quart(__name__)

    async def counting(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        nonlocal begun
        begun += scope["type"] == "http"
        await app(scope, receive, send)

    @app.get("/")
    async def index() -> str:
        return "here"

    listener = bound_socket("127.0.0.1", 0)
    listener.listen()
    address = listener.getsockname()
    config = Config.from_mapping(bind=[f"fd://{listener.detach()}"], errorlog=None)
    server = asyncio.create_task(serve(counting, config, shutdown_trigger=stop.wait))
    reader, writer = await asyncio.open_connection(*address)
    writer.write(REQUEST)
    await reader.readuntil(b"here")
    await go_on(20)
    stop.set()
    await go_on(steps)
    writer.write(REQUEST)
    answered = 0
    with suppress(ConnectionError):
        answered = (await reader.read()).endswith(b"here")
    writer.close()
    await server
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
