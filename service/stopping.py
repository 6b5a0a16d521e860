"""The end of serving, known at the signal for it.

A server tells its app of the end when the last request is answered, or its patience is at an end.
This tells at once: event streams end, other requests get some seconds more, and connections that
are kept open for a next request are closed with the answer to this one.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from hypercorn.typing import ASGISendCallable, ASGISendEvent
from quart import Quart
from quart.wrappers import Request

from .asgi import OneTaskConnection
from .errors import respond, retry_after
from .keep_alive import received

SIGNALS = (signal.SIGTERM, signal.SIGINT)
RETRY_AFTER = 1
"""Seconds until another process serves in place of this one."""

_QUIET = 0.1


class Within:
    """A block that is cut; it is told what does."""

    def __init__(
        self, cut: dict[asyncio.Timeout, float], timeout: asyncio.Timeout, seconds: float
    ) -> None:
        self._cut = cut
        self._timeout = timeout
        self._seconds = seconds

    async def __aenter__(self) -> asyncio.Timeout:
        self._cut[self._timeout] = self._seconds
        return await self._timeout.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        del self._cut[self._timeout]
        await self._timeout.__aexit__(*error)


class Stopping:
    """Whether a process is stopping, and what it cuts then.

    Attributes:
        since: the time of the loop when the signal came; None before it.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        self._cut: dict[asyncio.Timeout, float] = {}

    def within(self, seconds: float) -> Within:
        """Cancel the block `seconds` after the signal.

        Raises:
            TimeoutError: it was cancelled.
        """
        until = None if self.since is None else self.since + seconds
        return Within(self._cut, asyncio.timeout_at(until), seconds)

    async def nothing_runs(self) -> None:
        """Wait for what is `within` some seconds, and for what begins in this time."""
        while True:
            await asyncio.sleep(_QUIET)
            if not self._cut:
                return

    def begin(self) -> None:
        """The signal came: what is `within` some seconds has these."""
        if self.since is None:
            self.since = asyncio.get_running_loop().time()
            for timeout, seconds in self._cut.items():
                timeout.reschedule(self.since + seconds)


def stopping(app: Quart) -> Stopping:
    """What `register` has given to the app."""
    found: Stopping = app.extensions["stopping"]
    return found


def register(app: Quart) -> None:
    """Let the app know of the signal; `STOP_TIMEOUT` seconds after it, cut what still runs."""
    state = app.extensions["stopping"] = Stopping()
    app.asgi_http_class = StoppableConnection
    before: dict[signal.Signals, Callable[[int, FrameType | None], Any]] = {}

    async def listen() -> None:
        state.since = None
        loop = asyncio.get_running_loop()

        def hearing(handler: Callable[[int, FrameType | None], Any]) -> Any:
            def heard(number: int, frame: FrameType | None) -> None:
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(state.begin)
                handler(number, frame)

            return heard

        # Only the main thread may, and a signal that nobody handles is to end the process.
        if threading.current_thread() is threading.main_thread():
            before.update(_handlers())
            for number, handler in before.items():
                # Not with the loop, whose one handler is the server's: it hears of it all the same.
                signal.signal(number, hearing(handler))

    async def listen_no_more() -> None:
        if state.since is not None:
            # Hypercorn knows nothing of connections that it accepted as it began to stop.
            await state.nothing_runs()
        while before:
            signal.signal(*before.popitem())

    app.before_serving(listen)
    app.after_serving(listen_no_more)


def _handlers() -> dict[signal.Signals, Callable[[int, FrameType | None], Any]]:
    found = {number: signal.getsignal(number) for number in SIGNALS}
    return {number: handler for number, handler in found.items() if callable(handler)}


class StoppableConnection(OneTaskConnection):
    """A request that is told when the process stops, on a connection that closes then."""

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        """Answer it; at the end of the time that is left with a 503, or half an answer."""
        state = stopping(self.app)
        begun = False

        async def last(message: ASGISendEvent) -> None:
            nonlocal begun
            # HTTP/2 has no such header, and its own way.
            if not begun and request.http_version.startswith("1"):
                whole = await received(request)
                if state.since is not None or not whole:
                    _close_connection(message)
            begun = True
            await send(message)

        try:
            async with state.within(self.app.config["STOP_TIMEOUT"]) as timeout:
                await super().handle_request(request, last)
        except TimeoutError:
            if not timeout.expired():
                raise
            self.app.logger.warning("%s cut: the process stops", request.url_rule)
            if not begun:
                await self._send_response(last, _stopped())


def _close_connection(message: Any) -> None:
    message["headers"] = [*message["headers"], (b"connection", b"close")]


def _stopped() -> Any:
    detail = "This process stops, and the request had not come to its end."
    return respond(503, "/problems/stopping", "Stopping", detail, {}, retry_after(RETRY_AFTER))
