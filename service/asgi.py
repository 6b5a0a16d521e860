"""Quart's side of ASGI with fewer tasks and messages: `app.asgi_http_class = OneTaskConnection`.

What clients and routes see is what they see with Quart's own class, which takes three tasks for a
request and three messages for its answer. Each of them is one more pass through the server.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Response
from quart.asgi import ASGIHTTPConnection, _handle_exception
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart.wrappers import Request
from quart.wrappers.response import DataBody


class OneTaskConnection(ASGIHTTPConnection):
    """One request, answered in the server's own task."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer; cancelled within, if the client leaves before the end."""
        loop = asyncio.get_running_loop()
        request = self._create_request_from_scope(send)
        leaving = asyncio.timeout(None)
        receiver: asyncio.Task[None] | None = None
        answering = True

        def left(_: asyncio.Task[None]) -> None:
            if answering:
                leaving.reschedule(loop.time())

        def listen() -> None:
            nonlocal receiver
            receiver = loop.create_task(self.handle_messages(request, receive))
            receiver.add_done_callback(left)

        # In the loop's next step: only a request that waits for something lives to see it, and can
        # wait for its body, or be left by its client.
        listening = loop.call_soon(listen)
        try:
            async with leaving:
                try:
                    await self.handle_request(request, send)
                finally:
                    answering = False
                    listening.cancel()
        except TimeoutError:
            if not leaving.expired():
                raise
        finally:
            if receiver is not None and not receiver.cancel():
                receiver.result()

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        """Let the app answer, and send its answer, which may take the app's or its own timeout."""
        try:
            response = await self.app.handle_request(request)
        except Exception as error:
            response = await _handle_exception(self.app, error)
        seconds = getattr(response, "timeout", ...)
        if seconds is ...:
            seconds = self.app.config["RESPONSE_TIMEOUT"]
        if seconds is None:
            await self._send_response(send, response)
            return
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:
                # In the loop's next step, too: most answers are gone by then, without a timer.
                limiting = loop.call_soon(limit.reschedule, loop.time() + seconds)
                try:
                    await self._send_response(send, response)
                finally:
                    limiting.cancel()
        except TimeoutError:
            pass

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
