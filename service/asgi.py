"""Quart's side of ASGI with fewer tasks and messages: `app.asgi_http_class = OneTaskConnection`.

What clients and routes see is what they see with Quart's own class, which takes three tasks for a
request and three messages for its answer. Each of them is one more pass through the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Response
from quart.asgi import ASGIHTTPConnection, _handle_exception
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart.wrappers import Request
from quart.wrappers.response import DataBody


class Begun:
    """A coroutine that has gone as far as it can without waiting; await it for the rest.

    Attributes:
        done: whether there is none.
    """

    def __init__(self, steps: Coroutine[Any, Any, None]) -> None:
        self._steps = steps
        self.done = False
        try:
            self._waits_for = steps.send(None)
        except StopIteration:
            self.done = True

    def __await__(self) -> Generator[Any, Any, None]:
        go_on: Callable[[Any], Any] = self._steps.send
        value: Any = None
        waits_for = self._waits_for
        with suppress(StopIteration):
            while True:
                try:
                    value = yield waits_for
                    go_on = self._steps.send
                except BaseException as error:
                    go_on, value = self._steps.throw, error
                waits_for = go_on(value)


class OneTaskConnection(ASGIHTTPConnection):
    """One request, answered in the server's own task."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer; cancelled within, if the client leaves before the end."""
        request = self._create_request_from_scope(send)
        begun = Begun(self.handle_request(request, send))
        # Only a request that waits for something can wait for its body, or be left by its client.
        if not begun.done:
            await self._listening(receive, request, begun)

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        """Let the app answer, and send its answer, which may take the app's or its own timeout."""
        try:
            response = await self.app.handle_request(request)
        except Exception as error:
            response = await _handle_exception(self.app, error)
        seconds = getattr(response, "timeout", ...)
        if seconds is ...:
            seconds = self.app.config["RESPONSE_TIMEOUT"]
        with suppress(TimeoutError):
            begun = Begun(self._send_response(send, response))
            if not begun.done:
                async with asyncio.timeout(seconds):
                    await begun

    async def _listening(
        self, receive: ASGIReceiveCallable, request: Request, begun: Begun
    ) -> None:
        loop = asyncio.get_running_loop()
        receiver = loop.create_task(self.handle_messages(request, receive))
        leaving = asyncio.timeout(None)
        answering = True

        def left(_: asyncio.Task[None]) -> None:
            if answering:
                leaving.reschedule(loop.time())

        receiver.add_done_callback(left)
        try:
            async with leaving:
                try:
                    await begun
                finally:
                    answering = False
        except TimeoutError:
            if not leaving.expired():
                raise
        finally:
            if not receiver.cancel():
                receiver.result()

    async def _send_response(self, send: ASGISendCallable, response: ResponseTypes) -> None:
        if not isinstance(response, Response) or type(response.response) is not DataBody:
            await super()._send_response(send, response)
            return
        body = response.response
        start: Any = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": encode_headers(response.headers),
        }
        await send(start)
        data = body.data[body.begin : body.end]
        await send({"type": "http.response.body", "body": data, "more_body": False})
