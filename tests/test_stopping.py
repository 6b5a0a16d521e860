"""The signal to stop, as the app hears of it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import tomllib
from collections.abc import Callable
from contextlib import suppress

import pytest
import uvloop
from quart import Quart, Response

from config import Config
from service.stopping import SIGNALS, Stopping, register, stopping

from .command import ROOT
from .eventually import until

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def make_app(seconds: float = 60) -> Quart:
    app = Quart(__name__)
    app.config["STOP_TIMEOUT"] = seconds
    register(app)
    return app


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("new_loop", LOOPS)
def test_the_server_hears_of_the_signal_too(
    new_loop: Callable[[], asyncio.AbstractEventLoop], number: signal.Signals
) -> None:
    async def serve() -> None:
        server = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(number, server.set)
        handler = signal.getsignal(number)
        app = make_app()
        await app.startup()
        os.kill(os.getpid(), number)
        await until(server.is_set)
        await until(lambda: stopping(app).since is not None)
        await app.shutdown()
        assert signal.getsignal(number) == handler
        asyncio.get_running_loop().remove_signal_handler(number)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve())


async def test_a_signal_that_nobody_handles_ends_the_process_as_before() -> None:
    app = make_app()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    await app.startup()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    await app.shutdown()


def test_leaves_signals_alone_where_it_is_not_the_main_thread() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    seen = []

    async def serve() -> None:
        app = make_app()
        await app.startup()
        seen.append([signal.getsignal(number) for number in SIGNALS])
        await app.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    thread.join()
    assert seen == [before]


async def test_what_began_before_and_what_begins_after_have_the_same_end() -> None:
    state = Stopping()
    ends: list[float] = []

    async def work() -> None:
        with suppress(TimeoutError):
            async with state.within(0.2):
                await asyncio.sleep(60)
        ends.append(asyncio.get_running_loop().time())

    early = asyncio.create_task(work())
    await asyncio.sleep(0)
    state.begin()
    state.begin()
    late = asyncio.create_task(work())
    await asyncio.wait([early, late])
    assert state.since is not None
    assert all(0.2 <= end - state.since < 10 for end in ends)


async def test_connections_close_with_the_answer_once_the_process_stops() -> None:
    app = make_app()

    @app.get("/")
    async def index() -> str:
        return "here"

    client = app.test_client()
    assert "Connection" not in (await client.get("/")).headers
    stopping(app).begin()
    assert (await client.get("/")).headers["Connection"] == "close"
    assert "Connection" not in (await client.get("/", http_version="2")).headers


async def test_a_request_that_runs_on_is_a_503_and_another_s_timeout_is_not() -> None:
    app = make_app(0)

    @app.get("/long")
    async def long() -> str:
        await asyncio.sleep(60)
        return "done"

    @app.get("/own")
    async def own() -> Response:
        raise TimeoutError

    client = app.test_client()
    assert (await client.get("/own")).status_code == 500
    request = asyncio.create_task(client.get("/long"))
    await asyncio.sleep(0)
    stopping(app).begin()
    response = await request
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"


def test_the_server_waits_longer_than_the_app() -> None:
    server = tomllib.loads((ROOT / "config" / "hypercorn.toml").read_text())
    assert server["graceful_timeout"] > Config.STOP_TIMEOUT
